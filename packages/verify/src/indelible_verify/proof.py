"""Verifying a single proof: a C2SP tlog-proof and the body it is about (spec section 6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from indelible_verify import entry as entries
from indelible_verify import limits, view
from indelible_verify.checkpoint import authenticate
from indelible_verify.errors import Damaged, Refused
from indelible_verify.note import decimal, decode_base64
from indelible_verify.tree import leaf_hash, verify_inclusion
from indelible_verify.trust import Trust, judge_signatures
from indelible_verify.verdict import EventResult, Report, Verdict

_MAGIC: Final = b"c2sp.org/tlog-proof@v1\n"
_MAX_HASHES: Final = 64


@dataclass(frozen=True, slots=True)
class TlogProof:
    """The parts of a tlog-proof, unverified."""

    extra: bytes
    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes


def parse_proof(data: bytes) -> TlogProof:
    """Read a tlog-proof; raises Refused when it is none, Damaged when a part is malformed."""
    if not data.startswith(_MAGIC):
        raise Refused("the file is not a tlog-proof of version 1")
    head, gap, checkpoint = data[len(_MAGIC) :].partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise Damaged("the proof's own lines are not ASCII") from None
    extra: bytes | None = b""
    if lines[0].startswith("extra "):
        extra = decode_base64(lines.pop(0).removeprefix("extra "))
    number = lines.pop(0) if lines else ""
    index = decimal(number.removeprefix("index ")) if number.startswith("index ") else None
    hashes = [decode_base64(line) for line in lines]
    if not gap or extra is None or index is None or len(hashes) > _MAX_HASHES:
        raise Damaged("the proof's extra, index or hash lines are malformed")
    whole = tuple(one for one in hashes if one is not None and len(one) == 32)
    if len(whole) != len(hashes):
        raise Damaged("a line of the proof is not a hash")
    return TlogProof(extra, index, whole, checkpoint)


def verify_proof(data: bytes, body: bytes, trust: Trust) -> Report:
    """Verify one event: body, salt, entry, inclusion and signatures.

    `body` may end in one newline that is not part of it. Raises Refused for a file that is no
    tlog-proof.
    """
    report = Report(subject="proof")
    try:
        _verify(parse_proof(data), body.removesuffix(b"\n"), trust, report)
    except Damaged as error:
        report.add(Verdict.TAMPERED, str(error), error.index)
    return report.finish()


def _verify(proof: TlogProof, body: bytes, trust: Trust, report: Report) -> None:
    found = authenticate(proof.checkpoint, trust.keys, trust.witness_keys)
    checkpoint, index = found.checkpoint, proof.index
    report.origin, report.size, report.root = checkpoint.origin, checkpoint.size, checkpoint.root
    judge_signatures(report, found, trust)
    if len(proof.extra) != entries.ENTRY_BYTES + entries.SALT_BYTES:
        raise Damaged("the proof's extra data are not an entry and a salt (92 bytes)", index)
    raw, salt = proof.extra[: entries.ENTRY_BYTES], proof.extra[entries.ENTRY_BYTES :]
    if len(body) > limits.BODY_BYTES or b"\n" in body:
        raise Damaged("the file given as body is no body of one line", index)
    try:
        entry = entries.parse_entry(raw, index)
        row = view.row_of(members := entries.check_body(body, salt, entry, index))
    except Damaged:
        report.events.append(EventResult(index, Verdict.TAMPERED))
        raise
    if not verify_inclusion(leaf_hash(raw), index, checkpoint.size, proof.hashes, checkpoint.root):
        report.events.append(EventResult(index, Verdict.TAMPERED))
        raise Damaged("entry and proof do not give the root of the checkpoint", index)
    report.tied = trust.signed(report)
    cells = [view.visible(v) for v in (row.time, row.actor, row.action, row.target, row.outcome)]
    kind = str(members["kind"])
    report.events.append(EventResult(index, Verdict.PROVEN, kind, *cells))
    report.proved.append(
        f"the body is entry {index} of the log {report.origin!r} of size {report.size}"
    )
    report.not_proved.append("anything about other entries: single events say nothing about them")
    _against(report, checkpoint.size, checkpoint.root, trust)


def _against(report: Report, size: int, root: bytes, trust: Trust) -> None:
    held = trust.against
    if held is None:
        return
    if held.size == size and held.root != root:
        text = f"two roots of size {size} are signed: this log forked"
        report.add(Verdict.FORKED, text)
    elif held.size > size:
        text = f"the proof's checkpoint is of size {size}, the one held of size {held.size}"
        report.add(Verdict.ROLLED_BACK, text)
    elif held.size < size:
        report.not_proved.append(f"consistency with the checkpoint held, of size {held.size}")
