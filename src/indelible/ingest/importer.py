"""Files to import, as batches for `POST /v1/import`: read once, streamed, never held whole.

A file is taken apart into messages (`ingest.splitting`). Each travels as it is, with its number and
an id made from the file's content. The server uses that id where the event has none of its own, so
a file that is repeated, grown or packed otherwise adds nothing twice, and two equal lines stay two
events.

The wire form is NDJSON of `ImportLine`; `encode_line` and `parse_import` are its two ends.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import msgspec
from msgspec.structs import replace

from indelible.base import limits
from indelible.base.errors import BadRequest, InvalidEvent, TooLarge
from indelible.base.limits import (
    IMPORT_BATCH_BYTES,
    IMPORT_BATCH_EVENTS,
)
from indelible.ingest.elements import Message
from indelible.ingest.parsed import Parsed, Rejected, rejected
from indelible.ingest.parsers import native
from indelible.ingest.parsers.contract import Given
from indelible.ingest.parsers.finish import parse_message
from indelible.ingest.parsers.table import parser_named
from indelible.ingest.splitting import NATIVE, messages


def version_of(parser: str) -> str:
    """What `via.parser` says of messages that were read as `parser`; raises `BadRequest`."""
    return native.VERSION if parser == NATIVE else parser_named(parser).version


class ImportLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One message on the wire: its number in the file, its id, and its text.

    `raw` is the text; bytes that are not UTF-8, or would take more room so, travel as `b64`. `cut`
    says that only the beginning of a message was read. A message that could not be read
    from the file has neither, but `problem` and `code`: the server counts it as refused.
    """

    line: int
    id: str = ""
    raw: str | None = None
    b64: str = ""
    cut: bool = False
    code: str = ""
    problem: str = ""


class ImportBatch(msgspec.Struct, frozen=True, kw_only=True):
    """What one request carries: `body` to POST; `first` to `last` are line numbers of `file`."""

    file: str
    first: int
    last: int
    count: int
    body: bytes


_encode = msgspec.json.Encoder().encode
_lines = msgspec.json.Decoder(ImportLine).decode_lines


def iter_batches(
    paths: Iterable[str], parser: str, stdin: BinaryIO | None = None
) -> Iterator[ImportBatch]:
    """Batches of every file in turn; `-` is `stdin`. No batch holds messages of two files.

    Raises `BadRequest` for a damaged packed file (after the batches before it), `OSError` for a
    file that cannot be opened. Whether there is such a parser, who takes the batches says.
    """
    for path in paths:
        if path == "-":
            if stdin is None:
                raise BadRequest("there is no standard input to read")
            yield from batches_of(stdin, "-", parser)
        else:
            with open(path, "rb") as file:
                yield from batches_of(file, path, parser)


def batches_of(file: BinaryIO, name: str, parser: str) -> Iterator[ImportBatch]:
    """Batches of one open file."""
    parts: list[bytes] = []
    first = last = size = 0
    for message in messages(file, name, parser):
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


def encode_line(message: Message) -> bytes:
    """One message in the wire form."""
    line = ImportLine(line=message.line, id=message.id, cut=message.cut)
    if message.code:
        return _encode(ImportLine(line=message.line, code=message.code, problem=message.problem))
    try:
        plain = _encode(replace(line, raw=message.raw.decode()))
    except UnicodeDecodeError:
        plain = b""
    if plain and len(plain) <= limits.LINE_BYTES + len(message.raw):
        return plain
    return _encode(replace(line, b64=base64.b64encode(message.raw).decode()))


def parse_import(
    body: bytes, parser: str, given: Given
) -> tuple[list[Parsed], list[Rejected]]:
    """The server's end: every message of a batch, parsed, with its line and id.

    Raises `BadRequest` when the body is not of the wire form or the parser is unknown, `TooLarge`
    beyond `limits.REQUEST_BYTES` or `limits.REQUEST_EVENTS`.
    """
    foreign = None if parser == NATIVE else parser_named(parser)
    if len(body) > limits.REQUEST_BYTES:
        raise TooLarge(f"more than {limits.REQUEST_BYTES} bytes in one request")
    if body.count(b"\n") > limits.REQUEST_EVENTS:
        raise TooLarge(f"more than {limits.REQUEST_EVENTS} lines in one request")
    try:
        lines = _lines(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"not a batch of import lines: {error}") from error
    accepted: list[Parsed] = []
    refused: list[Rejected] = []
    for line in lines:
        try:
            raw = _raw(line)
            if foreign is None:
                accepted.append(native.parse_event(raw, line.line, line.id))
                continue
            accepted.append(
                parse_message(
                    foreign, raw, given, line=line.line, message_id=line.id,
                    flags=("truncated",) if line.cut else (),
                )
            )
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
