"""Where JSON values end: those that nest deep, those without an end, and how long looking takes."""

from __future__ import annotations

import json
import random
import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indelible.ingest import json_ends
from indelible.ingest.json_ends import Ends, closed, end_of, paired, shallow

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES, st.text(alphabet=' ]}"\\{[,a', max_size=6))
def test_a_container_ends_where_its_brackets_close(value: object, behind: str) -> None:
    text = json.dumps([value])
    assert end_of(text + behind, 0) == len(text)
    assert json_ends._flat_end(text + behind, 0, 1_000_000) == len(text)


def test_a_value_that_nests_deep_ends_as_well() -> None:
    text = '{"a":' + "[" * 100_000 + '"]\\"{"' + "]" * 100_000 + "}"
    assert end_of("x" + text + "{", 1) == 1 + len(text)
    with pytest.raises(json.JSONDecodeError):
        end_of("[" * 100_000, 0)


@pytest.mark.parametrize("piece", ['"', '\\"', '"\\', "[", '["', "{}"])
def test_looking_takes_time_in_proportion(piece: str) -> None:
    text = "[" * 2_000 + piece * (1_000_000 // len(piece))
    began = time.process_time()
    with pytest.raises(json.JSONDecodeError):
        end_of(text, 0)
    shallow(text.encode(), 64, b"0")
    assert time.process_time() - began < 5


def test_looking_again_and_again_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_ends, "JSON_VAIN_BYTES", 1_000)
    ends = Ends('{"a":"' + "x" * 300)
    for _ in range(3):
        assert not ends.spent
        with pytest.raises(json.JSONDecodeError):
            ends.end_of(0)
    for _ in range(1_000):
        with pytest.raises(json.JSONDecodeError):
            ends.end_of(6)
    assert ends.spent


def test_what_nests_deep_is_gone_through_for_a_bounded_time_only() -> None:
    line = "[" * 99_999 + "\n"
    text = line * (16_000_000 // len(line)) + '{"a":' + "[" * 5_000 + "]" * 5_000 + "}"
    ends, began = Ends(text), time.process_time()
    for at in range(0, len(text) - len(line), len(line)):
        with pytest.raises(json.JSONDecodeError):
            ends.end_in(line, 0) if ends.spent else ends.end_of(at)
    assert time.process_time() - began < 4
    with pytest.raises(json.JSONDecodeError):  # it has an end, which would have been found before
        ends.end_in(text[text.index("{") :], 0)
    assert end_of(text, text.index("{")) == len(text)
    with pytest.raises(RecursionError, match="4194304"):
        shallow(text.encode(), 64, b"0")


@given(st.dictionaries(st.text(), VALUES, min_size=1), st.data())
def test_what_was_cut_off_is_closed_so_that_it_can_be_read(
    value: dict[str, object], data: st.DataObject
) -> None:
    text = json.dumps(value, ensure_ascii=data.draw(st.booleans())).encode()
    cut = text[: data.draw(st.integers(1, len(text)))]
    found = msgspec.json.decode(closed(cut))
    names, kept = list(value), list(found)
    assert kept == names[: len(kept)]
    for name in kept[:-1]:
        assert found[name] == value[name]
    assert closed(text) == text


@given(VALUES, st.integers(1, 6))
def test_what_is_not_deep_stays_as_it_was(value: object, levels: int) -> None:
    text = json.dumps(value).encode()
    kept = shallow(text, levels, b"0")
    assert depth(json.loads(kept)) <= levels
    if depth(value) <= levels:
        assert kept == text


def depth(value: object) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return max(map(depth, inner), default=0) + isinstance(value, (dict, list))


def test_paired_leaves_no_half_of_a_pair_and_everything_else() -> None:
    """Python's own decoder takes halves: it tells where they are."""
    rng = random.Random(7)
    parts = [rb"\\", rb"\ud83d", rb"\ude00", rb"\uD83D\uDE00", rb"\n", rb"\u0041", rb"\"", b"ud800",
             b"a", b"\xc3\xa9"]
    for _ in range(5_000):
        text = b'"' + b"".join(rng.choices(parts, k=rng.randrange(8))) + b'"'
        found: str = json.loads(text)
        whole = "".join("\ufffd" if "\ud800" <= one <= "\udfff" else one for one in found)
        assert json.loads(paired(text)) == whole
        assert len(paired(text)) == len(text)
