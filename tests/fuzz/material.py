"""What the fuzzer starts from: good inputs of every parser, the same in every run."""

from __future__ import annotations

import io
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from indelible.ledger.journal import FORMAT, MARK, JournalWriter, NewJournal, _encode
from indelible.proof import bundle, checkpoint, commitment, keys, receipt, tree
from indelible.store.evidence import EvidenceWriter, Footer, SaltSpan
from indelible.store.pieces import write_pieces
from indelible.store.records import Header

ORIGIN = "fuzz.example/log"
KEY = b"k" * 32
ED = keys.Ed25519Signer(ORIGIN, bytes(32))
PQ = keys.MLDSA44Signer(ORIGIN, bytes(32))
WITNESS = keys.Ed25519Cosigner("witness.example", b"w" * 32)
NOW = 1_772_352_000
FACTS = NewJournal("0123456789abcdef", "a" * 16, KEY, "b" * 16, b"s" * 32)

NATIVE = (
    b'{"action":"record.read","actor":{"type":"user","id":"u1","name":"\xc3\x84da"},'
    b'"target":{"type":"record","id":"r1"},"id":"e1","time":"2026-03-01T08:00:00.5+01:00"}',
    b'{"action":"record.update","actor":{"type":"agent","id":"bot","on_behalf_of":[{"type":"user",'
    b'"id":"u2"}]},"targets":[{"type":"t","id":"1"},{"type":"t","id":"2","name":"b"}],"changes":'
    b'[{"path":"tax.class","op":"replace","before":1,"after":{"a":[1,2.5]}}],"outcome":"denied",'
    b'"origin":{"ip":"2001:db8::1","user_agent":"x"},"labels":{"a":"b"},"severity":"info",'
    b'"data":{"n":12345678901234567890},"source":{"seq":7,"boot":"b"},"tenant":"acme"}\n'
    b'{"action":"user.login","actor":{"type":"user","id":"u"},"reason":{"code":"c","text":"t"}}\n',
    b'[{"action":"user.login","actor":{"type":"user","id":"1"}},\n {"action":"c.d"}]',
    b'{\n  "action": "user.login",\n  "actor": {"type": "user", "id": "u1"}\n}\n',
)
CLOUDTRAIL = (
    b'{"Records":[{"eventVersion":"1.08","userIdentity":{"type":"AssumedRole","principalId":"A:b",'
    b'"arn":"arn:aws:sts::1:assumed-role/r/b","accountId":"1","sessionContext":{"sessionIssuer":'
    b'{"type":"Role","arn":"arn:aws:iam::1:role/r","userName":"r"}}},"eventTime":'
    b'"2023-07-10T12:00:00Z","eventSource":"iam.amazonaws.com","eventName":"CreateUser",'
    b'"awsRegion":"us-east-1","sourceIPAddress":"203.0.113.7","userAgent":"aws-cli",'
    b'"requestParameters":{"userName":"bert"},"errorCode":"AccessDenied","eventID":"e-1",'
    b'"eventType":"AwsApiCall","recipientAccountId":"1","resources":[{"ARN":"arn:aws:s3:::b"}]}]}',
    b'{"eventTime":"2023-07-10T12:00:00Z","eventSource":"s3.amazonaws.com","eventName":"GetObject",'
    b'"userIdentity":{"type":"AWSService","invokedBy":"x.amazonaws.com"},"sourceIPAddress":'
    b'"x.amazonaws.com","requestParameters":{"bucketName":"b","key":"k"},"eventID":"e-2"}\n'
    b'{"eventName":"Nothing"}\n',
)
QUERIES = (
    b'actor:u1 (action:iam.* or action:"record.update") -outcome:success since:7d',
    b"target:r1,r2 not ip:10.0.0.0/8 sort:time agent:~firefox change:salary",
    b'received:>=2026-03-01T08:00 severity:>=high "free text" label.a:* on:2026-04',
    b"index:>5 index:500..600 flag:id_conflict kind:event tenant:x data.n:1 operation:delete *",
)


def _body(index: int) -> bytes:
    received = f'"received":"2026-03-01T08:00:00.{index:06d}Z"'
    return (
        f'{{"action":"a.b","actor":{{"type":"user","id":"u{index}"}},"kind":"event",{received},'
        f'"source":{{"id":"web","number":1}},"via":{{}}}}'
    ).encode()


BODIES = [_body(index) for index in range(20)]


class Log(NamedTuple):
    """A signed tree over `BODIES`."""

    entries: list[bytes]
    leaves: list[bytes]
    note: bytes
    cosigned: bytes


@cache
def log() -> Log:
    """The tree, its checkpoint, and that with a witness's line."""
    first = NOW * 1_000_000
    entries = [
        commitment.Entry(1, 0, 1, 0, first + at, commitment.commitment(b"\5" * 32, one)).encode()
        for at, one in enumerate(BODIES)
    ]
    leaves = [commitment.leaf_of(entry) for entry in entries]
    head = checkpoint.Checkpoint(ORIGIN, len(leaves), tree.tree_hash(leaves))
    signed = checkpoint.sign(head, ED, PQ, NOW)
    line = WITNESS.cosign(head.format(), NOW)
    return Log(entries, leaves, signed, signed + line.encode())


def subtree(low: int, high: int) -> bytes:
    """The hash of a range of the log's leaves."""
    return tree.tree_hash(log().leaves[low:high])


@cache
def bundles() -> tuple[bytes, ...]:
    """Bundles of scattered events and of a range."""
    found = []
    for indexes, span in (((3, 7, 8), None), ((0, 19), None), ((4, 5, 6), (4, 6))):
        items: list[bundle.Item] = [
            (at, log().entries[at], b"\5" * 32, BODIES[at]) for at in indexes
        ]
        buffer = io.BytesIO()
        proof = tree.multiproof(list(indexes), len(BODIES), subtree)
        bundle.write_bundle(buffer, ORIGIN, log().cosigned, items, proof, span)
        found.append(buffer.getvalue())
    return tuple(found)


@cache
def proofs() -> tuple[bytes, ...]:
    """Single proofs."""
    return tuple(
        receipt.encode(
            at, log().entries[at], b"\5" * 32,
            tree.inclusion_proof(at, len(BODIES), subtree), log().note,
        )
        for at in (0, 7, 19)
    )


def verification_policies() -> tuple[bytes, ...]:
    """What verifiers may demand."""
    ed, pq, witness = ED.vkey, PQ.vkey, WITNESS.vkey
    return (
        f'[log]\nkeys = ["{ed}", "{pq}"]\nmax_age = "1d"\n[accept]\npending = false\n'.encode(),
        f'[witnesses]\nkeys = ["{witness}"]\nquorum = 1\nmax_age = "2h"\n'.encode(),
        b"[accept]\nerased = true\npruned = false\ngap = false\n",
    )


def journal_file(folder: Path) -> Path:
    """A journal file of four batches with a closing record."""
    writer = JournalWriter(folder, ORIGIN, 0, FACTS)
    for low, high in ((0, 1), (1, 9), (9, 12), (12, 20)):
        writer.append(BODIES[low:high], b"m" * MARK * (high - low))
    writer.close()
    return writer.path


def journal_plain() -> bytes:
    """What one record of a journal holds."""
    return _encode(BODIES[:3], b"m" * MARK * 3)


def journal_header() -> bytes:
    """The header that `journal_file` has."""
    return Header(
        format=FORMAT, origin=ORIGIN, file=FACTS.file_id, first=0, key=FACTS.key_id,
        salt_key=FACTS.salt_key_id,
    ).encode()


def evidence_file(path: Path) -> None:
    """A segment of twenty events in two frames."""
    header = Header(
        format="indelible-evidence/1", origin=ORIGIN, file="f" * 16, first=0, key="a" * 16
    )
    writer = EvidenceWriter(header, KEY)
    writer.add_frame(BODIES[:12])
    writer.add_frame(BODIES[12:])
    footer = Footer(
        first=0, end=20, frames=writer.frames, salts=[SaltSpan(0, "b" * 16)],
        received_min=1, received_max=2, leaves_root=sha256(b"").hexdigest(),
    )
    writer.finish(path, footer)


def piece_file(path: Path) -> bytes:
    """A file of three pieces; its content."""
    content = bytes(range(256)) * 520
    write_pieces(path, content, KEY, {"format": "fuzz", "first": 1})
    return content
