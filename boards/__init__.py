"""StableSpike."""
