"""Nothing from an event may move the cursor, hide or reorder anything on a terminal."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indelible.cli.visible import cut, cut_middle, visible, visible_json, width

DANGEROUS = "\x00\x07\x1b\r\n\t\x7f\x9b\u200b\u200f\u2028\u202e\u2066\ufeff\U000e0041"


def test_control_and_bidirectional_characters_are_written_as_escapes() -> None:
    assert visible("a\x1b[31m\u202eb") == "a\\u001b[31m\\u202eb"
    assert visible("\U000e0041") == "\\udb40\\udc41"


@given(st.text())
def test_visible_text_is_one_line_without_format_characters(text: str) -> None:
    shown = visible(text)
    assert not any(char in DANGEROUS for char in shown)
    assert not any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in shown)


@given(st.recursive(st.text() | st.integers() | st.none(), lambda x: st.lists(x) |
                    st.dictionaries(st.text(), x)))
def test_json_keeps_its_meaning_and_loses_its_teeth(value: object) -> None:
    document = json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
    if b"\xed" in document and "\\ud" not in repr(document.decode("utf-8", "replace")):
        document = json.dumps(value).encode()
    shown = visible_json(document)
    assert json.loads(shown) == json.loads(document.decode("utf-8", "replace"))
    assert not any(char in DANGEROUS.replace("\n", "") for char in shown)


def test_wide_characters_count_two_columns_and_are_cut_whole() -> None:
    assert width("日本") == 4
    assert cut("日本語", 5) == "日本…"
    assert cut("abc", 3) == "abc"


@pytest.mark.parametrize("columns", range(3, 20))
def test_what_is_cut_in_the_middle_keeps_both_ends_and_fits(columns: int) -> None:
    for text in ("abcdefghijklmnopqrstuvwxyz", "日本語のとても長い名前です"):
        shown = cut_middle(text, columns)
        assert width(shown) <= columns
        assert "…" in shown
        head, tail = shown.split("…")
        assert text.startswith(head)
        assert text.endswith(tail)
    assert cut_middle("short", 5) == "short"
