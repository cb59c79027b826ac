"""The elements of JSON documents, one at a time: those of a list, or objects one behind another.

Streamed, never held whole. One that is broken is refused, and reading goes on behind it where its
brackets close; where they do not, with the next that stands on a line of its own as the others do.
Nothing that stands within an element is taken for one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from json import JSONDecodeError
from typing import Final, NamedTuple

from indelible.base import limits
from indelible.base.limits import IMPORT_PEEK_BYTES, LINE_BYTES
from indelible.ingest.json_ends import end_of

ELEMENT_BYTES: Final = limits.REQUEST_BYTES
"""An element up to here is read to its end, so that what follows it is not lost with it."""
ID_DIGITS: Final = 32  # 128 bits of SHA-256
WHITE = " \t\r\n"
_TEXT = r'"(?:[^"\\]|\\.)*"'
_BESIDE = rf'"(?:@odata\.\w+|kind|etag|nextPageToken|nextLink)"[ \t\r\n]*:[ \t\r\n]*{_TEXT}'
RECORDS = re.compile(
    rf"[ \t\r\n]*\{{(?:[ \t\r\n]*{_BESIDE}[ \t\r\n]*,)*[ \t\r\n]*"
    r'"(?:Records|records|value|items)"[ \t\r\n]*:[ \t\r\n]*\[',
    re.DOTALL,
)
"""A document that holds a list, and perhaps what its vendor writes before it: CloudTrail's, Azure
Monitor's, Graph's, Google's."""
_AFTER = re.compile(rf"(?:[ \t\r\n]*,[ \t\r\n]*{_BESIDE})*[ \t\r\n]*\}}", re.DOTALL)
_PLAIN = re.compile(r'[^"\[\]{},\n]+')
_TOKEN = r'"(?:[^"\\\n]++|\\.)*+"?|[\[\]{}]'
"""A text, which ends with its line at the latest, or a bracket."""
_HEAD = re.compile(rf"\{{[ \t\r\n]*{_TEXT}[ \t\r\n]*:", re.DOTALL)
"""How an element begins: with the name of its first member."""
ARRAY = re.compile(r"[ \t\r\n]*\[")


class Message(NamedTuple):
    """One message of a file: number, bytes and id; or why it could not be read.

    `cut` says that `raw` is only the beginning of one that is longer than `LINE_BYTES`.
    """

    line: int
    raw: bytes
    id: str
    code: str = ""
    problem: str = ""
    cut: bool = False


def too_long(number: int, size: int) -> Message:
    """What stands in place of a message of `size` bytes, more than an event takes."""
    why = f"{size} bytes; an event takes at most {limits.BODY_BYTES}"
    return Message(number, b"", "", "too_large", why)


class _Behind(NamedTuple):
    """What tells where a broken element ends: what stands behind it.

    `level` where its brackets closed, `sure` where more closed than opened; `tokens` finds the
    brackets, and the line on which an element begins as the others do.
    """

    tokens: re.Pattern[str]
    level: re.Pattern[str]
    sure: re.Pattern[str]

    @classmethod
    def of(cls, inside: bool, lead: str, begin: str) -> _Behind:
        """For an element inside of a list, or between lines; `begin` is how others begin."""
        space = r"[ \t\r\n]*"
        between = f"{space},{space}" if inside else rf"[ \t\r]*\n{space}"
        ends = rf"|{space}(?=\])" if inside else ""
        apart = lead and begin and (len(lead) > 1 or not inside)
        line = f"{re.escape(lead)}(?={re.escape(begin)})|" if apart else ""
        return cls(
            re.compile(line + _TOKEN),
            re.compile(rf"{between}(?=\{{){ends}"),
            re.compile(f"{between}(?={re.escape(begin)})" if begin else "(?!)"),
        )


class Elements:
    """The elements of JSON documents, one at a time; reads ahead by a chunk and an element.

    `cuts`: of one that is longer than `LINE_BYTES` the beginning is taken; else it is refused.
    """

    def __init__(self, chunks: Iterator[bytes], cuts: bool) -> None:
        self._chunks, self._cuts = chunks, cuts
        self._text = ""  # latin-1: one character a byte, and JSON's structure is ASCII
        self._at = 0
        self._digest = hashlib.sha256()
        self._left = limits.JSON_VAIN_BYTES
        self._head = self._white = self._lead = ""

    def messages(self) -> Iterator[Message]:
        """Every element in order.

        One that is broken is refused, and reading goes on with the next, for as long as not much
        more is read in vain than to some purpose.
        """
        number, inside, opened = 0, False, 0
        while self._peek():
            found = None if inside else self._opening()
            if found is not None:
                self._take(found)
                inside, opened = True, number
                continue
            mark = self._text[self._at]
            if inside and mark in ",]":
                self._take(self._at + 1)
                if mark == "]":
                    inside = False
                    self._close()
                continue
            number += 1
            end, why = self._element()
            if why:
                goes_on = self._resume(inside)
                rest = "" if goes_on else ", and nothing behind it was read"
                yield Message(
                    number, b"", "", "bad_json", f"element {number} cannot be read: {why}{rest}"
                )
                if not goes_on:
                    return
                continue
            raw = self._text[self._at : end].encode("latin-1")
            self._take(end)
            if len(raw) > LINE_BYTES and not self._cuts:
                yield too_long(number, len(raw))
                continue
            ident = f"import/{self._digest.hexdigest()[:ID_DIGITS]}"
            yield Message(number, raw[:LINE_BYTES], ident, cut=len(raw) > LINE_BYTES)
        if inside and number == opened:  # nothing came of it, and nobody would hear of that
            why = "the document ends where its list begins"
            yield Message(number + 1, b"", "", "bad_json", why)

    def _opening(self) -> int | None:
        """Where a list of elements begins, when the text stands before one."""
        found = RECORDS.match(self._text, self._at) or ARRAY.match(self._text, self._at)
        return found.end() if found else None

    def _resume(self, inside: bool) -> bool:
        """Pass over a broken element to the next; False where there is none that can be told."""
        if self._left <= 0:
            return False
        behind = _Behind.of(inside, self._lead, self._begin())
        plain = _PLAIN.match(self._text, self._at)
        if plain and self._went(behind.level, plain.end()):
            return True  # it was no object and no list
        depth, last = 0, False
        while True:
            for token in behind.tokens.finditer(self._text, self._at):
                if not last and len(self._text) - token.end() < IMPORT_PEEK_BYTES:
                    self._pass(token.start())
                    break
                mark = self._text[token.start()]
                if mark == "\n":
                    self._pass(token.end())
                    return True
                depth += (mark in "[{") - (mark in "]}")
                closed = mark in "]}" and depth <= 0
                if closed and self._went(behind.sure if depth else behind.level, token.end()):
                    return True
            else:
                if last:
                    return False
                self._pass(max(self._at, len(self._text) - IMPORT_PEEK_BYTES))
            if len(self._text) - self._at > ELEMENT_BYTES or self._left <= 0:
                return False
            last = not self._doubled()

    def _begin(self) -> str:
        """How elements begin: as the first that was whole, else as the one at hand."""
        head = _HEAD.match(self._text, self._at)
        return self._head or (head[0] if head else "")

    def _went(self, following: re.Pattern[str], at: int) -> bool:
        """Whether what is `following` an element stands at `at`; then reading goes on behind it."""
        found = following.match(self._text, at)
        if found is None:
            return False
        self._pass(found.end())
        return True

    def _pass(self, end: int) -> None:
        """Go on to `end`, in vain."""
        self._left -= end - self._at
        self._move(end)

    def _close(self) -> None:
        """Pass over what ends a document after its list: a brace, and members before it."""
        if not self._peek() or self._text[self._at] not in ",}":
            return
        while (found := _AFTER.match(self._text, self._at)) is None:
            if len(self._text) - self._at > IMPORT_PEEK_BYTES or not self._more():
                return
        self._take(found.end())

    def _element(self) -> tuple[int, str]:
        """The end of the value that begins here, or why there is none."""
        if "\n" in self._white:
            self._lead = self._white[self._white.rindex("\n") :]
        while True:
            try:
                end = end_of(self._text, self._at)
                if not self._head and (head := _HEAD.match(self._text, self._at)):
                    self._head = head[0]
                if end < len(self._text) or not self._more():
                    return end, ""
                continue
            except JSONDecodeError as error:
                why = error.msg
                self._left -= error.pos - self._at + (error.pos >> 2)
            if len(self._text) - self._at > ELEMENT_BYTES:
                return 0, f"more than {ELEMENT_BYTES} bytes in one element, or {why}"
            if not self._doubled():
                return 0, why

    def _peek(self) -> bool:
        """Move to the next character that is not white space; False at the end."""
        while True:
            end = self._at
            while end < len(self._text) and self._text[end] in WHITE:
                end += 1
            if end > self._at:
                self._white = self._text[self._at : end]
            self._take(end)
            if end < len(self._text):
                if len(self._text) - end < IMPORT_PEEK_BYTES:
                    self._more()
                return True
            if not self._more():
                return False

    def _take(self, end: int) -> None:
        """Go on to `end`; the id of what follows depends on every byte passed."""
        self._left = min(self._left + end - self._at, limits.JSON_VAIN_BYTES)
        self._move(end)

    def _move(self, end: int) -> None:
        if end > self._at:
            self._digest.update(self._text[self._at : end].encode("latin-1"))
            self._at = end

    def _doubled(self) -> bool:
        """Read until there is twice as much; False at the end of the file. So the beginning of an
        element that is long or has no end is read over a bounded number of times."""
        wanted = 2 * (len(self._text) - self._at)
        if not self._more():
            return False
        while len(self._text) < wanted and self._more():
            pass
        return True

    def _more(self) -> bool:
        """Read one more chunk; False at the end of the file."""
        chunk = next(self._chunks, None)
        if chunk is None:
            return False
        self._text = self._text[self._at :] + chunk.decode("latin-1")
        self._at = 0
        return True
