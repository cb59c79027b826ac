"""A log that takes nothing more: read without a record, and continued by one ledger at most."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from indelible.app import backing, continuing, register_rebuild
from indelible.app import restore as restore_folder
from indelible.app.checking import verify_folder
from indelible.app.local import LocalLedger
from indelible.app.restoring import RestoreReport
from indelible.base.errors import BadRequest
from indelible.cli.main import cli
from indelible.ledger.open import RolledBack
from indelible.ledger.register import Register, RegisterMissing
from support.kept import ORIGIN, Kept, Steps, bodies, post, verdict


class House(Kept):
    """A ledger with a backup of its 1,800 events, and 100 more that were signed after it."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.filled()
        self.copy, self.vault = root / "copy", root / "vault"
        ledger = self.bare()
        made = backing.backup(ledger, self.place, self.copy, self.vault, ledger.publisher)
        self.size = made.size
        ledger.close()

        async def steps(ledger: LocalLedger) -> None:
            await post(ledger, 1800, 1900)

        self.run(steps)

    def accept(self, data: Path | None = None) -> RestoreReport:
        """Restore the backup and give up what it lacks."""
        return restore_folder(
            data or self.data, self.copy, accept_size=self.size, reason="the disk died",
            by=("ann",),
        )


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path / "house")


def run(*words: str) -> Result:
    """A command line."""
    return CliRunner().invoke(cli, words, catch_exceptions=False)


def listing(folder: Path) -> dict[str, bytes]:
    """Every file below `folder` and what is in it."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("which", ["backup", "closed"])
def test_what_takes_nothing_is_read_unrecorded(house: House, which: str) -> None:
    if which == "closed":
        house.lose_data()
        house.accept()
    folder = house.copy if which == "backup" else house.data
    before = listing(folder)
    found = run("search", "actor:u3", "--data", str(folder), "--unrecorded", "--json")
    assert found.exit_code == 0, found.output
    assert json.loads(found.stdout)["recorded"] is False
    index = str(json.loads(found.stdout)["events"][0]["index"])
    for words in (["show", index], ["prove", index, "-o", str(house.root / "x.bundle")]):
        done = run(*words, "--data", str(folder), "--unrecorded")
        assert done.exit_code == 0, done.output
    done = run("export", "events", "actor:u3", "--data", str(folder), "--unrecorded")
    assert len(done.stdout.splitlines()) > 100, done.output
    assert listing(folder) == before


def test_a_ledger_that_can_be_written_is_not_read_unrecorded(house: House) -> None:
    done = run("search", "u3", "--data", str(house.data), "--unrecorded")
    assert done.exit_code == 3
    assert "must_be_recorded" in done.stderr


def test_a_refused_read_names_the_way_and_the_ledger_that_continues(house: House) -> None:
    done = run("search", "u3", "--data", str(house.copy))
    assert "this is a backup" in done.stderr
    assert "--unrecorded" in done.stderr
    house.lose_data()
    report = house.accept()
    done = run("search", "u3", "--data", str(house.data))
    assert done.exit_code == 4
    assert "--unrecorded" in done.stderr
    assert report.next in done.stderr


def test_verify_of_a_backup_does_not_speak_of_a_restore(house: House) -> None:
    said = " ".join(verify_folder(house.copy).lines)
    assert "this is a backup: it takes nothing" in said
    assert "closed by a restore" not in said
    house.lose_data()
    report = house.accept()
    said = " ".join(verify_folder(house.data).lines)
    assert "closed by a restore" in said
    assert report.next in said


@pytest.mark.parametrize("also", ["nothing", "the data", "everything"])
def test_a_closed_log_gets_no_second_continuation(house: House, also: str) -> None:
    house.lose_data()
    first = house.accept()
    house.data.rename(house.root / "aside")
    for name in {"nothing": (), "the data": ("data-2",)}.get(also, ("data-2", "state-2", "keys-2")):
        (house.root / name).rename(house.root / f"moved-{name}")
    before = sorted(path.name for path in house.root.iterdir())
    for data in (house.data, house.root / "elsewhere"):
        with pytest.raises(BadRequest, match="a fork") as refused:
            house.accept(data)
        assert first.next_origin in refused.value.message
        assert first.next in refused.value.message
        with pytest.raises(BadRequest, match="continues it already"):
            restore_folder(data, house.copy)
    assert sorted(path.name for path in house.root.iterdir()) == before


class _Died(BaseException):
    """The machine, in the midst of it."""


@pytest.mark.parametrize("step", ["_make", "_first_records", "_copy_meta"])
def test_a_crash_is_resumed_to_the_same_continuation(
    house: House, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    house.lose_data()

    def dies(*_: object) -> None:
        raise _Died

    for folder in ("first", "second"):
        with monkeypatch.context() as patch:
            patch.setattr(continuing, step, dies)
            with pytest.raises(_Died):
                house.accept(house.root / folder)
    register = Register(house.state, ORIGIN)
    then = register.continuation()
    assert register.read().closed
    register.close()
    assert then is not None
    assert (then.origin, then.begun) == (f"{ORIGIN}/2", False)
    report = house.accept(house.root / "third")
    assert (report.next_origin, report.next) == (then.origin, then.data)
    assert verdict(Path(report.next)) == ("proven", 0)
    assert not Path(f"{house.data}-3").exists()


def test_a_continuation_that_was_made_and_not_yet_signed_is_the_one(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.lose_data()

    def dies(_data: Path) -> None:
        raise _Died

    monkeypatch.setattr(continuing, "_publish", dies)
    with pytest.raises(_Died):
        house.accept()
    monkeypatch.undo()
    with pytest.raises(BadRequest, match="continues it already"):
        house.accept(house.root / "again")
    following = house.root / "data-2"
    assert b',"kind":"restore",' in bodies(following)[0]

    async def steps(ledger: LocalLedger) -> None:
        await post(ledger, 0, 10)

    asyncio.run(_open(following, steps))
    assert verdict(following) == ("proven", 0)


async def _open(data: Path, steps: Steps) -> None:
    async with LocalLedger(data) as ledger:
        await steps(ledger)


def test_where_no_register_exists_no_loss_is_accepted(house: House) -> None:
    house.lose_data()
    shutil.rmtree(house.state)
    before = sorted(path.name for path in house.root.iterdir())
    with pytest.raises(RegisterMissing, match="how much is lost") as refused:
        house.accept()
    assert "register rebuild --from" in refused.value.remedy
    assert sorted(path.name for path in house.root.iterdir()) == before


def test_the_whole_machine_is_lost_and_a_newer_checkpoint_was_kept(house: House) -> None:
    newest = house.root / "newest.ckpt"
    newest.write_bytes(house.place.paths.checkpoint.read_bytes())
    house.lose_data()
    shutil.rmtree(house.state)
    shutil.rmtree(house.keys)
    secret = (house.root / "keys.recovery").rename(house.root / "main.recovery")
    back = restore_folder(house.data, house.copy, keys_from=house.vault, recovery=secret)
    assert back.register == "missing"
    rebuilt = register_rebuild(house.data, str(newest))
    lost = rebuilt.size - back.size
    assert lost >= 100
    assert f"--accept-size {back.size}" in rebuilt.note
    assert rebuilt.recorded.startswith("not recorded")
    assert verdict(house.data) == ("rolled back", 4)
    with pytest.raises(RolledBack):
        house.place.open()
    house.data.rename(house.root / "aside")
    report = house.accept()
    record = json.loads(bodies(Path(report.next))[0])
    assert record["data"]["size"] - record["data"]["kept"] == lost
    assert record["data"]["root"] == rebuilt.root
    assert verdict(Path(report.next)) == ("proven", 0)
