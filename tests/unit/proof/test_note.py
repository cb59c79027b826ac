"""Signed notes, keys and cosignatures."""

from __future__ import annotations

import pytest

from indelible.base.limits import NOTE_BYTES
from indelible.proof import checkpoint, note
from indelible.proof.checkpoint import Checkpoint
from indelible.proof.errors import NoteError
from indelible.proof.keys import cosignature_message, subtree_message

ORIGIN = "log.example/audit"
ED = note.Ed25519Signer(ORIGIN, bytes(32))
PQ = note.MLDSA44Signer(ORIGIN, bytes(32))
WITNESS = note.Ed25519Cosigner("w.example", b"\x01" * 32)
HEAD = Checkpoint(ORIGIN, 300, b"\x07" * 32)
KEYS = [ED.verifier, PQ.verifier]


def test_a_checkpoint_bears_both_lines_and_its_time() -> None:
    signed = checkpoint.sign(HEAD, ED, PQ, 1_700_000_000)
    ed, pq = note.check(signed, KEYS)
    assert (ed.valid, ed.timestamp) == (True, None)
    assert (pq.valid, pq.timestamp) == (True, 1_700_000_000)
    assert Checkpoint.parse(note.parse(signed).text) == HEAD
    assert note.serialise(note.parse(signed)) == signed


def test_a_key_of_another_name_does_not_sign_a_checkpoint() -> None:
    other = note.Ed25519Signer("other.example", bytes(32))
    with pytest.raises(NoteError):
        checkpoint.sign(HEAD, other, PQ, 0)


def test_a_missing_line_is_missing_and_an_unknown_one_is_ignored() -> None:
    text = HEAD.format()
    signed = f"{text}\n{ED.sign(text)}{WITNESS.cosign(text, 5)}".encode()
    ed, pq = note.check(signed, KEYS)
    assert ed.valid
    assert pq.missing


def test_the_newest_of_several_valid_lines_counts() -> None:
    text = HEAD.format()
    lines = "".join(PQ.cosign(text, t) for t in (50, 90, 70))
    (found,) = note.check(f"{text}\n{lines}".encode(), [PQ.verifier])
    assert found.timestamp == 90


def test_one_bad_line_of_a_given_key_spoils_the_note_wherever_it_stands() -> None:
    text = HEAD.format()
    bad = ED.sign(text + "x")
    for lines in (ED.sign(text) + bad, bad + ED.sign(text), bad):
        signed = f"{text}\n{lines}".encode()
        with pytest.raises(NoteError, match="does not verify"):
            note.check(signed, KEYS)
        note.check(signed, [WITNESS.verifier])  # not a given key: nothing is said about it


def test_a_cosignature_is_bound_to_name_time_origin_size_and_root() -> None:
    text = HEAD.format()
    line = note.parse(f"{text}\n{PQ.cosign(text, 9)}".encode()).signatures[0]
    assert note.verify_signature(PQ.verifier, text, line.blob) == 9
    later = (10).to_bytes(8, "big") + line.blob[8:]
    renamed = PQ.verifier._replace(name="log.example/other")
    changed = [
        (PQ.verifier, text, later),
        (renamed, text, line.blob),
        (PQ.verifier, HEAD._replace(origin="log.example/other").format(), line.blob),
        (PQ.verifier, HEAD._replace(size=301).format(), line.blob),
        (PQ.verifier, HEAD._replace(root=bytes(32)).format(), line.blob),
        (PQ.verifier, text, line.blob[:-1]),
        (PQ.verifier, text, b"\x80" + line.blob[1:]),
        (PQ.verifier, "no checkpoint\n", line.blob),
    ]
    for key, said, blob in changed:
        with pytest.raises(NoteError):
            note.verify_signature(key, said, blob)


def test_cosigned_messages_have_the_layout_of_the_spec() -> None:
    head = Checkpoint("lo", 0x0102, b"\x07" * 32)
    assert subtree_message("wit", 3, head) == (
        b"subtree/v1\n\0" + b"\x03wit" + bytes(7) + b"\x03" + b"\x02lo" + bytes(8)
        + bytes(6) + b"\x01\x02" + b"\x07" * 32
    )  # fmt: skip
    assert cosignature_message("a\n1\nb\n", 7) == b"cosignature/v1\ntime 7\na\n1\nb\n"


def test_an_ed25519_cosigner_signs_no_plain_notes() -> None:
    with pytest.raises(NoteError):
        WITNESS.sign(HEAD.format())


@pytest.mark.parametrize("timestamp", [-1, 1 << 63])
def test_a_timestamp_out_of_range_is_not_signed(timestamp: int) -> None:
    for signer in (PQ, WITNESS):
        with pytest.raises(NoteError):
            signer.cosign(HEAD.format(), timestamp)


def test_keys_of_one_secret_but_two_types_have_two_ids() -> None:
    plain = note.Ed25519Signer("w.example", b"\x01" * 32)
    assert plain.verifier.public == WITNESS.verifier.public
    assert plain.verifier.keyid != WITNESS.verifier.keyid


@pytest.mark.parametrize("signer", [ED, PQ, WITNESS])
def test_a_vkey_reads_back_as_the_same_key(
    signer: note.Ed25519Signer | note.MLDSA44Signer,
) -> None:
    key = note.VerifierKey.parse(signer.vkey + "\n")
    assert key == signer.verifier
    assert key.format() == signer.vkey


def test_a_note_is_limited_in_bytes_and_signatures() -> None:
    text = HEAD.format()
    line = ED.sign(text)
    note.parse(f"{text}\n{line * 100}".encode())
    with pytest.raises(NoteError, match="100 signatures"):
        note.parse(f"{text}\n{line * 101}".encode())
    with pytest.raises(NoteError, match="larger"):
        note.parse(b"x" * (NOTE_BYTES + 1))


def test_the_signatures_stand_after_the_last_empty_line() -> None:
    text = "one\n\ntwo\n"
    signed = f"{text}\n{ED.sign(text)}".encode()
    assert note.parse(signed).text == text
    assert note.check(signed, [ED.verifier])[0].valid


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"\n\n",
        b"text\n",
        b"text\n\n",
        b"\xff\n\nx\n",
        b"a\x00\n\n\xe2\x80\x94 a AAAAAAA=\n",
    ],
)
def test_what_is_no_note_is_refused(data: bytes) -> None:
    with pytest.raises(NoteError):
        note.parse(data)


def test_a_note_needs_a_text_and_whole_signature_lines() -> None:
    line = ED.sign("text\n")
    for data in (line, f"text\n\n{line[:-1]}x", f"text\n{line}"):
        with pytest.raises(NoteError, match="a text, an empty line and signature lines"):
            note.parse(data.encode())


@pytest.mark.parametrize("text", ["no newline", "a\n\n— x AAAAAAA=\n"])
def test_a_text_that_could_not_be_read_back_is_not_serialised(text: str) -> None:
    with pytest.raises(NoteError):
        note.serialise(note.SignedNote(text, ()))


@pytest.mark.parametrize(
    ("text", "name"), [("a\n\n— x AAAAAAA=", "y"), ("a\n", "x AAAAAAA=\n— y")]
)
def test_a_note_that_would_be_read_as_another_is_not_serialised(text: str, name: str) -> None:
    with pytest.raises(NoteError, match="another one"):
        note.serialise(note.SignedNote(text, (note.NoteSignature(name, bytes(4), b"\x01"),)))


@pytest.mark.parametrize(
    "text",
    [
        "log\n1\n", "log\n1\nAAAA\n", "\n1\n{root}\n", "log\n01\n{root}\n", "log\n-1\n{root}\n",
        "log\n1 \n{root}\n", "log\n1\n{root}", "log\n1\n{root}\next\n", "l g\n1\n{root}\n",
        "log\n18446744073709551616\n{root}\n", "log\n１\n{root}\n", "log\n\n{root}\n",
        "log\n1\n{root} \n", "log\n1\n{unpadded}\n", "log\n1\n{loose}\n",
    ],
)  # fmt: skip
def test_a_checkpoint_has_one_spelling(text: str) -> None:
    root = HEAD.format().split("\n")[2]
    said = text.format(root=root, unpadded=root.rstrip("="), loose=root[:-2] + "d=")
    with pytest.raises(NoteError):
        Checkpoint.parse(said)


@pytest.mark.parametrize("rest", ["\n", "\next\n", "ext\n\n"])
def test_no_line_of_a_checkpoint_is_empty_not_even_a_foreign_logs(rest: str) -> None:
    with pytest.raises(NoteError, match="an empty line"):
        checkpoint.parse_head(HEAD.format() + rest)
    assert checkpoint.parse_head(HEAD.format() + "ext\n") == (HEAD, ["ext"])


@pytest.mark.parametrize("size", [0, 1, (1 << 64) - 1])
def test_every_size_of_64_bits_makes_a_checkpoint(size: int) -> None:
    head = Checkpoint("log", size, bytes(32))
    assert Checkpoint.parse(head.format()) == head


def test_a_checkpoint_that_could_not_be_read_back_is_not_written() -> None:
    head = Checkpoint("log", 5, bytes(32))
    changes: list[dict[str, object]] = [
        {"size": -1}, {"size": 1 << 64}, {"root": b""}, {"origin": ""}
    ]
    for change in changes:
        with pytest.raises(NoteError):
            head._replace(**change).format()  # type: ignore[arg-type]


def test_a_text_may_be_one_empty_line() -> None:
    signed = f"\n\n{ED.sign(chr(10))}".encode()
    found = note.parse(signed)
    assert found.text == "\n"
    assert note.serialise(found) == signed
    assert note.check(signed, [ED.verifier])[0].valid
    with pytest.raises(NoteError):
        note.parse(signed[1:])


def test_a_note_has_at_most_a_mebibyte() -> None:
    line = ED.sign("\n")
    room = (1 << 20) - len(line.encode()) - 2
    assert len(note.parse(f"{'x' * room}\n\n{line}".encode()).text) == room + 1
    with pytest.raises(NoteError, match="larger"):
        note.parse(f"{'x' * (room + 1)}\n\n{line}".encode())
