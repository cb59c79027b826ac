"""Vectors of salts, commitments, entries, records and single proofs (sections 1 to 3, 6, 9)."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256

from indelible.proof import commitment, receipt, tree
from vectorgen.base import LOG_KEYS, SALT_KEY, START, hexes, write
from vectorgen.sample import PRUNED, Log, event, signed_note


def commitment_vectors() -> None:
    blocks = []
    for block in (0, 1, 255, 65_536, (1 << 56) - 1):
        key = commitment.block_key(SALT_KEY, block)
        salts = commitment.block_salts(key)
        shown = {str((block << 8) + j): salts[32 * j : 32 * j + 32].hex() for j in (0, 1, 2, 255)}
        blocks.append(
            {
                "block": block,
                "block_key": key.hex(),
                "all_256_salts_sha256": sha256(salts).hexdigest(),
                "salts_by_index": shown,
            }
        )
    bodies = [
        "{}",
        '{"action":"user.login"}',
        '{"name":"Zoë — 東京 😀"}',
        '{"pad":"' + "x" * 5000 + '"}',
    ]
    salt = commitment.salt_of(SALT_KEY, 7)
    cases = [
        {"salt": salt.hex(), "body": b, "commitment": commitment.commitment(salt, b.encode()).hex()}
        for b in bodies
    ]
    write("commitment.json", {"salt_key": SALT_KEY.hex(), "blocks": blocks, "commitments": cases})


def entry_vectors() -> None:
    digest = sha256(b"commitment").digest()
    valid = []
    largest = (13, 65_535, 2**32 - 1, 2**64 - 1, 2**64 - 1)
    for fields in ((1, 0, 1, 0, START), (2, 7, 42, 99, START + 1), (9, 0, 0, 0, 0), largest):
        entry = commitment.Entry(*fields, digest)
        names = ("kind", "retention", "source", "seq", "received")
        data = dict(zip(names, fields, strict=True)) | {"commitment": digest.hex()}
        valid.append(data | {"entry": entry.encode().hex(), "leaf": entry.leaf().hex()})
    good = bytes.fromhex(str(valid[0]["entry"]))
    invalid = [
        (good[:-1], "59 bytes"),
        (good + b"\0", "61 bytes"),
        (b"\x02" + good[1:], "version 2"),
        (b"\x00" + good[1:], "version 0"),
        (good[:1] + b"\0" + good[2:], "kind 0"),
        (good[:1] + b"\x0e" + good[2:], "kind 14"),
        (good[:27] + b"\x01" + good[28:], "reserved is not 0"),
        (b"", "empty"),
    ]
    bad = [{"entry": data.hex(), "why": why} for data, why in invalid]
    kinds = dict(commitment.KINDS)
    write("entry.json", {"kinds": kinds, "valid": valid, "invalid": bad, "pairs": body_pairs()})


def body_pairs() -> list[dict[str, object]]:
    """Entries with bodies that are committed to correctly, and agree or not in the five."""
    log = Log()
    say = event("ann", "payroll.view", ("record", "pr_1"))
    later = b'"received":"2026-03-02T00:00:00.000000Z"'
    nested = say | {"detail": {"kind": "prune", "received": "never", "source": 3}}

    def pair(why: str | None, index: int) -> dict[str, object]:
        found = {
            "entry": log.entries[index].hex(),
            "salt": log.salts[index].hex(),
            "body": log.bodies[index].decode("utf-8", "surrogateescape"),
            "valid": why is None,
        }
        return found if why is None else found | {"why": why}

    def swap(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
        def change(body: bytes) -> bytes:
            assert old in body
            return body.replace(old, new)

        return change

    def append(tail: bytes) -> Callable[[bytes], bytes]:
        return lambda body: body[:-1] + b"," + tail + b"}"

    return [
        pair(None, log.add(say)),
        pair(None, log.add(say, seq=8, retention=3)),
        pair(None, log.add({"raw": "<34>1 - - - -"}, kind="unparsed")),
        pair(None, log.add({"data": {"number": 1, "id": "web-1"}}, kind="source")),
        pair(None, log.add(nested)),
        pair("kind differs", log.add(say, entry_change={"kind": 2})),
        pair("retention differs", log.add(say, entry_change={"retention": 1})),
        pair("source differs", log.add(say, entry_change={"source": 2})),
        pair("seq differs", log.add(say, seq=5, entry_change={"seq": 6})),
        pair("seq only in the entry", log.add(say, entry_change={"seq": 1})),
        pair("received differs by 1 us", log.add(say, entry_change={"received": START})),
        pair("received twice", log.add(say, spoil=append(later))),
        pair("kind twice", log.add(say, spoil=append(b'"kind":"event"'))),
        pair("flags twice", log.add(say, spoil=append(b'"flags":["late"],"flags":["late"]'))),
        pair("received with 3 digits", log.add(say, spoil=swap(b"000Z", b"Z"))),
        pair(
            "received with an offset", log.add(say, spoil=swap(b'Z","source', b'+00:00","source'))
        ),
        pair("unknown kind", log.add(say, spoil=swap(b'"kind":"event"', b'"kind":"evnt"'))),
        pair("number is text", log.add(say, spoil=swap(b'"number":1', b'"number":"1"'))),
        pair("number is a fraction", log.add(say, spoil=swap(b'"number":1', b'"number":1.0'))),
        pair("no source", log.add(say, spoil=swap(b'"source"', b'"sourse"'))),
        pair(
            "own record with a source",
            log.add(
                {"data": {}},
                kind="config",
                spoil=swap(b'"number":0', b'"number":1'),
                entry_change={"source": 1},
            ),
        ),
    ]


def records_vectors(log: Log, at: dict[str, int]) -> None:
    found = []
    for kind, index in sorted(at.items(), key=lambda pair: pair[1]):
        body = json.loads(log.bodies[index])
        found.append(
            {
                "kind": kind,
                "index": index,
                "body": log.bodies[index].decode(),
                "salt": log.salts[index].hex(),
                "entry": log.entries[index].hex(),
                "data": body["data"],
            }
        )
    first, last = PRUNED
    leaves = hexes(log.leaves[first : last + 1])
    write("records.json", {"records": found, "pruned_leaves": leaves})


def receipt_vectors(log: Log) -> None:
    note = signed_note(log.head())
    proof = tree.inclusion_proof(77, log.size, log.get)
    data = receipt.encode(77, log.entries[77], log.salts[77], proof, note).decode()
    body = log.bodies[77].decode()
    lines = data.split("\n")

    def drop(at: int) -> str:
        return "\n".join(lines[:at] + lines[at + 1 :])

    bad = [
        (data.replace("proof@v1", "proof@v2", 1), body, "another version"),
        (data.replace("index 77", "index 78", 1), body, "another index"),
        (data.replace("index 77", "index 077", 1), body, "leading zero"),
        (drop(3), body, "a hash is missing"),
        (drop(2), body, "no index"),
        (drop(1), body, "no extra: nothing to check the body with"),
        (data, body.replace("user-", "User-"), "another body"),
        (data.replace("\n\n", "\n", 1), body, "no empty line after the proof"),
    ]
    good = [{"proof": data, "body": body, "keys": LOG_KEYS, "index": 77, "valid": True}]
    bads = [
        {"proof": p, "body": b, "keys": LOG_KEYS, "valid": False, "why": why} for p, b, why in bad
    ]
    write("receipt.json", good + bads)
