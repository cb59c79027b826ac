"""A keyring for tests that need tokens and no ledger: made once, shared by all of a process."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from indelible.store.keyring import Keyring

_FOLDER = tempfile.TemporaryDirectory(prefix="indelible-test-keys-")


@cache
def token_keyring() -> Keyring:
    """The keyring; its revoked tokens are those of every test so far."""
    return Keyring.create(Path(_FOLDER.name) / "keys", "tokens.example/log")[0]
