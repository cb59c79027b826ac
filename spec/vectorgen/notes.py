"""Vectors of keys, checkpoints and cosignatures (section 5)."""

from __future__ import annotations

import base64

from indelible.proof import keys
from vectorgen.base import (
    ED,
    FOREIGN,
    LOG_KEYS,
    MLDSA,
    ORIGIN,
    OTHER,
    SIGNED_AT,
    WITNESS,
    WITNESS_PQ,
    b64,
    flip,
    write,
)
from vectorgen.sample import Log


class Lines:
    """The sample checkpoint's text and a line of every key over it."""

    def __init__(self, log: Log) -> None:
        self.head = log.head()
        self.text = self.head.format()
        self.ed = ED.sign(self.text)
        self.pq = MLDSA.cosign(self.text, SIGNED_AT)
        self.older = MLDSA.cosign(self.text, SIGNED_AT - 60)
        self.w1 = WITNESS.cosign(self.text, SIGNED_AT + 2)
        self.w2 = WITNESS_PQ.cosign(self.text, SIGNED_AT + 3)
        self.unknown = FOREIGN.cosign(self.text, SIGNED_AT)

    def note(self, *lines: str) -> str:
        return f"{self.text}\n{''.join(lines)}"


EVERY = [*LOG_KEYS, WITNESS.vkey, WITNESS_PQ.vkey]
STAMPS = {MLDSA.vkey: SIGNED_AT, WITNESS.vkey: SIGNED_AT + 2, WITNESS_PQ.vkey: SIGNED_AT + 3}


def case(why: str, note: str, given: list[str], verdict: str) -> dict[str, object]:
    found: dict[str, object] = {"why": why, "note": note, "keys": given, "verdict": verdict}
    if verdict == "valid":
        found["timestamps"] = {key: STAMPS[key] for key in given if key in STAMPS}
    return found


def signed_notes(x: Lines) -> list[dict[str, object]]:
    """Well-formed notes: all lines verify, or a given key has none."""
    many = [FOREIGN.cosign(x.text, t) for t in range(16)]
    good: list[tuple[str, str, list[str]]] = [
        ("both log lines", x.note(x.ed, x.pq), LOG_KEYS),
        ("lines in the other order", x.note(x.pq, x.ed), LOG_KEYS),
        ("only one key given", x.note(x.ed, x.pq), LOG_KEYS[:1]),
        ("with witnesses", x.note(x.ed, x.pq, x.w1, x.w2), EVERY),
        ("an unknown line is ignored", x.note(x.ed, x.unknown, x.pq), LOG_KEYS),
        ("18 signatures", x.note(x.ed, x.pq, *many), LOG_KEYS),
        ("two lines of one key, both valid", x.note(x.ed, x.older, x.pq), LOG_KEYS),
    ]
    other = x.note(OTHER.sign(x.text))
    return [case(*found, "valid") for found in good] + [
        case("no ML-DSA-44 line", x.note(x.ed), LOG_KEYS, "signature stripped"),
        case("no Ed25519 line", x.note(x.pq), LOG_KEYS, "signature stripped"),
        case("another key", other, LOG_KEYS, "not signed by the given key"),
    ]


def spoiled_notes(x: Lines) -> list[dict[str, object]]:
    """Notes with a line of a given key that does not verify."""
    resized = x.note(x.ed, x.pq).replace(f"\n{x.head.size}\n", f"\n{x.head.size + 1}\n")
    foreign = base64.b64decode(OTHER.sign(x.text).split(" ")[2])[4:]
    posing = f"— {ORIGIN} {b64(ED.verifier.keyid + foreign)}\n"
    bad: list[tuple[str, str, list[str]]] = [
        ("Ed25519 bit changed", x.note(flip(x.ed, 9), x.pq), LOG_KEYS),
        ("ML-DSA-44 bit changed", x.note(x.ed, flip(x.pq, 2000)), LOG_KEYS),
        ("ML-DSA-44 time changed", x.note(x.ed, flip(x.pq, 11)), LOG_KEYS),
        ("cosignature time changed", x.note(x.ed, x.pq, flip(x.w1, 11)), EVERY),
        ("a good and a bad line of one key", x.note(x.ed, flip(x.ed, 9), x.pq), LOG_KEYS),
        ("a bad line, then a good one", x.note(flip(x.ed, 9), x.ed, x.pq), LOG_KEYS),
        ("the size changed", resized, LOG_KEYS),
        ("our name and id, another's signature", x.note(posing), LOG_KEYS),
    ]
    return [case(*found, "invalid") for found in bad]


def malformed_notes(x: Lines) -> list[dict[str, object]]:
    """Notes that break the form, though the signatures would verify."""
    whole = x.note(x.ed, x.pq)
    zero = x.text.replace(f"\n{x.head.size}\n", f"\n0{x.head.size}\n")
    longer = x.text + "an extension line\n"
    spaced = x.ed.replace(f"{ORIGIN} ", f"{ORIGIN}  ")
    bad: list[tuple[str, str, list[str]]] = [
        ("size with a leading zero", f"{zero}\n{ED.sign(zero)}", LOG_KEYS[:1]),
        ("an extension line", f"{longer}\n{ED.sign(longer)}", LOG_KEYS[:1]),
        ("no empty line", x.text + x.ed + x.pq, LOG_KEYS),
        ("no newline at the end", whole[:-1], LOG_KEYS),
        ("no signature", x.note(), LOG_KEYS),
        ("a hyphen for the dash", x.note(x.ed, x.pq.replace("—", "-")), LOG_KEYS),
        ("CR LF", whole.replace("\n", "\r\n"), LOG_KEYS),
        ("base64 without padding", x.note(x.ed.replace("=", ""), x.pq), LOG_KEYS),
        ("base64 of 4 bytes", x.note(x.ed, x.pq, "— a.example AAAAAA==\n"), LOG_KEYS),
        ("two spaces", x.note(spaced, x.pq), LOG_KEYS),
        ("101 signatures", x.note(x.ed, x.pq, *[x.unknown] * 99), LOG_KEYS),
    ]
    return [case(*found, "invalid") for found in bad]


def note_vectors(log: Log) -> None:
    x = Lines(log)
    fields = {"origin": x.head.origin, "size": x.head.size, "root": x.head.root.hex()}
    pq = {
        "vkey": MLDSA.vkey,
        "timestamp": SIGNED_AT,
        "message": keys.subtree_message(ORIGIN, SIGNED_AT, x.head).hex(),
    }
    ed = {
        "vkey": WITNESS.vkey,
        "timestamp": SIGNED_AT + 2,
        "message": keys.cosignature_message(x.text, SIGNED_AT + 2).hex(),
    }
    write(
        "note.json",
        {
            "vkeys": vkey_vectors(),
            "origins": origin_vectors(),
            "checkpoint": fields | {"text": x.text},
            "messages": {"mldsa44": pq, "cosignature": ed},
            "notes": [*signed_notes(x), *spoiled_notes(x), *malformed_notes(x)],
        },
    )


def vkey_vectors() -> dict[str, object]:
    good = [
        {
            "vkey": signer.vkey,
            "name": signer.name,
            "type": signer.kind,
            "key_id": signer.verifier.keyid.hex(),
            "public": signer.verifier.public.hex(),
        }
        for signer in (ED, MLDSA, WITNESS, WITNESS_PQ)
    ]
    name, key_id, public = ED.vkey.split("+", 2)
    short = b64(b"\x01" + ED.verifier.public[:-1])
    unknown = b64(b"\x02" + ED.verifier.public)
    bad = [
        (f"{name}+00000000+{public}", "another key id"),
        (f"{name}+{key_id[:-1]}+{public}", "key id of 7 digits"),
        (f"{name}+{key_id}", "no key"),
        (f"+{key_id}+{public}", "no name"),
        (f"log example+{key_id}+{public}", "a space in the name"),
        (f"{name}+{key_id}+{short}", "a key of 31 bytes"),
        (f"{name}+{key_id}+{unknown}", "unknown type"),
        (f"{name}+{key_id}+{public[:-1]}", "base64 cut off"),
        (f"other.example+{key_id}+{public}", "another name under the same id"),
        ("", "empty"),
    ]
    return {"valid": good, "invalid": [{"vkey": line, "why": why} for line, why in bad]}


def origin_vectors() -> dict[str, list[str]]:
    return {
        "valid": ["a", ORIGIN, "ledger", "x" * 255, "protokoll.example/ä", "日" * 85, "a/b-c_d:1"],
        "invalid": [
            "", "a b", "a+b", "a\tb", "a\nb", "a\u00a0b", "a\u3000b", "a\u0085b", "a\u2028b",
            "a\x00b", "a\x7fb", "a\u009bb", "x" * 256, "日" * 86,
        ],
    }  # fmt: skip
