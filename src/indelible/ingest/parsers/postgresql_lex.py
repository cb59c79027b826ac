"""The words of an SQL text, as PostgreSQL cuts it: names, strings, marks. Pure.

Comments and white space are left out, quoted names and strings unquoted, unquoted names in lower
case (PostgreSQL manual, "Lexical Structure"): whatever is not ASCII is a letter, even a blank. A
text cut off anywhere gives the words before the cut. Reading is lazy: what nobody asks for is not
looked at.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from typing import Final, NamedTuple

_WORD: Final = re.compile(
    r"""
      (?P<blank>[ \t\n\r\f\v]+|--[^\n]*)
    | (?P<comment>/\*)
    | (?P<escaped>[eE]'(?P<e>[^'\\]*(?:(?:\\.|'')[^'\\]*)*)')
    | (?P<string>(?:[bBxXnN]|[uU]&)?'(?P<s>[^']*(?:''[^']*)*)')
    | (?P<quoted>(?:[uU]&)?"(?P<q>[^"]*(?:""[^"]*)*)")
    | (?P<dollar>\$(?:[A-Za-z_\x80-\U0010ffff][\w\x80-\U0010ffff]*)?\$)
    | (?P<name>[A-Za-z_\x80-\U0010ffff][\w$\x80-\U0010ffff]*)
    | (?P<number>\d[\w.]*)
    | (?P<mark>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_SMALL: Final = {ord(one): one.lower() for one in string.ascii_uppercase}
_COMMENT: Final = re.compile(r"/\*|\*/")


class Word(NamedTuple):
    """One word. `kind` is `name`, `quoted` (a name), `string`, `number`, `mark` or `end`.

    `text` is what it says, `start` and `end` where it stands in the text.
    """

    kind: str
    text: str
    start: int
    end: int


END: Final = Word("end", "", 0, 0)


def words(text: str) -> Iterator[Word]:
    """The words of `text`, in order."""
    at = 0
    while at < len(text):
        found = _WORD.match(text, at)
        if found is None:  # pragma: no cover - the last alternative takes any character
            return
        kind, start, at = found.lastgroup or "mark", at, found.end()
        if kind == "name":
            yield Word("name", lowered(found[0]), start, at)
        elif kind == "comment":
            at = _comment_end(text, at)
        elif kind == "dollar":
            end = text.find(found[0], at)
            body = text[at:] if end < 0 else text[at:end]
            at = len(text) if end < 0 else end + len(found[0])
            yield Word("string", body, start, at)
        elif kind != "blank":
            yield _plain(found, start, at)


def lowered(text: str) -> str:
    """`text` with its ASCII letters made small, as PostgreSQL does it to names."""
    return text.lower() if text.isascii() else text.translate(_SMALL)


def _plain(found: re.Match[str], start: int, end: int) -> Word:
    if found["quoted"] is not None:
        return Word("quoted", found["q"].replace('""', '"'), start, end)
    if found["string"] is not None:
        return Word("string", found["s"].replace("''", "'"), start, end)
    if found["escaped"] is not None:
        return Word("string", found["e"].replace("''", "'"), start, end)
    return Word("number" if found["number"] is not None else "mark", found[0], start, end)


def _comment_end(text: str, at: int) -> int:
    """Behind the comment that began before `at`; comments nest."""
    depth = 1
    for found in _COMMENT.finditer(text, at):
        depth += 1 if found[0] == "/*" else -1
        if not depth:
            return found.end()
    return len(text)
