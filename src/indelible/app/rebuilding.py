"""`register rebuild`: the register again, from a checkpoint that was kept elsewhere.

What the register knew beyond the checkpoint is lost with it: that is why the newest source counts,
and why the folder's own newest checkpoint counts too when it knows more. A checkpoint that knows
more than the data makes a register that is ahead of them: the ledger refuses, as it should, until
the newer copy is found or `restore --accept-size` states the loss.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from pathlib import Path

import msgspec

from indelible.app.copying import Advance
from indelible.app.place import Place
from indelible.app.reindexing import record_in
from indelible.base.clock import MICROS, wall_us
from indelible.base.errors import IndelibleError
from indelible.base.files import FolderLock, fsync_folder
from indelible.base.random import random_id
from indelible.ledger.cosign import HttpTransport, WitnessError
from indelible.ledger.open import Forked, RolledBack
from indelible.ledger.register import Register, RegisterMissing
from indelible.ledger.standing import Standing, log_signed
from indelible.proof.checkpoint import Checkpoint
from indelible.store.keyring import Keyring


class RebuildReport(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The register that was written: what it knows now, and from where.

    `note` says so when the data end below it.
    """

    origin: str
    size: int
    root: str
    source: str
    register: str
    recorded: str
    note: str = ""


def register_rebuild(
    data: Path, source: str, progress: Advance = lambda _done, _total: None
) -> RebuildReport:
    """Write the register of a stopped ledger again from a checkpoint file or a witness's address.

    The checkpoint must bear both signatures of the log. Data of its size must have its root: raises
    `Forked` otherwise. Where they are shorter, the register is ahead of them. A register that can
    be read is never replaced.
    """
    place = Place.at(data.absolute())
    origin, paths, state = place.settings.origin, place.paths, place.settings.state
    paths.make()
    lock = FolderLock(paths.lock)
    try:
        _must_be_lost(place)
        keyring = place.keyring()
        try:
            head = log_signed(_content(source, origin), origin, keyring, source)
            newest, end = _newest(place, keyring, head, progress)
        finally:
            keyring.close()
        _set_aside(state)
        # Fences count starts from 0: seconds since 1970 are above any that a lost one has given.
        fence = wall_us() // MICROS
        Register.create(state, origin, newest.size, newest.root, fence).close()
        fsync_folder(state)
    finally:
        lock.release()
    facts: dict[str, object] = {
        "from": source, "checkpoint": head.size, "size": newest.size, "root": newest.root.hex()
    }
    return RebuildReport(
        origin=origin, size=newest.size, root=newest.root.hex(), source=source,
        register=str(state), recorded=record_in(place.data, "indelible.register.rebuild", facts),
        note=_ahead(newest.size, end) if newest.size > end else "",
    )


def _ahead(known: int, end: int) -> str:
    return (
        f"the register knows {known} events, the data end at {end}: the ledger refuses. Find the"
        " newer copy; if there is none, move this folder aside and restore with --accept-size"
        f" {end}, which closes the log and says what was lost"
    )


def _must_be_lost(place: Place) -> None:
    try:
        register = Register(place.settings.state, place.settings.origin)
    except RegisterMissing:
        return
    found = register.read()
    register.close()
    raise IndelibleError(
        f"the register at {register.path} can be read; it is at size {found.size}", code="exists",
        remedy="There is nothing to mend: a register that can be read is never replaced.",
    )


def _content(source: str, origin: str) -> bytes:
    if not source.startswith(("http://", "https://")):
        try:
            return Path(source).read_bytes()
        except OSError as error:
            raise IndelibleError(f"{source}: {error.strerror}") from error
    digest = hashlib.sha256(origin.encode()).hexdigest()
    url = f"{source.rstrip('/')}/{digest}/checkpoint"

    async def fetch() -> bytes:
        async with HttpTransport() as transport:
            answer = await transport.exchange("GET", url, b"")
        if answer.status != 200:
            raise WitnessError(f"{url} answered {answer.status}: it shows no checkpoint")
        return answer.body

    return asyncio.run(fetch())


def _newest(
    place: Place, keyring: Keyring, given: Checkpoint, progress: Advance
) -> tuple[Checkpoint, int]:
    """The given checkpoint or the folder's own, whichever knows more, and where the data end.

    The data must hold both; only the given one may know more than they do.
    """
    origin, paths = place.settings.origin, place.paths
    heads = [given]
    if paths.checkpoint.is_file():
        content = paths.checkpoint.read_bytes()
        heads.append(log_signed(content, origin, keyring, str(paths.checkpoint)))
    expected = max(head.size for head in heads)
    standing = Standing(paths, origin, keyring, lambda size: progress(size, max(size, expected)))
    try:
        for head in heads:
            if head.size > standing.size:
                if head is given:
                    continue
                raise RolledBack(
                    f"the folder's own checkpoint is of size {head.size}, the data end at"
                    f" {standing.size}"
                )
            if not standing.holds(head.size, head.root):
                raise Forked(f"at size {head.size} the data have another root than was signed")
        return max(heads, key=lambda head: head.size), standing.size
    finally:
        standing.close()


def _set_aside(state: Path) -> None:
    """An unreadable register stays beside the new one."""
    path = state / "register.sqlite"
    if path.exists():
        os.rename(path, path.with_name(f"{path.name}.unreadable-{random_id()}"))
        path.with_name(f"{path.name}-journal").unlink(missing_ok=True)
        fsync_folder(state)
