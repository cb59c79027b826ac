"""The beat on which every configured witness is asked to cosign the newest checkpoint.

Senders never wait for it: the network has its own time limit, proofs are made in threads, and the
checkpoint is touched only to add a line that already verified. What each witness cosigned last is
kept as a note of its own, `checkpoints/cosigned-<witness>`, so that a restart asks on from there
and `verify` can say which events no witness has seen. A note that shows the log rolled back or
forked is kept as `checkpoints/cosigned-<witness>-contradicts`, where `verify` finds it too.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, TypeVarTuple

from indelible.app.core import Alarm, Core, Witnessed
from indelible.base.clock import MICROS, wall_us
from indelible.base.errors import IndelibleError
from indelible.base.files import write_durably
from indelible.ledger.cosign import (
    FORKED,
    ROLLED_BACK,
    Contradiction,
    Cosigned,
    HttpTransport,
    Submission,
    Transport,
    ask,
    cosigner_key,
    prove,
    shown,
)
from indelible.ledger.incoming import own_record
from indelible.proof.checkpoint import Checkpoint, parse_head
from indelible.proof.errors import ProofError
from indelible.proof.keys import VerifierKey
from indelible.proof.note import NoteSignature, SignedNote, check, parse, serialise
from indelible.store.meta import WitnessRow

_log = logging.getLogger(__name__)
logging.getLogger("httpx2").setLevel(logging.WARNING)  # it would log every exchange of every beat
_NOTHING = Witnessed(0, 0, "")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")


async def ask_witnesses(core: Core) -> None:
    """Ask every configured witness once, all at the same time; never raises for one of them."""
    rows = await _thread(core, core.meta.witnesses)
    for name in core.witnessed.keys() - {row.name for row in rows}:
        _withdraw(core, core.witnessed.pop(name).alarm)
    note = await core.published()
    if not rows or not note:
        return
    submission = Submission.of(note)
    if submission.head.size == 0:
        return
    async with HttpTransport() as transport:
        asked = (ask_one(core, row, submission, transport) for row in rows)
        lines = [line for line in await asyncio.gather(*asked) if line is not None]
    if lines:
        ours = parse(submission.note).signatures
        keep = core.publisher.keep_cosigned
        await _thread(core, keep, submission.text, (*ours, *lines))


async def ask_one(
    core: Core, row: WitnessRow, submission: Submission, transport: Transport
) -> NoteSignature | None:
    """Ask one witness, take note of its answer in `core.witnessed`; its line if it cosigned."""
    before = core.witnessed.get(row.name, _NOTHING)
    try:
        key = cosigner_key(row.vkey)
        if row.name not in core.witnessed:
            before = core.witnessed[row.name] = await _thread(core, remembered, core, key)
        outcome = await ask(
            transport, row.url, key, submission, before.size,
            lambda old, head: _thread(core, prove, core.ledger.tree, old, head),
            core.ledger.tree.size,
        )
        if isinstance(outcome, Cosigned):
            await _accept(core, row, key, submission, outcome)
            return outcome.line
        await _contradicted(core, row, key, outcome, transport)
    except (IndelibleError, OSError) as error:
        text = error.message if isinstance(error, IndelibleError) else str(error)
        if text != before.error:
            _log.warning("witness %s: %s", row.name, text)
        seen = core.witnessed.get(row.name, before)
        core.witnessed[row.name] = seen._replace(error=text)
    return None


async def _accept(
    core: Core, row: WitnessRow, key: VerifierKey, submission: Submission, outcome: Cosigned
) -> None:
    size = submission.head.size
    before = core.witnessed[row.name]
    error = ""
    if outcome.remembered is not None and outcome.remembered < before.size:
        error = f"it forgot what it had cosigned: it named {outcome.remembered}, not {before.size}"
        _log.warning("witness %s: %s", row.name, error)
    lines = (*parse(submission.note).signatures, outcome.line)
    note = serialise(SignedNote(submission.text, lines))
    await _thread(core, write_durably, cosigned_path(core, key), note)
    # A clock ahead of ours must not make the cosignature look younger than it is.
    at = min(outcome.at, wall_us() // MICROS)
    core.witnessed[row.name] = Witnessed(size, at, error, _withdraw(core, before.alarm))
    await core.cosigned(size, outcome.line)


async def _contradicted(
    core: Core, row: WitnessRow, key: VerifierKey, found: Contradiction, transport: Transport
) -> None:
    """Say loudly that the log was rolled back or forked, with the witness's copy if it shows it."""
    before = core.witnessed[row.name]
    standing = before.alarm
    if standing is None or not standing.shown:
        alarm = await _alarm(core, row, key, found, transport)
        if standing is None or (alarm.verdict, alarm.shown) != (standing.verdict, standing.shown):
            _withdraw(core, standing)
            standing = alarm
            core.damage.append(alarm.text)
            core.witnessed[row.name] = before._replace(error=alarm.text, alarm=alarm)
            _log.error("%s", alarm.text)
            await _record(core, row, found, alarm)
    core.witnessed[row.name] = before._replace(error=standing.text, alarm=standing)


async def _alarm(
    core: Core, row: WitnessRow, key: VerifierKey, found: Contradiction, transport: Transport
) -> Alarm:
    log_keys = core.ledger.keys.verifier_keys()
    copy = await shown(transport, row.url, core.ledger.origin, key, log_keys)
    verdict = judged(core, copy[0]) if copy else None
    if copy and verdict:
        path = cosigned_path(core, key)
        evidence = path.with_name(f"{path.name}-contradicts")
        await _thread(core, write_durably, evidence, copy[1])
        how = f"it shows a checkpoint of size {copy[0].size} that this log signed"
    else:
        how = "its word alone, it shows no signed checkpoint"
    said = f"the witness {row.name} says that {found.message} ({how})"
    given = verdict or found.verdict
    return Alarm(given, verdict is not None, f"{given}: {said}")


async def _record(core: Core, row: WitnessRow, found: Contradiction, alarm: Alarm) -> None:
    data: dict[str, object] = {
        "witness": row.name, "verdict": alarm.verdict, "size": found.size, "shown": alarm.shown,
        "message": alarm.text,
    }
    try:
        await core.own(own_record("event", "indelible.witness.contradict", data))
    except IndelibleError as error:
        _log.error("%s: %s", error.code, error.message)


def _withdraw(core: Core, alarm: Alarm | None) -> Alarm | None:
    """Take back what rested on the word of a witness that is asked no more, or now agrees.

    What a signed checkpoint showed is never taken back: it is returned.
    """
    if alarm is None or alarm.shown:
        return alarm
    if alarm.text in core.damage:
        core.damage.remove(alarm.text)
    return None


def judged(core: Core, head: Checkpoint) -> str | None:
    """What a checkpoint that log and witness both signed says of these data; None: it fits them.

    Runs in the event loop, where the tree grows: its size may lie beyond the published one.
    """
    tree = core.ledger.tree
    if head.size > tree.size:
        return ROLLED_BACK
    return None if tree.root(head.size) == head.root else FORKED


def remembered(core: Core, key: VerifierKey) -> Witnessed:
    """What this witness cosigned last, from the note kept of it; nothing where there is none."""
    try:
        note = parse(cosigned_path(core, key).read_bytes())
        head, _ = parse_head(note.text)
        result = check(note, [key])[0]
    except (OSError, ProofError):
        return _NOTHING
    if not result.valid or head.origin != core.ledger.origin:
        return _NOTHING
    at = min(result.timestamp or 0, wall_us() // MICROS)
    return Witnessed(head.size, at, "")


def cosigned_path(core: Core, key: VerifierKey) -> Path:
    """Where the newest note that this witness cosigned is kept."""
    digest = hashlib.sha256(key.format().encode()).hexdigest()[:16]
    return core.ledger.paths.checkpoints / f"cosigned-{digest}"


async def _thread(core: Core, work: Callable[[*Ts], T], *arguments: *Ts) -> T:
    return await asyncio.get_running_loop().run_in_executor(core.threads, work, *arguments)
