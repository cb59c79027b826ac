"""Journal recovery: a cut, a flip or rubbish at any byte never gives back a wrong event."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from indelible.base.errors import Damaged
from indelible.ledger.journal import JournalReader, journal_files
from indelible.store.keyring import Keyring
from support.opened import ORIGIN, create, open_ledger, work

BATCHES = (1, 5, 2, 9, 1, 4, 3)
SIGNED = 3
"""So many batches were signed: the register knows their size."""

AT = st.floats(min_value=0, max_value=1, exclude_max=True)
EXAMPLES = settings(max_examples=40, deadline=None)


class Sample(NamedTuple):
    """A ledger as a crash left it, or a clean stop: `offsets[n]` is where batch n begins."""

    root: Path
    bodies: list[bytes]
    content: bytes
    offsets: list[int]
    ends: list[int]
    signed: int


def written(root: Path, *, crashed: bool, signed: int = SIGNED) -> Sample:
    """One ledger of several batches, the first `signed` ones of which are signed."""
    live = root / "live"
    create(live)
    ledger = open_ledger(live)
    ends, offsets = [0], [ledger.writer.where().offset]
    for number, count in enumerate(BATCHES, 1):
        ledger.writer.append([work(ends[-1], count, ids=True)])
        ends.append(ends[-1] + count)
        offsets.append(ledger.writer.where().offset)
        if number == signed:
            head = ledger.tree.root(ends[-1])
            ledger.publisher.publish(ends[-1], head, ledger.clock.now_us())
    bodies = [one.body for one in ledger.reader.many(range(ends[-1]))]
    if crashed:
        shutil.copytree(live, root / "as-left")
        ledger.close()
    else:
        ledger.close()
        shutil.copytree(live, root / "as-left")
    content = newest(root / "as-left").read_bytes()
    return Sample(root / "as-left", bodies, content, offsets, ends, ends[signed])


def newest(root: Path) -> Path:
    """The journal file that is being written."""
    return journal_files(root / "data" / "ledger" / "journal")[-1]


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return written(tmp_path_factory.mktemp("crashed"), crashed=True)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return written(tmp_path_factory.mktemp("stopped"), crashed=False)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """Killed before anything was signed."""
    return written(tmp_path_factory.mktemp("fresh"), crashed=True, signed=0)


@contextmanager
def altered(sample: Sample, content: bytes) -> Iterator[Path]:
    """A copy of the sample whose newest journal file holds `content`."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "copy"
        shutil.copytree(sample.root, root)
        newest(root).write_bytes(content)
        yield root


def recovered(root: Path) -> list[bytes]:
    """Every body of the ledger as the next start has it; raises `Damaged`."""
    ledger = open_ledger(root)
    try:
        return [one.body for one in ledger.reader.many(range(ledger.tree.size))]
    finally:
        ledger.close()


def refused(root: Path, content: bytes) -> bool:
    """Whether the ledger does not open; the file then is as it was."""
    path = newest(root)
    try:
        open_ledger(root).close()
    except Damaged:
        assert path.exists(), "a refused file was removed"
        assert path.read_bytes() == content, "a refused file was changed"
        return True
    return False


def whole_batches(sample: Sample, size: int) -> int:
    """How many events stand in the batches that a file of `size` bytes holds whole."""
    return max(
        end for end, offset in zip(sample.ends, sample.offsets, strict=True) if offset <= size
    )


@given(st.data())
@EXAMPLES
def test_any_cut_gives_whole_batches_back_or_is_refused(
    crashed: Sample, stopped: Sample, data: st.DataObject
) -> None:
    sample = data.draw(st.sampled_from([crashed, stopped]))
    size = data.draw(st.integers(sample.offsets[0], len(sample.content)))
    with altered(sample, sample.content[:size]) as root:
        kept = whole_batches(sample, size)
        if kept < sample.signed:
            assert refused(root, sample.content[:size])
        else:
            assert recovered(root) == sample.bodies[:kept]
            assert recovered(root) == sample.bodies[:kept]  # and so it stays


@given(AT)
@example(0.0)
@EXAMPLES
def test_a_cut_inside_the_header_never_loses_what_was_signed(
    crashed: Sample, place: float
) -> None:
    content = crashed.content[: int(place * crashed.offsets[0])]
    with altered(crashed, content) as root:
        assert refused(root, content)


@given(st.data(), AT, st.integers(1, 255))
@EXAMPLES
def test_a_flipped_byte_is_refused_or_costs_an_unsigned_end_only(
    crashed: Sample, stopped: Sample, data: st.DataObject, place: float, mask: int
) -> None:
    sample = data.draw(st.sampled_from([crashed, stopped]))
    content = bytearray(sample.content)
    at = int(place * len(content))
    content[at] ^= mask
    with altered(sample, bytes(content)) as root:
        if refused(root, bytes(content)):
            return
        found = recovered(root)
        assert found == sample.bodies[: len(found)]
        assert len(found) >= sample.signed
        assert len(found) == whole_batches(sample, at), "a whole batch before the flip is lost"
        torn = list((root / "data" / "ledger" / "quarantine").iterdir())
        assert [one.read_bytes() for one in torn] == [bytes(content[sample.offsets[
            sample.ends.index(len(found))]:])]


@pytest.mark.parametrize("at", range(40))
@pytest.mark.parametrize("bit", [0, 6, 7])
def test_a_flip_in_the_header_is_refused_and_removes_nothing(
    crashed: Sample, at: int, bit: int
) -> None:
    content = bytearray(crashed.content)
    content[at] ^= 1 << bit
    with altered(crashed, bytes(content)) as root:
        assert refused(root, bytes(content))


@given(st.binary(min_size=1, max_size=200))
@EXAMPLES
def test_rubbish_behind_the_last_record_costs_nothing(crashed: Sample, rubbish: bytes) -> None:
    with altered(crashed, crashed.content + rubbish) as root:
        assert recovered(root) == crashed.bodies


@given(st.binary(min_size=1, max_size=200))
@EXAMPLES
def test_nothing_may_follow_a_closing_record(stopped: Sample, rubbish: bytes) -> None:
    content = stopped.content + rubbish
    with altered(stopped, content) as root:
        assert refused(root, content)


@given(st.data())
@EXAMPLES
def test_a_batch_taken_out_or_put_elsewhere_is_refused(
    crashed: Sample, data: st.DataObject
) -> None:
    starts = crashed.offsets
    records = [crashed.content[low:high] for low, high in pairwise(starts)]
    order = data.draw(
        st.lists(st.sampled_from(range(len(records))), max_size=len(records) + 1).filter(
            lambda found: found != list(range(len(found)))
        )
    )
    content = crashed.content[: starts[0]] + b"".join(records[n] for n in order)
    with altered(crashed, content) as root:
        assert refused(root, content)


def test_every_index_is_read_from_its_own_batch(crashed: Sample) -> None:
    keyring = Keyring(crashed.root / "keys", ORIGIN, read_only=True)
    for index, body in enumerate(crashed.bodies):
        reader = JournalReader(newest(crashed.root), ORIGIN, keyring)
        batch = reader.batch_of(index)
        assert batch is not None
        assert batch.bodies[index - batch.first] == body
        reader.close()
    keyring.close()


@pytest.mark.parametrize("at", [0, 1])
@pytest.mark.parametrize("bit", range(8))
def test_a_flip_in_the_header_of_unsigned_events_does_not_remove_them(
    fresh: Sample, at: int, bit: int
) -> None:
    content = bytearray(fresh.content)
    content[at] ^= 1 << bit
    with altered(fresh, bytes(content)) as root:
        assert refused(root, bytes(content))
