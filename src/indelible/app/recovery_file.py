"""The recovery file: what opens the sealed keyring when its machine is lost."""

from __future__ import annotations

from pathlib import Path

from indelible.base.errors import IndelibleError
from indelible.base.files import write_durably


def recovery_path(keys: Path) -> Path:
    """Where the recovery file of a keyring's folder is written."""
    return keys.parent / f"{keys.name}.recovery"


def write_recovery(path: Path, origin: str, secret: bytes) -> Path:
    """Write a recovery file."""
    text = (
        f"Indelible recovery file for the log {origin}\n"
        "Whoever holds this and a copy of the keyring can read every event. Keep it elsewhere.\n"
        f"secret: {secret.hex()}\n"
    )
    write_durably(path, text.encode(), mode=0o400)
    return path


def read_recovery(path: Path) -> bytes:
    """The secret in a recovery file."""
    for line in path.read_text("utf-8").splitlines():
        if line.startswith("secret: "):
            return bytes.fromhex(line.removeprefix("secret: ").strip())
    raise IndelibleError(f"{path} is not a recovery file", code="wrong_recovery_file")
