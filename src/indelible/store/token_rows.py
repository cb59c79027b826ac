"""The rows of the token table, and which of them this ledger wrote.

Whoever can write the data folder can write rows. So a row is a credential only if its MAC fits:
HMAC-SHA-256 under a key of the keyring (`Keyring.token_key`) over every field, the revocation too.
An older copy of a row has a MAC that fits; that is why the keyring remembers what was revoked.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from indelible.base.errors import Damaged
from indelible.base.limits import DAMAGE_KEPT, NAME_CHARS

_LABEL = b"indelible/token/v1\0"


class TokenRow(msgspec.Struct, frozen=True, kw_only=True):
    """A token as it is kept: its secret only as SHA-256."""

    id: str
    name: str
    role: str
    source: str
    tenant: str
    hash: bytes
    created_us: int
    revoked_us: int | None = None


COLUMNS = TokenRow.__struct_fields__


class Judged(NamedTuple):
    """`ours` are the tokens as they count, `strange` the rows that this ledger did not write.

    `undone` are those of `ours` that were revoked although their rows do not say so.
    """

    ours: list[TokenRow]
    undone: list[TokenRow]
    strange: list[TokenRow]

    def said(self) -> tuple[str, ...]:
        """What is wrong, in words; the first rows of each kind stand for the rest."""
        strange, undone = self.strange[:DAMAGE_KEPT], self.undone[:DAMAGE_KEPT]
        return (*map(strange_text, strange), *map(undone_text, undone))


def strange_text(row: TokenRow) -> str:
    """A row without a MAC that fits, in words."""
    return (
        f"meta.sqlite holds a token row that this ledger did not write: {row.id[:NAME_CHARS]!r}"
        f" ({row.role[:NAME_CHARS]!r}); it is no credential"
    )


def undone_text(row: TokenRow) -> str:
    """An older copy of a row, in words."""
    return (
        f"meta.sqlite holds an older row of the token {row.id[:NAME_CHARS]!r}, which was revoked;"
        " it stays revoked"
    )


def row_of(values: Iterable[object]) -> TokenRow:
    """A row as SQLite gives it; raises Damaged for types that the table cannot hold."""
    try:
        return msgspec.convert(dict(zip(COLUMNS, values, strict=True)), TokenRow)
    except msgspec.ValidationError as error:
        raise Damaged(f"the token table of meta.sqlite was altered: {error}") from error


def token_mac(key: bytes, row: TokenRow) -> bytes:
    """The MAC of a row: over the label and its fields as a JSON array, bytes in base64."""
    return hmac.digest(key, _LABEL + msgspec.json.encode(msgspec.structs.astuple(row)), "sha256")


def judge(
    found: Iterable[tuple[TokenRow, object]], key: bytes, revoked: Mapping[str, int]
) -> Judged:
    """Sort rows, each with the MAC it bears; `revoked` is what the keyring remembers."""
    judged = Judged([], [], [])
    for row, mac in found:
        if not isinstance(mac, bytes) or not hmac.compare_digest(mac, token_mac(key, row)):
            judged.strange.append(row)
            continue
        if row.revoked_us is None and row.id in revoked:
            row = msgspec.structs.replace(row, revoked_us=revoked[row.id])
            judged.undone.append(row)
        judged.ours.append(row)
    return judged
