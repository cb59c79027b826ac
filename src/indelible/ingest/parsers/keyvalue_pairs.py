"""Texts of pairs apart: logfmt, and the loose kinds that firewalls and appliances write. Pure.

A value is quoted (`"` or `'`, with backslash escapes), or it runs to the next separator. Where
most pairs are separated by commas, semicolons, bars or tabs, an unquoted value may hold spaces;
elsewhere white space ends it, and what follows until the next key is no pair.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from indelible.base.limits import CHANGES

_KEY = re.compile(r"(?:^|(?<=[\s,;|(\[{\]:]))([A-Za-z_@$][\w.@$/-]{0,99}) ?= ?(?!=)")
_WITHIN: Final = (",", ";", "|", ":")
_MARK = re.compile(r"\s*[,;|\t]\s*$")
_SEPARATOR = re.compile(r"[,;|] |;|\||\t")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"|\'((?:[^\'\\]|\\.)*)\'', re.S)
_ESCAPED = re.compile(r"\\(.)", re.S)
_ENDS: Final = {"n": "\n", "r": "\r", "t": "\t"}
PAIRS: Final = CHANGES
"""Pairs that are read of one text; no honest line has as many."""


class Pairs(NamedTuple):
    """The pairs of a text, what stood before the first, and how many characters they take."""

    found: dict[str, str]
    prefix: str
    chars: int


class _Span(NamedTuple):
    """A key, where its value begins, and where what belongs to it ends: at the next key."""

    key: str
    begin: int
    end: int
    quoted: str | None


def read_keyvalue(text: str) -> Pairs:
    """The pairs of a text.

    A key that stands twice with two values is in none of them: one may be the word of a stranger,
    such as an address that was asked for and holds ` user=root`.
    """
    spans = _spans(text)
    if not spans:
        return Pairs({}, text, 0)
    marked = sum(_marked(text, one) for one in spans[:-1])
    separated = 2 * marked >= len(spans) - 1 and marked > 0
    if not separated:
        spans = _apart(text, spans)
    found: dict[str, str] = {}
    unclear: set[str] = set()
    chars = 0
    for span in spans:
        if span.quoted is not None:
            value, size = span.quoted, len(span.quoted)
        else:
            value = _bare(text[span.begin : span.end], separated)
            size = len(value)
        chars += size + len(span.key) + 1
        if value and value != "-" and found.setdefault(span.key, value) != value:
            unclear.add(span.key)
    for key in unclear:
        del found[key]
    begin = spans[0].begin - len(spans[0].key) - 1
    return Pairs(found, text[: max(begin, 0)].rstrip(" \t(:[{=,"), chars)


def _spans(text: str) -> list[_Span]:
    """Every key, found from left to right: what stands within quotes holds no keys."""
    spans: list[_Span] = []
    at = 0
    key = _KEY.search(text)
    while key is not None and len(spans) < PAIRS:
        begin = key.end()
        quoted = _QUOTED.match(text, begin)
        at = quoted.end() if quoted else begin
        following = _KEY.search(text, at)
        end = following.start() if following else len(text)
        value = None if quoted is None else _plain(quoted[1] or quoted[2] or "")
        spans.append(_Span(key[1], begin, end, value))
        key = following
    return spans


def _apart(text: str, spans: list[_Span]) -> list[_Span]:
    """The spans of a text in which white space ends a value: `uri=/x,user=root` is one pair."""
    kept = spans[:1]
    for span in spans[1:]:
        before = kept[-1]
        start = before.end
        within = before.quoted is None and text[start - 1 : start] in _WITHIN
        value = text[before.begin : start]
        if within and value and not any(map(str.isspace, value)):
            kept[-1] = before._replace(end=span.end)
        else:
            kept.append(span)
    return kept


def _marked(text: str, span: _Span) -> bool:
    """Whether a separator stands between this value and the next key."""
    return _MARK.search(text, max(span.begin, span.end - 4), span.end) is not None


def _bare(text: str, separated: bool) -> str:
    """An unquoted value without what separates it from the next key."""
    if separated:
        value = _SEPARATOR.split(text, 1)[0]
        return value.rstrip(" \t\r\n,;|)]}").strip("\"'")
    word = text.split(None, 1)[0] if text and not text[0].isspace() else ""
    return word.rstrip(",;|)]}").strip("\"'")


def _plain(text: str) -> str:
    return _ESCAPED.sub(lambda one: _ENDS.get(one[1], one[1]), text) if "\\" in text else text
