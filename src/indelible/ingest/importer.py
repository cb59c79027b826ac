"""Files to import, as batches for `POST /v1/import`: read once, streamed, never held whole.

A file holds lines, or one JSON document: an array, `{"Records": [...]}`, or objects that stand
over several lines. Each line (each element) travels as it is, with its number and an id: the hash
of the unpacked file up to and including it. The server uses that id where the event has none of
its own, so a file that is repeated, grown or packed otherwise adds nothing twice, and two equal
lines stay two events.

The wire form is NDJSON of `ImportLine`; `encode_line` and `parse_import` are its two ends.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from json import JSONDecodeError, JSONDecoder
from types import MappingProxyType
from typing import BinaryIO, Final, NamedTuple

import msgspec

from indelible.base import limits
from indelible.base.errors import BadRequest, InvalidEvent, TooLarge
from indelible.base.limits import (
    IMPORT_BATCH_BYTES,
    IMPORT_BATCH_EVENTS,
    IMPORT_PEEK_BYTES,
    LINE_BYTES,
)
from indelible.ingest.decompress import plain_chunks
from indelible.ingest.parsed import Parsed, Rejected, rejected
from indelible.ingest.parsers import cloudtrail, native

ELEMENT_BYTES: Final = limits.REQUEST_BYTES
"""An element up to here is read to its end, so that what follows it is not lost with it."""
_ID_DIGITS: Final = 32  # 128 bits of SHA-256
_WHITE = " \t\r\n"
_RECORDS = re.compile(r'[ \t\r\n]*\{[ \t\r\n]*"Records"[ \t\r\n]*:[ \t\r\n]*\[')
_ARRAY = re.compile(r"[ \t\r\n]*\[")
_SPREAD = re.compile(r"[ \t\r\n]*\{[ \t\r]*\n")


class Parser(NamedTuple):
    """One source format: its name and version for `via.parser`, and how one message is read."""

    version: str
    parse: Callable[[bytes, int, str], Parsed]


PARSERS: Final = MappingProxyType(
    {
        "native": Parser(native.VERSION, native.parse_event),
        "cloudtrail": Parser(cloudtrail.VERSION, cloudtrail.parse_record),
    }
)
"""Parsers of files by name."""


class ImportLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One message on the wire: its number in the file, its id, and its text.

    `raw` is the text; bytes that are not UTF-8 travel as `b64`. A message that could not be read
    from the file has neither, but `problem` and `code`: the server counts it as refused.
    """

    line: int
    id: str = ""
    raw: str | None = None
    b64: str = ""
    code: str = ""
    problem: str = ""


class ImportBatch(msgspec.Struct, frozen=True, kw_only=True):
    """What one request carries: `body` to POST; `first` to `last` are line numbers of `file`."""

    file: str
    first: int
    last: int
    count: int
    body: bytes


class _Message(NamedTuple):
    """One line or element: number, bytes and id; or why it could not be read."""

    line: int
    raw: bytes
    id: str
    code: str = ""
    problem: str = ""


_encode = msgspec.json.Encoder().encode
_lines = msgspec.json.Decoder(ImportLine).decode_lines


def iter_batches(
    paths: Iterable[str], parser: str, stdin: BinaryIO | None = None
) -> Iterator[ImportBatch]:
    """Batches of every file in turn; `-` is `stdin`. No batch holds messages of two files.

    Raises `BadRequest` for an unknown parser or a damaged packed file (after the batches before
    it), `OSError` for a file that cannot be opened.
    """
    if parser not in PARSERS:
        raise BadRequest(f"parser is {' or '.join(PARSERS)}, not {parser!r}", field="parser")
    for path in paths:
        if path == "-":
            if stdin is None:
                raise BadRequest("there is no standard input to read")
            yield from batches_of(stdin, "-")
        else:
            with open(path, "rb") as file:
                yield from batches_of(file, path)


def batches_of(file: BinaryIO, name: str) -> Iterator[ImportBatch]:
    """Batches of one open file."""
    parts: list[bytes] = []
    first = last = size = 0
    for message in _messages(plain_chunks(file, name)):
        part = encode_line(message)
        if parts and (len(parts) >= IMPORT_BATCH_EVENTS or size + len(part) > IMPORT_BATCH_BYTES):
            yield _batch(name, first, last, parts)
            parts, size = [], 0
        if not parts:
            first = message.line
        last = message.line
        size += len(part) + 1
        parts.append(part)
    if parts:
        yield _batch(name, first, last, parts)


def _batch(name: str, first: int, last: int, parts: list[bytes]) -> ImportBatch:
    body = b"\n".join(parts) + b"\n"
    return ImportBatch(file=name, first=first, last=last, count=len(parts), body=body)


def encode_line(message: _Message) -> bytes:
    """One message in the wire form."""
    if message.code:
        return _encode(ImportLine(line=message.line, code=message.code, problem=message.problem))
    try:
        text = message.raw.decode()
    except UnicodeDecodeError:
        packed = base64.b64encode(message.raw).decode()
        return _encode(ImportLine(line=message.line, id=message.id, b64=packed))
    return _encode(ImportLine(line=message.line, id=message.id, raw=text))


def parse_import(body: bytes, parser: str) -> tuple[list[Parsed], list[Rejected]]:
    """The server's end: every message of a batch, parsed, with its line and id.

    Raises `BadRequest` when the body is not of the wire form or the parser is unknown, `TooLarge`
    beyond `limits.REQUEST_BYTES` or `limits.REQUEST_EVENTS`.
    """
    if parser not in PARSERS:
        raise BadRequest(f"parser is {' or '.join(PARSERS)}, not {parser!r}", field="parser")
    if len(body) > limits.REQUEST_BYTES:
        raise TooLarge(f"more than {limits.REQUEST_BYTES} bytes in one request")
    if body.count(b"\n") > limits.REQUEST_EVENTS:
        raise TooLarge(f"more than {limits.REQUEST_EVENTS} lines in one request")
    try:
        lines = _lines(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"not a batch of import lines: {error}") from error
    parse = PARSERS[parser].parse
    accepted: list[Parsed] = []
    refused: list[Rejected] = []
    for line in lines:
        try:
            accepted.append(parse(_raw(line), line.line, line.id))
        except InvalidEvent as error:
            refused.append(rejected(line.line, error))
    return accepted, refused


def _raw(line: ImportLine) -> bytes:
    if line.code:
        raise InvalidEvent(line.problem, code=line.code)
    if line.raw is not None:
        return line.raw.encode()
    try:
        return base64.b64decode(line.b64, validate=True)
    except binascii.Error as error:
        raise InvalidEvent(f"not base64: {error}", field="b64", code="bad_json") from error


def _messages(chunks: Iterator[bytes]) -> Iterator[_Message]:
    """Lines or elements, whichever the beginning of the file shows."""
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= IMPORT_PEEK_BYTES:
            break
    start = head[:IMPORT_PEEK_BYTES].decode("latin-1")
    source = _again(head, chunks)
    if _RECORDS.match(start) or _ARRAY.match(start) or _SPREAD.match(start):
        return _Elements(source).messages()
    return _from_lines(source)


def _again(head: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    if head:
        yield head
    yield from chunks


def _from_lines(chunks: Iterator[bytes]) -> Iterator[_Message]:
    """Lines with their ids; blank ones count and are passed over."""
    digest = hashlib.sha256()
    number, skipped, rest = 0, 0, b""
    for chunk in chunks:
        lines = (rest + chunk).split(b"\n")
        rest = lines.pop()
        for line in lines:
            number += 1
            digest.update(line)
            yield from _line(number, line, skipped, digest.hexdigest())
            digest.update(b"\n")
            skipped = 0
        if len(rest) > LINE_BYTES:
            digest.update(rest)
            skipped += len(rest)
            rest = b""
    if rest or skipped:
        digest.update(rest)
        yield from _line(number + 1, rest, skipped, digest.hexdigest())


def _line(number: int, line: bytes, skipped: int, digest: str) -> Iterator[_Message]:
    """The message of one line; `skipped` bytes of it were passed over."""
    if skipped or len(line) > LINE_BYTES:
        yield _too_long(number, skipped + len(line))
        return
    text = line.strip(b" \t\r")
    if text:
        yield _Message(number, text, f"import/{digest[:_ID_DIGITS]}")


def _too_long(number: int, size: int) -> _Message:
    why = f"{size} bytes; an event takes at most {limits.BODY_BYTES}"
    return _Message(number, b"", "", "too_large", why)


class _Elements:
    """The elements of JSON documents, one at a time; reads ahead by a chunk and an element."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._text = ""  # latin-1: one character a byte, and JSON's structure is ASCII
        self._at = 0
        self._digest = hashlib.sha256()
        self._scan = JSONDecoder(parse_int=str, parse_float=str).raw_decode

    def messages(self) -> Iterator[_Message]:
        """Every element in order; a break in the text ends them with one refusal."""
        number, inside = 0, False
        while self._peek():
            found = None if inside else self._opening()
            if found is not None:
                self._take(found)
                inside = True
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
                kept = f"the document cannot be read from element {number} on: {why}"
                yield _Message(number, b"", "", "bad_json", kept)
                return
            raw = self._text[self._at : end].encode("latin-1")
            self._take(end)
            if len(raw) > LINE_BYTES:
                yield _too_long(number, len(raw))
                continue
            yield _Message(number, raw, f"import/{self._digest.hexdigest()[:_ID_DIGITS]}")

    def _opening(self) -> int | None:
        """Where a list of elements begins, when the text stands before one."""
        found = _RECORDS.match(self._text, self._at) or _ARRAY.match(self._text, self._at)
        return found.end() if found else None

    def _close(self) -> None:
        """Pass over the brace that ends `{"Records": [...]}`."""
        if self._peek() and self._text[self._at] == "}":
            self._take(self._at + 1)

    def _element(self) -> tuple[int, str]:
        """The end of the value that begins here, or why there is none."""
        while True:
            try:
                _, end = self._scan(self._text, self._at)
                if end < len(self._text) or not self._more():
                    return end, ""
                continue
            except JSONDecodeError as error:
                why = error.msg
            except (RecursionError, ValueError):
                return 0, f"it nests deeper than {limits.JSON_DEPTH}"
            if len(self._text) - self._at > ELEMENT_BYTES:
                return 0, f"more than {ELEMENT_BYTES} bytes in one element, or {why}"
            if not self._more():
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
            self._at = end

    def _more(self) -> bool:
        """Read one more chunk; False at the end of the file."""
        chunk = next(self._chunks, None)
        if chunk is None:
            return False
        self._text = self._text[self._at :] + chunk.decode("latin-1")
        self._at = 0
        return True
