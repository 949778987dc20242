"""The counters of a sample, computed once more: in plain Python, from the reference's words."""

import numpy as np
from stablespike.mapping.partitions import grid
from stablespike.spec import reference


def counters_by_hand(network, sample, steps, window, shares):
    """Per layer the counters of one sample, in plain Python from the words of the reference.

    Parameters
    ----------
    shares : per layer, per core, what the core computes.
    """
    result = reference.run(network, sample, steps, window)
    rows, pixels = [], network.input.kind == "pixels"
    flat = np.asarray(sample).astype(int).reshape(1 if pixels else steps, -1)
    window = network.window(window)
    starts = range(0, steps, window)
    if pixels:
        source = [flat[0].tolist() for _ in starts]
    else:
        source = [
            [sum(int(b) << t for t, b in enumerate(bits)) for bits in flat[s : s + window].T]
            for s in starts
        ]
    for i, layer in enumerate(network.layers):
        scanned = [receptive_fields(layer, network.input_shapes[i], words) for words in source]
        if layer.recurrent is not None:  # every window is a step
            own = [[0] * layer.outputs, *result.words[i][:-1]]
            scanned = [[words + mine] for (words,), mine in zip(scanned, own, strict=True)]
        # By window, by position.
        events = [[sum(word != 0 for word in words) for words in fields] for fields in scanned]
        bits = sum(word.bit_count() for fields in scanned for words in fields for word in words)
        there = grid(layer, network.input_shapes[i])
        issued = [
            [s.groups * int(there.computed(s).reshape(-1) @ read) for s in shares[i]]
            for read in events
        ]
        rows.append(
            (
                int(np.sum(result.spikes[i])),
                int(np.sum(result.skeleton[i])),
                sum(map(sum, events)),
                sum(map(sum, issued)),
                bits * len(layer.bias),
                sum(map(max, issued)),
            )
        )
        source = result.skeleton_words[i] if layer.emit == "skeleton" else result.words[i]
        if layer.pool_after is not None:
            shape, size = network.neuron_shapes[i], layer.pool_after.size
            source = [reference.or_pool(words, shape, size) for words in source]
    return rows


def receptive_fields(layer, shape, words):
    """The words of the receptive field of each position."""
    if layer.kind == "dense":
        return [list(words)]
    size = 1 if layer.pool_before is None else layer.pool_before.size
    channels, height, width = shape
    rows, columns = height // size, width // size
    # The inputs of the map that each pooled position stands for.
    members = {
        (y, x): [
            (y * size + dy) * width + x * size + dx for dy in range(size) for dx in range(size)
        ]
        for y in range(rows)
        for x in range(columns)
    }
    pooled = (1, rows, columns)
    numbers = [1 + position for position in range(len(members))]  # 0 is the padding
    inputs = list(members.values())
    fields = reference.fields(numbers, pooled, layer.kernel, layer.stride, layer.padding)
    return [
        [
            words[c * height * width + source]
            for position in field
            if position
            for c in range(channels)
            for source in inputs[position - 1]
        ]
        for field in fields
    ]
