"""Keys of NATS for tests: nkeys, and an operator with one account and one user, as `nsc` makes."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import time
from typing import Any, NamedTuple


class Key(NamedTuple):
    """A seed and what is public of it."""

    seed: str
    public: str


def key(kind: str) -> Key:
    """A new key of an `OPERATOR`, an `ACCOUNT` or a `USER`."""
    import nkeys

    seed = nkeys.encode_seed(os.urandom(32), getattr(nkeys, f"PREFIX_BYTE_{kind}"))
    pair = nkeys.from_seed(bytearray(seed))
    return Key(bytes(seed).decode(), bytes(pair.public_key).decode())


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


def _token(issuer: Key, subject: str, name: str, about: dict[str, Any]) -> str:
    import nkeys

    claims = {"iat": int(time.time()), "iss": issuer.public, "name": name, "sub": subject,
              "nats": {"version": 2, **about}}
    claims["jti"] = base64.b32encode(
        hashlib.sha256(json.dumps(claims).encode()).digest()).decode().rstrip("=")
    signed = ".".join([_text(json.dumps(one).encode()) for one in (
        {"typ": "JWT", "alg": "ed25519-nkey"}, claims)])
    signature = nkeys.from_seed(bytearray(issuer.seed.encode())).sign(signed.encode())
    return f"{signed}.{_text(signature)}"


def operated() -> tuple[str, str]:
    """What stands in the configuration of an operator's server, and a user's credentials file."""
    operator, account, system, user = (
        key(kind) for kind in ("OPERATOR", "ACCOUNT", "ACCOUNT", "USER"))
    limits = {"subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1,
              "wildcards": True, "conn": -1, "leaf": -1}
    stored = {"mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1}
    accounts = {
        one.public: _token(operator, one.public, name, {"type": "account", "limits": said})
        for one, name, said in ((account, "A", {**limits, **stored}), (system, "SYS", limits))
    }
    about = {"type": "user", "subs": -1, "data": -1, "payload": -1}
    token = _token(account, user.public, "indelible", about)
    made = _token(operator, operator.public, "O", {
        "type": "operator", "system_account": system.public})
    known = "\n".join([f"{name}: {value}" for name, value in accounts.items()])
    config = (f"operator: {made}\nsystem_account: {system.public}\nresolver: MEMORY\n"
              f"resolver_preload: {{\n{known}\n}}\n")
    credentials = (
        f"-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n"
        "************************* IMPORTANT *************************\n"
        f"-----BEGIN USER NKEY SEED-----\n{user.seed}\n------END USER NKEY SEED------\n")
    return config, credentials
