"""Clean runs: what operators do every day must never look like an attack.

A round is one life of a ledger (posts with repeated and conflicting ids, seals, compaction,
backups, key rotation, searches), its end, now and then a reindex or a life as a served process, and
then `verify` and `fsck` of the ledger and of every backup taken. Any alarm fails the run.
"""

from __future__ import annotations

import asyncio
import random
import shutil
from collections import Counter
from pathlib import Path

import httpx2
import msgspec

from indelible.app import fsck_folder, init_ledger, reindex_folder, verify_folder
from indelible.app.local import LocalLedger
from support.served import Place, Server

ORIGIN = "clean.example/log"


def lines(rng: random.Random, count: int, known: list[str]) -> bytes:
    """NDJSON of events: some without an id, some with an id that was sent before."""
    out = []
    for _ in range(count):
        event: dict[str, object] = {
            "action": rng.choice(("record.read", "record.update", "user.login")),
            "actor": {"type": "user", "id": f"u{rng.randrange(50)}"},
            "target": {"type": "record", "id": f"r{rng.randrange(500)}"},
            "outcome": rng.choice(("success", "failure", "denied")),
            "data": {"n": rng.randrange(10), "note": "\u00fc\u2028" * rng.randrange(3)},
        }
        choice = rng.random()
        if choice < 0.5:
            event["id"] = f"e{rng.getrandbits(64):x}"
            known.append(str(event["id"]))
        elif choice < 0.6 and known:
            event["id"] = rng.choice(known)
        out.append(msgspec.json.encode(event))
    return b"\n".join(out)


def new_place(root: Path) -> Place:
    """A new ledger with a writer's and a reader's token, made in this process."""
    root.mkdir(parents=True, exist_ok=True)
    place = Place(root, ORIGIN)
    init_ledger(place.data, ORIGIN, place.keys, place.state)

    async def tokens() -> None:
        async with LocalLedger(place.data) as ledger:
            for role in ("writer", "reader"):
                source = "app" if role == "writer" else ""
                place.tokens[role] = ledger.rooms.meta.create_token(role, role, source)[1]

    asyncio.run(tokens())
    return place


class Round:
    """One life of one ledger and what followed it."""

    def __init__(self, place: Place, rng: random.Random, known: list[str], number: int) -> None:
        self.place, self.rng, self.known, self.number = place, rng, known, number
        self.counts: Counter[str] = Counter()
        self.backups: list[Path] = []

    def run(self) -> None:
        """The life, the checks."""
        if self.rng.random() < 0.06:
            self._served()
        else:
            asyncio.run(self._life())
        self.counts["restarts"] += 1
        if self.rng.random() < 0.08:
            reindex_folder(self.place.data)
            self.counts["reindexes"] += 1
        self._quiet(self.place.data)
        for path in self.backups:
            self._quiet(path, columns=False)
            shutil.rmtree(path)

    def _served(self) -> None:
        with Server(self.place) as server, server.client("writer") as writer:
            for _ in range(self.rng.randrange(1, 5)):
                content = lines(self.rng, self.rng.randrange(1, 300), self.known)
                writer.post("/v1/events", content=content).raise_for_status()
                self.counts["batches"] += 1
        self.counts["served"] += 1

    async def _life(self) -> None:
        rng = self.rng
        async with LocalLedger(self.place.data) as ledger:
            transport = httpx2.ASGITransport(app=ledger.app)
            async with httpx2.AsyncClient(transport=transport, base_url="http://local") as client:
                for _ in range(rng.randrange(2, 9)):
                    act = rng.choices(
                        ("post", "seal", "search", "signing", "data", "backup"),
                        (40, 30, 8, 4, 4, 6),
                    )[0]
                    await self._act(ledger, client, act)

    async def _act(self, ledger: LocalLedger, client: httpx2.AsyncClient, act: str) -> None:
        rng, tokens = self.rng, self.place.tokens
        if act in ("post", "seal"):
            content = lines(rng, rng.choice((1, 3, 40, 300, 1200)), self.known)
            bearer = {"authorization": f"Bearer {tokens['writer']}"}
            answer = await client.post("/v1/events", content=content, headers=bearer)
            answer.raise_for_status()
            self.counts["batches"] += 1
        if act == "seal":
            before = len(ledger.core.ledger.manifest.columns())
            await ledger.rooms.seal()
            self.counts["seals"] += 1
            self.counts["compactions"] += len(ledger.core.ledger.manifest.columns()) <= before
        elif act == "search":
            bearer = {"authorization": f"Bearer {tokens['reader']}"}
            found = await client.get("/v1/search?q=outcome:denied", headers=bearer)
            found.raise_for_status()
            self.counts["searches"] += 1
        elif act in ("signing", "data"):
            await ledger.rooms.rotate(act)
            self.counts["rotations"] += 1
        elif act == "backup":
            to = self.place.root / f"backup-{self.number}-{len(self.backups)}"
            await ledger.rooms.backup(to, None)
            await asyncio.to_thread(self._quiet, to)
            self.backups.append(to)
            self.counts["backups"] += 1

    def _quiet(self, data: Path, *, columns: bool = True) -> None:
        """Neither check says anything.

        A backup has the keys that the ledger has: the column files in it stay readable until the
        ledger's own are compacted, so they are looked at when the backup is taken and not later.
        """
        verified = verify_folder(data, quick=self.rng.random() < 0.2)
        assert verified.exit == 0, (self.number, msgspec.json.encode(verified))
        assert not verified.problems, (self.number, verified.problems)
        checked = fsck_folder(data, columns=columns)
        assert checked.exit == 0, (self.number, msgspec.json.encode(checked))
        self.counts["verified"] += 1
        self.counts["fscked"] += 1
        self.counts["events"] += verified.events


def run_clean(root: Path, seed: int, rounds: int) -> dict[str, int]:
    """`rounds` rounds of one new ledger under `root`; what was done. Raises at the first alarm."""
    rng = random.Random(seed)
    place = new_place(root)
    first = root / "first.ckpt"
    shutil.copy(place.data / "ledger" / "checkpoint", first)
    counts: Counter[str] = Counter()
    known: list[str] = []
    for number in range(rounds):
        one = Round(place, rng, known, number)
        one.run()
        counts += one.counts
    against = verify_folder(place.data, against=first)
    assert against.exit == 0, msgspec.json.encode(against)
    counts["rounds"] = rounds
    return dict(counts)
