"""`restore`: the log goes on only where nothing is lost; a loss closes it and is written down."""

from __future__ import annotations

import asyncio
import errno
import shutil
from pathlib import Path

import msgspec
import pytest

from indelible.app import backing, continuing, copying, fsck_folder, restoring
from indelible.app import restore as restore_folder
from indelible.app.local import LocalLedger
from indelible.app.place import Place
from indelible.app.restoring import RestoreReport
from indelible.app.setup import init_ledger
from indelible.base.errors import BadRequest, Damaged, DiskFull, IndelibleError, KeyMissing
from indelible.ledger import compact
from indelible.ledger.open import Forked, RolledBack
from indelible.ledger.register import Register
from indelible.store.meta import Meta
from indelible.store.sqlite import connect
from support.kept import ORIGIN, Kept, bodies, post, verdict


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path / "house").filled()


def back_up(kept: Kept, to: str = "copy", keys_to: str | None = None) -> Path:
    """A backup of the stopped ledger that ends exactly where the register is."""
    ledger = kept.bare()
    vault = kept.root / keys_to if keys_to else None
    backing.backup(ledger, kept.place, kept.root / to, vault, ledger.publisher)
    ledger.close()
    return kept.root / to


def back(kept: Kept, copy: Path, **options: object) -> RestoreReport:
    """Restore into the ledger's own place."""
    return restore_folder(kept.data, copy, **options)  # type: ignore[arg-type]


def as_of(kept: Kept, copy: Path) -> None:
    """The register as it was when the backup was made."""
    about = msgspec.json.decode((copy / "backup.json").read_bytes())
    Register.create(kept.state, ORIGIN, about["size"], bytes.fromhex(about["root"])).close()


def lost(kept: Kept) -> Path:
    """A backup, then 100 more signed events, then the data are gone."""
    copy = back_up(kept)

    async def steps(ledger: LocalLedger) -> None:
        await post(ledger, 1800, 1900)

    kept.run(steps)
    kept.lose_data()
    return copy


def accepted(
    kept: Kept, copy: Path, data: Path | None = None, by: tuple[str, ...] = ("ann",)
) -> RestoreReport:
    """Restore and accept what is missing."""
    size = msgspec.json.decode((copy / "backup.json").read_bytes())["size"]
    return restore_folder(
        data or kept.data, copy, accept_size=size, reason="the disk died", by=by
    )


def test_a_copy_that_reaches_the_register_goes_on(kept: Kept) -> None:
    before = bodies(kept.data)
    copy = back_up(kept)
    kept.lose_data()
    seen: list[tuple[int, int]] = []
    report = back(kept, copy, progress=lambda done, total: seen.append((done, total)))
    assert (report.register, report.size) == ("agrees", len(before))
    assert seen[-1][0] == seen[-1][1] > 0
    assert report.recorded == f"event {len(before) + 1}"
    assert bodies(kept.data)[: len(before)] == before
    assert b'"action":"indelible.ledger.restore"' in bodies(kept.data)[len(before) + 1]
    assert verdict(kept.data) == ("proven", 0)


def test_a_restored_ledger_knows_its_ids(kept: Kept) -> None:
    copy = back_up(kept)
    kept.lose_data()
    back(kept, copy)

    async def steps(ledger: LocalLedger) -> None:
        written = await post(ledger, 900, 1900)
        assert written.duplicates == list(range(900))

    kept.run(steps)


def test_an_older_copy_is_refused_and_nothing_is_left(kept: Kept) -> None:
    copy = lost(kept)
    before = {path.name for path in kept.root.iterdir()}
    with pytest.raises(RolledBack, match="would be lost") as refused:
        back(kept, copy)
    assert refused.value.exit_code == 4
    assert "--accept-size" in refused.value.remedy
    assert {path.name for path in kept.root.iterdir()} == before


def test_an_accepted_loss_closes_the_origin_and_begins_the_next_ledger(kept: Kept) -> None:
    copy = lost(kept)
    register = Register(kept.state, ORIGIN)
    signed = register.read()
    report = accepted(kept, copy, by=("ann", "bob"))
    assert report.next_origin == f"{ORIGIN}/2"
    assert register.read().closed
    record = msgspec.json.decode(bodies(Path(report.next))[0])
    assert record["kind"] == "restore"
    assert record["data"] == {
        "origin": ORIGIN, "size": signed.size, "root": signed.root.hex(), "kept": report.size,
        "reason": "the disk died",
        "by": [{"type": "user", "id": "ann"}, {"type": "user", "id": "bob"}],
    }
    assert verdict(Path(report.next)) == ("proven", 0)
    register.close()


def test_a_closed_ledger_stays_verifiable_and_takes_nothing_more(kept: Kept) -> None:
    report = accepted(kept, lost(kept))
    assert report.register.startswith("knows ")
    assert verdict(kept.data) == ("rolled back", 4)
    with pytest.raises(Damaged, match="closed"):
        kept.place.open()


def test_senders_go_on_with_the_next_ledger_as_they_are(kept: Kept) -> None:
    meta = Meta(kept.data / "meta.sqlite", keyring=kept.place.keyring())
    row, _ = meta.create_token("hr feed", "writer", "hr")
    meta.close()
    report = accepted(kept, lost(kept))

    async def steps(ledger: LocalLedger) -> None:
        assert [token.hash for token in ledger.core.meta.tokens() if token.id == row.id] == [
            row.hash
        ]
        assert ledger.core.meta.sources() == []
        await post(ledger, 0, 10)
        assert [source.id for source in ledger.core.meta.sources()] == ["hr"]

    asyncio.run(_open(Path(report.next), steps))
    assert verdict(Path(report.next)) == ("proven", 0)


async def _open(data: Path, steps: object) -> None:
    async with LocalLedger(data) as ledger:
        await steps(ledger)  # type: ignore[operator]


def test_only_tokens_that_the_old_keyring_vouches_for_go_on(kept: Kept) -> None:
    meta = Meta(kept.data / "meta.sqlite", keyring=kept.place.keyring())
    for name in ("true", "raised"):
        meta.create_token(name, "writer", "hr")
    meta.revoke_token(meta.create_token("gone", "auditor")[0].id)
    meta.close()
    copy = lost(kept)
    link = connect(copy / "meta.sqlite")
    link.execute("UPDATE token SET role='auditor' WHERE name='raised'")
    link.execute("UPDATE token SET revoked_us=NULL WHERE name='gone'")
    link.close()
    place = Place.at(Path(accepted(kept, copy).next))
    meta = Meta(place.paths.meta, keyring=place.keyring())
    judged = meta.judged_tokens()
    assert ([row.name for row in judged.ours], judged.strange) == (["true"], [])
    meta.close()


def test_a_token_revoked_after_the_backup_stays_revoked(kept: Kept) -> None:
    meta = Meta(kept.data / "meta.sqlite", keyring=kept.place.keyring())
    row, _ = meta.create_token("gone", "auditor")
    copy = back_up(kept)
    meta.revoke_token(row.id)
    meta.close()
    as_of(kept, copy)
    assert fsck_folder(copy, columns=False).exit == 0  # an older backup is no damage
    kept.lose_data()
    back(kept, copy)
    meta = Meta(kept.data / "meta.sqlite", keyring=kept.place.keyring())
    assert meta.tokens(live_only=True) == []
    meta.close()
    assert fsck_folder(kept.data, columns=False).exit == 0


def test_a_third_ledger_follows_the_second_by_number(kept: Kept) -> None:
    second = accepted(kept, lost(kept))
    place = Place.at(Path(second.next))
    ledger = place.open()
    backing.backup(ledger, place, kept.root / "copy2", None, ledger.publisher)
    ledger.close()

    async def steps(ledger: LocalLedger) -> None:
        await post(ledger, 0, 10)

    asyncio.run(_open(place.data, steps))
    shutil.rmtree(place.data)
    third = accepted(kept, kept.root / "copy2", data=place.data)
    assert third.origin == f"{ORIGIN}/2"
    assert third.next_origin == f"{ORIGIN}/3"
    assert Path(third.next) == kept.root / "data-3"
    assert verdict(Path(third.next)) == ("proven", 0)


def test_a_number_that_is_taken_is_passed_over(kept: Kept) -> None:
    copy = lost(kept)
    (kept.root / "keys-2").mkdir()
    (kept.root / "keys-2" / "something").write_text("x")
    assert accepted(kept, copy).next_origin == f"{ORIGIN}/3"


def test_a_crash_between_closing_and_beginning_is_mended_by_doing_it_again(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = lost(kept)

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(continuing.Keyring, "create", dies)
    with pytest.raises(KeyboardInterrupt):
        accepted(kept, copy)
    monkeypatch.undo()
    register = Register(kept.state, ORIGIN)
    assert register.read().closed
    register.close()
    report = accepted(kept, copy, data=kept.root / "again")
    assert report.next_origin == f"{ORIGIN}/2"
    assert verdict(Path(report.next)) == ("proven", 0)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"accept_size": 5}, "reason"),
        ({"accept_size": 5, "reason": "x"}, "reason"),
        ({"accept_size": 5, "reason": "x", "by": ("ann",)}, "not 5"),
    ],
)
def test_a_loss_is_accepted_exactly_with_a_reason_and_by_name(
    kept: Kept, options: dict[str, object], said: str
) -> None:
    copy = lost(kept)
    with pytest.raises(BadRequest, match=said):
        back(kept, copy, **options)
    assert not kept.data.exists()


def test_where_there_is_no_loss_none_is_accepted(kept: Kept) -> None:
    copy = back_up(kept)
    kept.lose_data()
    with pytest.raises(BadRequest, match="no loss"):
        accepted(kept, copy)
    register = Register(kept.state, ORIGIN)
    assert not register.read().closed
    register.close()


@pytest.mark.parametrize("by", [("ann",), ("ann", "Ann ")])
def test_two_people_decide_where_there_are_two_administrators(
    kept: Kept, by: tuple[str, ...]
) -> None:
    meta = Meta(kept.data / "meta.sqlite", keyring=kept.place.keyring())
    for name in ("ann", "bob"):
        meta.create_token(name, "admin")
    meta.close()
    copy = lost(kept)
    with pytest.raises(BadRequest, match="two people"):
        accepted(kept, copy, by=by)
    assert accepted(kept, copy, by=("ann", "bob")).next_origin == f"{ORIGIN}/2"


def test_another_root_under_the_registers_size_is_a_fork(kept: Kept) -> None:
    copy = back_up(kept)
    kept.lose_data()
    register = Register(kept.state, ORIGIN)
    size = register.read().size
    register.close()
    Register.create(kept.state, ORIGIN, size, b"\x07" * 32).close()
    for accept in (None, size):
        with pytest.raises(Forked):
            back(kept, copy, accept_size=accept, reason="x", by=("ann",))
    assert not kept.data.exists()


def test_without_a_register_the_data_come_back_and_nothing_is_signed(kept: Kept) -> None:
    copy = back_up(kept)
    kept.lose_data()
    shutil.rmtree(kept.state)
    report = back(kept, copy)
    assert report.register == "missing"
    assert "register rebuild" in report.note
    assert not (kept.state / "register.sqlite").exists()


def test_a_lost_keyring_comes_back_with_its_recovery_file(kept: Kept) -> None:
    copy = back_up(kept, keys_to="vault")
    kept.lose_data()
    shutil.rmtree(kept.keys)
    report = back(kept, copy, keys_from=kept.root / "vault")
    assert report.register == "agrees"
    assert verdict(kept.data) == ("proven", 0)


def test_the_recovery_file_can_be_named(kept: Kept) -> None:
    copy = back_up(kept, keys_to="vault")
    kept.lose_data()
    shutil.rmtree(kept.keys)
    (kept.root / "keys.recovery").rename(kept.root / "safe")
    with pytest.raises(KeyMissing, match="recovery file"):
        back(kept, copy, keys_from=kept.root / "vault")
    assert not kept.data.exists()
    report = back(kept, copy, keys_from=kept.root / "vault", recovery=kept.root / "safe")
    assert report.register == "agrees"


def test_another_ledgers_recovery_file_opens_nothing(kept: Kept, tmp_path: Path) -> None:
    other = Kept(tmp_path / "other")
    copy = back_up(kept, keys_to="vault")
    kept.lose_data()
    shutil.rmtree(kept.keys)
    with pytest.raises(IndelibleError) as refused:
        back(kept, copy, keys_from=kept.root / "vault", recovery=other.root / "keys.recovery")
    assert refused.value.code == "wrong_recovery_file"
    assert not kept.keys.exists()
    assert not kept.data.exists()


def test_a_keyring_in_its_place_is_never_replaced(kept: Kept) -> None:
    copy = back_up(kept, keys_to="vault")
    kept.lose_data()
    with pytest.raises(BadRequest, match="already"):
        back(kept, copy, keys_from=kept.root / "vault")
    assert not kept.data.exists()


def test_one_backup_can_be_restored_again_after_its_first_ledger_sealed(kept: Kept) -> None:
    copy = back_up(kept)
    for _ in range(2):
        kept.lose_data()
        as_of(kept, copy)
        assert back(kept, copy).register == "agrees"

        async def seal(ledger: LocalLedger) -> None:
            await ledger.rooms.seal()

        kept.run(seal)
        assert verdict(kept.data) == ("proven", 0)


def test_columns_whose_keys_went_with_a_compaction_are_made_again(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = back_up(kept)
    monkeypatch.setattr(compact, "COMPACT_SMALL_FILES", 1)

    async def merge(ledger: LocalLedger) -> None:
        await ledger.rooms.seal()
        core = ledger.core.ledger
        assert compact.remove_obsolete(core.paths, core.keyring, core.manifest, -(10**12)) > 1

    kept.run(merge)
    kept.lose_data()
    as_of(kept, copy)
    report = back(kept, copy)
    assert report.columns_rebuilt == 2
    assert report.recorded.startswith("event ")


def test_a_plain_copy_with_a_torn_tail_is_taken_as_a_crash_would_leave_it(kept: Kept) -> None:
    copy = kept.root / "copy"
    shutil.copytree(kept.data, copy)
    newest = sorted((copy / "ledger" / "journal").iterdir())[-1]
    with newest.open("ab") as file:
        file.truncate(newest.stat().st_size - 36)  # its closing record: nothing signed
    with newest.open("ab") as file:
        file.write(b"\0\0\1\0torn")
    kept.lose_data()
    report = back(kept, copy)
    assert report.register == "agrees"
    assert "no whole record" in report.note
    assert verdict(kept.data) == ("proven", 0)
    assert any(b"indelible.journal.quarantine" in body for body in bodies(kept.data))


def test_a_plain_copy_of_a_single_folder_comes_back_with_its_keys(tmp_path: Path) -> None:
    data = tmp_path / "data"
    init_ledger(data, ORIGIN, None, None, insecure_single_folder=True)
    shutil.copytree(data, tmp_path / "copy")
    shutil.rmtree(data)
    assert restore_folder(data, tmp_path / "copy").register == "agrees"
    assert verdict(data) == ("proven", 0)


def test_a_folder_that_is_not_empty_is_left_alone(kept: Kept) -> None:
    copy = back_up(kept)
    before = sorted(kept.data.rglob("*"))
    with pytest.raises(IndelibleError, match="not empty"):
        back(kept, copy)
    assert sorted(kept.data.rglob("*")) == before


def test_a_full_disk_at_any_file_leaves_nothing_behind(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = back_up(kept)
    kept.lose_data()
    before = {path.name for path in kept.root.iterdir()}
    original, calls, stop = copying.copy_file, 0, 0

    def fails(source: Path, to: Path) -> str:
        nonlocal calls
        calls += 1
        if calls == stop:
            raise OSError(errno.ENOSPC, "No space left on device", str(to))
        return original(source, to)

    monkeypatch.setattr(restoring, "copy_file", fails)
    while stop < 11:
        stop, calls = stop + 1, 0
        with pytest.raises(DiskFull):
            back(kept, copy)
        assert {path.name for path in kept.root.iterdir()} == before
    monkeypatch.undo()
    assert back(kept, copy).register == "agrees"


def test_a_backup_whose_end_is_gone_is_not_passed_off_as_whole(kept: Kept) -> None:
    copy = back_up(kept)
    for path in (copy / "ledger" / "journal").iterdir():
        path.unlink()
    kept.lose_data()
    with pytest.raises(RolledBack, match="checkpoint"):
        back(kept, copy)
    assert not kept.data.exists()
