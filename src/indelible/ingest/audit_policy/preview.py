"""What rules would change, tried on events that are stored: the arithmetic of a preview. Pure.

It is handed bodies and decides about each as if it arrived now. Bytes on disk are measured, not
guessed: the bodies as they are and as they would be are compressed as evidence is (frames, `zstd`),
columns count as the log's own have turned out, and each event that bears an id counts its record in
the id index. What one rule saves is measured by itself, so the rules add up to the whole only
roughly. A year is what the span of the events looked at makes of it.
"""

from __future__ import annotations

import msgspec
import zstandard
from msgspec import Raw

from indelible.base.clock import MICROS, parse_rfc3339, rfc3339
from indelible.base.limits import FRAME_BYTES, FRAME_EVENTS
from indelible.event.evaluate import matches
from indelible.event.model import StoredSource, read_body
from indelible.event.predicate import EVERYTHING, Predicate
from indelible.ingest.audit_policy import unstated
from indelible.ingest.audit_policy.decide import Decider, Judged
from indelible.ingest.audit_policy.rules import AuditRule, Then, parse_rules
from indelible.ingest.audit_policy.strip import stripped_content
from indelible.ingest.audit_policy.unanswered import Traits, unanswered
from indelible.ingest.parsed import Parsed
from indelible.ledger.reindex import content_of
from indelible.ledger.seen import RECORD_BYTES
from indelible.store.evidence import LEVEL

_YEAR_US = 31_557_600 * MICROS  # 365.25 days
_HOUR_US = 3_600 * MICROS
_ID_BYTES = RECORD_BYTES + 2  # with its 16 bits of Bloom filter


class PreviewRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Rules to try on events since `since_us` and before `until_us` that the caller may see.

    `price` is money for a GB and month, in whatever currency.
    """

    scope: Predicate
    rules: str
    since_us: int
    until_us: int
    price: float = 0.0


class RulePreview(msgspec.Struct, frozen=True, kw_only=True):
    """What one rule would do. `spared` are events that it matches and that are kept all the same,
    since they must be; figures of a year are of what it saves."""

    rule: int
    name: str
    when: str
    then: str
    events: int
    spared: int = 0
    summaries: int = 0
    events_a_year: int = 0
    bytes_a_year: int = 0
    money_a_year: float = 0.0
    unanswered: list[str] = []


class Yearly(msgspec.Struct, frozen=True, kw_only=True):
    """What a year adds to the log, and what holding that costs in a year."""

    events: int
    bytes: int
    money: float


class PreviewAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What the rules would change.

    `looked_at` of `events` stored ones were looked at (evenly chosen where that is fewer); `first`
    and `last` are their times. `short`: they span less than an hour, so a year is a wild guess.
    """

    looked_at: int
    events: int
    first: str
    last: str
    days: float
    short: bool
    price: float
    now: Yearly
    then: Yearly
    rules: list[RulePreview]


class _Looked(Judged, frozen=True):
    kind: str = "event"
    received: str = ""
    source: StoredSource = StoredSource(id="", number=0)
    time: str | None = None
    flags: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    changes: Raw = Raw()
    id: str = ""
    raw: Raw = Raw()

    @property
    def indexed(self) -> bool:
        """Whether the id index has a record of it."""
        return bool(self.id) or bool(bytes(self.raw))


_looked = msgspec.json.Decoder(_Looked).decode


class _Frames:
    """Bodies compressed as evidence is; `bytes` is what they take."""

    def __init__(self) -> None:
        self._zstd = zstandard.ZstdCompressor(level=LEVEL)
        self._held: list[bytes] = []
        self._size = self._done = 0

    def add(self, body: bytes) -> None:
        self._held.append(body)
        self._size += len(body)
        if len(self._held) >= FRAME_EVENTS or self._size >= FRAME_BYTES:
            self._pack()

    def _pack(self) -> None:
        self._done += len(self._zstd.compress(b"\n".join(self._held)))
        self._held, self._size = [], 0

    @property
    def bytes(self) -> int:
        """Of everything that was added."""
        if self._held:
            self._pack()
        return self._done


class _Effect:
    """What one rule does to the events looked at."""

    def __init__(self, rule: AuditRule) -> None:
        self.rule = rule
        self.traits = Traits(kinds={}, blurred=set(), members={})
        self.events = self.spared = self.summaries = self.ids = 0
        self.before, self.after = _Frames(), _Frames()

    @property
    def less(self) -> int:
        """Bytes of evidence that it saves."""
        return self.before.bytes - self.after.bytes

    def count(self, event: _Looked) -> None:
        traits, self.events = self.traits, self.events + 1
        key = _kind(event)
        self.ids += event.indexed
        traits.kinds[key] = traits.kinds.get(key, 0) + 1
        traits.subjects += bool(event.subjects)
        traits.changes += bytes(event.changes) not in (b"", b"[]")
        traits.behind += bool(event.actor.on_behalf_of)
        traits.addresses += bool(event.origin.ip)


def _kind(event: Judged) -> tuple[str, str, str]:
    return event.action, event.operation, event.targets[0].type if event.targets else ""


class Preview:
    """One trial of rules; raises `BadAuditPolicy` when they cannot be understood."""

    def __init__(self, request: PreviewRequest) -> None:
        self._request = request
        rules = parse_rules(request.rules)
        self._decider = Decider(rules)
        self._effects = {rule.number: _Effect(rule) for rule in rules}
        self._before, self._after = _Frames(), _Frames()
        self._open: dict[unstated.Key, tuple[unstated.Summary, int]] = {}
        self._looked = self._left = self._ids = 0
        self._first, self._last = 1 << 63, 0

    def add(self, index: int, body: bytes) -> None:
        """Look at one stored event of a source; those out of time or scope are passed over."""
        event, asked = _looked(body), self._request
        if not event.source.number:  # the ledger's own: no rule touches them
            return
        time_us = parse_rfc3339(event.time or event.received)
        if not asked.since_us <= time_us < asked.until_us:
            return
        if asked.scope != EVERYTHING and not matches(asked.scope, index, read_body(body)):
            return
        self._looked += 1
        self._first, self._last = min(self._first, time_us), max(self._last, time_us)
        self._before.add(body)
        self._ids += event.indexed
        rule = None
        if event.kind == "event" and unstated.FLAG not in event.flags:
            rule = self._decider.decide(event.source.id, event)
            spared = self._decider.barred(event.source.id, event)
            if spared is not None and (rule is None or spared.number < rule.number):
                self._effects[spared.number].spared += 1
        after = body if rule is None else self._apply(rule, event, body, time_us)
        if after is not None:
            self._left += 1
            self._after.add(after)

    def _apply(self, rule: AuditRule, event: _Looked, body: bytes, time_us: int) -> bytes | None:
        """The body as it would be stored; None where it would not."""
        effect = self._effects[rule.number]
        if rule.then is Then.KEEP:
            effect.events += 1
            return body
        content = content_of(body)
        if rule.then is Then.STRIP:
            return self._strip(effect, event, body, content)
        effect.count(event)
        effect.before.add(body)
        if rule.then is Then.SUMMARISE:
            of = unstated.Of(source=event.source.id, tenant="", version=1)
            key = unstated.key_of(of, rule, event, time_us)
            found = self._open.get(key)
            if found is None:
                summary = unstated.new_summary("0" * 16, of, rule, event, time_us, time_us)
                found = self._open[key] = summary, len(body) - len(content)
                effect.summaries += 1
            found[0].add(Parsed(content=content, idempotent=b"", line=1), event, time_us)
            if unstated.MANY in found[0].targets:
                effect.traits.blurred.add(_kind(event))
        return None

    def _strip(self, effect: _Effect, event: _Looked, body: bytes, content: bytes) -> bytes:
        made = stripped_content(content, content, effect.rule, 1)
        if made is None:
            return body
        effect.count(event)
        for name in _stripped(made).stripped.members:
            effect.traits.members[name] = effect.traits.members.get(name, 0) + 1
        bare = made[:-1] + body[len(content) - 1 :]
        effect.before.add(body)
        effect.after.add(bare)
        return bare

    def answer(self, share: float, column_bytes: float) -> PreviewAnswer:
        """The result; `share` of the stored events in question were handed in, and columns take
        `column_bytes` for each."""
        for summary, tail in self._open.values():
            made = summary.record().content + bytes(tail)
            self._after.add(made)
            self._effects[summary.rule].after.add(made)
            self._left += 1
            self._effects[summary.rule].ids -= 1
        looked, asked = self._looked, self._request
        span = max(self._last - self._first, 0) if looked else 0
        years = max(span, _HOUR_US) / _YEAR_US
        scale = 1 / share / years
        before, after = self._before.bytes, self._after.bytes
        fewer_ids = sum(one.ids for one in self._effects.values() if one.rule.loses_events)

        def money(size: float) -> float:
            return round(size / 1e9 * asked.price * 12, 2)

        def taken(evidence: float, count: int, ids: int) -> float:
            return evidence + count * column_bytes + ids * _ID_BYTES

        def yearly(evidence: int, count: int, ids: int) -> Yearly:
            size = taken(evidence, count, ids)
            return Yearly(
                events=round(count * scale), bytes=round(size * scale), money=money(size * scale)
            )

        def shown(effect: _Effect) -> RulePreview:
            rule = effect.rule
            fewer = effect.events - effect.summaries if rule.loses_events else 0
            size = taken(effect.less, fewer, effect.ids if rule.loses_events else 0)
            return RulePreview(
                rule=rule.number, name=rule.name, when=rule.when, then=rule.then.value,
                events=effect.events, spared=effect.spared, summaries=effect.summaries,
                events_a_year=round(fewer * scale), bytes_a_year=round(size * scale),
                money_a_year=money(size * scale),
                unanswered=unanswered(rule.then, effect.traits),
            )

        return PreviewAnswer(
            looked_at=looked, events=round(looked / share),
            first=rfc3339(self._first) if looked else "",
            last=rfc3339(self._last) if looked else "",
            days=round(span / (24 * _HOUR_US), 3), short=span < _HOUR_US, price=asked.price,
            now=yearly(before, looked, self._ids),
            then=yearly(after, self._left, self._ids - fewer_ids),
            rules=[shown(effect) for effect in self._effects.values()],
        )


class _Members(msgspec.Struct):
    members: list[str]


class _WithStripped(msgspec.Struct):
    stripped: _Members


_stripped = msgspec.json.Decoder(_WithStripped).decode
