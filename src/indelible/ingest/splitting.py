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
        return Elements(source, parser != NATIVE).messages()
    first = head.split(b"\n", 1)[0].strip(b" \t\r")
    joins = parser == AUTO.name or parser in FORMATS
    join = join_of(parser, first, Given(now_us=0)) if joins else None
    if join is not None:
        return _joined(source, Joiner(join))
    return _from_lines(source, cuts=parser != NATIVE)


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
    if text:
        cut = len(text) > LINE_BYTES or any(mark.cut for mark in one.marks)
        yield Message(one.marks[0].line, text[:LINE_BYTES], one.marks[-1].id, cut=cut)


def _again(head: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    if head:
        yield head
    yield from chunks


def _from_lines(
    chunks: Iterator[bytes], whole: bool = False, cuts: bool = True
) -> Iterator[Message]:
    """Lines with their ids; blank ones count and are passed over.

    With `whole` they are given with the white space before them, and blank ones too. `cuts`: of one
    that is longer than `LINE_BYTES` the beginning is given; else it is refused.
    """
    digest = hashlib.sha256()
    number, passed, begun, rest = 0, 0, b"", b""
    for chunk in chunks:
        lines = (rest + chunk).split(b"\n")
        rest = lines.pop()
        for line in lines:
            number += 1
            digest.update(line)
            yield from _line(
                number, begun or line, passed + len(line), digest.hexdigest(), whole, cuts
            )
            digest.update(b"\n")
            passed, begun = 0, b""
        if len(rest) > LINE_BYTES:
            digest.update(rest)
            begun = begun or rest[:LINE_BYTES]
            passed += len(rest)
            rest = b""
    if rest or passed:
        digest.update(rest)
        yield from _line(
            number + 1, begun or rest, passed + len(rest), digest.hexdigest(), whole, cuts
        )


def _line(
    number: int, line: bytes, size: int, digest: str, whole: bool, cuts: bool
) -> Iterator[Message]:
    """The message of one line of `size` bytes, of which `line` is the whole or the beginning."""
    if size > LINE_BYTES and not cuts:
        yield too_long(number, size)
        return
    cut = size > LINE_BYTES
    line = line[:LINE_BYTES]
    text = line.rstrip(b"\r") if whole else line.strip(b" \t\r")
    if text or whole:
        yield Message(number, text, f"import/{digest[:ID_DIGITS]}", cut=cut)
