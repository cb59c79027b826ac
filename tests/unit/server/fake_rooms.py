"""Rooms in memory, and a client that talks ASGI: what the server's tests stand on.

`FakeRooms` keeps what it is given, notes every call with its scope, and fails on request.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from indelible.base.clock import rfc3339, wall_us
from indelible.base.errors import IndelibleError, NotFound
from indelible.base.settings import Settings
from indelible.event.evaluate import matches
from indelible.event.model import read_body
from indelible.event.predicate import Predicate
from indelible.ingest.protocols.hub import Configured
from indelible.ingest.sources import Senders, SourceSettings
from indelible.ingest.submission import Submission, SubmitResult
from indelible.server.application import Application, build_app
from indelible.server.rooms import (
    AuditPolicyVersion,
    AuditPolicyView,
    Author,
    BundleRequest,
    EventView,
    Readiness,
    Receipt,
    SourceView,
    Status,
    VerifyOutcome,
    VerifyRequest,
    WitnessView,
)
from indelible.store.meta import Meta
from support.token_keys import token_keyring

CHECKPOINT = b"example.org/log\n2\nq6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=\n\n"


class FakeRooms:
    """Fulfils `server.rooms.Rooms` without a disk (but for meta)."""

    def __init__(self, meta: Meta) -> None:
        self._meta = meta
        self.bodies: list[bytes] = []
        self.ids: dict[tuple[str, str], tuple[int, bytes]] = {}
        self.submissions: list[Submission] = []
        self.scopes: list[Predicate] = []
        self.asked: list[tuple[str, msgspec.Struct]] = []
        self.answers: dict[str, bytes] = {}
        self.fail: IndelibleError | Exception | None = None
        self.fail_record: IndelibleError | None = None
        self.ready = Readiness(ready=True)
        self.grown = asyncio.Event()
        self.verify_gate: asyncio.Event | None = None
        self.tails_open = 0
        self.settings: dict[tuple[str, str], Configured] = {}
        self.policies: list[AuditPolicyVersion] = []

    def configured(self, source: str, tenant: str) -> Configured | None:
        return self.settings.get((source, tenant))

    def senders(self, protocol: str) -> Senders:
        return Senders(protocol, [one.settings for one in self.settings.values()])

    async def put_source(self, settings: SourceSettings, secret: bytes | None) -> None:
        key = (settings.id, settings.tenant)
        before = self.settings.get(key)
        kept = before.secret if before else b""
        self.settings[key] = Configured(settings=settings, secret=secret or kept)

    def pause_source(self, source: str, tenant: str, until_us: int) -> None:
        if (source, tenant) not in self.settings:
            raise NotFound(f"there is no source {source!r}")

    def sources(self) -> Sequence[SourceView]:
        return [
            SourceView(id=c.settings.id, tenant=c.settings.tenant, configured=True,
                       protocol=c.settings.protocol, disabled=c.settings.disabled)
            for c in self.settings.values()
        ]

    def audit_policy(self) -> AuditPolicyView:
        newest = self.policies[-1] if self.policies else None
        return AuditPolicyView(in_force=len(self.policies), newest=newest)

    def audit_policies(self) -> Sequence[AuditPolicyVersion]:
        return self.policies[::-1]

    def audit_policy_version(self, version: int) -> AuditPolicyVersion:
        if not 0 < version <= len(self.policies):
            raise NotFound(f"there is no version {version} of the audit policy")
        return self.policies[version - 1]

    async def set_audit_policy(self, rules: str, reason: str, by: Author) -> AuditPolicyVersion:
        self._fail()
        made = AuditPolicyVersion(
            version=len(self.policies) + 1, set=rfc3339(wall_us()), reason=reason, by=[by],
            rules=rules, index=0,
        )
        self.policies.append(made)
        return made

    @property
    def meta(self) -> Meta:
        return self._meta

    def _fail(self) -> None:
        if self.fail is not None:
            raise self.fail

    def _store(self, content: bytes, source: str, number: int, **more: object) -> int:
        self.bodies.append(
            content[:-1]
            + b","
            + json.dumps(
                {
                    "kind": "event",
                    "received": rfc3339(wall_us()),
                    "source": {"id": source, "number": number},
                    "via": {"protocol": "http"},
                    **more,
                },
                separators=(",", ":"),
            ).encode()[1:]
        )
        self.grown.set()
        return len(self.bodies) - 1

    async def submit(self, submission: Submission) -> SubmitResult:
        self._fail()
        self.submissions.append(submission)
        indexes: list[int] = []
        duplicates: list[int] = []
        conflicts: dict[int, int] = {}
        for position, event in enumerate(submission.events):
            known = self.ids.get((submission.source, event.id)) if event.id else None
            if known is not None and known[1] == event.idempotent:
                duplicates.append(position)
                indexes.append(known[0])
                continue
            index = self._store(event.content, submission.source, 1)
            indexes.append(index)
            if known is not None:
                conflicts[position] = known[0]
            elif event.id:
                self.ids[(submission.source, event.id)] = (index, event.idempotent)
        return SubmitResult(indexes=indexes, duplicates=duplicates, conflicts=conflicts)

    async def record(self, content: bytes) -> int:
        if self.fail_record is not None:
            raise self.fail_record
        return self._store(content, "indelible", 0)

    @property
    def own(self) -> list[dict[str, Any]]:
        """Indelible's own events so far."""
        events = [json.loads(body) for body in self.bodies]
        return [event for event in events if event["source"]["number"] == 0]

    def receipt(self, index: int) -> Receipt:
        digest = sha256(self.bodies[index]).digest()
        return Receipt(
            index=index, leaf=digest, entry=digest + bytes(28), salt=digest, body=self.bodies[index]
        )

    async def receipts(self, indexes: Sequence[int]) -> list[Receipt]:
        return [self.receipt(index) for index in indexes]

    async def query(self, op: str, request: msgspec.Struct) -> bytes:
        self._fail()
        self.asked.append((op, request))
        self.scopes.append(request.scope)  # type: ignore[attr-defined]
        return self.answers.get(op, b"{}")

    async def export(self, request: msgspec.Struct) -> AsyncIterator[bytes]:
        self._fail()
        self.asked.append(("export", request))
        self.scopes.append(request.scope)  # type: ignore[attr-defined]
        for body in list(self.bodies):
            yield body + b"\n"

    def _visible(self, index: int, scope: Predicate) -> bool:
        self.scopes.append(scope)
        if not 0 <= index < len(self.bodies):
            return False
        return matches(scope, index, read_body(self.bodies[index]))

    async def event(self, index: int, scope: Predicate) -> EventView | None:
        self._fail()
        if not self._visible(index, scope):
            return None
        return EventView(receipt=self.receipt(index), verdict="proven")

    async def proof(self, index: int, scope: Predicate) -> str | None:
        self._fail()
        return "c2sp.org/tlog-proof@v1\n" if self._visible(index, scope) else None

    async def bundle(self, request: BundleRequest, scope: Predicate) -> Path:
        self._fail()
        indexes = request.indexes or range(request.from_index or 0, (request.to_index or 0) + 1)
        if not all(self._visible(index, scope) for index in indexes):
            raise NotFound("one of the events is not there")
        with tempfile.NamedTemporaryFile(delete=False, suffix=".zip") as file:
            file.write(b"PK bundle")
        self.bundle_path = Path(file.name)
        return self.bundle_path

    async def tail(
        self, from_index: int, scope: Predicate
    ) -> AsyncIterator[list[tuple[int, bytes]]]:
        self.scopes.append(scope)
        self.tails_open += 1
        try:
            at = from_index
            while True:
                batch = list(enumerate(self.bodies))[at:]
                at += len(batch)
                yield [(i, b) for i, b in batch if matches(scope, i, read_body(b))]
                if at >= len(self.bodies):
                    self.grown.clear()
                    await self.grown.wait()
        finally:
            self.tails_open -= 1

    def keys(self) -> dict[str, str]:
        return {"vkey": "log+1+AQ", "vkey.mldsa44": "log+2+Bg"}

    def checkpoint(self) -> bytes:
        return CHECKPOINT

    async def cosigned(self) -> bytes:
        return CHECKPOINT

    async def tile(self, path: str) -> bytes | None:
        return b"\xab" * 32 if path in ("tile/0/000.p/1", "tile/entries/000.p/1") else None

    def status(self) -> Status:
        return Status(
            origin="example.org/log",
            size=len(self.bodies),
            published_size=len(self.bodies),
            root="00",
            witnesses=tuple(self.witnesses()),
            bytes_by_kind={"evidence": 10},
        )

    def readiness(self) -> Readiness:
        return self.ready

    async def seal(self) -> bytes:
        self._fail()
        return b'{"segments":1,"sealed_size":2}'

    async def verify(
        self, request: VerifyRequest, progress: Callable[[int, int], None]
    ) -> VerifyOutcome:
        self._fail()
        progress(1, 2)
        if self.verify_gate is not None:
            await self.verify_gate.wait()
        return VerifyOutcome(ok=True, verdict="proven", report=msgspec.Raw(b'{"checked":2}'))

    async def clock_accept(self) -> bytes:
        self._fail()
        return b'{"step_seconds":1.0}'

    async def rotate(self, what: str) -> bytes:
        self._fail()
        return json.dumps({"what": what, "message": "done"}).encode()

    async def backup(self, to: Path, keys_to: Path | None) -> bytes:
        self._fail()
        return json.dumps(
            {"path": str(to), "keys_path": str(keys_to or ""), "size": 2, "root": "", "bytes": 1}
        ).encode()

    async def witness_add(self, name: str, url: str, vkey: str) -> None:
        self._fail()
        self._meta.add_witness(name, url, vkey)

    async def witness_remove(self, name: str) -> None:
        self._fail()
        self._meta.remove_witness(name)

    def witnesses(self) -> Sequence[WitnessView]:
        return [
            WitnessView(name=row.name, url=row.url, vkey=row.vkey, size=1, age_seconds=2.5)
            for row in self._meta.witnesses()
        ]


class Answer:
    """What came back."""

    def __init__(self, messages: list[dict[str, Any]]) -> None:
        start = messages[0]
        self.status: int = start["status"]
        self.headers = {k.decode().lower(): v.decode() for k, v in start["headers"]}
        self.body = b"".join(message.get("body", b"") for message in messages[1:])

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        return str(self.json["error"]["code"])


class House:
    """An application over fake rooms, with one token of each role, in one event loop."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.runner = asyncio.Runner()
        self.meta = Meta(folder / "meta.sqlite", keyring=token_keyring())
        self.rooms = FakeRooms(self.meta)
        self.tokens = {
            "writer": self.meta.create_token("app", "writer", source="app")[1],
            "reader": self.meta.create_token("analyst", "reader")[1],
            "auditor": self.meta.create_token("auditor", "auditor")[1],
            "admin": self.meta.create_token("root", "admin")[1],
        }
        self.app: Application = build_app(self.rooms, self.settings(**settings))
        self.tokens["owner"] = self.app.context.tokens.local()

    def settings(self, **more: Any) -> Settings:
        return Settings(
            origin="example.org/log", keys=self.folder / "keys", state=self.folder / "state", **more
        )

    def close(self) -> None:
        self.runner.close()
        self.meta.close()

    def run(self, coroutine: Any) -> Any:
        return self.runner.run(coroutine)

    def scope(
        self,
        method: str,
        target: str,
        role: str | None = None,
        headers: dict[str, str] | None = None,
        client: str = "192.0.2.7",
    ) -> dict[str, Any]:
        from urllib.parse import unquote

        path, _, query = target.partition("?")
        pairs = [(b"host", b"test")]
        if role is not None:
            pairs.append((b"authorization", b"Bearer " + self.tokens[role].encode()))
        for name, value in (headers or {}).items():
            pairs.append((name.lower().encode(), value.encode()))
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": pairs,
            "client": (client, 50000),
            "server": ("test", 80),
            "state": {},
        }

    async def exchange(
        self, scope: dict[str, Any], received: list[dict[str, Any]]
    ) -> list[dict[str, Any]]:
        """Run the application on messages; after the last one the client stays silent."""
        sent: list[dict[str, Any]] = []
        waiting = list(received)

        async def receive() -> dict[str, Any]:
            if waiting:
                return waiting.pop(0)
            await asyncio.Event().wait()
            raise AssertionError

        async def send(message: Any) -> None:
            sent.append(dict(message))

        await self.app(scope, receive, send)
        return sent

    def ask(
        self,
        method: str,
        target: str,
        role: str | None = None,
        body: bytes | dict[str, Any] = b"",
        headers: dict[str, str] | None = None,
        client: str = "192.0.2.7",
    ) -> Answer:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        scope = self.scope(method, target, role, headers, client)
        message = {"type": "http.request", "body": content, "more_body": False}
        return Answer(self.run(self.exchange(scope, [message])))

    def post(self, body: bytes, headers: dict[str, str] | None = None, query: str = "") -> Answer:
        return self.ask("POST", f"/v1/events{query}", "writer", body, headers)


class Listener:
    """A client of a stream that can go away when it wants."""

    def __init__(
        self,
        house: House,
        target: str,
        role: str = "reader",
        headers: dict[str, str] | None = None,
    ) -> None:
        self._gone = asyncio.Event()
        self.sent: list[dict[str, Any]] = []
        self._changed = asyncio.Event()
        scope = house.scope("GET", target, role, headers)
        self.task = asyncio.get_running_loop().create_task(
            house.app(scope, self._receive, self._send)
        )

    async def _receive(self) -> dict[str, Any]:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        self.sent.append(message)
        self._changed.set()

    @property
    def text(self) -> str:
        return b"".join(m.get("body", b"") for m in self.sent[1:]).decode()

    async def until(self, events: int, messages: int = 2) -> None:
        """Wait until so many events came, and so many ASGI messages."""
        while len(self.sent) < messages or self.text.count("data: ") < events:
            if self.task.done():
                self.task.result()
                raise AssertionError(f"the stream ended: {self.sent}")
            self._changed.clear()
            waiting = asyncio.get_running_loop().create_task(self._changed.wait())
            await asyncio.wait((waiting, self.task), return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()

    async def leave(self) -> None:
        self._gone.set()
        await self.task
