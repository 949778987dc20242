"""Small components in Amaranth's own simulator, which needs no compiler."""

from amaranth.sim import Simulator

__all__ = ["feed", "simulate", "take"]


def simulate(component, *benches):
    """Run benches until all of them are done. They are called with the simulator's context."""
    simulator = Simulator(component)
    simulator.add_clock(1e-6)
    for bench in benches:
        simulator.add_testbench(bench)
    simulator.run()


def feed(stream, payloads, rng, stall=0.0):
    """A bench that puts payloads into a stream, each a number or a dict of fields."""

    async def bench(ctx):
        for payload in payloads:
            while rng.random() < stall:
                ctx.set(stream.valid, 0)
                await ctx.tick()
            ctx.set(stream.payload, payload)
            ctx.set(stream.valid, 1)
            await ctx.tick().until(stream.ready)
        ctx.set(stream.valid, 0)

    return bench


def take(stream, count, got, rng, stall=0.0):
    """A bench that takes ``count`` payloads from a stream and appends them to ``got``."""

    async def bench(ctx):
        while len(got) < count:
            ready = rng.random() >= stall
            ctx.set(stream.ready, ready)
            _, _, valid, payload = await ctx.tick().sample(stream.valid, stream.payload)
            if ready and valid:
                got.append(payload)
        ctx.set(stream.ready, 0)

    return bench
