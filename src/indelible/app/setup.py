"""`init`: a new ledger with its keyring, register and recovery file."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import msgspec

from indelible.app.local import LocalLedger
from indelible.app.recovery_file import recovery_path, write_recovery
from indelible.base.errors import IndelibleError
from indelible.base.files import make_folder, write_durably
from indelible.base.settings import (
    FILE_NAME,
    check_origin,
    default_keys,
    default_state,
    write_initial,
)
from indelible.ledger.register import Register
from indelible.proof.tree import EMPTY_ROOT
from indelible.store.keyring import Keyring


class InitResult(msgspec.Struct, frozen=True, kw_only=True):
    """Where everything of a new ledger lies."""

    keys: Path
    state: Path
    recovery_file: Path
    vkey: str
    vkey_mldsa44: str


def init_ledger(
    data: Path, origin: str, keys: Path | None, state: Path | None,
    insecure_single_folder: bool = False,
) -> InitResult:
    """Make a new, empty ledger: keyring, register, settings, first records, first checkpoint."""
    check_origin(origin)
    data = data.absolute()
    if data.is_dir() and any(data.iterdir()):
        raise IndelibleError(f"{data} is not empty", code="exists", remedy="Name a new folder.")
    env = dict(os.environ)
    if insecure_single_folder:
        keys, state = data / "keys", data / "state"
    keys = (keys or default_keys(origin, env)).absolute()
    state = (state or default_state(origin, env)).absolute()
    if (state / "register.sqlite").exists():
        raise IndelibleError(
            f"there is a register at {state} already", code="exists",
            remedy="Choose another origin or --state folder; a register is never overwritten.",
        )
    make_folder(data)
    keyring, secret = Keyring.create(keys, origin)
    keyring.close()
    Register.create(state, origin, 0, EMPTY_ROOT).close()
    write_initial(data / FILE_NAME, origin=origin, keys=keys, state=state)
    recovery = write_recovery(recovery_path(keys), origin, secret)
    vkeys = asyncio.run(_first(data))
    for name, line in vkeys.items():
        write_durably(data / name, f"{line}\n".encode(), mode=0o644)
    return InitResult(
        keys=keys, state=state, recovery_file=recovery,
        vkey=vkeys["vkey"], vkey_mldsa44=vkeys["vkey.mldsa44"],
    )


async def _first(data: Path) -> dict[str, str]:
    async with LocalLedger(data) as ledger:
        return ledger.core.ledger.keys.vkeys()
