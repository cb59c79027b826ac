"""The verification policy: a TOML file that the verifier pins (spec section 11)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from indelible_verify.errors import UsageProblem
from indelible_verify.note import ED25519, ED25519_COSIGNATURE, MLDSA44, Key

_AGE: Final = re.compile(r"([0-9]{1,9})([smhd])", re.ASCII)
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SECTIONS: Final = {
    "log": {"keys", "max_age"},
    "witnesses": {"keys", "quorum", "max_age"},
    "accept": {"pending", "erased", "pruned", "gap"},
}


@dataclass(frozen=True, slots=True)
class Accept:
    """Which lawful absences exit with 0."""

    pending: bool = True
    erased: bool = True
    pruned: bool = True
    gap: bool = True


@dataclass(frozen=True, slots=True)
class VerificationPolicy:
    """What the verifier asks for beyond valid signatures. Ages are seconds."""

    keys: tuple[Key, ...] = ()
    max_age: int | None = None
    witness_keys: tuple[Key, ...] = ()
    quorum: int = 0
    witness_max_age: int | None = None
    accept: Accept = Accept()


def parse_verification_policy(data: bytes) -> VerificationPolicy:
    """Read a verification policy; raises UsageProblem naming the member that is wrong.

    Unknown sections and members are errors: a misspelt demand must not pass as no demand.
    """
    try:
        found = tomllib.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageProblem(f"verification policy: not TOML: {error}") from None
    for name, section in found.items():
        if name not in _SECTIONS or not isinstance(section, dict):
            raise UsageProblem(f"verification policy: unknown section [{name}]")
        strange = sorted(set(section) - _SECTIONS[name])
        if strange:
            raise UsageProblem(f"verification policy: unknown member {name}.{strange[0]}")
    log, witnesses = found.get("log", {}), found.get("witnesses", {})
    witness_keys = _keys(witnesses, "witnesses", (ED25519_COSIGNATURE, MLDSA44))
    return VerificationPolicy(
        keys=_keys(log, "log", (ED25519, MLDSA44)),
        max_age=_age(log, "log"),
        witness_keys=witness_keys,
        quorum=_quorum(witnesses, witness_keys),
        witness_max_age=_age(witnesses, "witnesses"),
        accept=_accept(found.get("accept", {})),
    )


def _keys(section: Mapping[str, object], name: str, types: tuple[int, ...]) -> tuple[Key, ...]:
    listed = section.get("keys", [])
    if not isinstance(listed, list) or not all(isinstance(line, str) for line in listed):
        raise UsageProblem(f"verification policy: {name}.keys is not an array of strings")
    keys = tuple(Key.parse(line) for line in listed)
    if len(set(keys)) != len(keys):
        raise UsageProblem(f"verification policy: {name}.keys lists a key twice")
    for key in keys:
        if key.type not in types:
            raise UsageProblem(f"verification policy: {name}.keys: {key.label} has a wrong type")
    return keys


def _age(section: Mapping[str, object], name: str) -> int | None:
    value = section.get("max_age")
    if value is None:
        return None
    match = _AGE.fullmatch(value) if isinstance(value, str) else None
    if not match:
        raise UsageProblem(f'verification policy: {name}.max_age is not like "24h" (s, m, h, d)')
    return int(match[1]) * _SECONDS[match[2]]


def _quorum(section: Mapping[str, object], keys: tuple[Key, ...]) -> int:
    names = {key.name for key in keys}
    quorum = section.get("quorum", 1 if keys else 0)
    if isinstance(quorum, bool) or not isinstance(quorum, int) or quorum < 0:
        raise UsageProblem("verification policy: witnesses.quorum is not a count")
    if quorum > len(names):
        raise UsageProblem("verification policy: witnesses.quorum is more than there are witnesses")
    return quorum


def _accept(section: Mapping[str, object]) -> Accept:
    for name, value in section.items():
        if not isinstance(value, bool):
            raise UsageProblem(f"verification policy: accept.{name} is not true or false")
    return Accept(**{name: value is True for name, value in section.items()})
