"""Settings of sources as rows of the meta database, bound to the keyring as tokens are.

What a row says decides who may write as a source, so each carries a MAC under the keyring's token
key: a row that somebody else put into the database is no source. A secret (of a webhook, of an API
that is asked) stands encrypted with AES-256-GCM under a key made from the same one, bound to the
source's name and tenant: a copy of the database tells none, and no row lends its secret to another.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from indelible.base.random import random_bytes

_ROW: Final = b"indelible/source/v1\x00"
_SECRET: Final = b"indelible/source-secret/v1"
NONCE_BYTES: Final = 12
"""Of AES-GCM (NIST SP 800-38D)."""


class SettingsRow(msgspec.Struct, frozen=True, kw_only=True):
    """One source's settings as JSON, and its secret (empty for none)."""

    id: str
    tenant: str
    settings: bytes
    secret: bytes = b""


def sealed_row(key: bytes, row: SettingsRow) -> tuple[str, str, bytes, bytes, bytes]:
    """The row as it is stored: (id, tenant, settings, sealed secret, mac)."""
    sealed = b""
    if row.secret:
        nonce = random_bytes(NONCE_BYTES)
        sealed = nonce + _cipher(key).encrypt(nonce, row.secret, _bound(row.id, row.tenant))
    return row.id, row.tenant, row.settings, sealed, _mac(key, row, sealed)


def opened_row(key: bytes, stored: tuple[object, ...]) -> SettingsRow | None:
    """The row that `sealed_row` made, or None when this key did not make it."""
    ident, tenant, settings, sealed, mac = stored
    if not (
        isinstance(ident, str) and isinstance(tenant, str) and isinstance(settings, bytes)
        and isinstance(sealed, bytes) and isinstance(mac, bytes)
    ):
        return None
    row = SettingsRow(id=ident, tenant=tenant, settings=settings)
    if not hmac.compare_digest(mac, _mac(key, row, sealed)):
        return None
    if not sealed:
        return row
    try:
        bound = _bound(ident, tenant)
        secret = _cipher(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], bound)
    except (InvalidTag, ValueError):
        return None
    return msgspec.structs.replace(row, secret=secret)


def _cipher(key: bytes) -> AESGCM:
    return AESGCM(hmac.digest(key, _SECRET, "sha256"))


def _bound(ident: str, tenant: str) -> bytes:
    return b"".join(_framed((ident.encode(), tenant.encode())))


def _mac(key: bytes, row: SettingsRow, sealed: bytes) -> bytes:
    parts = (row.id.encode(), row.tenant.encode(), row.settings, sealed)
    return hmac.digest(key, _ROW + b"".join(_framed(parts)), "sha256")


def _framed(parts: tuple[bytes, ...]) -> Iterator[bytes]:
    for part in parts:
        yield len(part).to_bytes(4, "big")
        yield part
