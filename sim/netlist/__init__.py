"""Synthesized netlists as simulated boards."""
