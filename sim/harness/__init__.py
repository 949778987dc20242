"""Common parts of the benches: runner, streams, frames, programs; imports hw, mapping, program and
spec."""
