"""Writing bundles, the readable view, and single proofs."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest

from indelible.proof import bundle, checkpoint, note, receipt, tree, view
from indelible.proof import commitment as c
from indelible.proof.errors import NoteError, ProofError

ORIGIN = "log.example/<audit>"
ED = note.Ed25519Signer(ORIGIN, bytes(32))
PQ = note.MLDSA44Signer(ORIGIN, bytes(32))
SALT = b"\x05" * 32


def body(i: int) -> bytes:
    received = f'"kind":"event","received":"2026-03-01T08:00:00.{i:06d}Z"'
    return f'{{"action":"a.b",{received},"source":{{"id":"web","number":1}}}}'.encode()


BODIES = [body(i) for i in range(20)]
FIRST = 1_772_352_000_000_000
ENTRIES = [
    c.Entry(1, 0, 1, 0, FIRST + i, c.commitment(SALT, b)).encode() for i, b in enumerate(BODIES)
]
LEAVES = [c.leaf_of(e) for e in ENTRIES]
HEAD = checkpoint.Checkpoint(ORIGIN, 20, tree.tree_hash(LEAVES))
SIGNED = checkpoint.sign(HEAD, ED, PQ, 1_800_000_000)


def get(lo: int, hi: int) -> bytes:
    return tree.tree_hash(LEAVES[lo:hi])


def items(*indexes: int) -> list[bundle.Item]:
    return [(i, ENTRIES[i], SALT, BODIES[i]) for i in indexes]


def written(found: list[bundle.Item], **more: object) -> zipfile.ZipFile:
    buffer = io.BytesIO()
    proof = tree.multiproof([i for i, *_ in found], 20, get)
    bundle.write_bundle(buffer, ORIGIN, SIGNED, found, proof, **more)  # type: ignore[arg-type]
    return zipfile.ZipFile(buffer)


def test_a_bundle_holds_exactly_the_files_of_the_spec_and_proves() -> None:
    shown = items(3, 7, 8)
    shown[1] = (7, ENTRIES[7], None, None)
    archive = written(shown)
    assert archive.namelist() == list(bundle.NAMES)
    assert json.loads(archive.read("bundle.json")) == {
        "format": "indelible-bundle/1", "origin": ORIGIN, "size": 20, "indexes": [3, 7, 8],
    }  # fmt: skip
    assert archive.read("checkpoint") == SIGNED
    entries = archive.read("entries.bin")
    assert entries == ENTRIES[3] + ENTRIES[7] + ENTRIES[8]
    assert archive.read("salts.bin") == SALT + bytes(32) + SALT
    assert archive.read("bodies.ndjson") == BODIES[3] + b"\n\n" + BODIES[8] + b"\n"
    data = archive.read("proof.bin")
    proof = [data[i : i + 32] for i in range(0, len(data), 32)]
    assert tree.root_from_multiproof(c.leaves_of(entries), [3, 7, 8], 20, proof) == HEAD.root
    assert b'<tr><td>7</td><td colspan="5">not shown</td></tr>\n' in archive.read("view.html")


def test_a_range_says_so_and_the_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    archive = written(items(4, 5, 6), span=(4, 6))
    assert json.loads(archive.read("bundle.json"))["range"] == [4, 6]
    proof = tree.multiproof([4, 5, 6], 20, get)
    found = []
    for name in ("one.zip", "two.zip"):
        bundle.write_bundle(tmp_path / name, ORIGIN, SIGNED, items(4, 5, 6), proof, (4, 6))
        found.append((tmp_path / name).read_bytes())
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("found", "span"),
    [
        ([], None),
        (items(5, 4), None),
        (items(5, 5), None),
        ([(20, ENTRIES[0], SALT, BODIES[0])], None),
        ([(0, ENTRIES[0][:-1], SALT, BODIES[0])], None),
        ([(0, ENTRIES[0], None, BODIES[0])], None),
        ([(0, ENTRIES[0], SALT, None)], None),
        ([(0, ENTRIES[0], SALT[:-1], BODIES[0])], None),
        ([(0, ENTRIES[0], SALT, b"{\n}")], None),
        ([(0, ENTRIES[0], SALT, b"")], None),
        (items(4, 5), (4, 6)),
        (items(4, 6), (4, 6)),
        (items(4, 5), (3, 5)),
    ],
)
def test_parts_that_do_not_fit_together_write_nothing(
    found: list[bundle.Item], span: tuple[int, int] | None, tmp_path: Path
) -> None:
    with pytest.raises(ProofError):
        bundle.write_bundle(tmp_path / "x.zip", ORIGIN, SIGNED, found, [], span)
    assert not (tmp_path / "x.zip").exists()


def test_a_checkpoint_of_another_origin_is_not_bundled(tmp_path: Path) -> None:
    with pytest.raises(ProofError, match="origin"):
        bundle.write_bundle(tmp_path / "x.zip", "other", SIGNED, items(1), [])
    with pytest.raises(ProofError, match="32 bytes"):
        bundle.write_bundle(tmp_path / "x.zip", ORIGIN, SIGNED, items(1), [b"short"])


def test_the_view_is_as_the_spec_writes_it() -> None:
    shown = b'{"time":"T1","actor":{"id":"ann"},"action":"a.b","targets":[{"type":"t","id":"1"}]}'
    page = b"".join(view.render("o&o", 9, 2, [(0, shown), (5, None)])).decode()
    head, _, rest = page.partition("</th></tr>\n")
    assert head.startswith('<!doctype html>\n<html lang="en"><head><meta charset="utf-8">')
    assert "<title>Evidence of o&amp;o</title>\n" in head
    assert "<p>2 of the log's first 9 entries. This page is for reading; " in head
    assert rest == (
        "<tr><td>0</td><td>T1</td><td>ann</td><td>a.b</td><td>t 1</td><td>unknown</td></tr>\n"
        '<tr><td></td><td colspan="5"><details><summary>Body</summary><pre>'
        "{&quot;time&quot;:&quot;T1&quot;,&quot;actor&quot;:{&quot;id&quot;:&quot;ann&quot;},"
        "&quot;action&quot;:&quot;a.b&quot;,&quot;targets&quot;:[{&quot;type&quot;:&quot;t&quot;,"
        "&quot;id&quot;:&quot;1&quot;}]}</pre></details></td></tr>\n"
        '<tr><td>5</td><td colspan="5">not shown</td></tr>\n'
        "</table></body></html>\n"
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<b>&\"'", "&lt;b&gt;&amp;&quot;&#x27;"),
        ("a\u202eb\u200b\ufeff\u2066", r"a\u202eb\u200b\ufeff\u2066"),
        ("a\u061c\u2060\ufff9\U000e0041", r"a\u061c\u2060\ufff9\udb40\udc41"),
        ("\x00\n\x7f\u0085", r"\u0000\u000a\u007f\u0085"),
        ("\ud800", r"\ud800"),
        ("é 東 😀 \u00a0\u2010\u2027\u202f", "é 東 😀 \u00a0\u2010\u2027\u202f"),
    ],
)  # fmt: skip
def test_values_in_the_view_cannot_act_or_hide(text: str, shown: str) -> None:
    assert view.escape(text) == shown


@pytest.mark.parametrize(
    ("data", "cells"),
    [
        (b'{"time":1,"received":"R"}', ["R", "", "", "", "unknown"]),
        (b'{"time":"T","received":"R","outcome":null}', ["T", "", "", "", "unknown"]),
        (
            b'{"actor":"ann","action":{},"targets":{},"outcome":"denied"}',
            ["", "", "", "", "denied"],
        ),
        (b'{"targets":[],"actor":{"id":7}}', ["", "", "", "", "unknown"]),
        (b'{"targets":[{"id":"x"},{"id":"y"}]}', ["", "", "", " x", "unknown"]),
        (b'{"targets":["x"]}', ["", "", "", "", "unknown"]),
    ],
)
def test_odd_members_leave_their_cell_empty(data: bytes, cells: list[str]) -> None:
    expected = "".join(f"<td>{cell}</td>" for cell in ["3", *cells])
    assert view.row(3, data).decode().startswith(f"<tr>{expected}</tr>\n")


@pytest.mark.parametrize("data", [b"[]", b"{", b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_object_has_no_view(data: bytes) -> None:
    with pytest.raises(ProofError):
        view.row(0, data)


KEYS = [ED.verifier, PQ.verifier]
PROOF = tree.inclusion_proof(11, 20, get)
RECEIPT = receipt.encode(11, ENTRIES[11], SALT, PROOF, SIGNED)


def test_a_receipt_reads_back_and_proves_entry_and_body() -> None:
    found = receipt.decode(RECEIPT)
    assert (found.index, found.entry, found.salt) == (11, ENTRIES[11], SALT)
    assert (list(found.proof), found.checkpoint) == (PROOF, SIGNED)
    assert receipt.verify(RECEIPT, KEYS).entry == c.decode_entry(ENTRIES[11])
    proven = receipt.verify(RECEIPT, KEYS, BODIES[11])
    assert proven.checkpoint == HEAD
    assert [k.valid for k in proven.keys] == [True, True]
    with pytest.raises(ProofError, match="commits to"):
        receipt.verify(RECEIPT, KEYS, BODIES[12])


def test_every_given_key_must_have_signed_a_receipt() -> None:
    text = HEAD.format()
    stripped = receipt.encode(11, ENTRIES[11], SALT, PROOF, f"{text}\n{ED.sign(text)}".encode())
    receipt.verify(stripped, [ED.verifier])
    with pytest.raises(NoteError, match="stripped"):
        receipt.verify(stripped, KEYS)
    other = note.Ed25519Signer(ORIGIN, b"\x09" * 32).verifier
    with pytest.raises(NoteError, match="not signed by the given key"):
        receipt.verify(stripped, [other])
    with pytest.raises(NoteError, match="no key"):
        receipt.verify(stripped, [])
    foreign = note.Ed25519Signer("other", bytes(32)).verifier
    with pytest.raises(NoteError, match="is not of"):
        receipt.verify(RECEIPT, [foreign])


def test_a_receipt_without_extra_is_read_but_proves_no_entry() -> None:
    lines = RECEIPT.split(b"\n")
    bare = b"\n".join([lines[0], *lines[2:]])
    assert receipt.decode(bare).extra is None
    with pytest.raises(ProofError, match="extra"):
        receipt.verify(bare, KEYS)


@pytest.mark.parametrize(
    "change",
    [
        (b"proof@v1", b"proof@v2"), (b"index 11", b"index 011"), (b"index 11", b"Index 11"),
        (b"\nextra ", b"\nextra  "), (b"\n\n", b"\n"), (b"index 11\n", b""),
        (b"index 11\n", b"index 11\nAAAA\n"), (b"index 11", b"index 18446744073709551616"),
        (b"index 11\n", b"index 11\n" + b"A" * 43 + b"=\n" + (b"A" * 43 + b"=\n") * 63),
        (b"index 11", "index １１".encode()),
    ],
)  # fmt: skip
def test_a_malformed_receipt_is_refused(change: tuple[bytes, bytes]) -> None:
    with pytest.raises(ProofError):
        receipt.decode(RECEIPT.replace(*change, 1))


def test_a_receipt_for_another_index_does_not_verify() -> None:
    with pytest.raises(ProofError, match="root"):
        receipt.verify(RECEIPT.replace(b"index 11", b"index 10", 1), KEYS)
