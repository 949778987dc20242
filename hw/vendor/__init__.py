"""The only place that names a vendor's cells and properties."""
