"""Synthesized netlists as simulated boards; imports boards, hw, spec and support."""
