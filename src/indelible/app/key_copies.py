"""The keyring's sealed copy: made by `backup`, opened again by `restore` with the recovery file."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from indelible.app.copying import built_beside, copy_file, disk_error, is_free, sync_tree
from indelible.app.recovery_file import read_recovery
from indelible.base.errors import BadRequest, IndelibleError, KeyMissing
from indelible.base.files import fsync_folder, make_folder
from indelible.base.random import random_id
from indelible.store.keyring import Keyring, recover_master

KEYRING, SEALED, MASTER = "keyring.sqlite", "master.sealed", "master.key"
_OURS = {KEYRING, SEALED, f"{KEYRING}-journal"}


def copy_keys(keyring: Keyring, to: Path) -> None:
    """A sealed copy of the keyring as the folder `to`; an earlier copy there is replaced whole.

    The newest copy opens every backup, because keys are only added; keys that were destroyed on
    purpose leave the copy too. Raises `IndelibleError` when something else lies there.
    """
    if not is_free(to) and not {path.name for path in to.iterdir()} <= _OURS:
        raise IndelibleError(
            f"{to} holds something else than a keyring's copy", code="exists",
            remedy="Name a folder for the keyring's copies alone.",
        )
    try:
        make_folder(to.parent)
        fresh = to.parent / f".{to.name}.unfinished-{random_id()}"
        try:
            keyring.copy_sealed(fresh)
            os.chmod(fresh / SEALED, 0o600)
            (fresh / f"{KEYRING}-journal").unlink(missing_ok=True)
            sync_tree(fresh)
            _replace(to, fresh)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
    except OSError as error:
        raise disk_error(error, to) from error


def _replace(place: Path, fresh: Path) -> None:
    """Swap folders; a crash between the two renames leaves both beside the place."""
    if is_free(place):
        os.rename(fresh, place)
        fsync_folder(place.parent)
        return
    old = place.parent / f".{place.name}.replaced-{random_id()}"
    os.rename(place, old)
    os.rename(fresh, place)
    fsync_folder(place.parent)
    shutil.rmtree(old)


def bring_keys(copy: Path, keys: Path, origin: str, recovery: Path | None) -> None:
    """The keyring of `origin` at `keys` again, from a copy of it: sealed, or with its master key.

    A sealed copy is opened with the recovery file: the one given, else the one beside either
    folder. Raises `IndelibleError` when none opens it, `Damaged` when it is another log's.
    """
    for name in (KEYRING, SEALED):
        if not (copy / name).is_file():
            raise KeyMissing(
                f"{copy} is no copy of a keyring: {name} is missing",
                remedy="Name the folder that `indelible backup --keys-to` wrote.",
            )
    if not is_free(keys):
        raise BadRequest(
            f"there is something at {keys} already", field="keys_from",
            remedy="Leave --keys-from out when the keyring is in its place; else move it away.",
        )
    with built_beside(keys) as build:
        names = [KEYRING, SEALED] + [MASTER] * (copy / MASTER).is_file()
        for name in names:
            copy_file(copy / name, build / name)
        if MASTER not in names:
            recover_master(build, origin, read_recovery(_recovery_file(copy, keys, recovery)))
        Keyring(build, origin).close()


def _recovery_file(copy: Path, keys: Path, given: Path | None) -> Path:
    beside = [folder.parent / f"{folder.name}.recovery" for folder in (keys, copy)]
    for path in [given] if given is not None else beside:
        if path.is_file():
            return path
    named = given or beside[0]
    raise KeyMissing(
        f"there is no recovery file at {named}",
        remedy="Name the recovery file that `init` wrote with --recovery.",
    )
