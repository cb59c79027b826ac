"""`reindex`: what follows from evidence is the same again, and evidence decides."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import msgspec
import numpy as np
import pytest

from indelible.app import reindex_folder
from indelible.app.local import LocalLedger
from indelible.base.errors import Damaged, FolderInUse
from indelible.event.model import Via
from indelible.ingest.parsers.native import parse_native
from indelible.ledger import reindex
from indelible.ledger.kernel import SaltStream, head_of, leaves_of
from indelible.ledger.reindex import content_of
from indelible.ledger.seal import column_file_of
from indelible.ledger.seen import open_runs
from indelible.ledger.tree_state import subtree_root
from indelible.store.column_file import read_column_tables
from indelible.store.evidence import EvidenceReader, EvidenceWriter
from indelible.store.keyring import SEEN
from indelible.store.manifest import Manifest
from support.kept import ORIGIN, Kept, lines, post, verdict
from support.parsing import parse_file


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path / "house").filled()


def ids_of(kept: Kept) -> set[tuple[int, ...]]:
    """Every record of the sealed id index."""
    ring = kept.place.keyring()
    found: set[tuple[int, ...]] = set()
    for run in open_runs(kept.place.paths.ids, ring.newest(SEEN)):
        assert list(run.problems()) == []
        found |= {tuple(row) for row in np.stack(run.columns.all(), axis=1).tolist()}
    return found


def columns_of(kept: Kept) -> list[dict[str, object]]:
    """Every row of the column files."""
    manifest, rows = Manifest(kept.place.paths.manifest), []
    for row in manifest.columns():
        file = column_file_of(kept.place.paths, row, kept.place.keyring())
        for table in read_column_tables(file):
            rows += table.to_pylist()
    manifest.close()
    return rows


def tiles_of(kept: Kept) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in kept.place.paths.tiles.iterdir()}


async def mixed(ledger: LocalLedger) -> None:
    """Native and foreign events, with ids and without, repeated and contradicting, unreadable."""
    core = ledger.core
    await post(ledger, 0, 300)
    await post(ledger, 0, 10, source="other")
    source = await core.source("hr", "")
    via = Via(protocol="http", parser="native/1")
    said = b'{"action":"a.read","actor":{"type":"user","id":"u"},"targets":[{"type":"t","id":"1"}]'
    data = b'{"kind":"x","s":"\\",\\"kind\\":\\"event\\"","z":[{"a":1,"kind":2}]}'
    tricky = said + b',"data":' + data + b',"id":"k1"}'
    conflict = said + b',"id":"e5"}'
    without = said + b"}"
    parsed, refused = parse_native(b"\n".join([tricky, conflict, without]))
    assert not refused
    written = await core.write(source, via, parsed)
    assert written.conflicts
    trail = {
        "eventVersion": "1.08", "eventTime": "2026-03-03T09:14:07Z",
        "eventSource": "s3.amazonaws.com", "eventName": "DeleteBucket", "eventID": "ct-1",
        "awsRegion": "eu-west-1",
        "userIdentity": {"type": "IAMUser", "userName": "ünï", "arn": "arn:aws:iam::1:user/x"},
        "requestParameters": {"bucketName": "b"},
    }
    foreign = [json.dumps(trail), json.dumps(trail | {"eventName": "CreateBucket"}), "not json"]
    found, refused = parse_file("cloudtrail", "\n".join(foreign).encode() + b"\n\xff\xfe broken")
    assert not refused
    assert len(found) == 4
    aws = await core.source("aws", "")
    written = await core.write(aws, Via(protocol="import", parser="cloudtrail/1"), found)
    assert written.conflicts
    await ledger.rooms.seal()


def test_ids_tiles_and_columns_come_out_as_they_were(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "house")
    kept.run(mixed)
    ids, tiles, columns = ids_of(kept), tiles_of(kept), columns_of(kept)
    assert len(ids) > 300
    report = reindex_folder(kept.data)
    assert report.manifest == "kept"
    assert report.ids == len(ids)
    assert ids_of(kept) == ids
    assert tiles_of(kept) == tiles
    assert columns_of(kept) == columns
    assert verdict(kept.data) == ("proven", 0)


def test_a_content_is_what_was_handed_in(kept: Kept) -> None:
    parsed, _ = parse_native(lines(0, 3))
    ledger = kept.bare()
    stored = [one.body for one in ledger.reader.many(range(ledger.tree.size))]
    ledger.close()
    found = [content_of(body) for body in stored]
    assert [one.content for one in parsed] == [c for c in found if b'"id":"e' in c][:3]


def test_it_is_an_event_in_the_log(kept: Kept) -> None:
    report = reindex_folder(kept.data)
    assert report.recorded.startswith("event ")
    ledger = kept.bare()
    body = ledger.reader.one(int(report.recorded.split()[1])).body
    ledger.close()
    assert b'"action":"indelible.ledger.reindex"' in body


def test_progress_reaches_the_end(kept: Kept) -> None:
    seen: list[tuple[int, int]] = []
    report = reindex_folder(kept.data, lambda done, total: seen.append((done, total)))
    assert seen[-1] == (report.events, report.events)
    assert seen == sorted(seen)


def _no_ids(kept: Kept) -> None:
    shutil.rmtree(kept.place.paths.ids)


def _bad_id_run(kept: Kept) -> None:
    path = sorted(kept.place.paths.ids.iterdir())[0]
    path.write_bytes(path.read_bytes()[:-1] + b"\0")


def _no_tiles(kept: Kept) -> None:
    shutil.rmtree(kept.place.paths.tiles)


def _other_tiles(kept: Kept) -> None:
    (kept.place.paths.tiles / "1").write_bytes(b"\1" * 32 * 5)


def _no_columns(kept: Kept) -> None:
    for path in kept.place.paths.columns.iterdir():
        path.unlink()


def _no_manifest(kept: Kept) -> None:
    kept.place.paths.manifest.unlink()


def _empty_manifest(kept: Kept) -> None:
    kept.place.paths.manifest.unlink()
    Manifest(kept.place.paths.manifest).close()


def _rusty_manifest(kept: Kept) -> None:
    path = kept.place.paths.manifest
    path.write_bytes(b"rust" * (path.stat().st_size // 4))


def _lying_manifest(kept: Kept) -> None:
    link = sqlite3.connect(kept.place.paths.manifest)
    link.execute("UPDATE segments SET received_max = received_max + 1")
    link.commit()
    link.close()


def _everything(kept: Kept) -> None:
    _no_ids(kept)
    _no_tiles(kept)
    _no_columns(kept)
    _no_manifest(kept)


@pytest.mark.parametrize(
    ("harm", "manifest"),
    [
        (_no_ids, "kept"), (_bad_id_run, "kept"), (_no_tiles, "kept"), (_other_tiles, "kept"),
        (_no_columns, "kept"), (_no_manifest, "rebuilt"), (_empty_manifest, "rebuilt"),
        (_rusty_manifest, "rebuilt"), (_lying_manifest, "rebuilt"), (_everything, "rebuilt"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_was_lost_or_altered_is_made_again(kept: Kept, harm: object, manifest: str) -> None:
    ids, tiles = ids_of(kept), tiles_of(kept)
    harm(kept)  # type: ignore[operator]
    report = reindex_folder(kept.data)
    assert report.manifest == manifest
    assert report.recorded.startswith("event ")
    assert (ids_of(kept), tiles_of(kept)) == (ids, tiles)
    assert verdict(kept.data) == ("proven", 0)
    assert len(columns_of(kept)) == report.events

    async def again(ledger: LocalLedger) -> None:
        assert (await post(ledger, 0, 1800)).duplicates == list(range(1800))
        await ledger.rooms.seal()

    kept.run(again)
    assert verdict(kept.data) == ("proven", 0)


def test_the_replaced_manifest_is_kept_aside(kept: Kept) -> None:
    _rusty_manifest(kept)
    reindex_folder(kept.data)
    aside = list(kept.place.paths.quarantine.glob("manifest.sqlite.*"))
    assert [path.read_bytes()[:4] for path in aside] == [b"rust"]


def whole(kept: Kept) -> dict[str, bytes]:
    """Every file of the ledger but the lock."""
    return {
        str(path.relative_to(kept.data)): path.read_bytes()
        for path in kept.data.rglob("*")
        if path.is_file() and path.name != "lock" and path.stat().st_size
    }


@pytest.mark.parametrize("position", [0, 1])
def test_a_missing_evidence_file_is_named_and_nothing_is_changed(
    kept: Kept, position: int
) -> None:
    sorted(kept.place.paths.evidence.iterdir())[position].unlink()
    before = whole(kept)
    with pytest.raises(Damaged, match=r"indexes|missing"):
        reindex_folder(kept.data)
    assert whole(kept) == before


def test_altered_evidence_is_named_and_nothing_is_changed(kept: Kept) -> None:
    path = sorted(kept.place.paths.evidence.iterdir())[0]
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)
    before, keys = whole(kept), kept.place.keyring().all_ids()
    with pytest.raises(Damaged, match=path.name):
        reindex_folder(kept.data)
    assert whole(kept) == before
    assert kept.place.keyring().all_ids() == keys


def test_evidence_rewritten_with_its_keys_is_not_blessed(kept: Kept) -> None:
    """Whoever holds the data keys can make a consistent file; the signed root tells."""
    ring = kept.place.keyring()
    path = sorted(kept.place.paths.evidence.iterdir())[0]
    manifest = Manifest(kept.place.paths.manifest)
    row = manifest.segments()[0]
    manifest.close()
    reader = EvidenceReader(path, ORIGIN, ring.get(row.key))
    writer, leaves = EvidenceWriter(reader.header, ring.get(row.key)), b""
    for number, frame in enumerate(reader.footer.frames):
        bodies = [body.replace(b'"u3"', b'"u4"') for body in reader.frame(number)]
        salts = b"".join(
            SaltStream(ring.get(reader.salt_key_of(index))).salt(index)
            for index in range(frame.first, frame.first + frame.count)
        )
        leaves += leaves_of(bodies, [head_of(body) for body in bodies], salts)
        writer.add_frame(bodies)
    footer = msgspec.structs.replace(
        reader.footer, frames=writer.frames, leaves_root=subtree_root(leaves).hex()
    )
    writer.finish(path, footer)
    before = whole(kept)
    with pytest.raises(Damaged, match="signed root"):
        reindex_folder(kept.data)
    assert whole(kept) == before


@pytest.mark.parametrize("step", ["_compare", "_store_tiles", "_swap_ids"])
@pytest.mark.parametrize("after", [False, True])
def test_a_crash_at_any_step_is_mended_by_doing_it_again(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, step: str, after: bool
) -> None:
    ids, tiles = ids_of(kept), tiles_of(kept)
    _no_manifest(kept)
    original = getattr(reindex.Reindexer, step)

    class Dies(BaseException):
        """Nobody cleans up after this."""

    def dies(self: reindex.Reindexer, *arguments: object) -> None:
        if after:
            original(self, *arguments)
        raise Dies

    monkeypatch.setattr(reindex.Reindexer, step, dies)
    monkeypatch.setattr(reindex.Reindexer, "_undo", lambda self: None)
    with pytest.raises(Dies):
        reindex_folder(kept.data)
    monkeypatch.undo()
    reindex_folder(kept.data)
    assert (ids_of(kept), tiles_of(kept)) == (ids, tiles)
    assert verdict(kept.data) == ("proven", 0)


def test_a_folder_in_use_is_left_alone(kept: Kept) -> None:
    ledger = kept.bare()
    with pytest.raises(FolderInUse):
        reindex_folder(kept.data)
    ledger.close()


def test_without_a_register_it_reindexes_and_says_that_it_is_not_recorded(kept: Kept) -> None:
    (kept.state / "register.sqlite").unlink()
    _no_ids(kept)
    report = reindex_folder(kept.data)
    assert report.recorded.startswith("not recorded: no register")
    assert report.ids == 1500


def test_a_ledger_without_segments_reindexes_to_nothing(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "house")
    report = reindex_folder(kept.data)
    assert (report.segments, report.events, report.column_files) == (0, 0, 0)
    assert verdict(kept.data) == ("proven", 0)
