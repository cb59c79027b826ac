"""The audit policy in force, and what becomes of a submission under it.

Each version is set by somebody for a reason, and stands in the log as a `config` record before it
has any effect; the metadata only say which record is the newest. A version that the log does not
bear out, or an older one put back in place of a newer, decides nothing: then everything is kept,
and `trouble` says why.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from indelible.app.sourcing import Left
from indelible.app.unstated import Apart
from indelible.base.clock import rfc3339, wall_us
from indelible.base.errors import BadRequest, Damaged, IndelibleError, NotFound
from indelible.base.limits import AUDIT_POLICIES_SHOWN, NAME_CHARS, SORTED_EVENTS
from indelible.event.model import Via
from indelible.event.reserved import is_own_source
from indelible.ingest.audit_policy.decide import Decider, judged
from indelible.ingest.audit_policy.rules import AuditRule, BadAuditPolicy, Then, parse_rules
from indelible.ingest.audit_policy.strip import stripped
from indelible.ingest.audit_policy.unstated import Of
from indelible.ingest.parsed import Parsed
from indelible.ingest.submission import NOT_STORED, Submission, SubmitResult
from indelible.ledger.incoming import Source, Written, own_record
from indelible.ledger.writer import other_digest
from indelible.server.rooms import AuditPolicyVersion, AuditPolicyView, AuditRuleView, Author
from indelible.store.audit_tables import VersionRow

if TYPE_CHECKING:
    from indelible.app.core import Core

_log = logging.getLogger(__name__)
_NOTHING = Written([], [], {}, {})


class _Said(msgspec.Struct, frozen=True, kw_only=True):
    """A version as the log's record and the metadata's row hold it."""

    what: str = "audit_policy"
    version: int
    rules: str
    reason: str
    by: tuple[Author, ...]
    set: str


class _Record(msgspec.Struct, frozen=True, kw_only=True):
    kind: str
    data: _Said


_said = msgspec.json.Decoder(_Said).decode
_record = msgspec.json.Decoder(_Record).decode


class AuditPolicies:
    """The versions, and the rules in force. Lives in the writer's loop."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._setting = asyncio.Lock()
        self.decider: Decider | None = None  # None while no rule decides anything
        self.version = 0
        self.trouble = ""
        self._counts: dict[int, tuple[int, int]] = {}

    # --- versions

    async def begin(self) -> None:
        """Put the newest version in force, if it is what the log says."""
        keyring = self._core.ledger.keyring
        rows, known = self._rows(), keyring.audit_policy()
        newest = rows[0] if rows else None
        if (newest.version if newest else 0) < known:
            self._mistrust(
                f"version {known} of the audit policy was set, and the metadata do not know it: "
                "they come from an older backup, or a row was taken away"
            )
            return
        if newest is None:
            return
        if newest.entry is None or newest.entry >= self._core.ledger.tree.size:
            newest = await self._declare(newest)
        elif not self._borne_out(newest):
            self._mistrust(f"event {newest.entry} does not say what the metadata say it does")
            return
        if newest.version > known:
            keyring.note_audit_policy(newest.version)
        try:
            rules = parse_rules(_said(newest.said).rules)
        except BadAuditPolicy as error:  # another release understood them
            self._mistrust(f"version {newest.version}: {error.message}")
            return
        self._put_in_force(newest.version, rules)

    def _mistrust(self, why: str) -> None:
        self.trouble = f"{why}. No rule is applied, everything is kept, until it is set again"
        _log.error("%s", self.trouble)

    def _borne_out(self, row: VersionRow) -> bool:
        assert row.entry is not None
        try:
            found = _record(self._core.ledger.reader.one(row.entry).body)
        except (Damaged, NotFound, msgspec.MsgspecError):
            return False
        return found.kind == "config" and found.data == _said(row.said)

    def _put_in_force(self, version: int, rules: tuple[AuditRule, ...]) -> None:
        self.version, self.trouble, self._counts = version, "", {}
        self.decider = Decider(rules) if rules else None

    async def _declare(self, row: VersionRow) -> VersionRow:
        """Write the record of a version into the log, and where it stands into the metadata."""
        said = _said(row.said)
        entry = await self._core.own(
            own_record(
                "config", "ledger.audit_policy.set",
                {
                    "what": said.what, "version": said.version, "rules": said.rules,
                    "reason": said.reason, "by": said.by, "set": said.set,
                },
                "configure",
            )
        )
        declared = msgspec.structs.replace(row, entry=entry)
        self._core.meta.of_audit_policy.put_version(declared)
        return declared

    async def set(self, rules: str, reason: str, by: Author) -> AuditPolicyVersion:
        """Put new rules in force; returns when their record is durable.

        The row comes first, without its record: after a crash in between the next start declares
        it. Raises `BadAuditPolicy`, `BadRequest`, and what the ledger raises: then nothing changed.
        """
        parsed = parse_rules(rules)
        if not reason.strip() or len(reason) > NAME_CHARS:
            raise BadRequest(
                f"an audit policy needs a reason of 1 to {NAME_CHARS} characters", field="reason",
                remedy="Say why it changes; it stands in the log.",
            )
        tables, keyring = self._core.meta.of_audit_policy, self._core.ledger.keyring
        async with self._setting:
            rows = self._rows()
            version = 1 + max(rows[0].version if rows else 0, keyring.audit_policy())
            said = _Said(
                version=version, rules=rules, reason=reason, by=(by,), set=rfc3339(wall_us())
            )
            row = VersionRow(version=version, said=msgspec.json.encode(said))
            tables.put_version(row)
            try:
                row = await self._declare(row)
            except IndelibleError:
                tables.remove_version(version)
                raise
            keyring.note_audit_policy(version)
            self._put_in_force(version, parsed)
        return _shown(row)

    def _rows(self) -> list[VersionRow]:
        return self._core.meta.of_audit_policy.versions()

    def versions(self) -> list[AuditPolicyVersion]:
        """The newest versions first."""
        return [_shown(row) for row in self._rows()[:AUDIT_POLICIES_SHOWN]]

    def one(self, version: int) -> AuditPolicyVersion:
        """One version; raises `NotFound`."""
        for row in self._rows():
            if row.version == version:
                return _shown(row)
        raise NotFound(f"there is no version {version} of the audit policy")

    def view(self) -> AuditPolicyView:
        """The newest version, its rules one by one, and what each did since it is in force."""
        rows = self._rows()
        newest = _shown(rows[0]) if rows else None
        rules = parse_rules(newest.rules) if newest and not self.trouble else ()
        none = (0, 0)
        return AuditPolicyView(
            in_force=self.version, trouble=self.trouble, newest=newest,
            rules=[
                AuditRuleView(
                    rule=rule.number, name=rule.name, when=rule.when, then=rule.then.value,
                    events=self._counts.get(rule.number, none)[0],
                    bytes=self._counts.get(rule.number, none)[1],
                )
                for rule in rules
            ],
        )

    # --- submissions

    def concerns(self, source: str) -> bool:
        """Whether events of a source have to be looked at."""
        decider = self.decider
        return decider is not None and decider.concerns(source) and not is_own_source(source)

    async def submit(self, source: Source, via: Via, submission: Submission) -> SubmitResult:
        """Keep, strip, roll up or drop the events of a submission; return when all is durable."""
        core = self._core
        core.sequencer.check()
        sorted_ = await self._sort(submission)
        known = self._stored_before(source, submission, sorted_)
        written = _NOTHING
        if sorted_.kept:
            written = await core.write(source, via, sorted_.kept_events)
        rolled = [apart for at, apart in sorted_.rolled if at not in known]
        dropped = [apart for at, apart in sorted_.dropped if at not in known]
        again, apart = 0, bool(rolled or dropped)
        try:
            if apart:
                of = Of(
                    source=submission.source, tenant=submission.tenant, version=sorted_.version,
                    backfill=submission.backfill,
                )
                again = await core.unstated.add(
                    source, of, rolled, dropped, submission.events
                )
        except BaseException:  # the sender keeps these; what was stored is stored
            rolled, dropped, known = [], [], {}
            raise
        finally:
            there = len(known) + again
            core.tally(source, repeated=len(written.duplicates) + there)
            core.sourcing.count(
                source, submission, written,
                Left(sorted_.kept_events, there, len(rolled) - again, len(dropped),
                     apart),
            )
        self._count(sorted_, written, known)
        return _result(submission, sorted_, written, known)

    async def _sort(self, submission: Submission) -> _Sorting:
        """Ask the rules about every event; a version that is set meanwhile is for the next ones."""
        decider, version = self.decider, self.version
        assert decider is not None
        found = _Sorting(version)
        for position, event in enumerate(submission.events):
            if position and not position % SORTED_EVENTS:
                await asyncio.sleep(0)
            rule = None
            if event.kind == "event":
                looked = judged(event.content)
                rule = decider.decide(submission.source, looked)
            if rule is None:
                found.kept.append((position, event))
            elif rule.then is Then.SUMMARISE:
                found.rolled.append((position, Apart(event, looked, rule)))
            elif rule.then is Then.DROP:
                found.dropped.append((position, Apart(event, looked, rule)))
            else:
                if rule.then is Then.STRIP:
                    event = stripped(event, rule, version)
                found.kept.append((position, event))
                found.ruled[position] = rule
        return found

    def _stored_before(
        self, source: Source, submission: Submission, sorted_: _Sorting
    ) -> dict[int, int]:
        """Positions that no rule needs to take apart: the same event stands in the log already."""
        seen = self._core.ledger.writer.seen
        asked = [
            (at, apart.event) for at, apart in (*sorted_.rolled, *sorted_.dropped) if apart.event.id
        ]
        if not asked:
            return {}
        found = seen.decide(
            [seen.fingerprint(source.number, event.id) for _, event in asked],
            [seen.digest(event.idempotent) for _, event in asked],
            lambda place: other_digest(seen, asked[place][1]),
        )
        return {
            at: one.index for (at, _), one in zip(asked, found, strict=True)
            if one is not None and one.same and one.index >= 0
        }

    def _count(self, sorted_: _Sorting, written: Written, known: dict[int, int]) -> None:
        """Count what each rule did, since it is in force."""
        if sorted_.version != self.version:
            return
        again = frozenset(written.duplicates)
        for place, (position, event) in enumerate(sorted_.kept):
            rule = sorted_.ruled.get(position)
            if rule is not None and place not in again:
                self._add(rule, event)
        for position, apart in (*sorted_.rolled, *sorted_.dropped):
            if position not in known:
                self._add(apart.rule, apart.event)

    def _add(self, rule: AuditRule, event: Parsed) -> None:
        events, size = self._counts.get(rule.number, (0, 0))
        self._counts[rule.number] = (events + 1, size + len(event.original or event.content))


class _Sorting:
    """A submission's events by what becomes of them, each with its position."""

    def __init__(self, version: int) -> None:
        self.version = version
        self.kept: list[tuple[int, Parsed]] = []
        self.rolled: list[tuple[int, Apart]] = []
        self.dropped: list[tuple[int, Apart]] = []
        self.ruled: dict[int, AuditRule] = {}

    @property
    def kept_events(self) -> Sequence[Parsed]:
        """What is handed to the ledger."""
        return [event for _, event in self.kept]


def _result(
    submission: Submission, sorted_: _Sorting, written: Written, known: dict[int, int]
) -> SubmitResult:
    indexes = [NOT_STORED] * len(submission.events)
    places = [position for position, _ in sorted_.kept]
    for place, position in enumerate(places):
        indexes[position] = written.indexes[place]
    for position, index in known.items():
        indexes[position] = index
    return SubmitResult(
        indexes=indexes,
        duplicates=sorted([*(places[place] for place in written.duplicates), *known]),
        conflicts={places[place]: first for place, first in written.conflicts.items()},
        repeats={places[place]: first for place, first in written.repeats.items()},
        summarised=[position for position, _ in sorted_.rolled if position not in known],
        dropped_by_rule=[position for position, _ in sorted_.dropped if position not in known],
    )


def _shown(row: VersionRow) -> AuditPolicyVersion:
    said = _said(row.said)
    return AuditPolicyVersion(
        version=said.version, set=said.set, reason=said.reason, by=list(said.by),
        rules=said.rules, index=row.entry,
    )
