"""Exported logs: damage is named by first index or smallest range; nothing else is alarmed."""

from __future__ import annotations

import io
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from indelible_verify.main import main

Run = Callable[..., tuple[int, dict[str, Any]]]
SLOT = 62


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """A log of 1,000 entries, exported once."""
    from importlib import util

    spec = util.spec_from_file_location("verify_writer", Path(__file__).with_name("conftest.py"))
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    log = module.LogWriter()
    log.fill(1000)
    return log, log.export(tmp_path_factory.mktemp("log"))


@pytest.fixture
def copy(big: tuple[Any, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(big[1], tmp_path / "log"))


@pytest.fixture
def check(big: tuple[Any, Path], copy: Path, run: Run) -> Run:
    keys = [part for vkey in big[0].keys for part in ("--key", vkey)]
    return lambda *more: run("log", copy, *keys, *more)


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0x10
    path.write_bytes(bytes(data))


def first(found: dict[str, Any]) -> tuple[int, int]:
    return found["problems"][0]["first"], found["problems"][0]["last"]


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 300, 511, 512, 700, 1000])
def test_honest_log_of_any_size_is_proven(
    big: tuple[Any, Path], run: Run, tmp_path: Path, size: int
) -> None:
    root = big[0].export(tmp_path / "small", size)
    code, found = run("log", root, "--key", big[0].ed.vkey, "--key", big[0].ml.vkey)
    assert (code, found["verdict"], found["size"]) == (0, "proven", size)
    assert any("no witness key" in text for text in found["not_proved"])


def test_key_inside_the_log_is_never_trusted(
    big: tuple[Any, Path], copy: Path, run: Run, make_log: Any
) -> None:
    other = make_log()
    (copy / "vkey").write_text(big[0].ed.vkey + "\n")
    code, found = run("log", copy, "--key", other.ed.vkey)
    assert (code, found["verdict"]) == (4, "not signed by the given key")


@pytest.mark.parametrize("index", [0, 1, 255, 256, 257, 511, 767, 768, 999])
@pytest.mark.parametrize("byte", [0, 1, 2, 3, 7, 20, 28, 35, 61])
def test_edited_entry_is_named(check: Run, copy: Path, index: int, byte: int) -> None:
    name = "003.p/232" if index >= 768 else f"{index // 256:03d}"
    flip(copy / "tile/entries" / name, index % 256 * SLOT + byte)
    code, found = check()
    assert (code, found["verdict"]) == (4, "tampered")
    assert first(found) == (index, index)
    assert len(found["problems"]) == 1


@pytest.mark.parametrize(
    ("tile", "at", "span"),
    [
        ("0/000", 0, (0, 0)),
        ("0/001", 32 * 17 + 3, (273, 273)),
        ("0/003.p/232", 32 * 231, (999, 999)),
        ("1/000.p/3", 32, (256, 511)),
    ],
)
def test_edited_tile_is_named_and_no_entry_is_blamed(
    check: Run, copy: Path, tile: str, at: int, span: tuple[int, int]
) -> None:
    flip(copy / "tile" / tile, at)
    code, found = check()
    assert (code, found["verdict"], first(found)) == (4, "tampered", span)
    assert f"tile/{tile}" in found["problems"][0]["text"]
    assert len(found["problems"]) == 1


def test_missing_tile_is_named(check: Run, copy: Path) -> None:
    (copy / "tile/0/002").unlink()
    code, found = check()
    assert (code, first(found)) == (4, (512, 767))
    assert "is missing" in found["problems"][0]["text"]


def test_bytes_behind_a_tile_or_bundle_are_found(check: Run, copy: Path) -> None:
    for name in ("tile/0/001", "tile/entries/001"):
        path = copy / name
        whole = path.read_bytes()
        path.write_bytes(whole + b"x")
        assert check()[0] == 4
        path.write_bytes(whole)
    assert check()[0] == 0


@pytest.mark.parametrize("index", [0, 300, 511])
def test_deleted_entry_is_named(check: Run, copy: Path, index: int) -> None:
    path = copy / f"tile/entries/{index // 256:03d}"
    data, at = path.read_bytes(), index % 256 * SLOT
    path.write_bytes(data[:at] + data[at + SLOT :])
    code, found = check()
    assert (code, found["verdict"], first(found)[0]) == (4, "tampered", index)


@pytest.mark.parametrize("index", [0, 300, 510])
def test_inserted_duplicated_and_swapped_entries_are_named(
    check: Run, copy: Path, index: int
) -> None:
    path = copy / f"tile/entries/{index // 256:03d}"
    data, at = path.read_bytes(), index % 256 * SLOT
    one, two = data[at : at + SLOT], data[at + SLOT : at + 2 * SLOT]
    path.write_bytes(data[:at] + two + one + data[at + 2 * SLOT :])
    code, found = check()
    assert (code, first(found)) == (4, (index, index + 1))
    path.write_bytes((data[:at] + one + data[at:])[: 256 * SLOT])
    code, found = check()
    assert (code, first(found)[0]) == (4, index + 1)


def test_entry_and_its_leaf_hash_changed_together_are_named_by_block(
    check: Run, copy: Path
) -> None:
    from indelible_verify import leaf_hash

    path = copy / "tile/entries/001"
    flip(path, 5 * SLOT + 40)
    leaf = leaf_hash(path.read_bytes()[5 * SLOT + 2 : 6 * SLOT])
    tile = copy / "tile/0/001"
    data = tile.read_bytes()
    tile.write_bytes(data[: 5 * 32] + leaf + data[6 * 32 :])
    code, found = check()
    assert (code, first(found)) == (4, (256, 511))


def test_entry_is_named_even_when_the_upper_tile_is_gone(check: Run, copy: Path) -> None:
    flip(copy / "tile/entries/001", 5 * SLOT + 40)
    shutil.rmtree(copy / "tile/1")
    code, found = check()
    assert (code, first(found)) == (4, (261, 261))


def test_tree_rebuilt_without_the_key_is_tampering_of_the_whole(
    big: tuple[Any, Path], run: Run, make_log: Any, tmp_path: Path
) -> None:
    forger = make_log()
    forger.fill(299)
    forger.event("mallory")
    root = forger.export(tmp_path / "forged")
    (root / "checkpoint").write_bytes(big[0].checkpoint(300))
    code, found = run("log", root, "--key", big[0].ed.vkey)
    assert (code, found["verdict"], first(found)) == (4, "tampered", (0, 299))


@pytest.mark.parametrize("cut", [1, 231, 232, 233, 488, 999, 1000])
def test_cut_tail_is_truncated_at_its_place(check: Run, copy: Path, cut: int) -> None:
    keep = 1000 - cut
    for n in range(4):
        path = copy / "tile/entries" / ("003.p/232" if n == 3 else f"{n:03d}")
        data = path.read_bytes()
        left = max(0, min(256, keep - 256 * n))
        path.unlink()
        if left:
            name = f"{n:03d}" if left == 256 else f"{n:03d}.p/{left}"
            (copy / "tile/entries" / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / "tile/entries" / name).write_bytes(data[: left * SLOT])
    code, found = check()
    assert (code, found["verdict"], first(found)) == (4, "truncated", (keep, 999))


def test_older_data_under_the_newest_checkpoint_are_truncated(
    big: tuple[Any, Path], check: Run, copy: Path
) -> None:
    shutil.rmtree(copy)
    big[0].export(copy, 600)
    (copy / "checkpoint").write_bytes(big[0].checkpoint(1000))
    code, found = check()
    assert (code, found["verdict"], first(found)) == (4, "truncated", (600, 999))


def test_older_copy_of_everything_is_rolled_back_only_for_who_remembers(
    big: tuple[Any, Path], check: Run, copy: Path, tmp_path: Path
) -> None:
    shutil.rmtree(copy)
    big[0].export(copy, 600)
    assert check()[0] == 0
    held = tmp_path / "held.ckpt"
    held.write_bytes(big[0].checkpoint(1000))
    code, found = check("--against", held)
    assert (code, found["verdict"]) == (4, "rolled back")


@pytest.mark.parametrize("old", [0, 1, 255, 256, 300, 512, 999, 1000])
def test_continuation_and_fork_are_told_apart(
    big: tuple[Any, Path], check: Run, tmp_path: Path, old: int
) -> None:
    held = tmp_path / "held.ckpt"
    held.write_bytes(big[0].checkpoint(old))
    code, found = check("--against", held)
    assert code == 0
    assert any("continues the checkpoint held" in text for text in found["proved"])
    if old:
        held.write_bytes(big[0].checkpoint(old, root=bytes(32)))
        code, found = check("--against", held)
        assert (code, found["verdict"]) == (4, "forked")


def test_checkpoint_held_of_another_log_is_refused(
    check: Run, make_log: Any, tmp_path: Path
) -> None:
    held = tmp_path / "held.ckpt"
    held.write_bytes(make_log("other/log").checkpoint(0))
    assert check("--against", held)[0] == 3


def test_entries_after_the_checkpoint_are_pending(
    big: tuple[Any, Path], check: Run, copy: Path, tmp_path: Path
) -> None:
    (copy / "checkpoint").write_bytes(big[0].checkpoint(700))
    shutil.copytree(
        big[0].export(tmp_path / "older", 700) / "tile", copy / "tile", dirs_exist_ok=True
    )
    code, found = check()
    assert code == 0
    assert [(s["verdict"], s["first"], s["last"]) for s in found["said"]] == [("pending", 700, 999)]


def test_wider_bundle_stands_in_for_a_deleted_partial_one(
    big: tuple[Any, Path], run: Run, tmp_path: Path
) -> None:
    log, root = big[0], tmp_path / "log"
    log.export(root, 512)
    for level in ("entries", "0"):
        assert not (root / "tile" / level / "001.p").exists()
    (root / "checkpoint").write_bytes(log.checkpoint(300))
    shutil.rmtree(root / "tile/1")
    (root / "tile/1/000.p").mkdir(parents=True)
    (root / "tile/1/000.p/1").write_bytes((big[1] / "tile/1/000.p/3").read_bytes()[:32])
    code, found = run("log", root, "--key", log.ed.vkey)
    assert code == 0, found
    assert found["said"][0]["verdict"] == "pending"


def test_file_the_system_will_not_read_is_unreadable(check: Run, copy: Path) -> None:
    path = copy / "tile/entries/001"
    path.unlink()
    path.mkdir()
    code, found = check()
    assert code == 4
    assert ("unreadable", 256, 511) in [
        (p["verdict"], p["first"], p["last"]) for p in found["problems"]
    ]


def test_time_running_backwards_in_a_signed_log_is_tampering(
    log: Any, run: Run, tmp_path: Path
) -> None:
    log.fill(300)
    log.entries[257] = log.entries[257][:16] + bytes(8) + log.entries[257][24:]
    code, found = run("log", log.export(tmp_path / "log"), "--key", log.ed.vkey)
    assert (code, found["verdict"], first(found)) == (4, "tampered", (257, 257))


def test_own_record_with_a_source_is_tampering(log: Any, run: Run, tmp_path: Path) -> None:
    log.fill(2)
    record = log.add("heartbeat")
    log.entries[record] = log.entries[record][:4] + b"\0\0\0\1" + log.entries[record][8:]
    code, found = run("log", log.export(tmp_path / "log"), "--key", log.ed.vkey)
    assert (code, first(found)) == (4, (2, 2))


def test_gap_records_are_said(log: Any, run: Run, tmp_path: Path) -> None:
    log.fill(2)
    log.add("gap", data={"source": 1, "first": 2, "last": 3})
    code, found = run("log", log.export(tmp_path / "log"), "--key", log.ed.vkey)
    assert (code, found["said"][0]["verdict"]) == (0, "gap declared")


def test_huge_signed_size_without_data_ends_at_once(log: Any, run: Run, tmp_path: Path) -> None:
    log.fill(300)
    root = log.export(tmp_path / "log")
    (root / "checkpoint").write_bytes(log.checkpoint(2**63, root=bytes(32)))
    code, found = run("log", root, "--key", log.ed.vkey)
    assert (code, found["verdict"]) == (4, "truncated")
    assert found["problems"][0]["first"] == 300


def test_no_log_at_all_is_refused(log: Any, run: Run, tmp_path: Path) -> None:
    assert run("log", tmp_path / "nothing", "--key", log.ed.vkey)[0] == 3
    assert run("log", tmp_path, "--key", log.ed.vkey)[0] == 3


class Terminal(io.StringIO):
    """A stderr that somebody watches."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_how_many_entries_are_read_and_nothing_stays(
    big: tuple[Any, Path], copy: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.stderr", Terminal())
    keys = [part for vkey in big[0].keys for part in ("--key", vkey)]
    assert main(["log", str(copy), *keys]) == 0
    drawn = sys.stderr.getvalue()  # type: ignore[attr-defined]
    assert "1,000 of 1,000 entries, 100 %" in drawn
    assert drawn.endswith("\r\x1b[K")
    assert "entries, 100 %" not in capsys.readouterr().out


@pytest.mark.parametrize("watched", [True, False])
def test_neither_json_nor_a_pipe_gets_progress(
    big: tuple[Any, Path], copy: Path, monkeypatch: pytest.MonkeyPatch, watched: bool
) -> None:
    monkeypatch.setattr("sys.stderr", Terminal() if watched else io.StringIO())
    keys = [part for vkey in big[0].keys for part in ("--key", vkey)]
    assert main(["log", str(copy), *keys, *(["--json"] if watched else [])]) == 0
    assert sys.stderr.getvalue() == ""  # type: ignore[attr-defined]


@pytest.mark.parametrize("words", [["log"], ["log", "x", "--bogus"], ["a.zip", "--nosuch"]])
def test_a_wrong_command_line_is_one_json_object_with_json(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["verdict"] == "usage"
    with pytest.raises(SystemExit):
        main(words)
    assert capsys.readouterr().out == ""
