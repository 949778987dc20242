"""The numerics page against the plain-integer reference and the golden model; the glossary's order.

Every number of an example is read from the page. The page is changed number by number as well: each
change must be found.
"""

import ast
import re
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import stablespike as ss
from stablespike.datasets import shipped_path
from stablespike.spec import reference

pytest.importorskip("torch")

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "numerics.md").read_text()
RULE = ("leak", "threshold", "reset", "reset_timing", "compare", "v_init", "fires", "synapse_leak")


def sections(text):
    """Heading -> text of every section."""
    parts = re.split(r"^## (.+)\n", text, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def tables(text):
    """Every table of a text, a dict by column for each row."""
    found, rows = [], []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            rows.append([cell.strip("` ") for cell in line.split("|")[1:-1]])
        elif rows:
            head, _, *body = rows
            found.append([dict(zip(head, row, strict=True)) for row in body])
            rows = []
    return found


def numbers(table):
    """The columns of a table of integers."""
    return {name: [int(row[name], 0) for row in table] for name in table[0]}


def settings_of(table):
    return {row["setting"]: ast.literal_eval(row["value"]) for row in table}


def neuron_of(settings):
    return ss.Neuron(**{name: settings[name] for name in RULE if name in settings})


def shifted(value, leak):
    return [value >> shift for shift in leak if shift is not None]


def check_equations(text, columns):
    """Lines such as ``u[1] = -13 + 44 = 31``: both sides, with the columns of the table."""
    lines = [line[4:] for line in text.splitlines() if re.match(r"    .* = ", line)]
    names = {"v": columns["v after"], **columns}
    for line in lines:
        values = [eval(side, {"__builtins__": {}}, names) for side in line.split(" = ")]
        assert len(values) > 1
        assert len(set(values)) == 1, line
    return len(lines)


def steps_of(network, settings, sample, state_bits=16):
    """What the columns of a table of steps must hold, from the functions of the reference."""
    layer, pixels = network.layers[0], network.input.kind == "pixels"
    weights, theta, neuron = layer.weight[0].tolist(), int(layer.threshold[0]), layer.neuron
    v, r, q = neuron.v_init, 0, 0
    steps = []
    for t in range(settings["steps"]):
        x = sample if pixels else sample[t]
        row = {"t": t, "r": r, "v before": v, "q before": q}
        row |= {} if pixels else {f"x{j}": each for j, each in enumerate(x)}
        row["sum"] = reference.current(weights, x, 0, 0)
        if layer.recurrent is not None:
            row["sum"] += int(layer.recurrent[0, 0]) * r
        row["I"] = current = reference.current(
            [row["sum"]], [1], int(layer.bias[0]), network.fraction_bits
        )
        if neuron.synapse_leak is not None:
            row |= zip(
                (f"q >> {shift}" for shift in neuron.synapse_leak if shift is not None),
                shifted(q, neuron.synapse_leak), strict=True,
            )
            current = q - sum(shifted(q, neuron.synapse_leak)) + current
            row["q"] = current = reference.clamp(current, state_bits)
        leaks = [shift for shift in neuron.leak if shift is not None]
        row |= zip((f"v >> {shift}" for shift in leaks), shifted(v, neuron.leak), strict=True)
        row["d"] = v - sum(shifted(v, neuron.leak))
        if (neuron.reset, neuron.reset_timing) == ("subtract", "next_step"):
            row["d"] -= r * theta
        row["u"] = reference.clamp(row["d"] + current, state_bits)
        after, spike, q = reference.neuron_step(neuron, theta, v, r, q, row["I"], state_bits)
        row |= {"s": spike, "v after": after, "k": spike & r}
        v, r = after, spike
        steps.append(row)
    return steps


def check_runs(network, settings, sample, columns):
    """The spikes and membranes of a table of steps, as the reference and golden have them."""
    window, steps = settings["window"], settings["steps"]
    expected = reference.run(network, sample, steps, window)
    assert [s for (s,) in expected.spikes[0]] == columns["s"]
    stable = [k for (k,) in expected.skeleton[0]]
    assert stable == columns.get("k", stable)
    assert expected.state[0].v == columns["v after"][-1:]
    golden = ss.Golden(network, window=window)
    pixels = network.input.kind == "pixels"
    for n in range(1, steps + 1):
        result = golden.run([sample if pixels else sample[:n]], n, trace=True)
        assert result.spikes[0].reshape(-1).tolist() == columns["s"][:n]
        assert result.skeleton[0].reshape(-1).tolist() == stable[:n]
        assert result.state[0].v.tolist() == [[columns["v after"][n - 1]]]
        if result.state[0].q is not None:
            assert result.state[0].q.tolist() == [[columns["q"][n - 1]]]
    return expected


def check_steps(settings, table, network, sample):
    columns = numbers(table)
    expected = steps_of(network, settings, sample)
    assert len(expected) == len(table)
    assert columns == {name: [row[name] for row in expected] for name in columns}
    return columns, check_runs(network, settings, sample, columns)


def inputs_of(table):
    columns = numbers(table)
    names = [name for name in columns if re.fullmatch(r"x\d+", name)]
    return [list(step) for step in zip(*(columns[name] for name in names), strict=True)]


def layer_of(settings):
    return ss.Dense(
        settings["weight"], settings.get("bias"), neuron=neuron_of(settings),
        recurrent=settings.get("recurrent"),
    )


def network_of(settings, source, readout="counts"):
    return ss.Network(
        source, [layer_of(settings)], readout, fraction_bits=settings["fraction_bits"]
    )


def array_of(settings):
    return ss.ArrayConfig(window=settings["window"], fraction_bits=settings["fraction_bits"])


def check_words(table, words, skeleton_words):
    columns = numbers(table)
    assert columns["window"] == list(range(len(words)))
    assert [[word] for word in columns["spike word"]] == words
    assert [[word] for word in columns["skeleton word"]] == skeleton_words


def check_spikes(text):
    setting, steps, words, results = tables(text)
    settings, sample = settings_of(setting), inputs_of(steps)
    source = ss.SpikeInput((len(sample[0]),))
    network = network_of(settings, source)
    columns, expected = check_steps(settings, steps, network, sample)
    assert check_equations(text, columns) == 7
    check_words(words, expected.words[0], expected.skeleton_words[0])
    window, inputs = settings["window"], numbers(words)
    for j in range(len(sample[0])):
        assert inputs[f"x{j}"] == [
            sum(step[j] << t for t, step in enumerate(sample[at : at + window]))
            for at in range(0, len(sample), window)
        ]

    results = {row["result"].replace("`", ""): ast.literal_eval(row["value"]) for row in results}
    program = ss.compile(network, array_of(settings), settings["steps"], device="golden:")
    with ss.open_device("golden:") as device:
        device.load(program)
        result = device.run([sample])
    assert results["spikes"] == result.spikes[0, 0] == sum(columns["s"])
    assert results["stable"] == result.stable[0, 0] == sum(columns["k"])
    assert results["consistency"] == result.consistency[0, 0]
    assert results["events"] == result.layer_counters["events"][0, 0]
    assert results["SOPs"] == result.layer_counters["sops"][0, 0]
    for readout in ("counts", "words", "membrane"):
        other = network_of(settings, source, readout)
        golden = ss.Golden(other, window=window).run([sample])
        assert results[f'readout "{readout}"'] == golden.readout[0].tolist()
        by_hand = reference.run(other, sample, settings["steps"], window)
        assert results[f'readout "{readout}"'] == by_hand.readout
    assert len(results) == 8


def check_settings(text):
    setting, cases = tables(text)
    settings = settings_of(setting)
    theta, bits = settings["threshold"], settings["state_bits"]
    assert len(cases) == 11
    for case in cases:
        rule = {name: case[name] for name in ("reset", "reset_timing", "compare")}
        neuron = ss.Neuron(
            leak=settings["leak"], threshold=theta, fires=case["fires"] == "True", **rule
        )
        given = {name: int(case[name]) for name in ("v", "r", "I", "d", "u", "s", "v after")}
        v, r, current = given["v"], given["r"], given["I"]
        late = (neuron.reset, neuron.reset_timing) == ("subtract", "next_step")
        d = v - sum(shifted(v, neuron.leak)) - (r * theta if late else 0)
        assert r in (0, 1)
        assert given["d"] == d
        assert given["u"] == reference.clamp(d + current, bits)
        after, spike, _ = reference.neuron_step(neuron, theta, v, r, 0, current, bits)
        assert (given["s"], given["v after"]) == (spike, after)

        # Golden goes on from v and r; the current is that of many spikes, and a bias.
        weight = 7 if current >= 0 else -7
        count, bias = divmod(abs(current), 7 * 16)
        layer = ss.Dense([[weight] * 400], [bias if weight > 0 else -bias], neuron=neuron)
        golden = ss.Golden(ss.Network(ss.SpikeInput((400,)), [layer], "membrane"), bits)
        fresh, = golden.run([[[0] * 400]]).state
        state = [replace(fresh, v=np.array([[v]]), r=np.array([[bool(r)]]))]
        result = golden.run([[[1] * count + [0] * (400 - count)]], trace=True, state=state)
        assert result.spikes[0].reshape(-1).tolist() == [given["s"]]
        assert result.readout.tolist() == [[given["v after"]]]


def check_pixels(text):
    setting, planes, steps, words = tables(text)
    settings = settings_of(setting)
    pixels, bits = settings["pixels"], settings["bits"]
    network = network_of(settings, ss.PixelInput((len(pixels),), bits))
    columns, expected = check_steps(settings, steps, network, pixels)
    check_words(words, expected.words[0], expected.skeleton_words[0])
    ss.compile(network, array_of(settings), settings["steps"], device="golden:")
    weights = network.layers[0].weight[0].tolist()
    assert len(planes) == bits
    for b, row in enumerate(planes):
        total = sum(w * (p >> b & 1) for w, p in zip(weights, pixels, strict=True))
        of_pixels = {f"bit of p{j}": p >> b & 1 for j, p in enumerate(pixels)}
        assert {name: int(value) for name, value in row.items()} == {
            "b": b, **of_pixels, "A_b": total, "A_b << b": total << b
        }
    assert sum(int(row["A_b << b"]) for row in planes) == reference.current(weights, pixels, 0, 0)
    # Both lines say what is in the tables: their terms, and no others.
    assert check_equations(text, columns) == 2
    products = [f"{abs(w)} * {p}" for w, p in zip(weights, pixels, strict=True)]
    assert all(product in text for product in products)


def check_one_input(text):
    setting, steps = tables(text)
    settings, sample = settings_of(setting), inputs_of(steps)
    network = network_of(settings, ss.SpikeInput((1,)))
    check_steps(settings, steps, network, sample)
    ss.compile(network, array_of(settings), settings["steps"], device="golden:")


def check_convolution(text):
    setting, rows, positions = tables(text)
    settings = settings_of(setting)
    assert [row["row"] for row in rows] == [str(y) for y in range(len(rows))]
    columns = [name for name in rows[0] if name != "row"]
    assert columns == [f"column {x}" for x in range(len(columns))]
    words = [[int(row[name], 0) for name in columns] for row in rows]
    shape, n = (1, len(words), len(words[0])), settings["steps"]
    assert max(max(row) for row in words) < 1 << n
    sample = [[[[word >> t & 1 for word in row] for row in words]] for t in range(n)]
    neuron, pool = neuron_of(settings), settings["max pool"]
    weight = np.array(settings["weight"])
    layer = ss.Conv2d(weight, neuron=neuron, pool_after=ss.MaxPool2d(pool), emit="spikes")
    theta, kernel = int(layer.threshold[0]), layer.kernel
    *each, pooled = positions

    found = [
        reference.fields(np.ravel(sample[t]).tolist(), shape, kernel, (1, 1), (0, 0))
        for t in range(n)
    ]
    high, wide = reference.conv_shape(shape, kernel, (1, 1), (0, 0))
    assert len(each) == high * wide
    spikes, skeletons = [], []
    for place, row in enumerate(each):
        assert row["position"] == f"{place // wide}, {place % wide}"
        v = word = 0
        for t in range(n):
            current = reference.current(
                weight.ravel().tolist(), found[t][place], 0, settings["fraction_bits"]
            )
            after, spike, _ = reference.neuron_step(neuron, theta, v, 0, 0, current, 16)
            assert (int(row[f"I[{t}]"]), int(row[f"u[{t}]"])) == (current, v + current)
            v, word = after, word | spike << t
        skeleton = reference.skeleton(word, 0)
        assert (int(row["spike word"], 0), int(row["skeleton word"], 0)) == (word, skeleton)
        spikes.append(word)
        skeletons.append(skeleton)
    for emit, column, of_neurons in (
        ("spikes", "spike word", spikes), ("skeleton", "skeleton word", skeletons),
    ):
        layer = ss.Conv2d(weight, neuron=neuron, pool_after=ss.MaxPool2d(pool), emit=emit)
        network = ss.Network(
            ss.SpikeInput(shape), [layer], "words", fraction_bits=settings["fraction_bits"]
        )
        program = ss.compile(network, array_of(settings), n, device="golden:")
        golden = ss.Golden(network, window=program.config.window)
        by_hand = reference.run(network, sample, n, settings["window"])
        read = [[int(pooled[column], 0)]]
        assert read == by_hand.readout == golden.run([sample]).readout[0].tolist()
        assert by_hand.words[0][0] == spikes
        assert by_hand.skeleton_words[0][0] == skeletons
        assert read == [reference.or_pool(of_neurons, (1, high, wide), pool)]


EXAMPLES = {
    "Example: spikes": check_spikes,
    "Example: the settings of a neuron": check_settings,
    "Example: pixels": check_pixels,
    "Example: synaptic current with a leak": check_one_input,
    "Example: convolution and max pooling": check_convolution,
    "Example: recurrence": check_one_input,
}


def test_every_example_is_checked():
    assert {name for name in sections(PAGE) if name.startswith("Example")} == set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_example(name):
    EXAMPLES[name](sections(PAGE)[name])


def bounds(cell, **names):
    """Lowest and highest value of a range, as the page writes it."""
    low, high = cell.split("`")[0].split(" .. ")
    return tuple(eval(each, {"__builtins__": {}}, names) for each in (low, high))


def dense(weight=((1,),), bias=None, weight_bits=None, **neuron):
    settings = {"threshold": 1, **neuron}
    return ss.Dense(weight, bias, neuron=ss.Neuron(**settings), weight_bits=weight_bits)


def spiking(layer, inputs=1, **settings):
    return ss.Network(ss.SpikeInput((inputs,)), [layer], **settings)


def golden(network):
    return ss.Golden(network).run


def compiled(network, steps=1, **array):
    ss.compile(network, ss.ArrayConfig(**array), steps, device="golden:")


def with_weight(value, bits):
    spiking(dense([[value]]), weight_bits=bits)
    dense([[value]], weight_bits=bits)


def with_kernel(value):
    for kernel in ((value, 1), (1, value)):
        ss.Conv2d(np.zeros((1, 1, *kernel)), neuron=ss.Neuron(threshold=1))


def with_padding(value):
    ss.Conv2d(np.zeros((1, 1, 5, 5)), padding=value, neuron=ss.Neuron(threshold=1))


def with_bits(value):
    for kind in (ss.PixelInput, ss.FrameInput):
        kind((1,), value)


def with_pixel(value):
    golden(ss.Network(ss.PixelInput((1,), 3), [dense()]))([[value]], 1)
    golden(ss.Network(ss.FrameInput((1,), 3), [dense()]))([[[value]]])


def with_zero(value):
    """A bias and a zero of 1 or 0 that make the bias ``value`` together."""
    bias = max(-32768, min(32767, value))
    layer = dense([[1 if value < bias else -1]], [bias])
    ss.Network(ss.PixelInput((1,), 4, abs(value - bias)), [layer], fraction_bits=0)


def with_shift(value):
    for leak in ((value, None), (None, value)):
        ss.Neuron(leak=leak, threshold=1)
        ss.Neuron(synapse_leak=leak, threshold=1)


OF_NETWORKS = {
    "weight of a layer with `weight_bits=4": (lambda value: with_weight(value, 4), {}),
    "weight of a layer with `weight_bits=8": (lambda value: with_weight(value, 8), {}),
    "bias": (lambda value: dense(bias=[value]), {}),
    "threshold": (lambda value: ss.Neuron(threshold=value), {}),
    "v_init": (lambda value: ss.Neuron(threshold=1, v_init=value), {}),
    "shift of a leak, or None": (with_shift, {}),
    "fraction_bits": (lambda value: spiking(dense(), fraction_bits=value), {}),
    "bits of a pixel, or of a value of a frame, `B": (with_bits, {}),
    "pixel, or value of a frame": (with_pixel, {"B": 3}),
    "zero": (lambda value: ss.FrameInput((1,), 3, value), {"B": 3}),
    "bias with the `zero` folded in": (with_zero, {}),
    "spike": (lambda value: golden(spiking(dense()))([[[value]]]), {}),
    "steps of a sample, `N": (lambda value: compiled(spiking(dense()), value), {}),
    "height or width of a kernel, `K": (with_kernel, {}),
    "zero padding": (with_padding, {"K": 5}),
}
OF_ARRAYS = ("acc_bits", "state_bits", "fraction_bits", "window")
SIZES = {"V": "state_bits", "A": "acc_bits", "T": "window"}
ON_ARRAYS = {
    "bias": ("V", lambda value: spiking(dense(bias=[value]))),
    "threshold of a layer that fires": ("V", lambda value: spiking(dense(threshold=value))),
    "v_init": ("V", lambda value: spiking(dense(v_init=value))),
    "sum of the positive weights of a neuron": ("A", lambda value: with_sum(value, 1)),
    "sum of the negative weights of a neuron": ("A", lambda value: with_sum(-value, -1)),
    "bits of a pixel, or of a frame that is computed step by step": (
        "T", lambda value: ss.Network(ss.PixelInput((1,), value), [dense()])
    ),
}


def with_sum(count, weight):
    """So many inputs of a weight, and one of its negative."""
    return spiking(dense([[weight] * count + [-weight]]), count + 1)


def check_range(accept, low, high):
    """Both ends are accepted, and what is just outside is refused."""
    for value in (low, high):
        accept(value)
    for value in (low - 1, high + 1):
        with pytest.raises(ValueError, match=re.escape(str(value))):
            accept(value)


def check_ranges(text):
    of_networks, of_arrays, on_arrays = tables(text)
    assert {row["quantity"] for row in of_networks} == set(OF_NETWORKS)
    for row in of_networks:
        accept, names = OF_NETWORKS[row["quantity"]]
        check_range(accept, *bounds(row["range"], **names))
        width = row["width in bits"].removesuffix(", signed")
        if width.isdecimal():
            low, high = bounds(row["range"], **names)
            signed = row["width in bits"].endswith("signed")
            assert max(high, ~low if signed else 0).bit_length() + signed == int(width)

    assert [row["field of `ArrayConfig"].split("`")[0] for row in of_arrays] == [
        "weight_bits", *OF_ARRAYS
    ]
    for row in of_arrays[1:]:
        name = row["field of `ArrayConfig"].split("`")[0]
        check_range(lambda value, name=name: ss.ArrayConfig(**{name: value}), *bounds(row["range"]))
    assert of_arrays[0]["range"] == "4 or 8"
    for bits in (4, 8):
        ss.ArrayConfig(weight_bits=bits)
    with pytest.raises(ValueError, match="more than weight_bits"):
        ss.ArrayConfig(weight_bits=8, acc_bits=8)
    with pytest.raises(ValueError, match="4 or 8"):
        ss.ArrayConfig(weight_bits=6)
    (fraction,) = (row["range"] for row in of_arrays if row["field of `ArrayConfig"][:1] == "f")
    below = int(re.search(r"at most `V - (\d+)", fraction)[1])
    ss.ArrayConfig(state_bits=10, fraction_bits=10 - below)
    with pytest.raises(ValueError, match=f"at most state_bits - {below}"):
        ss.ArrayConfig(state_bits=10, fraction_bits=11 - below)
    with pytest.raises(ValueError, match="power of two"):
        ss.ArrayConfig(window=12)

    assert {row["quantity"] for row in on_arrays} == set(ON_ARRAYS)
    for row in on_arrays:
        size, network = ON_ARRAYS[row["quantity"]]
        for value in (8, 12) if size != "T" else (4, 8):
            array = {SIZES[size]: value}
            low, high = bounds(row["range"], **{size: value})
            ends = [(low, low - 1), (high, high + 1)]
            if size == "A":  # the other end is an empty sum
                assert 0 in (low, high)
                ends = [end for end in ends if end[0]]
                assert len(ends) == 1
            for inside, outside in ends:
                compiled(network(inside), **array)
                with pytest.raises(ValueError, match=str(outside)):
                    compiled(network(outside), **array)


def test_what_else_the_page_says_of_arrays():
    with pytest.raises(ss.DoesNotFit, match="fraction_bits"):
        compiled(spiking(dense(), fraction_bits=3))
    eight = spiking(dense([[-128]]), weight_bits=8)
    with pytest.raises(ss.DoesNotFit, match="weights of 8 bits"):
        compiled(eight)
    compiled(eight, weight_bits=8)
    compiled(eight, convolution=True, wide_weights=True)
    with pytest.raises(ss.DoesNotFit, match="without state memory"):
        compiled(spiking(dense()), steps=5, window=4, state=False)
    compiled(spiking(dense()), steps=4, window=4, state=False)
    # High halves of 8-bit weights in A signed bits, low ones in A unsigned bits.
    array = {"convolution": True, "wide_weights": True, "acc_bits": 8}
    for weight, most in ((127, 17), (-128, 16), (15, 17), (112, 18)):
        compiled(spiking(dense([[weight] * most]), most, weight_bits=8), **array)
        more = spiking(dense([[weight] * (most + 1)]), most + 1, weight_bits=8)
        with pytest.raises(ss.DoesNotFit, match="halves"):
            compiled(more, **array)
    # A weight counts k * k times behind a k x k sum pool.
    pooled = ss.Dense([[7]], neuron=ss.Neuron(threshold=1), pool_before=ss.SumPool2d(4))
    compiled(ss.Network(ss.SpikeInput((1, 4, 4)), [pooled]), acc_bits=8)
    pooled = ss.Dense([[7]], neuron=ss.Neuron(threshold=1), pool_before=ss.SumPool2d(5))
    with pytest.raises(ss.DoesNotFit, match="sums of neuron 0 reach 0 to 175"):
        compiled(ss.Network(ss.SpikeInput((1, 5, 5)), [pooled]), acc_bits=8)
    # Pixels add nothing to the bound.
    pixels = ss.Network(ss.PixelInput((18,), 4), [dense([[7] * 18])])
    compiled(pixels, acc_bits=8)


def check_widths(text):
    widths, defaults, shipped = tables(text)
    assert [row["bits"] for row in widths] == ["A", "A + T", "V + 2", "V"]
    for row in defaults:
        assert getattr(ss.ArrayConfig(), row["field"]) == int(row["default"]), row
    for row in shipped:
        network = ss.load(shipped_path(f"{row['network']}.safetensors"))
        first, last = network.layers
        for column, values in (("biases", first.bias), ("thresholds", first.threshold)):
            assert bounds(row[column]) == (values.min(), values.max())
        for column, layer in (("sums, first layer", first), ("sums, last layer", last)):
            low = np.minimum(layer.weight, 0).sum(axis=1).min()
            high = np.maximum(layer.weight, 0).sum(axis=1).max()
            assert bounds(row[column]) == (low, high)
        compiled(network, 4, state_bits=16, acc_bits=12)
        for short in ({"state_bits": 15, "acc_bits": 12}, {"state_bits": 16, "acc_bits": 11}):
            with pytest.raises(ss.DoesNotFit):
                compiled(network, 4, **short)


def check_neuron(text):
    state, factors = tables(text)
    start = [row["at the start of a sample"] for row in state]
    fresh = reference.LayerState.fresh(1, 77)
    assert [start[0], *map(int, start[1:])] == ["v_init` of the layer", *fresh.r, *fresh.q]
    assert fresh.v == [77]
    for row in factors:
        leak = ss.Leak.of(eval(row["leak"], {"__builtins__": {}, "Leak": ss.Leak}))
        a, c = (0 if shift is None else 2.0**-shift for shift in leak)
        assert 1 - a + (c if leak.add else -c) == float(row["factor"])
    assert any("add" in row["leak"] for row in factors)
    code, synapse = re.findall(r"(?:^    .*\n)+", text, re.M)
    random = np.random.default_rng(0)
    for case in range(300):
        rule = {name: random.choice(each).item() for name, each in (
            ("reset", ("subtract", "zero", "none")), ("compare", ("ge", "gt")),
            ("reset_timing", ("same_step", "next_step")), ("fires", (True, True, False)),
        )}
        bits = int(random.integers(8, 17))
        low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
        pairs = random.integers(0, 8, (2, 2)).tolist()
        leak, synapse_leak = (
            ss.Leak(a, c, add=a < c and bool(random.integers(2))) for a, c in pairs
        )
        v, q = random.integers(low, high, 2, endpoint=True).tolist()
        r, theta = int(random.integers(2)), int(random.integers(1, high, endpoint=True))
        current = int(random.integers(2 * low, 2 * high))
        if case % 3 == 0:  # at the threshold
            v, current = 0, theta + (rule["reset_timing"] == "next_step") * r * theta
        own = {**dict(zip("ac", leak, strict=True)), "add": leak.add}
        names = {**rule, "clamp": reference.clamp, "V": bits, "theta": theta, **own}
        names |= {"v": v, "r": r, "I": current}
        neuron = ss.Neuron(leak=leak, threshold=theta, **rule)
        exec(textwrap.dedent(code), names)
        assert (names["v"], names["r"], 0) == reference.neuron_step(
            neuron, theta, v, r, 0, current, bits
        )
        neuron = ss.Neuron(leak=leak, synapse_leak=synapse_leak, threshold=theta, **rule)
        names |= dict(zip("ac", synapse_leak, strict=True)) | {"q": q, "I": current, "v": v, "r": r}
        line, with_add = synapse.split("#")
        if synapse_leak.add:
            added = with_add.removesuffix(" with add\n").strip()
            line = line.replace("- (q >> c)", added)
            assert added in line
        exec(line.strip(), names)
        names |= {**own, "I": names["q"]}
        exec(textwrap.dedent(code), names)
        assert (names["v"], names["r"], names["q"]) == reference.neuron_step(
            neuron, theta, v, r, q, current, bits
        )


TABLES = {"Ranges": check_ranges, "Widths": check_widths, "The neuron step": check_neuron}
CHECKED = {**EXAMPLES, **TABLES}


@pytest.mark.parametrize("name", TABLES)
def test_tables(name):
    TABLES[name](sections(PAGE)[name])


def blank(match):
    return "|" + " " * (len(match.group()) - 1)


@pytest.mark.parametrize("name", CHECKED)
def test_a_changed_number_is_found(name):
    text = sections(PAGE)[name]
    # Of a case of one step, state and current are given: with others it may well end the same.
    names = r"`Conv2d`|`T - 1`|# to .*"
    given = r"^\| [a-z]+ \| [a-z_]+ \| [a-z]+ \| [A-Z][a-z]+( \| -?\d+){3}"
    shown = re.sub(f"{given}|{names}", blank, text, flags=re.M)
    lines = list(re.finditer(r"^(\||    ).*$", shown, re.M))
    places = [
        (line.start() + number.start(), line.start() + number.end())
        for line in lines for number in re.finditer(r"\d+", line.group())
    ]
    assert len(places) > 20
    missed = []
    for start, end in places:
        for change in (1, -1):
            other = int(text[start:end]) + change
            if other < 0:
                continue
            changed = f"{text[:start]}{other:0{end - start}}{text[end:]}"
            try:
                CHECKED[name](changed)
            except (AssertionError, ArithmeticError, LookupError, SyntaxError, TypeError,
                    ValueError, NameError, pytest.fail.Exception):
                continue
            missed.append((text[max(0, start - 40) : end + 10], other))
    assert not missed


@pytest.mark.parametrize("fraction_bits", [0, 1, 4])
def test_a_leak_of_a_half_rounds_nothing_for_some_steps(fraction_bits):
    """The page's F + 1 steps, and that there are no more of them."""
    neuron = ss.Neuron(leak=(1, None), threshold=1, fires=False)
    v, exact, steps = 0, 0.0, 0
    while v == exact:
        steps += 1
        v, _, _ = reference.neuron_step(neuron, 1, v, 0, 0, 1 << fraction_bits, 16)
        exact = exact / 2 + (1 << fraction_bits)
    assert steps - 1 == fraction_bits + 1


def snntorch_module(kind, **settings):
    snn, torch = pytest.importorskip("snntorch"), pytest.importorskip("torch")
    neuron = getattr(snn, kind)(init_hidden=True, output=True, **settings)
    return ss.from_snntorch, torch.nn.Sequential(torch.nn.Linear(3, 2), neuron)


def spikingjelly_module(kind, **settings):
    torch = pytest.importorskip("torch")
    neuron = pytest.importorskip("spikingjelly.activation_based.neuron")
    made = getattr(neuron, kind)(**settings)
    return ss.from_spikingjelly, torch.nn.Sequential(torch.nn.Linear(3, 2), made)


HALF, BOTH = {"beta": 0.5}, {"alpha": 0.5, "beta": 0.5}
DIALECTS = {
    "snnTorch `Leaky`, `subtract`, delayed (default)": [("Leaky", HALF)],
    "snnTorch `Leaky`, `zero`, either delay": [
        ("Leaky", {**HALF, "reset_mechanism": "zero", "reset_delay": delay})
        for delay in (True, False)
    ],
    "snnTorch `Leaky`, `none": [("Leaky", {**HALF, "reset_mechanism": "none"})],
    "snnTorch `Leaky`, `subtract`, not delayed": [("Leaky", {**HALF, "reset_delay": False})],
    "snnTorch `Synaptic`, `zero`, delayed": [("Synaptic", {**BOTH, "reset_mechanism": "zero"})],
    "SpikingJelly `IFNode`, hard reset": [("IFNode", {"v_reset": 0.0})],
    "SpikingJelly `IFNode`, soft reset": [("IFNode", {"v_reset": None})],
}


@pytest.mark.parametrize("source", DIALECTS)
def test_dialects(source):
    """Importers take a neuron as the settings of its row, or refuse it."""
    (table,) = tables(sections(PAGE)["Dialects"])
    (row,) = [row for row in table if row["source"] == source]
    words = re.split(r"[`, :]+", row["settings here"])
    for kind, settings in DIALECTS[source]:
        module = snntorch_module if source.startswith("snnTorch") else spikingjelly_module
        read, made = module(kind, **settings)
        options = {}
        if row["result"].startswith("refused"):
            with pytest.raises(ss.NotExpressible, match="approximate=True"):
                read(made, (3,))
            options = {"approximate": True}
        neuron = read(made, (3,), **options).layers[0].neuron
        assert neuron.reset in words
        assert neuron.compare in words
        assert neuron.reset != "subtract" or neuron.reset_timing in words
        assert ("no" in words) == (neuron.leak == (None, None))


def test_the_glossary_is_in_order():
    text = (DOCS / "glossary.md").read_text()
    terms = re.findall(r"^\*\*(.+?)\*\*", text, re.M)
    assert len(terms) == len(re.findall(r"^\*\*", text, re.M)) >= 40
    assert terms == sorted(set(terms), key=str.lower)


@pytest.mark.parametrize("name", ["numerics.md", "glossary.md"])
def test_links_to_headings_lead_there(name):
    for page, heading in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", (DOCS / name).read_text()):
        text = (DOCS / (page or name)).read_text()
        titles = re.findall(r"^#+ (.+)$", text, re.M)
        slugs = [re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles]
        assert heading in slugs, f"{name}: {page}#{heading}"
