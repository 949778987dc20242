"""Look-up tables as expressions."""

import random

import pytest
from stablespike.sim.netlist.lut import lut_expression


def evaluate(text, inputs):
    """Value of an expression, which has parentheses throughout."""
    text = text.strip()
    if text.startswith("~"):
        return 1 - evaluate(text[1:], inputs)
    if not text.startswith("("):
        return int(text[-1]) if text.startswith("1'b") else inputs[text]
    depth, parts, at = 0, [], 1
    for position, c in enumerate(text):
        depth += (c == "(") - (c == ")")
        if depth == 1 and c in "&|^?:":
            parts += [text[at:position], c]
            at = position + 1
    parts.append(text[at:-1])
    left, operator, right, *rest = parts
    a = evaluate(left, inputs)
    if operator == "?":
        assert rest[0] == ":"
        return evaluate(right if a else rest[1], inputs)
    assert not rest
    b = evaluate(right, inputs)
    return {"&": a & b, "|": a | b, "^": a ^ b}[operator]


def check(table, count):
    names = [f"n{i}" for i in range(count)]
    text = lut_expression(table, names)
    for index in range(1 << count):
        inputs = {name: index >> i & 1 for i, name in enumerate(names)}
        assert evaluate(text, inputs) == table >> index & 1, (table, text)


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_every_table_of_up_to_three_inputs(count):
    for table in range(1 << (1 << count)):
        check(table, count)


def test_tables_of_four_inputs():
    for table in random.Random(1).sample(range(1 << 16), 3000):
        check(table, 4)


def test_constant_inputs_leave_the_expression():
    # 3-input majority with one input tied is AND or OR of the others.
    table = 0b11101000
    assert lut_expression(table, ["a", False, "b"]) in ("(a & b)", "(b & a)")
    assert lut_expression(table, ["a", "b", True]) in ("(a | b)", "(b | a)")
    assert lut_expression(table, [True, True, False]) == "1'b1"


def test_a_table_too_long():
    with pytest.raises(ValueError, match="table must fit 4 bits, not 0x10"):
        lut_expression(16, ["a", "b"])
