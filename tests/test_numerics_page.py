"""The numerics page against the plain-integer reference and the golden model; the glossary's order.

Every number of an example is read from the page. The page is changed number by number as well: each
change must be found.
"""

import ast
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import stablespike as ss
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


def blank(match):
    return "|" + " " * (len(match.group()) - 1)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_changed_number_is_found(name):
    text = sections(PAGE)[name]
    # Of a case of one step, state and current are given: with others it may well end the same.
    given = r"^\| [a-z]+ \| [a-z_]+ \| [a-z]+ \| [A-Z][a-z]+( \| -?\d+){3}"
    lines = list(re.finditer(r"^(\||    ).*$", re.sub(given, blank, text, flags=re.M), re.M))
    places = [
        (line.start() + number.start(), line.start() + number.end())
        for line in lines for number in re.finditer(r"\d+", line.group())
    ]
    assert len(places) > 30
    missed = []
    for start, end in places:
        for change in (1, -1):
            other = int(text[start:end]) + change
            if other < 0:
                continue
            changed = f"{text[:start]}{other:0{end - start}}{text[end:]}"
            try:
                EXAMPLES[name](changed)
            except (AssertionError, ArithmeticError, LookupError, SyntaxError, TypeError,
                    ValueError, NameError):
                continue
            missed.append((text[max(0, start - 40) : end + 10], other))
    assert not missed
