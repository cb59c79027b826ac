"""Attacks on the token table by somebody who can write the data folder and holds no key."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing

import msgspec

from attack.tools import run_sql
from indelible.app.place import Place
from indelible.store.meta import Meta, secret_hash
from indelible.store.token_rows import token_mac

SECRET = "ind_" + "e" * 16 + "_of-the-attackers-own-choice"
HASH = f"x'{secret_hash(SECRET).hex()}'"


def sql(*texts: str) -> Callable[[Place], None]:
    def attack(place: Place) -> None:
        for text in texts:
            run_sql(place.paths.meta, text)

    return attack


def brought_back(place: Place) -> None:
    """The row as it was before the revocation, MAC and all."""
    keyring = place.keyring(read_only=True)
    meta = Meta(place.paths.meta, keyring=keyring, read_only=True)
    row = next(one for one in meta.tokens() if one.name == "leaver")
    mac = token_mac(keyring.token_key(), msgspec.structs.replace(row, revoked_us=None))
    meta.close()
    keyring.close()
    sql(f"UPDATE token SET revoked_us=NULL, mac=x'{mac.hex()}' WHERE id='{row.id}'")(place)


def mac_of_another(place: Place) -> None:
    with closing(sqlite3.connect(place.paths.meta)) as db:
        (mac,) = db.execute("SELECT mac FROM token WHERE name='ann'").fetchone()
    sql(f"UPDATE token SET role='auditor', mac=x'{mac.hex()}' WHERE name='payroll'")(place)


INSERT = (
    "INSERT INTO token (id, name, role, source, tenant, hash, created_us{more}) "
    f"VALUES ('{'e' * 16}', 'eve', 'auditor', '', '', {HASH}, 1800000000000000{{value}})"
)
LATER_TABLES = (
    "source_settings", "source_tally", "position", "audit_policy", "unstated", "rolled_ids",
)
"""What migrations after the one that binds tokens have made."""

FORGED = INSERT.format(more="", value="")
TOKEN_ROWS: dict[str, Callable[[Place], None]] = {
    "token-forged": sql(FORGED),
    "token-forged-with-a-mac": sql(INSERT.format(more=", mac", value=", randomblob(32)")),
    "token-hash-changed": sql(f"UPDATE token SET hash={HASH} WHERE name='ann'"),
    "token-role-changed": sql("UPDATE token SET role='auditor' WHERE name='payroll'"),
    "token-source-changed": sql("UPDATE token SET source='hr' WHERE name='payroll'"),
    "token-tenant-changed": sql("UPDATE token SET tenant='' WHERE name='payroll'"),
    "token-mac-of-another": mac_of_another,
    "token-revocation-removed": sql("UPDATE token SET revoked_us=NULL WHERE name='leaver'"),
    "token-row-brought-back": brought_back,
    "tokens-as-of-an-earlier-release": sql(
        "ALTER TABLE token DROP COLUMN mac", "DELETE FROM migration WHERE number>=3",
        *(f"DROP TABLE {table}" for table in LATER_TABLES), FORGED
    ),
}
