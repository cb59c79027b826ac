"""What a transport is handed: the register of sources, and the one way to the ledger.

Transports that hold connections or files of their own (syslog, RELP, files, pulls) run in the
collector process (`app.collector`), so that hostile bytes are parsed beside the writer and not in
it. They know nothing of processes: `Hub` is all they see, and tests fulfil it in memory. One whose
senders carry tokens, which the collector does not know, sees a `Relay` instead.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from indelible.ingest.parsers.contract import Given
from indelible.ingest.sources import Senders, SourceSettings
from indelible.ingest.submission import Submission, SubmitResult


class Configured(msgspec.Struct, frozen=True, kw_only=True):
    """One source with what only its transport may know."""

    settings: SourceSettings
    secret: bytes = b""
    positions: dict[str, bytes] = {}


class Hub(Protocol):
    """The collector, as a transport sees it. Lives in one event loop."""

    def sources(self, protocol: str) -> Sequence[Configured]:
        """The sources of `protocol` that are not disabled."""

    def senders(self, protocol: str) -> Senders:
        """Which source a sender of `protocol` is."""

    def given(self, settings: SourceSettings) -> Given:
        """What is known of every message of a source that is received now."""

    async def deliver(self, submission: Submission) -> SubmitResult:
        """Return when every event is durable; only then may a sender be told so.

        While the ledger is busy or the disk is full it waits and tries again, for as long as the
        transport does not give up (by cancelling): that is how back-pressure reaches a sender.
        Raises `LedgerStopped` when the ledger takes nothing more.
        """

    def refused(self, settings: SourceSettings, count: int) -> None:
        """Count messages of a source that were refused whole, or cut off by their sender."""

    def dropped(self, settings: SourceSettings, count: int) -> None:
        """Count messages of a source that were lost before they could be read."""

    def unknown(self, protocol: str, peer: str, certificate: str = "", count: int = 1) -> None:
        """Tell that somebody whom no source names tried to send; counted and put on record."""

    def figures(self, settings: SourceSettings, figures: Mapping[str, str]) -> None:
        """What `source show` says of a source besides its counts, in place of what was said before.

        `trouble` is why nothing comes of it. What raises is shown as trouble by the collector;
        a transport that works again says so, if only by saying nothing is wrong.
        """

    async def gap(self, settings: SourceSettings, boot: str, first: int, last: int) -> None:
        """Put on record that `first` to `last` of the numbering `boot` will never come.

        Returns when the record is durable.
        """

    async def keep(self, settings: SourceSettings, positions: Mapping[str, bytes]) -> None:
        """Keep durably how far a source was read; an empty value forgets a position."""


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """A request of a protocol that the server speaks over HTTP, before its body is received.

    Header names are in lower case. `certificate` is the name in the sender's, empty without one.
    """

    path: str
    headers: list[tuple[bytes, bytes]]
    peer: tuple[str, int]
    certificate: str = ""


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """The server's answer, as over HTTP; `status` is 0 when the request had no body."""

    status: int
    headers: list[tuple[bytes, bytes]] = []
    body: bytes = b""


Body = Callable[[], Awaitable[bytes | None]]
"""Receives a request's body; None when the sender has gone."""


class Relay(Protocol):
    """The server behind its HTTP port, as a transport of the same requests sees it."""

    async def post(self, head: Head, body: Body) -> Answered:
        """What the server answers: the very answer that the same request has over HTTP.

        `body` is received only when the head is admitted, and within the time a body has there.
        When this is cancelled before the body was received, nothing of the request is stored.
        """
