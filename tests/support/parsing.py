"""Foreign messages through their parser: one as it is, or a file as an import reads it."""

from __future__ import annotations

import io

from indelible.ingest.importer import batches_of, parse_import
from indelible.ingest.parsed import Parsed, Rejected
from indelible.ingest.parsers.contract import Given
from indelible.ingest.parsers.finish import parse_message
from indelible.ingest.parsers.table import parser_named

GIVEN = Given(now_us=1_780_272_000_000_000)
"""What a way in knows that knows nothing but the time: 1 June 2026."""


def parse_one(parser: str, raw: bytes, line: int = 1, given: Given = GIVEN) -> Parsed:
    """One message."""
    return parse_message(parser_named(parser), raw, given, line=line)


def parse_file(
    parser: str, data: bytes, given: Given = GIVEN
) -> tuple[list[Parsed], list[Rejected]]:
    """Every message of a file, as `indelible import` and the server read it."""
    accepted: list[Parsed] = []
    refused: list[Rejected] = []
    for batch in batches_of(io.BytesIO(data), "file", parser):
        good, bad = parse_import(batch.body, parser, given)
        accepted += good
        refused += bad
    return accepted, refused
