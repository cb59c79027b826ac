"""JSON records of audit logs that nobody listed, by names of members and shapes of values.

`docs/sources/json.md` says how the guesses are made. What is guessed is flagged; where it cannot be
told who did what, the record is kept as `unparsed`, with the guesses, rather than misread.
"""

from __future__ import annotations

from typing import Final

from indelible.ingest.parsers.contract import Given, Parser, Record, Understood
from indelible.ingest.parsers.guess_event import understood


def _record(record: Record, given: Given) -> Understood:
    return understood(record, given, PARSER)


def _recognise(record: Record, given: Given) -> str:
    return "it is a JSON object that no other parser recognises" if record else ""


PARSER: Final = Parser(
    name="json",
    version="json/1",
    about="JSON records of any other kind: who, what and when are guessed, and flagged",
    record=_record,
    recognise=_recognise,
)
