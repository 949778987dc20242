import pytest
from hypothesis import given
from hypothesis import strategies as st
from stablespike.spec.layout import Field, Layout, bits_for, pack_words

widths = st.integers(1, 24)
fields = st.lists(st.tuples(widths, st.booleans()), min_size=1, max_size=12).map(
    lambda pairs: tuple(Field(f"f{i}", w, signed) for i, (w, signed) in enumerate(pairs))
)


@pytest.mark.parametrize(("maximum", "width"), [(0, 1), (1, 1), (2, 2), (255, 8), (256, 9)])
def test_bits_for(maximum, width):
    assert bits_for(maximum) == width


@given(fields, st.data())
def test_unpack_inverts_pack(fields, data):
    layout = Layout("record", fields)
    values = {f.name: data.draw(st.integers(f.minimum, f.maximum)) for f in fields}
    bits = layout.pack(values)
    assert 0 <= bits < 1 << layout.width
    assert layout.unpack(bits) == values


@given(fields, st.data())
def test_pack_inverts_unpack(fields, data):
    layout = Layout("record", fields)
    bits = data.draw(st.integers(0, (1 << layout.width) - 1))
    assert layout.pack(layout.unpack(bits)) == bits


@given(widths, st.booleans(), st.integers(1, 1000))
def test_field_refuses_what_does_not_fit(width, signed, beyond):
    field = Field("speed", width, signed)
    for wrong in (field.minimum - beyond, field.maximum + beyond):
        message = rf"speed must be from {field.minimum} to {field.maximum}, not {wrong}$"
        with pytest.raises(ValueError, match=message):
            field.encode(wrong)


def test_first_field_is_lowest():
    layout = Layout("record", (Field("a", 4), Field("b", 4, signed=True)))
    assert layout.pack({"a": 3, "b": -1}) == 0xF3


@pytest.mark.parametrize("values", [{}, {"a": 1, "b": 2}, {"b": 1}])
def test_pack_wants_every_field_and_no_other(values):
    with pytest.raises(ValueError, match=r"record has the fields \['a'\], not \["):
        Layout("record", (Field("a", 4),)).pack(values)


@given(fields, st.integers(24, 40))
def test_words_hold_every_field_once(fields, width):
    words = pack_words("task", fields, width)
    assert all(word.width <= width for word in words)
    placed = [f for word in words for f in word.fields]
    assert sorted(f.name for f in placed) == sorted(f.name for f in fields)
    # First fit: no two words could be one.
    assert sum(2 * word.width <= width for word in words) <= 1


def test_a_field_wider_than_a_word():
    with pytest.raises(ValueError, match="big is 9 bits wide, a task word only 8"):
        pack_words("task", [Field("big", 9)], 8)
