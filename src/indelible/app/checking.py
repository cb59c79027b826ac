"""`verify` and `fsck` of a folder: what the command line runs, and the server in a process apart.

Read-only: no lock, no key made, nothing written. So they also run on a folder that `serve`
refuses, and beside a running server.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

from indelible.app.place import Place
from indelible.base.clock import MICROS, monotonic, wall_us
from indelible.base.errors import Damaged, IndelibleError
from indelible.ledger.publish import LogKeys
from indelible.ledger.register import Register
from indelible.ledger.verify import (
    Bodies,
    BodyCheck,
    Problem,
    VerifyReport,
    judge_bodies,
    report,
)
from indelible.proof.checkpoint import Checkpoint, parse_head
from indelible.proof.errors import ProofError
from indelible.proof.keys import VerifierKey
from indelible.proof.note import check, parse
from indelible.proof.verification_policy import VerificationPolicy, parse_verification_policy
from indelible.store.keyring import Keyring
from indelible.store.manifest import Manifest

Advance = Callable[[int, int], None]


class FolderCheck:
    """One verification of one folder."""

    def __init__(self, place: Place, policy: VerificationPolicy) -> None:
        self._place, self._policy = place, policy
        self._keyring: Keyring = place.keyring(read_only=True)
        own = LogKeys(place.settings.origin, self._keyring).verifier_keys()
        self._keys = list(policy.log_keys) or own
        self.problems: list[Problem] = []
        self.lines: list[str] = []

    def add(self, verdict: str, message: str, first: int | None = None) -> None:
        """One finding."""
        self.problems.append(Problem(verdict=verdict, message=message, first=first))

    def signed(self, content: bytes, where: str) -> Checkpoint | None:
        """A checkpoint whose every given key has a valid line; findings otherwise."""
        try:
            note = parse(content)
            head, _ = parse_head(note.text)
            results = check(note, self._keys)
        except ProofError as error:
            self.add("tampered", f"{where}: {error.message}")
            return None
        if head.origin != self._place.settings.origin:
            self.add("not signed by the given key", f"{where}: of the log {head.origin!r}")
            return None
        missing = [result.key for result in results if result.missing]
        if missing and self._rotated(missing, results):
            missing = []
        if missing:
            verdict = (
                "signature stripped" if len(missing) < len(results)
                else "not signed by the given key"
            )
            names = ", ".join(key.keyid.hex() for key in missing)
            self.add(verdict, f"{where}: no valid line of key {names}")
            return None
        return head

    def _rotated(self, missing: list[VerifierKey], results: list[object]) -> bool:
        """Without a policy, any full pair of the log's own keys is enough (before a rotation)."""
        if self._policy.log_keys:
            return False
        kinds = {key.kind for key in self._keys}
        present = {r.key.kind for r in results if not r.missing}  # type: ignore[attr-defined]
        return kinds == present

    def run(
        self, first: int, end: int | None, quick: bool, against: list[tuple[str, bytes]],
        advance: Advance,
    ) -> VerifyReport:
        """Everything; see `ledger.verify`."""
        began = monotonic()
        place = self._place
        content = _read(place.paths.checkpoint)
        newest = self.signed(content, "checkpoint") if content else None
        bodies = self._bodies(first, end, quick, advance)
        size = newest.size if newest else 0
        if bodies is not None:
            if content is None and bodies.size and not self.problems:
                self.lines.append("there is no checkpoint: nothing is signed yet")
            if newest is not None:
                self._judge(bodies, newest)
            self._compare_register(bodies)
            for name, other in against:
                self._compare(bodies, name, other)
        unwitnessed = self._witnesses(content, newest, bodies)
        self._ages(content)
        total = bodies.size if bodies else 0
        pending = max(0, total - size)
        if pending and "pending" in self._policy.refused:
            self.add("stale", f"{pending} events are pending, which is not accepted")
        return report(
            place.settings.origin, total, newest.root if newest else b"", size, self.problems,
            self.lines, bodies.events if bodies else 0, began, unwitnessed, pending,
        )

    def _bodies(
        self, first: int, end: int | None, quick: bool, advance: Advance
    ) -> Bodies | None:
        place = self._place
        try:
            manifest = Manifest(place.paths.manifest, read_only=True)
            rows = manifest.segments()
            reader = place.reader(self._keyring, manifest)
        except (Damaged, sqlite3.Error) as error:
            self.add("tampered", str(error), 0)
            return None
        touched = [r for r in rows if r.end > first and (end is None or r.first < end)]
        total = sum(row.end - row.first for row in (touched[-1:] if quick else touched))
        done = 0

        def step(count: int) -> None:
            nonlocal done
            done += count
            advance(done, max(total, done))

        found = BodyCheck(
            place.paths, place.settings.origin, self._keyring, rows, reader.tile_leaves
        ).run(first, end, quick, step)
        if len(touched) < len(rows) or quick:
            self.lines.append(
                f"bodies recomputed: {found.events:,} events; the others by their stored tile"
                " hashes only"
            )
        return found

    def _judge(self, bodies: Bodies, newest: Checkpoint) -> None:
        if newest.size > bodies.size:
            verdict = "truncated"
            self.add(
                verdict,
                f"the checkpoint here is of {newest.size} entries, the data end at {bodies.size}",
                bodies.size,
            )
            self.problems += [
                Problem(verdict=f.verdict, first=f.first, last=f.last, message=f.message)
                for f in bodies.findings if f.verdict != "torn"
            ]
            return
        kept = self._kept(newest.size)
        self.problems += judge_bodies(bodies, newest.size, newest.root, kept)

    def _kept(self, size: int) -> list[tuple[int, bytes]]:
        """Signed checkpoints of earlier sizes that are kept here."""
        found: list[tuple[int, bytes]] = []
        for path in sorted(self._place.paths.checkpoints.glob("[0-9]*")):
            content = _read(path) or b""
            head = self.signed(content, f"checkpoints/{path.name}")
            if head is not None and head.size <= size:
                found.append((head.size, head.root))
        return found

    def _compare_register(self, bodies: Bodies) -> None:
        place = self._place
        try:
            register = Register(place.settings.state, place.settings.origin, read_only=True)
            signed = register.read()
            register.close()
        except Damaged as error:
            self.add("tampered", error.message)
            return
        self._known(bodies, "the register", signed.size, signed.root)

    def _compare(self, bodies: Bodies, name: str, content: bytes) -> None:
        head = self.signed(content, name)
        if head is not None:
            self._known(bodies, name, head.size, head.root)

    def _known(self, bodies: Bodies, who: str, size: int, root: bytes) -> None:
        """Somebody knows (size, root): is it in the history of these data?"""
        if size > bodies.size:
            if not any(p.verdict in ("truncated", "rolled back") for p in self.problems):
                self.add("rolled back", f"{who} knows {size} entries, the data end at {bodies.size}")
            return
        if any(p.first is not None and p.first < size for p in self.problems):
            return  # the damage below is named already; its root says nothing new
        try:
            ours = bodies.computed.root(size)
        except Damaged:
            return
        if ours != root:
            self.add("forked", f"{who} holds another root for the size {size}")

    def _witnesses(
        self, content: bytes | None, newest: Checkpoint | None, bodies: Bodies | None
    ) -> int | None:
        """The unwitnessed tail, by the configured (or demanded) witnesses' lines."""
        from indelible.app.witnessed import cosigned_sizes

        keys = list(self._policy.witness_keys)
        if not keys:
            keys = configured_witnesses(self._place)
        sizes = cosigned_sizes(self._place, keys, self._keys)
        for key_name, at, root, _seconds in sizes:
            if bodies is not None and newest is not None:
                self._known(bodies, f"the witness {key_name}", at, root)
        size = newest.size if newest else 0
        quorum = max(1, self._policy.quorum)
        covered = sorted((at for _n, at, _r, _s in sizes), reverse=True)
        reached = covered[quorum - 1] if len(covered) >= quorum else 0
        tail = max(0, size - reached)
        if keys and tail:
            seconds = [s for _n, at, _r, s in sizes if at == reached]
            age = f", for {wall_us() // MICROS - max(seconds)} s" if seconds else ""
            self.lines.append(f"unwitnessed: the last {tail} events{age}")
        elif not keys:
            self.lines.append(
                f"unwitnessed: no witness is configured; the last {size} events rest on this"
                " machine's keys and register alone"
            )
        if self._policy.quorum and tail:
            self.problems.append(
                Problem(verdict="stale", message=f"unwitnessed: fewer than {quorum} witnesses")
            )
        return tail

    def _ages(self, content: bytes | None) -> None:
        limit = self._policy.max_age
        if limit is None or content is None:
            return
        keys = [*self._keys, *self._policy.witness_keys]
        try:
            times = [r.timestamp for r in check(parse(content), keys) if r.timestamp is not None]
        except ProofError:
            return
        age = wall_us() // MICROS - max(times, default=0)
        if age > limit:
            self.add("stale", f"the newest signature is {age} s old; {limit} s are allowed")


def configured_witnesses(place: Place) -> list[VerifierKey]:
    """Keys of the witnesses the metadata name; none when they cannot be read."""
    from indelible.store.meta import Meta

    try:
        meta = Meta(place.paths.meta, read_only=True)
    except (IndelibleError, sqlite3.Error):
        return []
    try:
        return [VerifierKey.parse(row.vkey) for row in meta.witnesses()]
    except (IndelibleError, sqlite3.Error):
        return []
    finally:
        meta.close()


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _silent(_done: int, _total: int) -> None:
    return


def verify_place(
    place: Place, *, from_index: int | None = None, to_index: int | None = None,
    quick: bool = False, against: bytes = b"", verification_policy: str = "",
    advance: Advance = _silent,
) -> VerifyReport:
    """Verify a folder; raises only when keyring or settings cannot be opened at all."""
    policy = parse_verification_policy(verification_policy)
    known = [("the given checkpoint", against)] if against else []
    end = None if to_index is None else to_index + 1
    return FolderCheck(place, policy).run(from_index or 0, end, quick, known, advance)


def verify_folder(
    data: Path, *, from_index: int | None = None, to_index: int | None = None,
    quick: bool = False, against: Path | None = None, verification_policy: Path | None = None,
    progress: Advance = _silent,
) -> VerifyReport:
    """`indelible verify --data`."""
    return verify_place(
        Place.at(data), from_index=from_index, to_index=to_index, quick=quick,
        against=against.read_bytes() if against else b"",
        verification_policy=verification_policy.read_text("utf-8") if verification_policy else "",
        advance=progress,
    )
