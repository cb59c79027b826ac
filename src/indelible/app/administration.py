"""What an administrator orders of a running ledger: verification, rotation, backup."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable

import msgspec

from indelible.app.core import Core
from indelible.app.damage import Finding, remember, settle
from indelible.app.full import keep_full
from indelible.app.recovery_file import recovery_path, write_recovery
from indelible.app.serve import SETTINGS
from indelible.base.errors import EXIT_DAMAGED, EXIT_OK, BadRequest, IndelibleError
from indelible.base.limits import CHILD_LINE_BYTES
from indelible.ledger.incoming import own_record
from indelible.ledger.publish import LogKeys
from indelible.server.rooms import VerifyOutcome, VerifyRequest
from indelible.store.keyring import ED25519, MLDSA44


async def verify(
    core: Core, request: VerifyRequest, progress: Callable[[int, int], None]
) -> VerifyOutcome:
    """Verify in a process apart, so that senders and searches do not feel it."""
    settings = msgspec.json.encode([core.place.settings, False], enc_hook=str).decode()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "indelible.app.check", str(core.place.data),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=CHILD_LINE_BYTES,
        env={**os.environ, SETTINGS: settings},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(msgspec.json.encode(request))
        process.stdin.close()
        final = b""
        while line := await process.stdout.readline():
            if line.startswith(b"["):
                done, total = msgspec.json.decode(line, type=tuple[int, int])
                progress(done, total)
            else:
                final = line.strip()
        await process.wait()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    if not final:
        raise IndelibleError("the verification ended without an account", code="cut_off")
    return outcome(core, request, final)


class _Ended(msgspec.Struct):
    verdict: str
    exit: int
    events: int = 0
    lines: list[str] = []


def outcome(core: Core, request: VerifyRequest, final: bytes) -> VerifyOutcome:
    """The account of a verification; damage is remembered by the running ledger.

    What only a verification policy of the caller's asks for is the caller's to know.
    """
    ended = msgspec.json.decode(final, type=_Ended)
    first, last = request.from_index, request.to_index
    if ended.exit == EXIT_DAMAGED and not request.verification_policy:
        finding = Finding(f"verification: {ended.verdict}", first, last)
        remember(core.meta, core.damage, finding)
    elif ended.exit == EXIT_OK and not request.quick:
        settle(core.meta, core.damage, first, last)
    everything = not first and last is None and not request.quick
    if everything and not request.verification_policy:
        keep_full(
            core.meta, verdict=ended.verdict, ok=ended.exit == EXIT_OK, events=ended.events,
            cause="request",
        )
    return VerifyOutcome(ok=ended.exit == 0, verdict=ended.verdict, report=msgspec.Raw(final))


async def rotate(core: Core, what: str) -> bytes:
    """Rotate the signing keys (overlapping) or the master key of the data keys."""
    if what == "signing":
        return await _rotate_signing(core)
    if what != "data":
        raise BadRequest(f"{what!r} is not a key; say signing or data", field="what")
    keyring = core.ledger.keyring
    path = recovery_path(keyring.folder)
    fresh = path.with_name(f"{path.name}.next")

    def keep(secret: bytes) -> None:
        write_recovery(fresh, keyring.origin, secret)

    await asyncio.to_thread(keyring.rotate_master, keep)
    await asyncio.to_thread(os.replace, fresh, path)
    await core.own(own_record("event", "indelible.key.rotate", {"what": "data"}, "update"))
    return msgspec.json.encode({"what": "data", "recovery_file": str(path)})


async def _rotate_signing(core: Core) -> bytes:
    ledger = core.ledger
    old = ledger.keys.vkeys()
    await asyncio.to_thread(ledger.keyring.new_keys, ((ED25519, ""), (MLDSA44, "")))
    ledger.keys = ledger.publisher.keys = LogKeys(ledger.origin, ledger.keyring)
    await core.announce_signing_keys()
    new = ledger.keys.vkeys()
    return msgspec.json.encode({"what": "signing", **new, "replaces": list(old.values())})
