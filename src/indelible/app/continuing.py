"""The ledger that continues a closed one: `NAME/2`, which begins with a `restore` record.

The register of the old origin is closed first, for good, and keeps in the same transaction which
ledger will continue it. A crash after that leaves a closed log whose continuation has signed
nothing: `restore --accept-size` again makes that one, and never another. The new ledger has keys,
register and folder of its own; it takes over settings and tokens, so that senders go on as they
are.
"""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path

import msgspec

from indelible.app.copying import built_beside, is_free, write_settings
from indelible.app.core import OWN_VIA
from indelible.app.local import LocalLedger
from indelible.app.recovery_file import recovery_path, write_recovery
from indelible.base.errors import BadRequest
from indelible.base.files import write_durably
from indelible.base.random import random_id
from indelible.base.settings import check_origin, default_keys, default_state
from indelible.ledger.incoming import SELF, Own, Work, own_record
from indelible.ledger.open import Ledger
from indelible.ledger.paths import LedgerPaths
from indelible.ledger.publish import LogKeys
from indelible.ledger.reader import LedgerReader
from indelible.ledger.register import Continuation, Register, RegisterMissing
from indelible.ledger.standing import existing_manifest
from indelible.proof.tree import EMPTY_ROOT
from indelible.store.keyring import Keyring
from indelible.store.meta import Meta
from indelible.store.sqlite import connect

_NUMBERED = re.compile(r"^(?P<name>.+)/(?P<number>[1-9]\d{0,8})$")


class Closing(msgspec.Struct, frozen=True, kw_only=True):
    """A log that ends: its last signed size and root, how much came back, why, and by whom."""

    data: Path
    origin: str
    keys: Path
    state: Path
    reason: str
    by: tuple[str, ...]
    size: int = 0
    root: bytes = EMPTY_ROOT
    kept: int = 0


class Next(msgspec.Struct, frozen=True, kw_only=True):
    """The places of the ledger that continues."""

    origin: str
    data: Path
    keys: Path
    state: Path
    recovery_file: Path


def check_people(meta: Path, by: tuple[str, ...]) -> None:
    """Two different people must decide where two or more administrators have tokens."""
    if not meta.is_file():
        return
    store = Meta(meta)
    try:
        admins = store.administrators()
    finally:
        store.close()
    if admins > 1 and len({name.strip().casefold() for name in by}) < 2:
        raise BadRequest(
            f"this ledger has {admins} administrators: two people decide to give events up",
            field="by", remedy="Name both: --by NAME --by NAME.",
        )


def begin_next(closing: Closing) -> Next:
    """Close the old origin and make the ledger that continues it; see the module.

    Raises `BadRequest` when another ledger continues it already.
    """
    register = Register(closing.state, closing.origin)
    try:
        new = unfinished(register)
        if new is None:
            new = _next(closing)
            check_origin(new.origin)
            register.close_origin(
                Continuation(
                    origin=new.origin, data=str(new.data), keys=str(new.keys), state=str(new.state)
                )
            )
        else:
            _set_aside(new)
        _make(closing, new)
        register.mark_begun()
    finally:
        register.close()
    return new


def unfinished(register: Register) -> Next | None:
    """The continuation that was decided on and has signed nothing; None where none was.

    Raises `BadRequest` when there is one: a second would be a fork of the log.
    """
    then = register.continuation()
    if then is None:
        return None
    keys = Path(then.keys)
    new = Next(
        origin=then.origin, data=Path(then.data), keys=keys, state=Path(then.state),
        recovery_file=recovery_path(keys),
    )
    if then.begun or not is_free(new.data) or _has_signed(new):
        raise BadRequest(
            f"the log {register.origin!r} is closed, and {then.origin!r} continues it already, made"
            f" in {then.data}: a second continuation would be a fork",
            field="accept_size",
            remedy="Go on with that one. Events of the closed log are read with --unrecorded, from"
            " its folder or from a backup.",
        )
    return new


def _has_signed(new: Next) -> bool:
    try:
        register = Register(new.state, new.origin, read_only=True)
    except RegisterMissing:
        return False
    try:
        return register.read().size > 0
    finally:
        register.close()


def _set_aside(new: Next) -> None:
    """Keys that a crash left: nothing was signed with them, and their secret may be nowhere."""
    for path in (new.keys, new.recovery_file):
        if path.exists():
            os.rename(path, path.with_name(f"{path.name}.unfinished-{random_id()}"))


def _make(closing: Closing, new: Next) -> None:
    """The ledger itself; its folder appears whole."""
    keyring, secret = Keyring.create(new.keys, new.origin)
    write_recovery(recovery_path(new.keys), new.origin, secret)
    with built_beside(new.data) as build:
        _copy_meta(closing, build / "meta.sqlite", keyring)
        write_settings(
            closing.data, build, origin=new.origin, keys=str(new.keys), state=str(new.state)
        )
        fresh = Register.create(new.state, new.origin, 0, EMPTY_ROOT)
        ledger = Ledger(LedgerPaths(build), new.origin, keyring, fresh)
        try:
            vkeys = ledger.keys.vkeys()
            ledger.writer.append([Work(SELF, OWN_VIA, _first_records(closing, ledger.keys))])
        finally:
            ledger.close()
        for name, line in vkeys.items():
            write_durably(build / name, f"{line}\n".encode(), mode=0o644)
    keyring.close()
    asyncio.run(_publish(new.data))


def _first_records(closing: Closing, keys: LogKeys) -> list[Own]:
    """The `restore` record, and what every log begins with."""
    vkeys = keys.vkeys()
    restored: dict[str, object] = {
        "origin": closing.origin, "size": closing.size, "root": closing.root.hex(),
        "kept": closing.kept, "reason": closing.reason,
        "by": [{"type": "user", "id": name} for name in closing.by],
    }
    active: dict[str, object] = {"state": "active", "keys": [vkeys["vkey"], vkeys["vkey.mldsa44"]]}
    return [
        own_record("restore", "ledger.restore", restored, "create"),
        own_record("source", "ledger.source.register", {"number": 0, "id": SELF.id}, "create"),
        own_record("key", "ledger.key.activate", active, "create"),
    ]


def _copy_meta(closing: Closing, to: Path, keyring: Keyring) -> None:
    """Tokens, witnesses, sources' settings and the audit policy go on; sources get new numbers in
    the new log, which declares the audit policy at its first start.

    A token goes on if the old keyring vouches for it, and is then bound to the new one; so do
    summaries of events that were answered and did not stand in the old log yet.
    """
    old = closing.data / "meta.sqlite"
    if not old.is_file():
        return
    former = Keyring(closing.keys, closing.origin)
    try:
        meta = Meta(old, keyring=former)
        tokens, settings = meta.tokens(), meta.of_sources.settings()
        newest, unstated = meta.of_audit_policy.versions()[:1], meta.of_audit_policy.unstated()
        meta.backup(to)
        meta.close()
    finally:
        former.close()
    link = connect(to)
    for table in (
        "source", "verification", "value", "token", "source_settings", "source_tally",
        "audit_policy", "unstated", "rolled_ids",
    ):
        link.execute(f"DELETE FROM {table}")
    link.close()
    meta = Meta(to, keyring=keyring)
    meta.adopt_tokens(tokens)
    meta.of_sources.put_settings(settings)
    for row in newest:
        meta.of_audit_policy.put_version(msgspec.structs.replace(row, entry=None))
    meta.of_audit_policy.keep(unstated, b"", 0)
    meta.close()


def _next(closing: Closing) -> Next:
    """The first number of which nothing exists yet: no data, no keyring, no register."""
    found = _NUMBERED.match(closing.origin) if _is_continuation(closing) else None
    name = found["name"] if found else closing.origin
    number = int(found["number"]) + 1 if found else 2
    env = dict(os.environ)
    while True:
        origin = f"{name}/{number}"
        new = Next(
            origin=origin,
            data=_beside(closing.data, number, found is not None),
            keys=default_keys(origin, env) if closing.keys == default_keys(closing.origin, env)
            else _beside(closing.keys, number, found is not None),
            state=default_state(origin, env) if closing.state == default_state(closing.origin, env)
            else _beside(closing.state, number, found is not None),
            recovery_file=Path(),
        )
        if all(is_free(path) for path in (new.data, new.keys, new.state)):
            return msgspec.structs.replace(new, recovery_file=recovery_path(new.keys))
        number += 1


def _beside(path: Path, number: int, continued: bool) -> Path:
    name = re.sub(r"-\d+$", "", path.name) if continued else path.name
    return path.with_name(f"{name}-{number}")


def _is_continuation(closing: Closing) -> bool:
    """Whether the closed log began with a `restore` record: then its name ends in a number."""
    keyring = Keyring(closing.keys, closing.origin)
    try:
        manifest = existing_manifest(LedgerPaths(closing.data))
        reader = LedgerReader(LedgerPaths(closing.data), closing.origin, keyring, manifest)
        try:
            return b',"kind":"restore",' in reader.one(0).body
        finally:
            reader.close()
            manifest.close()
    finally:
        keyring.close()


async def _publish(data: Path) -> None:
    """Open the new ledger once: its first checkpoint."""
    async with LocalLedger(data):
        return
