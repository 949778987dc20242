"""Pins cycle by cycle, task fields and report packets, for the benches of the array's blocks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import Any

from stablespike.network import COMPARES, RESET_TIMINGS, RESETS, Leak, Neuron
from stablespike.spec import ArrayConfig, Reset, task_layout
from stablespike.spec.report import HEAD, PLACE, ReportKind

from .streams import Bench, parameters

__all__ = [
    "Packet", "array_config", "cycle", "neuron_settings", "packets", "random_neuron", "value",
    "weighted",
]


def array_config() -> ArrayConfig:
    """The array configuration in the bench's parameter ``config``."""
    return ArrayConfig(**parameters()["config"])


async def cycle(bench: Bench, **pins: int) -> None:
    """Start the next clock cycle with these inputs, and return when its outputs may be read."""
    await bench.tick()
    for name, bits in pins.items():
        getattr(bench.dut, name).value = bits
    await bench.settle()


def value(bench: Bench, name: str) -> int:
    """Value of an output, unsigned."""
    return int(getattr(bench.dut, name).value)


def weighted(random: Random, low: int, high: int) -> int:
    """A random number of a range, often at or near its ends or zero."""
    # Most faults of arithmetic show at the ends of a range, where saturation begins, and at zero.
    if random.random() < 0.6:
        return random.randint(low, high)
    near = random.choice([low, high, max(low, min(high, 0))]) + random.choice([-1, 0, 0, 1])
    return max(low, min(high, near))


def random_neuron(random: Random, config: ArrayConfig, threshold: int = 1, **fixed: Any) -> Neuron:
    """Random settings of a neuron; ``fixed`` gives some of them."""
    top = (1 << (config.state_bits - 1)) - 1

    def leak() -> Leak:
        # Small shifts are common, 15 is the largest, and None leaves the term out.
        a, c = (random.choice([None, 0, 1, 2, 3, 4, random.randint(0, 15), 15]) for _ in "ac")
        may_add = a is not None and c is not None and c > a
        return Leak(a, c, add=may_add and random.random() < 0.5)

    chosen: dict[str, Any] = {
        "leak": leak(),
        "reset": random.choice(RESETS),
        "reset_timing": random.choice(RESET_TIMINGS),
        "compare": random.choice(COMPARES),
        "fires": random.random() < 0.9,
        "v_init": weighted(random, -top - 1, top),
        "synapse_leak": leak() if config.synaptic_current and random.random() < 0.6 else None,
    }
    return Neuron(threshold=threshold, **{**chosen, **fixed})


def neuron_settings(config: ArrayConfig, neuron: Neuron, **fields: int) -> int:
    """The neuron fields of a task as one integer; fields that are not given are 0."""
    values: dict[str, int] = {
        field.name: 0 for word in task_layout(config).neuron for field in word.fields
    }
    leaks = [("leak", neuron.leak)]
    if neuron.synapse_leak is not None:
        leaks.append(("synapse", neuron.synapse_leak))
        values["synapse_on"] = 1
    for prefix, shifts in leaks:
        for name, shift in zip("ac", shifts, strict=True):
            values[f"{prefix}_{name}"] = shift or 0
            values[f"{prefix}_{name}_on"] = shift is not None
        values[f"{prefix}_add"] = Leak.of(shifts).add
    values |= {
        "reset": Reset[neuron.reset.upper()],
        "delayed": neuron.reset_timing == "next_step",
        "strict": neuron.compare == "gt",
        "fires": neuron.fires,
        "v_init": neuron.v_init,
    }
    unknown = set(fields) - set(values)
    if unknown:
        raise ValueError(f"a task has no neuron fields {sorted(unknown)}")
    values |= fields
    bits = offset = 0
    for word in task_layout(config).neuron:
        bits |= word.pack({field.name: values[field.name] for field in word.fields}) << offset
        offset += word.width
    return bits


@dataclass(frozen=True)
class Packet:
    """A report packet, as ``spec.report`` defines it.

    Attributes
    ----------
    kind : ReportKind
        Kind of the packet.
    layer : int
        Tag of the layer.
    group : int
        Number of the neuron group.
    core : int
        Core that sent it.
    body : tuple of int
        Words of 16 bits.
    """

    kind: ReportKind
    layer: int
    group: int
    core: int
    body: tuple[int, ...]

    @property
    def row(self) -> int:
        """The body as one integer; the first word is the lowest."""
        return sum(word << (16 * i) for i, word in enumerate(self.body))

    def words(self, layout_last: int = 1 << 16) -> list[int]:
        """The packet as payloads of a report stream; ``layout_last`` marks the last one."""
        head = HEAD.pack({"kind": self.kind, "length": len(self.body), "layer": self.layer})
        words = [head, PLACE.pack({"group": self.group, "core": self.core}), *self.body]
        return [*words[:-1], words[-1] | layout_last]


def packets(payloads: Iterable[int]) -> list[Packet]:
    """The packets in the payloads of a report stream; fails if one is cut or has a wrong length."""
    found, words = [], []
    for payload in payloads:
        words.append(payload & 0xFFFF)
        if payload >> 16:
            assert len(words) >= 2, f"a packet of {len(words)} words"
            head, origin = HEAD.unpack(words[0]), PLACE.unpack(words[1])
            body = tuple(words[2:])
            assert head["length"] == len(body), f"{len(body)} words, the head says {head['length']}"
            found.append(
                Packet(
                    ReportKind(head["kind"]), head["layer"], origin["group"], origin["core"], body
                )
            )
            words = []
    assert not words, f"{len(words)} words of a packet that does not end"
    return found
