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
from typing import BinaryIO, Final

from indelible.base.limits import IMPORT_PEEK_BYTES, LINE_BYTES
from indelible.ingest.decompress import plain_chunks
from indelible.ingest.elements import ARRAY, ID_DIGITS, RECORDS, WHITE, Elements, Message, too_long
from indelible.ingest.evtx_file import Damaged, event_texts, is_event_log
from indelible.ingest.json_ends import end_of
from indelible.ingest.parsers.contract import Given
from indelible.ingest.parsers.table import AUTO, FORMATS
from indelible.ingest.protocols.joining import Joined, Joiner, join_of

NATIVE: Final = "native"
"""The one format that is not foreign: its messages are events already, and may be refused."""

_CUT: Final = len("\\uFFFF")
"""What is broken so near the end of what was read of a file may be whole in the file."""
_SPREAD = re.compile(r"[ \t\r\n]*\{[ \t\r]*\n")


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
        return Elements(source).messages()
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
    if RECORDS.match(start):
        return True
    found = ARRAY.match(start)
    if found is not None:
        return start[found.end() :].lstrip(WHITE)[:1] in ("{", "]", "")
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
            yield Message(number, raw, f"import/{digest.hexdigest()[:ID_DIGITS]}")


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
        yield too_long(one.marks[0].line, len(text))
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
        yield too_long(number, skipped + len(line))
        return
    text = line.rstrip(b"\r") if whole else line.strip(b" \t\r")
    if text or whole:
        yield Message(number, text, f"import/{digest[:ID_DIGITS]}")

