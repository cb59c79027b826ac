"""Parsers of foreign bytes, and what must hold whatever they are given.

A target's `run` returns True when the input was taken and False when it was refused with one of the
errors that its parser documents. Any other exception is a finding, and so is a broken promise: a
file reader gives back what was written or refuses, a bundle or proof that is PROVEN says what was
signed, and the product and the independent verifier agree on what is well formed.
"""

from __future__ import annotations

import random
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import msgspec

import indelible_verify as outside
from fuzz import material as made
from fuzz.mutate import mutated
from indelible.base.errors import (
    BadRequest,
    Damaged,
    IndelibleError,
    InvalidEvent,
    QueryError,
    TooLarge,
)
from indelible.event.strict import compact
from indelible.ingest.parsed import Parsed
from indelible.ingest.parsers.native import parse_native
from indelible.language import parse
from indelible.language.complete import complete
from indelible.language.render import render_query
from indelible.ledger.journal import JournalReader, file_name
from indelible.proof import checkpoint, note, receipt
from indelible.proof.errors import ProofError
from indelible.proof.verification_policy import BadVerificationPolicy, parse_verification_policy
from indelible.store.evidence import EvidenceReader
from indelible.store.keyring import Keyring
from indelible.store.pieces import PieceReader
from indelible.store.records import RecordCipher
from indelible_verify.proof import parse_proof
from support.parsing import parse_file


class Target(NamedTuple):
    """One parser: its good inputs, and how an input is tried."""

    name: str
    seeds: Callable[[], Sequence[bytes]]
    run: Callable[[bytes], bool]
    prepare: Callable[[random.Random, bytes], bytes] = lambda _rng, data: data


# --- events


def _sound(found: list[Parsed]) -> None:
    for one in found:
        decoded = msgspec.json.decode(one.content)
        assert isinstance(decoded, dict), "content that is not an object"
        assert b"\n" not in one.content, "content over several lines"
        assert compact(one.content, "") == one.content, "content that is not strict"


def native(data: bytes) -> bool:
    """Every event is kept or refused with its line."""
    try:
        kept, refused = parse_native(data)
    except TooLarge:
        return False
    _sound(kept)
    assert kept or refused, "neither kept nor refused"
    again, refused_again = parse_native(data)
    assert (kept, refused) == (again, refused_again), "two answers to one input"
    return bool(kept)


def cloudtrail(data: bytes) -> bool:
    """Every record is kept, as it came where it is not understood."""
    try:
        kept, refused = parse_file("cloudtrail", data)
    except (BadRequest, TooLarge):
        return False
    _sound(kept)
    assert kept or refused or not data.strip(), "neither kept nor refused"
    assert not any(b'"parser_failed"' in one.content for one in kept), "the parser failed"
    return bool(kept)


def query(data: bytes) -> bool:
    """A query parses and can be said again with the same meaning, or names a position in it."""
    text = data.decode("utf-8", "replace")
    complete(text, len(text) // 2)
    try:
        found = parse(text, made.NOW * 1_000_000)
    except QueryError as refused:
        where = refused.position
        if where is not None and not 0 <= where <= len(text):
            raise AssertionError(f"position {where} in {len(text)} characters") from refused
        return False
    try:
        said = render_query(found)
    except QueryError:
        return True
    assert render_query(parse(said, made.NOW * 1_000_000)) == said, "another meaning"
    return True


# --- files


class _Keys(Keyring):
    """A keyring that holds the one key of the sample."""

    def __init__(self) -> None:
        self.folder = Path()

    def get(self, key_id: str) -> bytes:
        return made.KEY


@cache
def _folder() -> Path:
    kept = tempfile.TemporaryDirectory(prefix="indelible-fuzz-")
    _KEPT.append(kept)
    return Path(kept.name)


_KEPT: list[tempfile.TemporaryDirectory[str]] = []


@cache
def _journal() -> bytes:
    return made.journal_file(_folder()).read_bytes()


@cache
def _evidence() -> bytes:
    made.evidence_file(_folder() / "good.evidence")
    return (_folder() / "good.evidence").read_bytes()


@cache
def _pieces() -> tuple[bytes, bytes]:
    content = made.piece_file(_folder() / "good.pieces")
    return (_folder() / "good.pieces").read_bytes(), content


def journal(data: bytes) -> bool:
    """A prefix of whole batches, or `Damaged`."""
    path = _folder() / file_name(0, made.FACTS.file_id)
    path.write_bytes(data)
    found: list[bytes] = []
    try:
        reader = JournalReader(path, made.ORIGIN, _Keys())
        for batch in reader.read():
            found += batch.bodies
    except Damaged:
        assert found == made.BODIES[: len(found)], "a wrong body"
        return False
    assert found == made.BODIES[: len(found)], "a wrong body"
    return True


def _mend_sums(_rng: random.Random, data: bytes) -> bytes:
    """Make the checksums of the records right again, so that what stands behind them is tried."""
    out = bytearray(data)
    at = 2 + int.from_bytes(out[:2], "big")
    while at + 16 < len(out):
        stop = at + 16 + int.from_bytes(out[at : at + 4], "big")
        if stop > len(out):
            break
        crc = zlib.crc32(out[at + 16 : stop], zlib.crc32(out[at : at + 12]))
        out[at + 12 : at + 16] = crc.to_bytes(4, "big")
        at = stop
    return bytes(out)


def journal_plain(data: bytes) -> bool:
    """A record that somebody with the key wrote: `Damaged` or whatever it says, never a crash."""
    header = made.journal_header()
    sealed = RecordCipher(made.KEY, header).seal(0, data)
    head = len(sealed).to_bytes(4, "big") + bytes(8)
    crc = zlib.crc32(sealed, zlib.crc32(head)).to_bytes(4, "big")
    path = _folder() / file_name(0, made.FACTS.file_id)
    path.write_bytes(header + head + crc + sealed)
    try:
        list(JournalReader(path, made.ORIGIN, _Keys()).read())
    except Damaged:
        return False
    return True


def evidence(data: bytes) -> bool:
    """Every body as written, or `Damaged`."""
    path = _folder() / "tried.evidence"
    path.write_bytes(data)
    try:
        reader = EvidenceReader(path, made.ORIGIN, made.KEY)
    except Damaged:
        return False
    refused = False
    for number, frame in enumerate(reader.footer.frames):
        try:
            found = reader.frame(number)
        except Damaged:
            refused = True
            continue
        assert found == made.BODIES[frame.first : frame.first + frame.count], "a wrong body"
    reader.close()
    return not refused


def pieces(data: bytes) -> bool:
    """The content as written, or `Damaged`."""
    path = _folder() / "tried.pieces"
    path.write_bytes(data)
    try:
        with PieceReader(path, made.KEY) as reader:
            found = reader.read_at(0, 1 << 30)
            assert reader.read_at(70_000, 10) == _pieces()[1][70_000:70_010]
    except Damaged:
        return False
    assert found == _pieces()[1], "wrong content"
    return True


# --- proofs


def _agree(data: bytes, ours: Callable[[bytes], object], theirs: Callable[[bytes], object]) -> bool:
    """Whether both take it; a finding when only one does."""
    taken = []
    for tried, errors in ((ours, (IndelibleError,)), (theirs, (outside.VerifyError,))):
        try:
            tried(data)
        except errors:
            taken.append(False)
        else:
            taken.append(True)
    assert taken[0] == taken[1], f"ledger takes it: {taken[0]}, verifier takes it: {taken[1]}"
    return taken[0]


def notes(data: bytes) -> bool:
    """Ledger and verifier agree, and a note is written as it was read."""
    taken = _agree(data, note.parse, outside.parse_note)
    if taken:
        assert note.serialise(note.parse(data)) == data
    return taken


def checkpoints(data: bytes) -> bool:
    """Ledger and verifier agree; three lines, the first of them an origin.

    The verifier looks at the origin when it compares it with the names of the given keys.
    """

    def theirs(one: bytes) -> None:
        if not outside.valid_name(outside.parse_checkpoint(one).origin):
            raise outside.NoteInvalid("no key can bear this name")

    return _agree(data, lambda one: checkpoint.Checkpoint.parse(note.parse(one).text), theirs)


def vkeys(data: bytes) -> bool:
    """Ledger and verifier agree on key lines; space around one, as in a file, is the verifier's."""
    text = data.decode("utf-8", "replace").strip()
    return _agree(
        data, lambda _: note.VerifierKey.parse(text), lambda _: outside.Key.parse(text)
    )


@cache
def _trust() -> outside.Trust:
    found = [outside.Key.parse(signer.vkey) for signer in (made.ED, made.PQ)]
    return outside.make_trust(found, now=made.NOW + 60)


@cache
def _log_keys() -> tuple[note.VerifierKey, ...]:
    return tuple(note.VerifierKey.parse(signer.vkey) for signer in (made.ED, made.PQ))


def proofs(data: bytes) -> bool:
    """Ledger and verifier agree on the form, and what is proven is what was signed."""
    taken = _agree(data, receipt.decode, parse_proof)
    if not taken:
        return False
    index = receipt.decode(data).index
    body = made.BODIES[index % len(made.BODIES)]
    report = outside.verify_proof(data, body, _trust())
    try:
        receipt.verify(data, _log_keys(), body)
        ours = True
    except ProofError:
        ours = False
    assert ours == (report.exit == 0), f"ledger proves it: {ours}, verifier: {report.verdict}"
    return ours


def bundles(data: bytes) -> bool:
    """PROVEN with the bodies that were signed, or a verdict; never an exception."""
    path = _folder() / "tried.zip"
    path.write_bytes(data)
    try:
        report = outside.verify_bundle(path, _trust())
    except outside.VerifyError:
        return False
    if report.exit:
        return False
    with zipfile.ZipFile(path) as archive:
        indexes = msgspec.json.decode(archive.read("bundle.json"))["indexes"]
        shown = archive.read("bodies.ndjson").split(b"\n")[:-1]
    for index, body in zip(indexes, shown, strict=True):
        assert body in (b"", made.BODIES[index]), "proven, and not what was signed"
    return True


def verification_policies(data: bytes) -> bool:
    """Ledger and verifier read the same demands."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    try:
        ours = parse_verification_policy(text)
    except BadVerificationPolicy:
        ours = None
    try:
        theirs = outside.parse_verification_policy(data)
    except outside.UsageProblem:
        theirs = None
    assert (ours is None) == (theirs is None), f"ledger: {ours}, verifier: {theirs}"
    if ours is not None and theirs is not None:
        assert (ours.max_age, ours.quorum) == (theirs.max_age, theirs.quorum)
    return ours is not None


def members(data: bytes) -> bool:
    """The strict JSON reader takes what it can give back unchanged."""
    try:
        value = bytes(msgspec.json.decode(data, type=msgspec.Raw))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    try:
        found = compact(value, "")
    except InvalidEvent:
        return False
    assert compact(found, "") == found, "compacting twice differs"
    return True


TARGETS: tuple[Target, ...] = (
    Target("native", lambda: made.NATIVE, native),
    Target("strict_json", lambda: (made.NATIVE[0], *made.NATIVE[2:]), members),
    Target("cloudtrail", lambda: made.CLOUDTRAIL, cloudtrail),
    Target("query", lambda: made.QUERIES, query),
    Target("journal", lambda: (_journal(),), journal),
    Target("journal_sums", lambda: (_journal(),), journal, _mend_sums),
    Target("journal_plain", lambda: (made.journal_plain(),), journal_plain),
    Target("evidence", lambda: (_evidence(),), evidence),
    Target("pieces", lambda: (_pieces()[0],), pieces),
    Target("note", lambda: (made.log().note, made.log().cosigned), notes),
    Target("checkpoint", lambda: (made.log().note, made.log().cosigned), checkpoints),
    Target(
        "vkey", lambda: [s.vkey.encode() for s in (made.ED, made.PQ, made.WITNESS)], vkeys
    ),
    Target("tlog_proof", made.proofs, proofs),
    Target("bundle", made.bundles, bundles),
    Target("verification_policy", made.verification_policies, verification_policies),
)


def fuzz(target: Target, seed: str, cases: int) -> dict[str, int]:
    """`cases` mutated inputs; raises `AssertionError` with the input of the first finding."""
    seeds = target.seeds()
    for good in seeds:
        assert target.run(good), f"{target.name} refuses a good input"
    taken = 0
    for number in range(cases):
        rng = random.Random(f"{target.name}/{seed}/{number}")
        data = target.prepare(rng, mutated(rng, seeds))
        try:
            taken += target.run(data)
        except Exception as error:
            where = f"{target.name} seed {seed} case {number}"
            raise AssertionError(f"{where}: {error!r}\ninput {data[:300]!r}") from error
    return {"inputs": cases, "taken": taken, "refused": cases - taken}
