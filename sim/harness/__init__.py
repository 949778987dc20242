"""What the benches share: runner, streams, frames, compiled programs."""
