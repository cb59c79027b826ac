"""Attacks by somebody who holds the data keys, or the signing keys too, and writes what fits."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from attack.case import PROVEN, Case, attacked, judge
from attack.conftest import Layout
from attack.lab import ORIGIN, copy_ledger, driven, place_at
from attack.tools import edit_evidence, edit_journal, lie
from indelible.app.place import Place
from indelible.ledger.bodies import BodyCheck
from indelible.ledger.journal import journal_files
from indelible.ledger.publish import LogKeys
from indelible.ledger.register import Register
from indelible.ledger.segments import Segments
from indelible.proof.checkpoint import Checkpoint, sign
from indelible.proof.keys import Ed25519Cosigner, Ed25519Signer, MLDSA44Signer
from indelible.proof.note import parse
from indelible.store.keyring import Keyring

Edit = Callable[[int, list[bytes]], list[bytes]]
KINDS = b'"kind":"event"'


def evidence(first: int, edit: Edit, *, tiles: bool = False) -> Callable[[Place], None]:
    return lambda place: edit_evidence(place, first, edit, tiles=tiles)


def journal(edit: Edit) -> Callable[[Place], None]:
    return lambda place: edit_journal(place, journal_files(place.paths.journal)[1], edit)


def swapped(index: int) -> Edit:
    def edit(first: int, bodies: list[bytes]) -> list[bytes]:
        if first <= index < first + len(bodies) - 1:
            at = index - first
            bodies[at], bodies[at + 1] = bodies[at + 1], bodies[at]
        return bodies

    return edit


def duplicated(index: int) -> Edit:
    def edit(first: int, bodies: list[bytes]) -> list[bytes]:
        if first <= index < first + len(bodies) - 1:
            bodies[index - first + 1] = bodies[index - first]
        return bodies

    return edit


def sent_at(index: int, received: bytes) -> Edit:
    """An event that claims to have been received at another time."""

    def edit(first: int, bodies: list[bytes]) -> list[bytes]:
        if first <= index < first + len(bodies):
            at = index - first
            bodies[at] = re.sub(rb'"received":"[^"]+"', b'"received":"' + received + b'"',
                                bodies[at])
        return bodies

    return edit


def kind_changed(index: int) -> Edit:
    def edit(first: int, bodies: list[bytes]) -> list[bytes]:
        if first <= index < first + len(bodies):
            at = index - first
            bodies[at] = bodies[at].replace(KINDS, b'"kind":"unparsed"')
        return bodies

    return edit


def not_json(index: int) -> Edit:
    def edit(first: int, bodies: list[bytes]) -> list[bytes]:
        if first <= index < first + len(bodies):
            bodies[index - first] = b"{"
        return bodies

    return edit


def fewer(count: int) -> Edit:
    """The last `count` events of [5900, 6300) gone, or all."""

    def edit(first: int, bodies: list[bytes]) -> list[bytes]:
        return bodies[: max(0, 6300 - count - first)]

    return edit


def without(index: int) -> Edit:
    def edit(first: int, bodies: list[bytes]) -> list[bytes]:
        if first <= index < first + len(bodies):
            del bodies[index - first]
        return bodies

    return edit


def no_memory(attack: Callable[[Place], None]) -> Callable[[Place], None]:
    """The same, with the kept checkpoints removed."""

    def both(place: Place) -> None:
        attack(place)
        for path in place.paths.checkpoints.glob("*"):
            path.unlink()

    return both


OLD_TIME = b"2001-01-01T00:00:00.000000Z"
CASES = [
    # One event rewritten under the file's own key: its tile is the smallest range known.
    Case("lie-head", evidence(0, lie(4)), "tampered", (0, 255), "tiles", ""),
    Case("lie-middle", evidence(0, lie(1700)), "tampered", (1536, 1791), "tiles", ""),
    Case("lie-segment-edge", evidence(0, lie(2999)), "tampered", (2816, 3071), "tiles", ""),
    Case("lie-second-segment", evidence(3000, lie(4000)), "tampered", (3840, 4095), "tiles", ""),
    Case("lie-above-tiles", evidence(3000, lie(5150)), "tampered", (3000, 5199), "ids", "forked"),
    Case("reorder", evidence(0, swapped(700)), "tampered", (512, 767), "tiles", ""),
    Case("duplicate", evidence(0, duplicated(700)), "tampered", (512, 767), "tiles", ""),
    Case("kind", evidence(0, kind_changed(300)), "tampered", (256, 511), "tiles", ""),
    Case("received", evidence(0, sent_at(300, OLD_TIME)), "tampered", (0, 1023), "evidence", ""),
    Case("not-json", evidence(0, not_json(300)), "tampered", (0, 1023), "evidence", ""),
    # Tile hashes recomputed too: the kept checkpoints narrow it down.
    Case("lie-with-tiles", evidence(0, lie(1700), tiles=True), "tampered", (0, 2999), "ids",
         "forked"),
    Case("lie-with-tiles-second", evidence(3000, lie(4000), tiles=True), "tampered", (3000, 5199),
         "ids", "forked"),
    Case("lie-with-tiles-no-kept", no_memory(evidence(0, lie(1700), tiles=True)), "tampered",
         (0, 6299), "ids", "forked"),
    # In the journal there are no tile hashes yet.
    Case("journal-lie", journal(lie(6123)), "tampered", (5200, 6299), "journal", "forked"),
    Case("journal-reorder", journal(swapped(6123)), "tampered", (5200, 6299), "journal", "forked"),
    Case("journal-duplicate", journal(duplicated(6123)), "tampered", (5200, 6299), "journal",
         "forked"),
    Case("journal-cut-1", journal(fewer(1)), "truncated", (6299, 6299), "journal", "rolled_back"),
    Case("journal-cut-255", journal(fewer(255)), "truncated", (6045, 6299), "journal",
         "rolled_back"),
    Case("journal-cut-256", journal(fewer(256)), "truncated", (6044, 6299), "journal",
         "rolled_back"),
    Case("journal-cut-all", journal(fewer(400)), "truncated", (5900, 6299), "journal",
         "rolled_back"),
    Case("journal-delete", journal(without(6123)), "truncated", (6299, 6299), "journal",
         "rolled_back"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_forgery_without_the_signing_key_is_named(
    layout: Layout, tmp_path: Path, case: Case
) -> None:
    attacked(layout.now, tmp_path / "copy", case)


@pytest.mark.parametrize(
    ("attack", "index"),
    [
        (evidence(0, lie(1700)), 1700),
        (no_memory(evidence(0, lie(1700), tiles=True)), 1700),
        (evidence(3000, lie(5150)), 5150),
        (journal(lie(6123)), 6123),
    ],
    ids=["evidence", "evidence-and-tiles", "unsealed-edge", "journal"],
)
def test_id_index_narrows_a_forgery_to_the_event(
    layout: Layout, tmp_path: Path, attack: Callable[[Place], None], index: int
) -> None:
    place = copy_ledger(layout.now, tmp_path / "copy")
    attack(place)
    found = [p for p in judge(place).checked.problems if p.area in ("ids", "journal")]
    assert [(p.first, p.last) for p in found] == [(index, index)]


# --- with signing keys


def recomputed(place: Place) -> tuple[int, bytes]:
    """Size and root of what stands in the folder now."""
    keyring = place.keyring(read_only=True)
    segments = Segments(place.paths, ORIGIN, keyring)
    bodies = BodyCheck(
        place.paths, ORIGIN, keyring, segments.rows, sizes=(), needed=(), top=0,
        more=segments.more,
    ).run(0, None, False, lambda _count: None)
    root = bodies.root(bodies.tree(), bodies.size)
    assert root is not None
    return bodies.size, root


def rewrite_history(place: Place, ed: Ed25519Signer, ml: MLDSA44Signer) -> bytes:
    """Change an event and everything that follows from it, sign, and put the register right."""
    edit_evidence(place, 0, lie(1700), tiles=True)
    for path in place.paths.checkpoints.glob("*"):
        path.unlink()
    size, root = recomputed(place)
    note = sign(Checkpoint(ORIGIN, size, root), ed, ml, 1_800_000_000)
    place.paths.checkpoint.write_bytes(note)
    Register.create(place.settings.state, ORIGIN, size, root, 9).close()
    return note


def log_keys(place: Place) -> LogKeys:
    return LogKeys(ORIGIN, place.keyring(read_only=True))


def policy(*lines: str) -> str:
    return "\n".join(lines) + "\n"


def pinned(place: Place) -> str:
    """A verification policy with the log's keys, as an auditor wrote them down long ago."""
    return policy("[log]", f"keys = {list(log_keys(place).vkeys().values())!r}".replace("'", '"'))


def test_history_signed_with_another_key_is_not_the_logs(layout: Layout, tmp_path: Path) -> None:
    place = copy_ledger(layout.now, tmp_path / "copy")
    rewrite_history(place, Ed25519Signer(ORIGIN, b"e" * 32), MLDSA44Signer(ORIGIN, b"m" * 32))
    found = judge(place)
    assert (found.verify, found.opens) == ("not signed by the given key", "damaged")


def test_history_signed_with_another_keyring_only_a_pinned_key_shows(
    layout: Layout, tmp_path: Path
) -> None:
    """Who holds the whole machine can make it believe other keys: pin the log's key elsewhere."""
    place = copy_ledger(layout.now, tmp_path / "copy")
    demanded = pinned(place)
    shutil.rmtree(tmp_path / "made", ignore_errors=True)
    forged, _ = Keyring.create(tmp_path / "made", ORIGIN)
    keys = LogKeys(ORIGIN, forged)
    rewrite_history(place, keys.ed25519[-1], keys.mldsa44[-1])
    found = judge(place, verification_policy=demanded)
    assert found.verify == "not signed by the given key"


def test_history_rewritten_with_the_real_key_is_consistent_and_said_to_be_unwitnessed(
    layout: Layout, tmp_path: Path
) -> None:
    place = copy_ledger(layout.now, tmp_path / "copy")
    keys = log_keys(place)
    rewrite_history(place, keys.ed25519[-1], keys.mldsa44[-1])
    found = judge(place)
    assert found.report is not None
    assert (found.verify, found.opens) == (PROVEN, "")
    assert [(s.verdict, s.first, s.last) for s in found.report.said] == [("unwitnessed", 0, 6299)]


@pytest.mark.parametrize("size", [3000, 5200, 5900, 6300])
def test_history_rewritten_with_the_real_key_contradicts_any_checkpoint_kept_elsewhere(
    layout: Layout, tmp_path: Path, size: int
) -> None:
    place = copy_ledger(layout.now, tmp_path / "copy")
    keys = log_keys(place)
    rewrite_history(place, keys.ed25519[-1], keys.mldsa44[-1])
    found = judge(place, against=layout.notes[size])
    assert found.verify == "forked"


WITNESS = Ed25519Cosigner("witness.example/one", b"w" * 32)


def cosigned(note: bytes, seconds: int) -> bytes:
    return note + WITNESS.cosign(parse(note).text, seconds).encode()


def witness_policy(place: Place, *more: str) -> str:
    return pinned(place) + policy("[witnesses]", f'keys = ["{WITNESS.vkey}"]', *more)


def test_cosignature_kept_in_the_folder_contradicts_a_rewritten_history(
    layout: Layout, tmp_path: Path
) -> None:
    place = copy_ledger(layout.now, tmp_path / "copy")
    demanded = witness_policy(place)
    keys = log_keys(place)
    rewrite_history(place, keys.ed25519[-1], keys.mldsa44[-1])
    note = cosigned(layout.notes[5900], 1_800_000_000)
    (place.paths.checkpoints / "cosigned-0123456789abcdef").write_bytes(note)
    assert judge(place, verification_policy=demanded).verify == "forked"


def test_demanded_witness_that_never_saw_a_rewritten_history_is_missed(
    layout: Layout, tmp_path: Path
) -> None:
    place = copy_ledger(layout.now, tmp_path / "copy")
    demanded = witness_policy(place)
    keys = log_keys(place)
    rewrite_history(place, keys.ed25519[-1], keys.mldsa44[-1])
    found = judge(place, verification_policy=demanded)
    assert found.report is not None
    assert (found.verify, found.report.exit) == ("unwitnessed", 4)


def test_cosignature_that_does_not_verify_is_tampering(layout: Layout, tmp_path: Path) -> None:
    place = copy_ledger(layout.now, tmp_path / "copy")
    other = cosigned(layout.notes[5900], 1_800_000_000).splitlines(keepends=True)[-1]
    path = place.paths.checkpoint
    path.write_bytes(path.read_bytes() + other)
    assert judge(place, verification_policy=witness_policy(place)).verify == "tampered"


# --- older states and second copies


def test_older_folder_is_caught_by_the_register(layout: Layout, tmp_path: Path) -> None:
    place = copy_ledger(layout.now, tmp_path / "copy")
    shutil.rmtree(place.data / "ledger")
    shutil.copytree(layout.older / "data" / "ledger", place.data / "ledger")
    found = judge(place)
    assert (found.verify, found.opens) == ("rolled back", "rolled_back")
    assert found.checked.verdict == "whole"


def test_older_folder_keys_and_register_are_consistent_and_said_to_be_unwitnessed(
    layout: Layout, tmp_path: Path
) -> None:
    place = copy_ledger(layout.older, tmp_path / "copy")
    found = judge(place)
    assert found.report is not None
    assert (found.verify, found.opens, found.report.size) == (PROVEN, "", 5900)
    assert [s.verdict for s in found.report.said] == ["unwitnessed"]


def test_older_folder_keys_and_register_are_caught_by_a_checkpoint_kept_elsewhere(
    layout: Layout, tmp_path: Path
) -> None:
    place = copy_ledger(layout.older, tmp_path / "copy")
    assert judge(place, against=layout.notes[6300]).verify == "rolled back"
    assert judge(place, against=layout.notes[5200]).verify == PROVEN


def test_older_state_is_stale_for_who_demands_fresh_cosignatures(
    layout: Layout, tmp_path: Path
) -> None:
    place = copy_ledger(layout.older, tmp_path / "copy")
    path = place.paths.checkpoint
    path.write_bytes(cosigned(path.read_bytes(), 1_700_000_000))
    demanded = witness_policy(place, 'max_age = "10m"')
    assert judge(place, verification_policy=demanded).verify == "stale"


def test_two_copies_under_one_key_fork(layout: Layout, tmp_path: Path) -> None:
    notes = []
    for name, seed in (("one", 1), ("two", 2)):
        place = copy_ledger(layout.now, tmp_path / name)
        with driven(place) as ledger:
            ledger.append(100, seed=seed)
            notes.append(ledger.publish())
            ledger.append(50, seed=seed)
            ledger.publish()
    place = place_at(tmp_path / "one")
    assert judge(place).verify == PROVEN
    assert judge(place, against=notes[0]).verify == PROVEN
    assert judge(place, against=notes[1]).verify == "forked"


def test_second_writer_on_a_copy_under_one_register_is_fenced(
    layout: Layout, tmp_path: Path
) -> None:
    from indelible.ledger.register import Fenced

    first = copy_ledger(layout.now, tmp_path / "one")
    shutil.copytree(first.data, tmp_path / "two" / "data")
    second = Place(tmp_path / "two" / "data", first.settings)
    with driven(first) as one:
        one.append(10)
        with driven(second) as two:
            two.append(10, seed=2)
            two.publish()
            with pytest.raises(Fenced):
                one.publish()
    assert judge(first).verify == "forked"


# --- the clock


@pytest.mark.parametrize("step", [-400 * 86_400, -3_600, 3_600, 400 * 86_400])
def test_stepped_clock_never_breaks_the_order_of_times(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    import time

    place = copy_ledger(layout.now, tmp_path / "copy")
    real = time.time_ns
    monkeypatch.setattr("time.time_ns", lambda: real() + step * 1_000_000_000)
    with driven(place) as ledger:
        ledger.append(300)
        ledger.publish()
        ledger.seal()
        ledger.publish(keep=True)
    monkeypatch.undo()
    with driven(place) as ledger:
        ledger.append(100)
        ledger.publish()
    found = judge(place)
    assert (found.verify, found.checked.verdict, found.opens) == (PROVEN, "whole", "")
