"""The verification policy file (`spec/log.md` section 11): what a verifier demands."""

from __future__ import annotations

import tomllib
from typing import NamedTuple

from indelible.base.clock import MICROS, parse_duration
from indelible.base.errors import IndelibleError
from indelible.proof.errors import ProofError
from indelible.proof.keys import VerifierKey

_KNOWN = {
    "log": {"keys", "max_age"},
    "witnesses": {"keys", "quorum", "max_age"},
    "accept": {"pending", "erased", "pruned", "gap"},
}


class VerificationPolicy(NamedTuple):
    """What must hold beyond valid signatures; ages in seconds, None where nothing is demanded."""

    log_keys: tuple[VerifierKey, ...] = ()
    max_age: int | None = None
    witness_keys: tuple[VerifierKey, ...] = ()
    quorum: int = 0
    witness_max_age: int | None = None
    refused: frozenset[str] = frozenset()
    """Of pending, erased, pruned, gap: those that are not accepted."""


class BadVerificationPolicy(IndelibleError):
    """The file does not say what a verification policy may say."""

    code = "bad_verification_policy"
    status = 400
    exit_code = 2
    remedy = "spec/log.md section 11 shows the form."


def parse_verification_policy(text: str) -> VerificationPolicy:
    """Read the file's text; raises `BadVerificationPolicy` naming what is wrong.

    An unknown section or member is an error: a misspelt demand must not pass as none.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadVerificationPolicy(f"not TOML: {error}") from error
    for section, members in document.items():
        if section not in _KNOWN or not isinstance(members, dict):
            raise BadVerificationPolicy(f"unknown section [{section}]", field=section)
        for name in members:
            if name not in _KNOWN[section]:
                raise BadVerificationPolicy(f"unknown member {section}.{name}", field=name)
    log, witnesses = document.get("log", {}), document.get("witnesses", {})
    accept = document.get("accept", {})
    witness_keys = _keys(witnesses, "witnesses")
    quorum = witnesses.get("quorum", len(witness_keys) and 1)
    if type(quorum) is not int or not 0 <= quorum <= len(witness_keys):
        raise BadVerificationPolicy("witnesses.quorum is not a number of the keys", field="quorum")
    if not all(isinstance(value, bool) for value in accept.values()):
        raise BadVerificationPolicy("the members of [accept] are true or false", field="accept")
    return VerificationPolicy(
        _keys(log, "log"),
        _age(log),
        witness_keys,
        quorum,
        _age(witnesses),
        frozenset(name for name, value in accept.items() if not value),
    )


def _keys(section: dict[str, object], name: str) -> tuple[VerifierKey, ...]:
    lines = section.get("keys", [])
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise BadVerificationPolicy(f"{name}.keys is not an array of vkeys", field="keys")
    try:
        return tuple(VerifierKey.parse(line) for line in lines)
    except ProofError as error:
        raise BadVerificationPolicy(f"{name}.keys: {error.message}", field="keys") from error


def _age(section: dict[str, object]) -> int | None:
    text = section.get("max_age")
    if text is None:
        return None
    if not isinstance(text, str) or text[-1:] not in ("s", "m", "h", "d"):
        raise BadVerificationPolicy(
            f"max_age: {text!r} is not an age in s, m, h or d", field="max_age"
        )
    try:
        return parse_duration(text) // MICROS
    except IndelibleError as error:
        raise BadVerificationPolicy(f"max_age: {error.message}", field="max_age") from error
