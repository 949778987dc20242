"""Several boards as one device."""
