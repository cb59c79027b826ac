"""The options of a source that is captured from PostgreSQL, and how its server is reached."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import ModuleType
from typing import Final, NamedTuple

from indelible.base.errors import BadRequest
from indelible.base.limits import (
    CAPTURE_CONNECT_SECONDS,
    CAPTURE_KEEPALIVE_SECONDS,
    CAPTURE_PUBLICATIONS,
)
from indelible.ingest.extras import libraries

OPTIONS: Final = ("dsn", "publication", "slot", "unlimited_wal")
NEEDS: Final = ("dsn", "publication")
_SLOT: Final = re.compile(r"[a-z0-9_]{1,63}")
_SECRETS: Final = ("password", "sslpassword", "oauth_client_secret", "scram_client_key",
                   "scram_server_key")


class Options(NamedTuple):
    """How one database is captured. `unlimited_wal`: an administrator takes the risk."""

    dsn: str
    publications: tuple[str, ...]
    slot: str
    unlimited_wal: bool


def check_options(given: Mapping[str, str]) -> None:
    """Hold options to their rules; raises `BadRequest` that names the option."""
    options_of(given)


def options_of(given: Mapping[str, str]) -> Options:
    """The options of a source; raises `BadRequest` that names the one that cannot be."""
    dsn = given.get("dsn", "")
    _check_dsn(dsn)
    names = tuple([one.strip() for one in given.get("publication", "").split(",")])
    if not all(names) or len(names) > CAPTURE_PUBLICATIONS:
        raise BadRequest(
            f"publication names one publication, or up to {CAPTURE_PUBLICATIONS} with commas",
            field="publication",
        )
    slot = given.get("slot") or "indelible"
    if _SLOT.fullmatch(slot) is None:
        why = "a slot's name has 1 to 63 lower-case letters, digits and underscores"
        raise BadRequest(why, field="slot")
    unlimited = given.get("unlimited_wal", "")
    if unlimited not in ("", "refused", "accepted"):
        raise BadRequest("unlimited_wal is refused or accepted", field="unlimited_wal")
    return Options(dsn, names, slot, unlimited == "accepted")


def _check_dsn(dsn: str) -> None:
    psycopg = driver()
    try:
        parts = psycopg.conninfo.conninfo_to_dict(dsn)
    except psycopg.Error as error:
        raise BadRequest(
            f"dsn cannot be read: {str(error).strip()}", field="dsn",
            remedy="Write host=db.example.org dbname=app user=indelible sslmode=verify-full, "
            "or the same as a postgresql:// URI.",
        ) from error
    for name in _SECRETS:
        if parts.get(name):
            raise BadRequest(
                f"dsn holds {name}, and a source's options can be read", field="dsn",
                remedy="Leave it out, and give the password with --secret-file.",
            )
    for name in ("dbname", "user"):
        if not parts.get(name):
            why = f"dsn names no {name}: what this machine's user is called must not decide it"
            raise BadRequest(why, field="dsn", remedy=f"Add {name}=... to it.")


def driver() -> ModuleType:
    """psycopg; raises `BadRequest` with the remedy where it is not installed."""
    psycopg, _ = libraries(
        "changes of PostgreSQL are", "postgres", "psycopg[binary]", "psycopg", "psycopg.conninfo"
    )
    return psycopg


def parameters(options: Options, secret: bytes) -> dict[str, str | int]:
    """What to connect with: a session that is told of a dead network, and speaks UTF-8."""
    psycopg = driver()
    given: dict[str, str | int] = dict(psycopg.conninfo.conninfo_to_dict(options.dsn))
    own: dict[str, str | int] = {
        "connect_timeout": CAPTURE_CONNECT_SECONDS, "application_name": "indelible",
        "keepalives_idle": CAPTURE_KEEPALIVE_SECONDS,
        "keepalives_interval": CAPTURE_KEEPALIVE_SECONDS,
    }
    if secret:
        own["password"] = secret.decode()
    return {**own, **given, "client_encoding": "UTF8"}


SESSION: Final = {
    "DateStyle": "ISO, MDY", "IntervalStyle": "iso_8601", "TimeZone": "UTC",
    "extra_float_digits": "1", "bytea_output": "hex", "lc_monetary": "C", "search_path": "",
    "statement_timeout": "0", "lock_timeout": "0", "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
}
"""What decides how PostgreSQL writes values, and what would cut a long look short. It must stay as
it is: the same change must give the same bytes whenever it is read again."""
