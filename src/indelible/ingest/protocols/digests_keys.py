"""CloudTrail's public keys, where they are needed: from a file, or asked of CloudTrail."""

from __future__ import annotations

import os
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from indelible.base.clock import monotonic
from indelible.base.errors import BadRequest, Unreachable
from indelible.base.limits import DIGEST_KEYS_SECONDS, SECRET_BYTES
from indelible.ingest.protocols.digests import Keys, keys_in
from indelible.ingest.protocols.s3_store import KeyRows

Ask = Callable[[str, int, int], KeyRows]
"""Region, begin and end of a time, to the keys that were used in it; raises `Unreachable`."""


class ForeignKey(Exception):
    """CloudTrail was asked, named its keys of that time, and this one is not among them."""


class PublicKeys:
    """Keys by fingerprint. Blocking; used by one thread at a time."""

    def __init__(self, path: str = "", ask: Ask | None = None) -> None:
        self._path, self._ask = path, ask
        self._keys = Keys()
        self._read: tuple[int, int] | None = None
        self._asked: dict[tuple[str, str], tuple[float, bool]] = {}
        if path:
            self._load()

    def get(
        self, fingerprint: str, region: str, begin_us: int, end_us: int
    ) -> RSAPublicKey | None:
        """The key that signed in `region` at that time, or None when it is not to be had.

        Raises `ForeignKey`, and `BadRequest` when the file of keys cannot be read.
        """
        found = self._keys.get(fingerprint)
        if found is None and self._path:
            self._load()
            found = self._keys.get(fingerprint)
        if found is None and self._ask is not None:
            return self._ask_for(self._ask, fingerprint, region, begin_us, end_us)
        return found

    def _ask_for(
        self, ask: Ask, fingerprint: str, region: str, begin_us: int, end_us: int
    ) -> RSAPublicKey | None:
        """As `get`, of CloudTrail; what it answered a short while ago holds on."""
        asked, now = (region, fingerprint), monotonic()
        when, foreign = self._asked.get(asked, (-DIGEST_KEYS_SECONDS, False))
        found = None
        if now - when >= DIGEST_KEYS_SECONDS:
            try:
                rows = ask(region, begin_us, end_us)
            except Unreachable:
                rows = []
            self._keys.add(der for _, der in rows)
            found = self._keys.get(fingerprint)
            foreign = bool(rows) and found is None
            self._asked[asked] = now, foreign
        if foreign:
            raise ForeignKey(fingerprint)
        return found

    def _load(self) -> None:
        """Read the file, if it has changed."""
        try:
            with open(self._path, "rb") as file:
                seen = os.fstat(file.fileno())
                if self._read == (seen.st_mtime_ns, seen.st_size):
                    return
                text = file.read(SECRET_BYTES * 16 + 1)
        except OSError as error:
            raise BadRequest(
                f"the public keys in {self._path} cannot be read: {error.strerror}", field="keys"
            ) from error
        self._keys.add(keys_in(text))
        self._read = (seen.st_mtime_ns, seen.st_size)
