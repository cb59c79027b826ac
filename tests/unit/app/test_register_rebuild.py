"""`register rebuild`: only from what the log signed, only over data that hold it."""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from indelible.app import register_rebuild
from indelible.app.local import LocalLedger
from indelible.base.errors import Damaged, FolderInUse, IndelibleError
from indelible.ledger.open import Forked, RolledBack
from indelible.ledger.register import Fenced, Register, RegisterMissing
from support.kept import ORIGIN, Kept, bodies, post, verdict


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path / "house").filled()


def lose(kept: Kept) -> None:
    (kept.state / "register.sqlite").unlink()


def note_of(kept: Kept) -> Path:
    """A checkpoint kept elsewhere."""
    path = kept.root / "kept.ckpt"
    path.write_bytes(kept.place.paths.checkpoint.read_bytes())
    return path


def test_the_register_comes_back_from_a_checkpoint_and_says_so_in_the_log(kept: Kept) -> None:
    register = Register(kept.state, ORIGIN)
    before = register.read()
    register.close()
    lose(kept)
    with pytest.raises(RegisterMissing):
        kept.place.open()
    report = register_rebuild(kept.data, str(note_of(kept)))
    assert (report.size, report.root) == (before.size, before.root.hex())
    assert report.recorded == f"event {before.size + 1}"
    assert b'"action":"indelible.register.rebuild"' in bodies(kept.data)[before.size + 1]
    assert verdict(kept.data) == ("proven", 0)


def test_a_writer_from_before_is_fenced(kept: Kept) -> None:
    ledger = kept.bare()
    fence = ledger.fence
    ledger.close()
    lose(kept)
    register_rebuild(kept.data, str(note_of(kept)))
    register = Register(kept.state, ORIGIN)
    now = register.read()
    assert now.fence > fence + 1_000_000
    with pytest.raises(Fenced):
        register.advance(fence, now.size, now.size + 1, bytes(32))
    register.close()


def test_a_register_that_can_be_read_is_never_replaced(kept: Kept) -> None:
    before = (kept.state / "register.sqlite").read_bytes()
    with pytest.raises(IndelibleError, match="can be read"):
        register_rebuild(kept.data, str(note_of(kept)))
    assert (kept.state / "register.sqlite").read_bytes() == before


def test_an_unreadable_register_is_kept_aside(kept: Kept) -> None:
    (kept.state / "register.sqlite").write_bytes(b"rust" * 1000)
    register_rebuild(kept.data, str(note_of(kept)))
    aside = list(kept.state.glob("register.sqlite.unreadable-*"))
    assert [path.read_bytes() for path in aside] == [b"rust" * 1000]
    assert verdict(kept.data) == ("proven", 0)


def test_data_that_are_shorter_than_the_checkpoint_get_a_register_that_is_ahead(kept: Kept) -> None:
    old = kept.root / "old"
    shutil.copytree(kept.data, old)

    async def steps(ledger: LocalLedger) -> None:
        await post(ledger, 5000, 5010)

    kept.run(steps)
    note = note_of(kept)
    shutil.rmtree(kept.data)
    old.rename(kept.data)
    lose(kept)
    report = register_rebuild(kept.data, str(note))
    assert "the ledger refuses" in report.note
    assert report.recorded.startswith("not recorded")
    with pytest.raises(RolledBack):
        kept.place.open()
    assert verdict(kept.data) == ("rolled back", 4)


def test_a_folder_that_is_shorter_than_its_own_checkpoint_gets_no_register(kept: Kept) -> None:
    note = note_of(kept)

    async def steps(ledger: LocalLedger) -> None:
        await post(ledger, 5000, 5010)

    before = sorted((kept.data / "ledger" / "journal").iterdir())
    kept.run(steps)
    for path in set((kept.data / "ledger" / "journal").iterdir()) - set(before):
        path.unlink()
    lose(kept)
    with pytest.raises(RolledBack, match="own checkpoint"):
        register_rebuild(kept.data, str(note))
    assert not (kept.state / "register.sqlite").exists()


def test_data_with_another_history_are_a_fork(kept: Kept) -> None:
    twin = kept.root / "twin"
    shutil.copytree(kept.data, twin)
    shutil.copytree(kept.state, kept.root / "twin-state")

    async def steps(ledger: LocalLedger) -> None:
        await post(ledger, 5000, 5010)

    kept.run(steps)
    note = note_of(kept)
    shutil.rmtree(kept.data)
    twin.rename(kept.data)
    shutil.rmtree(kept.state)
    (kept.root / "twin-state").rename(kept.state)

    async def otherwise(ledger: LocalLedger) -> None:
        await post(ledger, 7000, 7100)

    kept.run(otherwise)
    lose(kept)
    with pytest.raises(Forked):
        register_rebuild(kept.data, str(note))
    assert not (kept.state / "register.sqlite").exists()


def test_the_folders_own_checkpoint_counts_when_it_knows_more(kept: Kept) -> None:
    note = note_of(kept)

    async def steps(ledger: LocalLedger) -> None:
        await post(ledger, 5000, 5010)

    kept.run(steps)
    register = Register(kept.state, ORIGIN)
    before = register.read()
    register.close()
    lose(kept)
    assert register_rebuild(kept.data, str(note)).size == before.size


def test_a_checkpoint_that_this_log_did_not_sign_is_refused(kept: Kept, tmp_path: Path) -> None:
    other = Kept(tmp_path / "other")
    lose(kept)
    with pytest.raises(Damaged, match="not signed"):
        register_rebuild(kept.data, str(note_of(other)))
    stranger = Kept(tmp_path / "stranger", "test.example/stranger")
    with pytest.raises(Damaged, match="of the log"):
        register_rebuild(kept.data, str(note_of(stranger)))
    one_line = note_of(kept).read_bytes().rsplit("—".encode(), 1)[0]
    (kept.root / "stripped").write_bytes(one_line)
    with pytest.raises(Damaged, match="not signed"):
        register_rebuild(kept.data, str(kept.root / "stripped"))
    (kept.root / "nothing").write_bytes(b"hello\n")
    with pytest.raises(Damaged):
        register_rebuild(kept.data, str(kept.root / "nothing"))
    assert not (kept.state / "register.sqlite").exists()


def test_a_folder_in_use_is_left_alone(kept: Kept) -> None:
    ledger = kept.bare()
    with pytest.raises(FolderInUse):
        register_rebuild(kept.data, str(note_of(kept)))
    ledger.close()


@pytest.fixture
def witness(kept: Kept) -> Iterator[str]:
    """A witness's monitoring prefix that shows the newest checkpoint of this log."""
    path = f"/w/{hashlib.sha256(ORIGIN.encode()).hexdigest()}/checkpoint"
    content = kept.place.paths.checkpoint.read_bytes()

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path == path
            self.send_response(200 if found else 404)
            self.end_headers()
            self.wfile.write(content if found else b"unknown log")

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/w/"
    server.shutdown()
    server.server_close()


def test_the_register_comes_back_from_a_witness(kept: Kept, witness: str) -> None:
    lose(kept)
    report = register_rebuild(kept.data, witness)
    assert report.source == witness
    assert verdict(kept.data) == ("proven", 0)


def test_a_witness_that_does_not_know_the_log_is_no_source(kept: Kept, witness: str) -> None:
    lose(kept)
    with pytest.raises(IndelibleError, match="404") as refused:
        register_rebuild(kept.data, witness + "elsewhere")
    assert refused.value.exit_code == 5
    assert not (kept.state / "register.sqlite").exists()


def test_rebuilding_says_how_much_of_how_much_is_read(kept: Kept) -> None:
    note = note_of(kept)
    lose(kept)
    heard: list[tuple[int, int]] = []
    report = register_rebuild(
        kept.data, str(note), lambda done, total: heard.append((done, total))
    )
    assert heard == sorted(heard)
    assert heard[-1] == (report.size, report.size)
    assert heard[0][0] < heard[-1][0]
