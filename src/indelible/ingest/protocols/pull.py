"""Pulling: an HTTP API is asked for events on a beat, each event arrives once.

One task for a source asks its streams in turn: of those that are due the one that was asked longest
ago, one request at a time and no more a minute than the description allows. So a stream that has
more and more to read, or that goes in a circle, keeps no other one waiting. What an answer brings
is delivered, then the stream's state is kept: a puller that is killed in between asks the same page
again, and the ids that the API gave its events make the ledger take each one once.

Troubles are logged when they begin and when they end, not with every attempt; never with a secret.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from indelible.base.clock import MICROS, monotonic, to_us, wall_us
from indelible.base.limits import (
    IMPORT_BATCH_BYTES,
    IMPORT_BATCH_EVENTS,
    PULL_RECENT,
    PULL_RETRY_MOST_SECONDS,
    PULL_RETRY_SECONDS,
)
from indelible.base.random import random_bytes
from indelible.ingest.parsed import Parsed
from indelible.ingest.parsers.contract import Given
from indelible.ingest.parsers.finish import parse_message
from indelible.ingest.parsers.table import AUTO, parser_named
from indelible.ingest.protocols.hub import Configured, Hub
from indelible.ingest.protocols.pull_auth import Credentials
from indelible.ingest.protocols.pull_description import fill, resolved
from indelible.ingest.protocols.pull_http import Client, Unanswered
from indelible.ingest.protocols.pull_items import Item
from indelible.ingest.protocols.pull_plan import (
    Plan,
    State,
    Step,
    decode_state,
    encode_state,
)
from indelible.ingest.submission import Submission

_log = logging.getLogger(__name__)


async def pull(hub: Hub, configured: Configured) -> None:
    """Ask the API of a source until cancelled.

    Raises `BadRequest` when its options or its secret cannot work, `LedgerStopped` when the ledger
    takes nothing more.
    """
    await pulling(hub, configured, PULL_RETRY_SECONDS)


async def pulling(hub: Hub, configured: Configured, retry: float) -> None:
    """`pull` with another first wait after a failure, in seconds."""
    puller = Puller(hub, configured, retry)
    async with Client() as client:
        while True:
            await asyncio.sleep(await puller.step(client))


class _Stream:
    """One stream of the source: its plan, how far it is, and what is wrong with it."""

    def __init__(self, name: str, plan: Plan, state: State | None) -> None:
        self.name, self.plan, self.state = name, plan, state
        self.kept = b""
        self.due_us = 0
        self.turn = 0
        self.failures = 0
        self.renewed = False
        self.trouble = ""


class _Batch(NamedTuple):
    """Items that go to the ledger together."""

    items: list[Item]
    old: bool


class Puller:
    """The API of one source; a step at a time."""

    def __init__(self, hub: Hub, configured: Configured, retry: float) -> None:
        settings = configured.settings
        self._hub, self._settings, self._retry = hub, settings, retry
        api, values, base = resolved(settings.options)
        self._api, self._base = api, base
        self._headers = {name: fill(text, values) for name, text in api.request.headers.items()}
        self._credentials = Credentials(api.auth, values, configured.secret)
        self._parser = parser_named(
            settings.parser if settings.parser != AUTO.name else api.parser
        )
        chosen = [name.strip() for name in values.get("streams", "").split(",") if name.strip()]
        self._streams = [
            _Stream(name, plan, _kept(configured, name))
            for name in chosen or api.streams
            for plan in [Plan(api, values, name, base)]
        ]
        self._recent = _Recent()
        self._turns = 0
        self._spare = 0.0

    async def step(self, client: Client) -> float:
        """Ask what is due; for how many seconds nothing is."""
        now = wall_us()
        due = [one for one in self._streams if one.due_us <= now]
        if not due:
            return (min(one.due_us for one in self._streams) - now) / MICROS
        stream = min(due, key=lambda one: one.turn)
        if (wait := self._spare - monotonic()) > 0:
            return wait
        state = stream.state or stream.plan.begin(now)
        following = stream.plan.next(state, now)
        if following.lost:
            self._lost(stream, following.lost)
            stream.state = following.state  # told once, also when no answer comes
        if following.ask is None:
            stream.state, stream.due_us = following.state, following.due_us
            return 0.0
        self._turns += 1
        stream.turn = self._turns
        try:
            header = await self._authorised(client)
        except Unanswered as error:
            self._failed(stream, str(error))
            return 0.0
        ask = following.ask
        try:
            answer = await client.send(ask.method, ask.url, {**self._headers, **header})
        except Unanswered as error:
            step = stream.plan.unanswered(following.state, ask, str(error), wall_us())
        else:
            step = stream.plan.took(following.state, ask, answer, wall_us())
        await self._take(stream, step)
        return 0.0

    # --- asking

    async def _authorised(self, client: Client) -> Mapping[str, str]:
        """The headers that hold the credentials; raises `Unanswered` where there are none."""
        self._spare = monotonic() + 60.0 / self._api.pace.per_minute
        header = self._credentials.header(wall_us())
        if header is None:
            wanted = self._credentials.token_request(wall_us())
            given = await client.send("POST", wanted.url, wanted.headers, wanted.body)
            why = self._credentials.took_token(given.status, given.body, wall_us())
            header = self._credentials.header(wall_us())
            if why or header is None:
                raise Unanswered(why or "no token")
        return header

    # --- what came

    async def _take(self, stream: _Stream, step: Step) -> None:
        """Deliver what came, keep the state, say what is wrong."""
        if step.lost:
            self._lost(stream, step.lost)
        began_us = step.state.began_us
        for batch in _batches(self._recent.unknown(step.items), began_us):
            given = self._hub.given(self._settings)
            events = await asyncio.to_thread(self._parsed, batch.items, given, stream.name)
            await self._hub.deliver(self._submission(events, batch.old))
            self._recent.add(batch.items)
        kept, stream.state = encode_state(step.state), step.state
        if kept != stream.kept:
            await self._hub.keep(self._settings, {_key(stream.name): kept})
            stream.kept = kept
        if step.renew and self._credentials.refused() and not stream.renewed:
            stream.renewed, stream.due_us = True, 0
            return
        if step.beside:
            stream.due_us = 0
            return
        if step.retry or (step.trouble and step.until_us):
            self._failed(stream, step.trouble, step.until_us)
            return
        stream.failures, stream.renewed, stream.due_us = 0, False, step.until_us
        self._wrong(stream, self._credentials.scrubbed(step.odd))

    def _parsed(self, items: list[Item], given: Given, stream: str) -> list[Parsed]:
        given = replace(given, data={**given.data, "stream": stream})
        return [
            parse_message(
                self._parser, item.raw, given if item.time is UNSET else
                replace(given, time=item.time), line=number, message_id=item.id, inner=item.record,
            )
            for number, item in enumerate(items, 1)
        ]

    def _submission(self, events: list[Parsed], old: bool) -> Submission:
        settings = self._settings
        where = urlsplit(self._base)
        return Submission(
            source=settings.id, tenant=settings.tenant, events=events, protocol="pull",
            parser=self._parser.version, peer=where.hostname or "", backfill=old,
            tls="server" if where.scheme == "https" else "",
        )

    # --- what goes wrong

    def _failed(self, stream: _Stream, why: str, until_us: int = 0) -> None:
        """Ask again after a while that grows, or when the API says; say so once."""
        stream.failures += 1
        chance = random_bytes(1)[0] / 512
        wait = min(self._retry * 2.0 ** min(stream.failures - 1, 30),
                   PULL_RETRY_MOST_SECONDS) * (1 - chance)
        now = wall_us()
        stream.due_us = max(until_us, now + (0 if until_us else round(wait * MICROS)))
        if until_us:  # the allowance is the source's, not the stream's
            for other in self._streams:
                other.due_us = max(other.due_us, until_us)
        self._wrong(stream, self._credentials.scrubbed(why))

    def _wrong(self, stream: _Stream, why: str) -> None:
        """What is wrong with a stream now, or nothing; said when that changes."""
        if why != stream.trouble:
            said = f": {why}" if why else " is answered again"
            _log.warning("source %s: %s%s", self._settings.id, stream.name, said)
        stream.trouble = why
        self._show()

    def _show(self) -> None:
        """Say in `source show` what is wrong, and with which streams."""
        wrong = [f"{one.name}: {one.trouble}" for one in self._streams if one.trouble]
        self._hub.figures(self._settings, {"trouble": "; ".join(wrong)} if wrong else {})

    def _lost(self, stream: _Stream, what: str) -> None:
        """Events that cannot be had any more: counted as one, how many they are is not known."""
        _log.error("source %s: %s: %s", self._settings.id, stream.name, what)
        self._hub.dropped(self._settings, 1)


class _Recent:
    """Events that came lately, by id and content: an overlap brings them again and again.

    Only what saves work: without it the ledger finds the same. Another content under an id that is
    known goes to the ledger, which keeps it as a conflict.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[str, bytes] = OrderedDict()

    def unknown(self, items: Iterable[Item]) -> list[Item]:
        """Those that are new, each once."""
        found: dict[tuple[str, bytes], Item] = {}
        for item in items:
            digest = blake2b(item.raw, digest_size=8).digest()
            if self._known.get(item.id) != digest:
                found.setdefault((item.id, digest), item)
        return list(found.values())

    def add(self, items: Iterable[Item]) -> None:
        """These are durable."""
        for item in items:
            self._known[item.id] = blake2b(item.raw, digest_size=8).digest()
            self._known.move_to_end(item.id)
        while len(self._known) > PULL_RECENT:
            self._known.popitem(last=False)


def _batches(items: list[Item], began_us: int) -> Iterable[_Batch]:
    """Items in their order, as many together as a batch takes; old ones apart.

    Old is what happened before the source was first asked.
    """
    batch, size, old = [], 0, False  # type: list[Item], int, bool
    for item in items:
        was_old = item.time is not UNSET and to_us(item.time) < began_us
        full = len(batch) >= IMPORT_BATCH_EVENTS or size + len(item.raw) > IMPORT_BATCH_BYTES
        if batch and (full or was_old != old):
            yield _Batch(batch, old)
            batch, size = [], 0
        old = was_old
        batch.append(item)
        size += len(item.raw)
    if batch:
        yield _Batch(batch, old)


def _key(stream: str) -> str:
    return f"pull/{stream}"


def _kept(configured: Configured, stream: str) -> State | None:
    """How far a stream was read; a state that cannot be read means from the beginning."""
    try:
        return decode_state(configured.positions[_key(stream)])
    except (KeyError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
