"""`verify` of a folder: what the command line runs, and the server in a process apart.

Read-only: no lock, no key made, nothing written. So it also runs on a folder that `serve` refuses,
and beside a running server: everything that somebody signed is read before the data are, which
only grow.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from indelible.app.place import Place
from indelible.app.signatures import Note, Notes
from indelible.base.clock import MICROS, monotonic, wall_us
from indelible.base.errors import Damaged, IndelibleError
from indelible.base.limits import TILE_EVENTS
from indelible.ledger.bodies import Bodies, BodyCheck
from indelible.ledger.register import Register
from indelible.ledger.scan_tail import TORN
from indelible.ledger.segments import Segments
from indelible.ledger.verify import (
    Judged,
    Problem,
    Signed,
    VerifyReport,
    judge_bodies,
    report,
)
from indelible.proof.verification_policy import VerificationPolicy, parse_verification_policy

Advance = Callable[[int, int], None]


class BadCheckpoint(IndelibleError):
    """The checkpoint given to compare with is not one of this log's: it shows nothing."""

    code = "bad_checkpoint"
    status = 400
    exit_code = 3
    remedy = "Give a checkpoint of this log, as the log, a receipt or a witness gave it out."


def _events(count: int) -> str:
    return f"{count} event{'' if count == 1 else 's'}"


class FolderCheck:
    """One verification of one folder."""

    def __init__(self, place: Place, policy: VerificationPolicy) -> None:
        self._place, self._policy = place, policy
        self._keyring = place.keyring(read_only=True)
        self._notes = Notes(place, self._keyring, policy)
        self.problems: list[Problem] = []
        self.said: list[Problem] = []
        self.lines: list[str] = []

    def add(
        self, verdict: str, message: str, first: int | None = None, last: int | None = None
    ) -> None:
        """One finding."""
        self.problems.append(Problem(verdict=verdict, message=message, first=first, last=last))

    def run(
        self, first: int, end: int | None, quick: bool, against: list[tuple[str, bytes]],
        advance: Advance,
    ) -> VerifyReport:
        """Everything: read what is signed, recompute the bodies, compare."""
        began = monotonic()
        given = [self._given(who, content) for who, content in against]
        kept = self._notes.kept()  # before the newest: beside a running server they only grow
        newest = self._notes.newest()
        given += [note.signed for note in self._notes.of_witnesses()]
        register = self._register()
        self.problems += self._notes.problems
        bodies = self._bodies(first, end, quick, advance, newest, kept, register, given)
        self._judge(bodies, newest, kept, register, given)
        size = newest.size if newest else 0
        unwitnessed = self._witnesses(newest, bodies)
        self._ages(newest)
        self._pending(size, bodies)
        root = newest.root if newest else b""
        return report(
            origin=self._place.settings.origin, size=bodies.size, root=root, checkpoint_size=size,
            problems=self.problems, said=self.said, lines=self.lines, events=bodies.events,
            began=began, unwitnessed=unwitnessed,
        )

    # --- what somebody signed

    def _given(self, who: str, content: bytes) -> Signed:
        note = self._notes.read(content, who, anyone=True)
        if note is None:
            raise BadCheckpoint(self._notes.problems[-1].message)
        return note.signed

    def _register(self) -> Signed | None:
        place = self._place
        try:
            register = Register(place.settings.state, place.settings.origin, read_only=True)
            try:
                signed = register.read()
                if signed.closed:
                    self.lines.append(place.closed(register))
            finally:
                register.close()
        except Damaged as error:
            self.add("tampered", error.message)
            return None
        return Signed("the register", signed.size, signed.root)

    # --- the bodies

    def _bodies(
        self, first: int, end: int | None, quick: bool, advance: Advance, newest: Note | None,
        kept: list[Note], register: Signed | None, given: list[Signed],
    ) -> Bodies:
        place = self._place
        segments = Segments(place.paths, place.settings.origin, self._keyring)
        if segments.trouble:
            self.add("tampered", f"{segments.trouble}; evidence was found by its files")
        for text in segments.astray:
            self.add("tampered", text)
        rows = segments.rows
        touched = [r for r in rows if r.end > first and (end is None or r.first < end)]
        total = sum(row.end - row.first for row in (touched[-1:] if quick else touched))
        done = 0

        def step(count: int) -> None:
            nonlocal done
            done += count
            advance(done, max(total, done))

        needed = [one.size for one in (newest, register, *given) if one is not None]
        bodies = BodyCheck(
            place.paths, place.settings.origin, self._keyring, rows,
            sizes=[note.size for note in kept], needed=needed,
            top=max((newest.size if newest else 0, *(n.size for n in kept)), default=0),
            more=segments.more,
        ).run(first, end, quick, step)
        for row in segments.unnamed:
            self.add("tampered", f"the manifest does not name {row.file}", row.first, row.end - 1)
        if quick or len(touched) < len(rows):
            self.lines.append(
                f"recomputed from bodies: {bodies.events:,} events; the others are taken by their"
                " stored tile hashes"
            )
        return bodies

    def _judge(
        self, bodies: Bodies, newest: Note | None, kept: list[Note], register: Signed | None,
        given: list[Signed],
    ) -> None:
        own = [note.signed for note in (*kept, *([newest] if newest else []))]
        if newest is None and register is not None and register.size:
            own.append(register)
            if not self._notes.found_newest:
                self.add("tampered", "there is no checkpoint, but the register knows a signed size")
        inside = sorted((p for p in own if p.size <= bodies.size), key=lambda p: p.size)
        judged = judge_bodies(bodies, inside)
        self.problems += judged.problems
        self.lines += judged.lines
        self._too_short(bodies, own, judged.good)
        self._compare(bodies, judged, newest, kept, register, given)
        torn = [f for f in bodies.findings if f.verdict == TORN]
        for finding in torn:
            self.lines.append(
                f"an unfinished record at the end, at index {finding.first}: nobody was answered"
                " for it; the next start moves it to quarantine"
            )

    def _too_short(self, bodies: Bodies, own: list[Signed], good: int) -> None:
        """Signed sizes here that the data do not reach."""
        top = max(own, key=lambda p: p.size, default=None)
        if top is None or top.size <= bodies.size or top.who == "the register":
            return
        text = f"{top.who} is of {top.size} entries, the data end at {bodies.size}"
        self.add("truncated", text, bodies.size, top.size - 1)
        if good < bodies.size:
            self.lines.append(
                f"of {good}..{bodies.size - 1} no root was signed that can be computed without"
                " what is missing: they read, they are not proven"
            )

    def _compare(
        self, bodies: Bodies, judged: Judged, newest: Note | None, kept: list[Note],
        register: Signed | None, given: list[Signed],
    ) -> None:
        """Is what others know in the history of these data, and of the newest checkpoint?"""
        tree = bodies.tree(judged.as_stored)
        size = newest.size if newest else 0
        if newest and register and register.size < size:
            text = f"the register is older ({register.size}) than the checkpoint here ({size})"
            self.add("rolled back", text)
        newer = max((note.size for note in kept), default=0)
        if newest and newer > size:
            text = f"the checkpoint here ({size}) is older than one that is kept ({newer})"
            self.add("rolled back", text)
        own = [note.signed for note in kept if judged.reached]
        for point in [*own, *([register] if register else []), *given]:
            if newest and point.size == size:
                if point.root != newest.root:
                    self.add("forked", f"{point.who} holds another root for the size {size}")
                continue
            if point.size > bodies.size:
                self._ahead(bodies, point)
                continue
            ours = bodies.root(tree, point.size)
            inside = point.size % TILE_EVENTS and point.size // TILE_EVENTS in judged.as_stored
            if ours is None or inside or not judged.reached:
                self._not_compared(point)
            elif ours != point.root:
                self.add("forked", f"{point.who} holds another root for the size {point.size}")

    def _ahead(self, bodies: Bodies, point: Signed) -> None:
        text = f"{point.who} knows {point.size} entries, the data end at {bodies.size}"
        if not any(p.verdict == "truncated" for p in self.problems):
            self.add("rolled back", text)
        else:
            self.lines.append(text)

    def _not_compared(self, point: Signed) -> None:
        self.lines.append(
            f"{point.who} (size {point.size}) could not be compared: the damaged events leave the"
            " root of that size open"
        )

    # --- freshness

    def _witnesses(self, newest: Note | None, bodies: Bodies) -> int:
        """The tail that no witness has cosigned, by the demanded or the configured witnesses."""
        keys = self._notes.witness_keys
        size = newest.size if newest else 0
        quorum = max(1, self._policy.quorum)
        covered = sorted(self._notes.cosigned(keys), key=lambda c: c.size, reverse=True)
        reached = covered[quorum - 1].size if len(covered) >= quorum else 0
        tail = max(0, size - reached)
        now = wall_us() // MICROS
        if self._policy.quorum and len(covered) < quorum:
            text = f"{len(covered)} of the named witnesses have cosigned, {quorum} are demanded"
            self.add("unwitnessed", text, reached, max(reached, size - 1))
        elif tail and keys:
            last = [c.seconds for c in covered[:quorum]]
            age = f", for {now - max(last)} s" if last else "; none ever has"
            text = f"no witness has cosigned the last {_events(tail)}{age}"
            self._say("unwitnessed", text, reached, size - 1)
        elif tail:
            text = (
                f"no witness is configured: that the last {_events(tail)} are all there ever were"
                " rests on this machine's keys and register"
            )
            self._say("unwitnessed", text, 0, size - 1)
        limit = self._policy.witness_max_age
        fresh = [c for c in covered if limit is not None and _fresh(c.seconds, now, limit)]
        if limit is not None and len(covered) >= quorum and len(fresh) < quorum:
            self.add("stale", f"cosignatures are older than the {limit} s that are allowed")
        self.problems += self._notes.witness_problems
        return tail

    def _ages(self, newest: Note | None) -> None:
        limit = self._policy.max_age
        if limit is None:
            return
        now = wall_us() // MICROS
        latest = newest.latest if newest else None
        if latest is None or not _fresh(latest, now, limit):
            age = "there is none" if latest is None else f"the newest is {now - latest} s old"
            self.add("stale", f"no signature is younger than {limit} s: {age}")

    def _pending(self, size: int, bodies: Bodies) -> None:
        count = bodies.size - size
        if count <= 0 or self.problems:
            return
        text = f"{count} events are stored and not yet under a checkpoint"
        if "pending" in self._policy.refused:
            self.add("pending", text, size, bodies.size - 1)
        else:
            self._say("pending", text, size, bodies.size - 1)

    def _say(self, verdict: str, message: str, first: int, last: int) -> None:
        self.said.append(Problem(verdict=verdict, message=message, first=first, last=last))


def _fresh(seconds: int, now: int, limit: int) -> bool:
    return now - limit <= seconds <= now + 300


def _silent(_done: int, _total: int) -> None:
    return


def verify_place(
    place: Place, *, from_index: int | None = None, to_index: int | None = None,
    quick: bool = False, against: bytes = b"", verification_policy: str = "",
    advance: Advance = _silent,
) -> VerifyReport:
    """Verify a folder.

    Raises when keyring or settings cannot be opened at all, and `BadCheckpoint` when `against` is
    not a checkpoint of this log.
    """
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
