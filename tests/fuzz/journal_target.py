"""An upload of a journal: every entry is kept or refused, whatever pieces it comes in."""

from __future__ import annotations

from indelible.event.strict import compact
from indelible.ingest.parsers.contract import Given
from indelible.ingest.parsers.table import parser_named
from indelible.ingest.protocols.journal_export import Stream, taken
from indelible.ingest.protocols.message import understood
from support.journal_export import entry, failed, logged

_GIVEN = Given(now_us=1_780_272_000_000_000)
_AUDIT = b"USER_AUTH pid=7 uid=0 auid=1000 ses=3 msg='op=PAM:authentication res=failed'"
UPLOADS = (
    b"".join(logged(n, failed(n)) for n in range(3)),
    logged(1, b"two\nlines") + logged(2, b"\xff\xfe") + entry(("__CURSOR", b"s=1"), ("A", b"x")),
    logged(3, _AUDIT, ("_AUDIT_TYPE_NAME", b"USER_AUTH"), ("_AUDIT_ID", b"7")),
)


def journal_export(data: bytes) -> bool:
    """What is stored is strict, pieces change nothing; False when something was refused."""
    answers = []
    for piece in (len(data) or 1, 5):
        stream = Stream()
        fed = [stream.feed(data[at : at + piece]) for at in range(0, len(data), piece)]
        fed.append(stream.end())
        entries = [one for found, _ in fed for one in found]
        refused = [one for _, found in fed for one in found]
        numbers = sorted([one.number for one in entries] + [one.line for one in refused])
        assert numbers == list(range(1, len(numbers) + 1)), "an entry is lost, or told twice"
        answers.append((entries, refused))
    assert answers[0] == answers[1], "two answers to one stream"
    entries, refused = answers[0]
    events, others = understood(taken(entries, [], _GIVEN), parser_named("journald"))
    assert len(events) + len(others) == len(entries), "neither kept nor refused"
    for event in events:
        assert compact(event.content, "") == event.content, "content that is not strict"
        assert b'"parser_failed"' not in event.content, "the parser failed"
    return not refused
