"""Files taken apart into messages: lines, elements of JSON documents, records of event logs.

Read once, streamed, never held whole. What a file holds is seen from its beginning. Lines that only
together are one message (the format's parser says so) are joined. Each message has an id: the hash
of the unpacked file up to and including it, so that a file that is read again, grown or packed
otherwise gives the same ids, and two equal lines have two.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Iterator
from json import JSONDecodeError
from typing import BinaryIO, Final, NamedTuple

from indelible.base import limits
from indelible.base.limits import IMPORT_PEEK_BYTES, LINE_BYTES
from indelible.ingest.decompress import plain_chunks
from indelible.ingest.evtx_file import Damaged, event_texts, is_event_log
from indelible.ingest.json_ends import end_of
from indelible.ingest.parsers.contract import Given
from indelible.ingest.parsers.table import AUTO, FORMATS
from indelible.ingest.protocols.joining import Joined, Joiner, join_of

NATIVE: Final = "native"
"""The one format that is not foreign: its messages are events already, and may be refused."""

ELEMENT_BYTES: Final = limits.REQUEST_BYTES
"""An element up to here is read to its end, so that what follows it is not lost with it."""
_ID_DIGITS: Final = 32  # 128 bits of SHA-256
_WHITE = " \t\r\n"
_TEXT = r'"(?:[^"\\]|\\.)*"'
_BESIDE = rf'"(?:@odata\.\w+|kind|etag|nextPageToken|nextLink)"[ \t\r\n]*:[ \t\r\n]*{_TEXT}'
_RECORDS = re.compile(
    rf"[ \t\r\n]*\{{(?:[ \t\r\n]*{_BESIDE}[ \t\r\n]*,)*[ \t\r\n]*"
    r'"(?:Records|records|value|items)"[ \t\r\n]*:[ \t\r\n]*\[',
    re.DOTALL,
)
"""A document that holds a list, and perhaps what its vendor writes before it: CloudTrail's, Azure
Monitor's, Graph's, Google's."""
_AFTER = re.compile(rf"(?:[ \t\r\n]*,[ \t\r\n]*{_BESIDE})*[ \t\r\n]*\}}", re.DOTALL)
_HEAD = re.compile(rf"\{{[ \t\r\n]*{_TEXT}[ \t\r\n]*:", re.DOTALL)
"""How an element begins: with the name of its first member."""
_CUT: Final = len("\\uFFFF")
"""What is broken so near the end of what was read of a file may be whole in the file."""
_ARRAY = re.compile(r"[ \t\r\n]*\[")
_SPREAD = re.compile(r"[ \t\r\n]*\{[ \t\r]*\n")


class Message(NamedTuple):
    """One message of a file: number, bytes and id; or why it could not be read."""

    line: int
    raw: bytes
    id: str
    code: str = ""
    problem: str = ""


def messages(file: BinaryIO, name: str, parser: str) -> Iterator[Message]:
    """Every message of an open file, packed or not, that is to be read by `parser`.

    `name` is for errors. Raises `BadRequest` when the file is damaged, after what came before.
    """
    chunks = plain_chunks(file, name)
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= IMPORT_PEEK_BYTES:
            break
    start = head[:IMPORT_PEEK_BYTES].decode("latin-1")
    source = _again(head, chunks)
    if is_event_log(head):
        return _event_log(source, name)
    if _is_document(start):
        return _Elements(source).messages()
    first = head.split(b"\n", 1)[0].strip(b" \t\r")
    joins = parser == AUTO.name or parser in FORMATS
    join = join_of(parser, first, Given(now_us=0)) if joins else None
    return _from_lines(source) if join is None else _joined(source, Joiner(join))


def _is_document(start: str) -> bool:
    """Whether a file that begins so is JSON documents rather than lines.

    Many logs write `[` first (a time, a level): only objects behind it make it a list. An object
    that spreads over lines is one if it can be read, or the beginning is too short to tell: a line
    that is nothing but `{` may stand in any log.
    """
    if _RECORDS.match(start):
        return True
    found = _ARRAY.match(start)
    if found is not None:
        return start[found.end() :].lstrip(_WHITE)[:1] in ("{", "]", "")
    if not _SPREAD.match(start):
        return False
    try:
        end_of(start, start.index("{"))
    except JSONDecodeError as error:
        return len(start) - error.pos < _CUT or error.msg.startswith("Unterminated string")
    return True


def _event_log(chunks: Iterator[bytes], name: str) -> Iterator[Message]:
    """The records of a binary event log of Windows, which is put down whole to be read."""
    with tempfile.TemporaryFile() as whole:
        for chunk in chunks:
            whole.write(chunk)
        whole.seek(0)
        digest = hashlib.sha256()
        for number, text in enumerate(event_texts(whole, name), 1):
            if isinstance(text, Damaged):
                yield Message(number, b"", "", "damaged", text.why)
                continue
            raw = text.encode("utf-8", "replace")
            digest.update(raw)
            yield Message(number, raw, f"import/{digest.hexdigest()[:_ID_DIGITS]}")


def _joined(chunks: Iterator[bytes], joiner: Joiner[Message]) -> Iterator[Message]:
    """Lines put together as the format says; a message has the number of its first line and the
    id of its last."""
    for message in _from_lines(chunks, whole=True):
        if message.code:
            yield message
            continue
        for one in joiner.add(message.raw, message, 0.0):
            yield from _whole(one)
    for one in joiner.end():
        yield from _whole(one)


def _whole(one: Joined[Message]) -> Iterator[Message]:
    text = one.text.rstrip(b" \t\r\n")
    if len(text) > LINE_BYTES:
        yield _too_long(one.marks[0].line, len(text))
    elif text:
        yield Message(one.marks[0].line, text, one.marks[-1].id)


def _again(head: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    if head:
        yield head
    yield from chunks


def _from_lines(chunks: Iterator[bytes], whole: bool = False) -> Iterator[Message]:
    """Lines with their ids; blank ones count and are passed over.

    With `whole` they are given with the white space before them, and blank ones too.
    """
    digest = hashlib.sha256()
    number, skipped, rest = 0, 0, b""
    for chunk in chunks:
        lines = (rest + chunk).split(b"\n")
        rest = lines.pop()
        for line in lines:
            number += 1
            digest.update(line)
            yield from _line(number, line, skipped, digest.hexdigest(), whole)
            digest.update(b"\n")
            skipped = 0
        if len(rest) > LINE_BYTES:
            digest.update(rest)
            skipped += len(rest)
            rest = b""
    if rest or skipped:
        digest.update(rest)
        yield from _line(number + 1, rest, skipped, digest.hexdigest(), whole)


def _line(
    number: int, line: bytes, skipped: int, digest: str, whole: bool
) -> Iterator[Message]:
    """The message of one line; `skipped` bytes of it were passed over."""
    if skipped or len(line) > LINE_BYTES:
        yield _too_long(number, skipped + len(line))
        return
    text = line.rstrip(b"\r") if whole else line.strip(b" \t\r")
    if text or whole:
        yield Message(number, text, f"import/{digest[:_ID_DIGITS]}")


def _too_long(number: int, size: int) -> Message:
    why = f"{size} bytes; an event takes at most {limits.BODY_BYTES}"
    return Message(number, b"", "", "too_large", why)


class _Elements:
    """The elements of JSON documents, one at a time; reads ahead by a chunk and an element."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._text = ""  # latin-1: one character a byte, and JSON's structure is ASCII
        self._at = 0
        self._digest = hashlib.sha256()
        self._left = limits.JSON_VAIN_BYTES
        self._head = ""

    def messages(self) -> Iterator[Message]:
        """Every element in order.

        One that is broken is refused, and reading goes on with the next that begins as the others
        do, for as long as not much more is read in vain than to some purpose.
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
            if len(raw) > LINE_BYTES:
                yield _too_long(number, len(raw))
                continue
            yield Message(number, raw, f"import/{self._digest.hexdigest()[:_ID_DIGITS]}")
        if inside and number == opened:  # nothing came of it, and nobody would hear of that
            why = "the document ends where its list begins"
            yield Message(number + 1, b"", "", "bad_json", why)

    def _opening(self) -> int | None:
        """Where a list of elements begins, when the text stands before one."""
        found = _RECORDS.match(self._text, self._at) or _ARRAY.match(self._text, self._at)
        return found.end() if found else None

    def _resume(self, inside: bool) -> bool:
        """Pass over a broken element to the next; False where there is none that can be told."""
        head = _HEAD.match(self._text, self._at)
        begin = self._head or (head[0] if head else "")
        if not begin or self._left <= 0:
            return False
        following = re.compile(rf"{'[,]' if inside else chr(10)}[ \t\r\n]*(?={re.escape(begin)})")
        self._take(self._at + 1)
        while (found := following.search(self._text, self._at)) is None:
            if not self._more():
                return False
        self._take(found.end())
        return True

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
            while end < len(self._text) and self._text[end] in _WHITE:
                end += 1
            self._take(end)
            if end < len(self._text):
                if len(self._text) - end < IMPORT_PEEK_BYTES:
                    self._more()
                return True
            if not self._more():
                return False

    def _take(self, end: int) -> None:
        """Go on to `end`; the id of what follows depends on every byte passed."""
        if end > self._at:
            self._digest.update(self._text[self._at : end].encode("latin-1"))
            self._left = min(self._left + end - self._at, limits.JSON_VAIN_BYTES)
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
