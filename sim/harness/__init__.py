"""What benches share: runner, streams, frames, programs; imports hw, mapping, program and spec."""
