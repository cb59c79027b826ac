"""What the server is handed: one small protocol in front of ledger, query and store.

`indelible.app` fulfils it; tests fulfil it with a fake. Every method that reads events takes the
caller's scope as a required argument and MUST apply it: an event outside it is answered as if it
were not there. Methods raise the classes of `base.errors`; the server turns them into answers.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from indelible.event.predicate import Predicate
from indelible.ingest.protocols.hub import Configured
from indelible.ingest.sources import Senders, SourceSettings
from indelible.ingest.submission import Submission, SubmitResult
from indelible.store.meta import Meta

Json = bytes
"""One encoded JSON value, sent as it is."""


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger wrote for one index (`spec/log.md` sections 1 to 3)."""

    index: int
    leaf: bytes
    entry: bytes
    salt: bytes
    body: bytes


class EventView(msgspec.Struct, frozen=True, kw_only=True):
    """One event from evidence with its verdict (`spec/log.md` section 10).

    `body` and `salt` are empty when the body is gone; `why` then names the order or the missing
    key id.
    """

    receipt: Receipt
    verdict: str
    why: str = ""


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """Whether senders are served, and if not why; damage found by verification stands here too."""

    ready: bool
    reasons: tuple[str, ...] = ()


class WitnessView(msgspec.Struct, frozen=True, kw_only=True):
    """One configured witness and what it last cosigned."""

    name: str
    url: str
    vkey: str
    size: int | None = None
    age_seconds: float | None = None
    error: str = ""


class SourceView(msgspec.Struct, frozen=True, kw_only=True):
    """One source at a glance. Times are RFC 3339, empty for never.

    `per_minute` counts stored events over the last whole minutes; `lag_seconds` is how far the
    newest event was behind its own time when it came, None where it gave none or was an import.
    received = stored + duplicates + summarised + dropped_by_rule + refused + dropped; id conflicts,
    repeats, unparsed and stripped messages are among the stored. The audit policy rolled up the
    `summarised` and dropped those `dropped_by_rule`; `dropped` were lost before they could be read.
    `gaps` counts missing numbers whose gap is on record, `stretches` gaps that can never close,
    because where the numbers were kept they are not any more. `remarks` are `silence`, `volume`,
    `clock`, `shape`: how it differs from its rhythm now. `figures` is what its transport says of
    itself, for people; `trouble` among them is why nothing comes. While `counting`, for a moment
    after a crash, the counts lack what was stored since they were last kept.
    """

    id: str
    tenant: str = ""
    number: int = 0
    protocol: str = ""
    parser: str = ""
    owner: str = ""
    criticality: str = ""
    about: str = ""
    disabled: bool = False
    configured: bool = False
    per_minute: float = 0.0
    lag_seconds: float | None = None
    last: str = ""
    last_event: str = ""
    received: int = 0
    stored: int = 0
    duplicates: int = 0
    conflicts: int = 0
    repeats: int = 0
    unparsed: int = 0
    stripped: int = 0
    summarised: int = 0
    dropped_by_rule: int = 0
    refused: int = 0
    dropped: int = 0
    gaps: int = 0
    stretches: int = 0
    remarks: tuple[str, ...] = ()
    parsers: dict[str, int] = {}
    figures: dict[str, str] = {}
    paused_until: str = ""
    counting: bool = False


class Author(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who set something: a token by id and name, or the holder of the data folder."""

    type: str
    id: str
    name: str = ""


class AuditPolicyVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One version of the audit policy: its rules as they were written, who set it, when and why,
    and at which index the log says so (None: it was not declared yet)."""

    version: int
    set: str
    reason: str
    by: list[Author]
    rules: str
    index: int | None = None


class AuditRuleView(msgspec.Struct, frozen=True, kw_only=True):
    """One rule, and how many events (and bytes of them) it decided about since this server put it
    in force."""

    rule: int
    name: str
    when: str
    then: str
    events: int = 0
    bytes: int = 0


class AuditPolicyView(msgspec.Struct, frozen=True, kw_only=True):
    """The audit policy: `in_force` is the version that decides, 0 for none: everything is kept.

    `trouble` says why the newest version is not in force, where it is not.
    """

    in_force: int = 0
    trouble: str = ""
    newest: AuditPolicyVersion | None = None
    rules: list[AuditRuleView] = []


class Working(msgspec.Struct, frozen=True, kw_only=True):
    """Long work that somebody waits for: `seal` counts events, `backup` bytes.

    A `total` of 0 means that it is not known yet.
    """

    name: str
    done: int
    total: int


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one ledger, as `indelible status` shows it. Times are RFC 3339, ages seconds."""

    origin: str
    size: int
    published_size: int
    root: str
    checkpoint_time: str = ""
    sealed_size: int = 0
    unsealed: int = 0
    queued: int = 0
    witnesses: tuple[WitnessView, ...] = ()
    unwitnessed_events: int = 0
    unwitnessed_seconds: float = 0.0
    last_verification: dict[str, str | int | float | bool | None] | None = None
    last_full_verification: dict[str, str | int | float | bool | None] | None = None
    bytes_by_kind: dict[str, int] = {}
    disk_free_bytes: int = 0
    disk_full_in_days: float | None = None
    stopped: str = ""
    damage: tuple[str, ...] = ()
    working: tuple[Working, ...] = ()
    started: str = ""
    version: str = ""


class VerifyRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to verify: a range (both ends included) or all; `against` is a checkpoint's text."""

    from_index: int | None = msgspec.field(name="from", default=None)
    to_index: int | None = msgspec.field(name="to", default=None)
    quick: bool = False
    against: str = ""
    verification_policy: str = ""


class VerifyOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a verification: `report` is the ledger's own account as JSON."""

    ok: bool
    verdict: str
    report: msgspec.Raw


class BundleRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which events to bundle: `indexes`, or every entry of a range (both ends included)."""

    indexes: tuple[int, ...] = ()
    from_index: int | None = msgspec.field(name="from", default=None)
    to_index: int | None = msgspec.field(name="to", default=None)


class Rooms(Protocol):
    """The rooms behind the HTTP interface. Everything async may wait; nothing else may block."""

    @property
    def meta(self) -> Meta:
        """Tokens, sources, witnesses, verification runs."""

    # --- writing
    async def submit(self, submission: Submission) -> SubmitResult:
        """Return when every event is durable. Raises Busy, DiskFull or LedgerStopped: then none
        of them is promised."""

    def configured(self, source: str, tenant: str) -> Configured | None:
        """What an administrator configured of a source, with its secret; None for nothing."""

    def senders(self, protocol: str) -> Senders:
        """Which source a sender of `protocol` is, as configured now."""

    async def put_source(self, settings: SourceSettings, secret: bytes | None) -> None:
        """Register a source or change it, durably; None leaves its secret as it is."""

    def pause_source(self, source: str, tenant: str, until_us: int) -> None:
        """Expect nothing from a source until then (0: expect it again from now on). Raises
        NotFound."""

    def sources(self) -> Sequence[SourceView]:
        """Every source that is configured or was seen, with its counts."""

    def audit_policy(self) -> AuditPolicyView:
        """The audit policy, and what its rules did."""

    def audit_policies(self) -> Sequence[AuditPolicyVersion]:
        """Its newest versions first."""

    def audit_policy_version(self, version: int) -> AuditPolicyVersion:
        """One of its versions. Raises NotFound."""

    async def set_audit_policy(
        self, rules: str, reason: str, by: Author
    ) -> AuditPolicyVersion:
        """Put new rules in force; returns when the log says so. Raises BadRequest where they
        cannot be understood, and as `submit`; then nothing changed."""

    async def record(self, content: bytes) -> int:
        """Store one event of Indelible's own (an encoded `Event`, source number 0) durably and
        return its index. Raises as `submit`."""

    async def receipts(self, indexes: Sequence[int]) -> list[Receipt]:
        """Receipts of indexes that `submit` has just answered, in that order."""

    # --- reading: the scope is required, and applied
    async def query(self, op: str, request: msgspec.Struct) -> Json:
        """search, facets, histogram, history, timeline or suggest: a request of `query.model`
        (it carries the scope); the answer is that model's JSON."""

    def export(self, request: msgspec.Struct) -> AsyncIterator[bytes]:
        """Stream an `ExportRequest` (it carries the scope)."""

    async def event(self, index: int, scope: Predicate) -> EventView | None:
        """One event from evidence; None when it does not exist or is out of scope."""

    async def proof(self, index: int, scope: Predicate) -> str | None:
        """Its C2SP tlog-proof as text; None as `event`. Raises Busy while it is pending."""

    async def bundle(self, request: BundleRequest, scope: Predicate) -> Path:
        """A bundle as a temporary file, which the caller removes. Raises NotFound when an index
        does not exist or is out of scope."""

    def tail(
        self, from_index: int, scope: Predicate
    ) -> AsyncIterator[list[tuple[int, bytes]]]:
        """Committed (index, body) from `from_index` on that match `scope`, for ever, in order.

        Yields at least every 15 seconds, an empty list when there is nothing.
        """

    # --- the log's own face
    def keys(self) -> dict[str, str]:
        """`vkey` and `vkey.mldsa44`."""

    def checkpoint(self) -> bytes:
        """The newest published checkpoint, with the cosignatures that it has by now."""

    async def cosigned(self) -> bytes:
        """The newest checkpoint that a witness cosigned; where none has, the newest of all."""

    async def tile(self, path: str) -> bytes | None:
        """A tile or an entry bundle by its tlog-tiles path (`tile/0/x001/067.p/8`), below the
        published size; None when there is none."""

    # --- administration
    def status(self) -> Status:
        """The state of the ledger, cheap enough for every scrape."""

    def readiness(self) -> Readiness:
        """Whether `/readyz` says 200."""

    async def seal(self) -> Json:
        """Seal what is unsealed and return `{"segments", "sealed_size"}` once it is re-read."""

    async def verify(
        self, request: VerifyRequest, progress: Callable[[int, int], None]
    ) -> VerifyOutcome:
        """Verify; `progress(done, total)` in events. Cancelling the task stops it."""

    async def clock_accept(self) -> Json:
        """Confirm the wall clock after a step: `{"step_seconds"}`."""

    async def rotate(self, what: str) -> Json:
        """Rotate the `signing` or the `data` key: an account for people, as JSON."""

    async def backup(self, to: Path, keys_to: Path | None) -> Json:
        """A consistent copy: `{"path", "keys_path", "size", "root", "bytes"}`."""

    async def witness_add(self, name: str, url: str, vkey: str) -> None:
        """Ask one more witness from the next beat on."""

    async def witness_remove(self, name: str) -> None:
        """Ask it no more. Raises NotFound."""

    def witnesses(self) -> Sequence[WitnessView]:
        """The configured witnesses."""
