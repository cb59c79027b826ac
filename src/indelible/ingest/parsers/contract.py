"""What a parser of a foreign format is: a pure function from one message to who, what and when.

A format is a module of this folder with one `PARSER`, named in `parsers.table`. Its `parse` is
handed the decoded JSON object, or the text, of one message and what the way in knows of it
(`Given`), and answers `Understood` or raises `NotUnderstood` with the reason. It MUST NOT raise
anything else, guess what the message does not say, or look at a clock: `parsers.finish` keeps the
message itself, fills in what the envelope said, and turns a failure into an event of kind
`unparsed`, so that no message is lost to a parser.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, tzinfo
from ipaddress import IPv4Network, IPv6Network
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from indelible.event.model import Event, Severity

Network: TypeAlias = IPv4Network | IPv6Network
Record: TypeAlias = dict[str, Any]
"""A decoded JSON object of a foreign format."""


class Given(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is known of a message besides its own text.

    `now_us` is when it was received, `zone` the source's configured zone for times that name none,
    `proxies` the networks whose forwarded-for headers count. The rest is what an envelope said
    (syslog header, journald field, shipper's document); a parser's own finding has precedence over
    it. `flags` speak of `time` (and `ip`) and are dropped with it. `id` is one that the envelope
    gave the message for ever (a journal's cursor). `host` is the machine that wrote the message,
    `program` and `process` its writer. `ip` is the address of whoever acted, for a message that is
    not understood. `of_host` says that any program of a host may have written the message
    (a line of syslog, an entry of a journal), whoever that program claims to be.
    """

    now_us: int
    zone: tzinfo = UTC
    proxies: tuple[Network, ...] = ()
    id: str = ""
    host: str = ""
    ip: str = ""
    program: str = ""
    process: str = ""
    of_host: bool = False
    time: datetime | UnsetType = UNSET
    observed: datetime | UnsetType = UNSET
    flags: tuple[str, ...] = ()
    severity: Severity | UnsetType = UNSET
    labels: Mapping[str, str] = {}
    data: Mapping[str, object] = {}


class Understood(NamedTuple):
    """One message understood: the event without `raw` and `data`, and what has no member.

    `data` becomes the event's `data`, `flags` its flags (`time_assumed`, `truncated`). `guessed`
    names the members that were inferred rather than said; the event is then flagged `guessed`.
    """

    event: Event
    data: Mapping[str, object] = {}
    flags: tuple[str, ...] = ()
    guessed: tuple[str, ...] = ()


class NotUnderstood(Exception):
    """The message is not what the parser reads, or lacks what an event needs.

    `code` is stable (`not_this_format`, `missing_actor`, `unknown_message`, ...), `why` is for
    people. `data` and `labels` hold what could be read all the same.
    """

    def __init__(
        self, code: str, why: str, data: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(f"{code}: {why}")
        self.code, self.why = code, why
        self.data: Mapping[str, object] = data or {}
        self.known: tuple[Parser, Given] | None = None


ReadRecord: TypeAlias = Callable[[Record, Given], Understood]
ReadText: TypeAlias = Callable[[str, Given], Understood]
JoinKey: TypeAlias = Callable[[bytes], bytes]
JoinEnds: TypeAlias = Callable[[bytes], bool]


class Join(NamedTuple):
    """How one message spreads over several lines.

    `key` names what a line belongs to (empty: it stands alone); lines of one key, not necessarily
    neighbours, are one message, joined by line ends. `ends` says that a line completes its key.
    `follows` says that a line continues the one before it whatever its key.
    """

    key: JoinKey
    ends: JoinEnds
    follows: Callable[[bytes], bool] = lambda line: False


Unwrap: TypeAlias = Callable[[str | Record, Given], tuple[str | Record, Given]]


class Parser(NamedTuple):
    """One source format.

    `name` is what people type, `version` what `via.parser` says; it changes when the same message
    would give another event. Exactly one of three says what it reads: `record` a JSON object,
    `text` a text, `unwrap` an envelope, from which it takes the message and what is known of it
    (the message is then read by the parser that recognises it).
    `recognise` answers for `--parser auto` why a message is of this format, or '' when it is not;
    it is handed a decoded object where `reads_records`, else a text, is cheap and does not raise.
    """

    name: str
    version: str
    about: str
    record: ReadRecord | None = None
    text: ReadText | None = None
    unwrap: Unwrap | None = None
    reads_records: bool = True
    recognise: Callable[[Any, Given], str] = lambda message, given: ""
    join: Join | None = None


WRONG: Final = "not_this_format"
"""The code of a message that is of another format altogether."""
