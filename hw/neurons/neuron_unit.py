"""Neuron unit: R time steps of one neuron after another, as a pipeline."""

from __future__ import annotations

from itertools import count

from amaranth.hdl import Cat, Const, Module, Mux, ShapeLike, Signal, Value, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from stablespike.spec import ArrayConfig, Reset, bits_for, task_layout
from stablespike.spec.timing import input_stages, neuron_latency

from ..lib.layouts import struct
from ..scan.lanes import current_bits, sum_bits
from ..vendor.devices import has_multipliers
from ..vendor.multiplier import Delay, with_shifted
from ..vendor.replicated import replicated

TAG_BITS = 2

__all__ = ["TAG_BITS", "NeuronUnit", "state_layout"]


def state_layout(config: ArrayConfig) -> data.StructLayout:
    """State of a neuron between passes and windows: ``v``, ``r``, and ``q`` with a synaptic
    current."""
    synapse = {"q": signed(config.state_bits)} if config.synaptic_current else {}
    return data.StructLayout({"v": signed(config.state_bits), "r": 1, **synapse})


class _Stages:
    """The stages of the neuron unit: the registers, and the logic between them.

    Parameters
    ----------
    m : Module
        The module that receives the registers.
    bits : int
        Width of the state.

    Attributes
    ----------
    valid : list of Value
        ``valid`` after each register.
    """

    def __init__(self, m: Module, bits: int) -> None:
        self.m, self.bits, self.valid = m, bits, []
        self._numbers = count()

    def named(self, value: Value, shape: ShapeLike | None = None) -> Signal:
        """``value``, in a signal of its own."""
        out = Signal(shape or value.shape(), name=f"n{next(self._numbers)}")
        self.m.d.comb += out.eq(value)
        return out

    def clock(self, carried: dict[str, Value]) -> dict[str, Value]:
        """The neuron one stage later. Synthesis prunes the fields that no later stage reads."""
        stage = next(self._numbers)
        # Only ``valid`` needs a reset, because nothing else counts without it.
        after = {
            key: Signal(value.shape(), name=f"{key}_{stage}", reset_less=key != "valid")
            for key, value in carried.items()
        }
        self.m.d.sync += [after[key].eq(value) for key, value in carried.items()]
        self.valid.append(after["valid"])
        return after

    def leaked(self, value: Value, settings: data.View, leak: str) -> Signal:
        """``value`` minus its two leak terms, each a right shift of it, or 0.

        With ``add``, the second term is added.
        """
        field = {name: settings[f"{leak}_{name}"] for name in ("a", "a_on", "c", "c_on", "add")}
        rest = value - Mux(field["a_on"], value >> field["a"], 0)
        # -x is ~x + 1, and a shift of ~v is ~ of the shift: the first LUTs of the shifter invert
        # ``value`` without a cell of their own.
        minus = field["c_on"] & ~field["add"]
        inverted = value ^ minus.replicate(self.bits).as_signed()
        second = Mux(field["c_on"], inverted >> field["c"], 0)
        # The 1 is a carry from a bit below both terms, so that this is one sum.
        total = Cat(Const(1, 1), rest).as_signed() + Cat(minus, second).as_signed()
        return self.named(total[1:].as_signed(), signed(self.bits + 2))

    def clamped(self, value: Value) -> Signal:
        """``value`` in V bits; it saturates unless all bits above them equal the sign."""
        sign, high = value[-1], value[self.bits - 1 :]
        fits = high.all() | ~high.any()
        limit = Cat((~sign).replicate(self.bits - 1), sign)
        return self.named(Mux(fits, value[: self.bits], limit).as_signed(), signed(self.bits))


class NeuronUnit(wiring.Component):
    """The neuron of ``numerics.md``; it computes ``neuron_steps`` steps per pass.

    A neuron may enter every cycle. A step takes ``step_stages`` cycles: leak, integrate, fire, and
    two in front of them for a synaptic current. Pipelined arrays have ``input_stages`` in front of
    the first step. The neuron leaves with its last step, ``neuron_latency`` cycles after it
    entered. Two steps without a synaptic current:

        cycle    0            1         2      3            4         5
        stage    leak, input  u         fire   leak, input  u         fire
        in       neuron,                       sum of
                 sum of step 0                 step 1
        out                             fired[0]                      fired[1], done

    Parameters
    ----------
    config : ArrayConfig
        The array.

    Members
    -------
    settings : In(struct)
        The task's neuron fields; constant while neurons are under way.
    valid : In(1)
        A neuron enters.
    lane : In
        Its lane, while ``valid``, like all up to ``current``.
    steps : In(config.neuron_steps)
        Bit ``i`` is set if step ``i`` exists.
    first : In
        The window's step that is step 0 of this pass.
    state : In(state_layout(config))
        Its state.
    bias : In(signed(config.state_bits))
        Its bias.
    threshold : In(config.state_bits - 1)
        Its threshold.
    current : In(signed)
        If its inputs are pixels: the sum over the bit planes, in weight steps.
    sums : In(ArrayLayout(signed, config.neuron_steps))
        If they are spikes: the sum of step ``i`` in weight steps, ``step_stages * i`` cycles after
        the neuron entered.
    write : Out(config.neuron_steps)
        Step ``i`` of a neuron is done in this cycle, and exists.
    fired : Out(config.neuron_steps)
        Its spike, while ``write``.
    stable : Out(config.neuron_steps)
        Its skeleton bit, while ``write``.
    step : Out(ArrayLayout(unsigned, config.neuron_steps))
        The neuron's ``first``, while ``write``.
    done : Out(1)
        A neuron leaves.
    done_lane : Out
        Its lane, while ``done``.
    done_state : Out(state_layout(config))
        Its new state, while ``done``.
    tag : In(TAG_BITS)
        With convolution: goes with the neuron.
    done_tag : Out(TAG_BITS)
        With convolution: the ``tag`` of the neuron that leaves, while ``done``.
    done_first : Out
        With convolution: its ``first``, while ``done``.
    done_spikes : Out(config.neuron_steps)
        With convolution: its spikes of all steps, none in steps that do not exist, while ``done``.
    done_before : Out(1)
        With convolution: its spike of the step before the pass, while ``done``.
    """

    def __init__(self, config: ArrayConfig) -> None:
        self.config = config
        steps = config.neuron_steps
        lane = unsigned(bits_for(config.lanes - 1))
        first = unsigned(bits_for(config.window - 1))
        super().__init__({
            "settings": In(struct(*task_layout(config).neuron)),
            "valid": In(1), "lane": In(lane), "steps": In(steps), "first": In(first),
            "state": In(state_layout(config)),
            "bias": In(signed(config.state_bits)), "threshold": In(unsigned(config.state_bits - 1)),
            "current": In(signed(current_bits(config))),
            "sums": In(data.ArrayLayout(signed(sum_bits(config)), steps)),
            "fired": Out(steps), "stable": Out(steps), "write": Out(steps),
            "step": Out(data.ArrayLayout(first, steps)),
            "done": Out(1), "done_lane": Out(lane), "done_state": Out(state_layout(config)),
            **({
                "tag": In(TAG_BITS), "done_tag": Out(TAG_BITS), "done_first": Out(first),
                "done_spikes": Out(steps), "done_before": Out(1),
            } if config.convolution else {}),
        })

    def elaborate(self, platform) -> Module:
        m = Module()
        config = self.config
        wide = max(config.state_bits, current_bits(config) + config.fraction_bits) + 2
        stages = _Stages(m, config.state_bits)
        # The values that a neuron carries from stage to stage.
        neuron: dict[str, Value] = {
            "valid": self.valid,
            "lane": self.lane,
            "steps": self.steps,
            "first": self.first,
            "theta": self.threshold,
            "base": self.bias,
            **{name: self.state[name] for name, _ in state_layout(config)},
            **({"tag": self.tag, "before": self.state.r} if config.convolution else {}),
        }
        arriving: dict[str, Value] = {
            "current": self.current, **{f"sum{i}": total for i, total in enumerate(self.sums)}
        }
        for _ in range(input_stages(config)):
            held = stages.clock({**neuron, **arriving})
            neuron = {name: held[name] for name in neuron}
            arriving = {name: held[name] for name in arriving}

        # The values that go to the next step, besides the state.
        kept = ["valid", "lane", "steps", "first", "theta", "base"]
        kept += ["tag", "before"] if config.convolution else []
        for i in range(config.neuron_steps):
            settings = self.settings
            if input_stages(config):
                # Each step has its own copy, placed near it.
                near = replicated(m, platform, f"settings{i}", settings.as_value())
                settings = data.View(settings.shape(), near)
            # From the second step on, ``base`` holds the input from pixels, which is the same for
            # every step.
            pixels = arriving["current"] if i == 0 else 0
            weighed = Mux(settings.pixels, pixels, arriving[f"sum{i}"]) << config.fraction_bits
            current = stages.named(neuron["base"] + weighed, signed(wide))
            if i == 0 and config.neuron_steps > 1:
                neuron["base"] = Mux(settings.pixels, current, neuron["base"])
            neuron = self._integrate(platform, stages, settings, neuron, weighed, current)
            after = self._fire(stages, settings, neuron, i)
            if config.convolution:
                kept.append(f"spike{i}")
                neuron[kept[-1]] = after["r"] & neuron["steps"][i]
            if config.neuron_steps > 1:
                # A step that the window does not have leaves the state as it was.
                here = neuron["steps"][i]
                after = {key: Mux(here, new, neuron[key]) for key, new in after.items()}
            if i < config.neuron_steps - 1:
                neuron = stages.clock({**{key: neuron[key] for key in kept}, **after})

        assert len(stages.valid) == neuron_latency(config), "spec.timing counts other stages"
        m.d.comb += [
            self.done.eq(neuron["valid"]),
            self.done_lane.eq(neuron["lane"]),
            *(self.done_state[key].eq(value) for key, value in after.items()),
        ]
        if config.convolution:
            spikes = [neuron[f"spike{i}"] for i in range(config.neuron_steps)]
            m.d.comb += [
                self.done_tag.eq(neuron["tag"]), self.done_first.eq(neuron["first"]),
                self.done_spikes.eq(Cat(spikes)), self.done_before.eq(neuron["before"]),
            ]
        return m

    def _integrate(
        self, platform, stages: _Stages, settings: data.View, neuron: dict[str, Value],
        weighed: Value, current: Value,
    ) -> dict[str, Value]:
        """Leak, and add the input; ``weighed`` is without the neuron's bias, ``current`` includes
        it.

        Returns the neuron with its new potential ``u``.
        """
        config, m = self.config, stages.m
        if config.synaptic_current:
            held = stages.leaked(neuron["q"], settings, "synapse")
            neuron = stages.clock({**neuron, "held": held, "current": current})
            q = stages.clamped(stages.named(neuron["held"] + neuron["current"]))
            neuron = stages.clock({**neuron, "q_new": q})
            current = Mux(settings.synapse_on, neuron["q_new"], neuron["current"])

        subtract = settings.reset == Reset.SUBTRACT
        # A reset at the next step is subtracted from the input of that step.
        back = Mux(neuron["r"] & settings.delayed & subtract, neuron["theta"], 0)
        # Unused multipliers compute the leak; there are enough of them for one step.
        if not has_multipliers(platform) or config.neuron_steps > 1 or config.synaptic_current:
            rest = stages.leaked(neuron["v"], settings, "leak")
            given = stages.named(current - back)
            neuron = stages.clock({**neuron, "rest": rest, "given": given})
            u = stages.clamped(stages.named(neuron["rest"] + neuron["given"]))
            return stages.clock({**neuron, "u": u})

        v, base = neuron["v"], neuron["base"]
        rest = (
            with_shifted(m, "leak_a", v, settings.leak_a, settings.leak_a_on, Const(0), base=v)
            + with_shifted(
                m, "leak_c", v, settings.leak_c, settings.leak_c_on, settings.leak_add, base=base
            )
        )
        # From here it is two stages to the threshold; only sums and ``valid`` are registered in
        # between.
        carried = {key: neuron[key] for key in neuron if key not in ("valid", "base", "v")}
        m.submodules.delayed = delayed = Delay(len(Cat(carried.values())))
        m.d.comb += delayed.i.eq(Cat(carried.values()))
        given = stages.named(weighed - back)
        neuron = stages.clock({"valid": neuron["valid"], "given": given})
        u = stages.clamped(stages.named(rest + neuron["given"]))
        neuron = stages.clock({**neuron, "u": u})
        at = 0
        for key, value in carried.items():
            neuron[key] = delayed.o[at : at + len(value)]
            at += len(value)
        return neuron

    def _fire(
        self, stages: _Stages, settings: data.View, neuron: dict[str, Value], i: int
    ) -> dict[str, Value]:
        """Compare with the threshold, emit the spike of step ``i``, and reset; returns the new
        state."""
        m = stages.m
        above = stages.named(neuron["u"] - neuron["theta"])
        # At a fast clock, this does not wait for the difference.
        pipelined = self.config.pipelined
        equal = ~((neuron["u"] ^ neuron["theta"]) if pipelined else above).any()
        spike = stages.named(settings.fires & ~above[-1] & ~(settings.strict & equal))
        v = Signal(signed(self.config.state_bits), name=f"v_after_{i}")
        m.d.comb += v.eq(neuron["u"])
        with m.If(spike & (settings.reset == Reset.ZERO)):
            m.d.comb += v.eq(0)
        with m.Elif(spike & (settings.reset == Reset.SUBTRACT) & ~settings.delayed):
            # The difference fits: with a spike, u is at least theta, which is not negative.
            m.d.comb += v.eq(above)
        m.d.comb += [
            self.fired[i].eq(spike),
            self.stable[i].eq(spike & neuron["r"]),
            self.write[i].eq(neuron["valid"] & neuron["steps"][i]),
            self.step[i].eq(neuron["first"]),
        ]
        return {"v": v, "r": spike, **({"q": neuron["q_new"]} if "q_new" in neuron else {})}
