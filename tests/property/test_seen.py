"""The id index against the obvious dictionary, over any order of batches, seals and restarts."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from indelible.ledger.seen import Seen, compact, record, seal_run, sweep

SECRET = b"p" * 32
EVENT = st.tuples(st.sampled_from("abcdefgh"), st.sampled_from([b"x", b"y", b"z"]))
STEP = st.one_of(
    st.lists(EVENT, min_size=1, max_size=6), st.sampled_from(["seal", "restart", "reload"])
)


class Model:
    """First index of every id, and index of every (id, content) that was stored."""

    def __init__(self) -> None:
        self.first: dict[str, int] = {}
        self.exact: dict[tuple[str, bytes], int] = {}
        self.events: list[tuple[str, bytes, bool]] = []

    def offer(self, name: str, content: bytes) -> tuple[int, bool] | None:
        at = self.exact.get((name, content))
        if at is not None:
            return at, True
        first = self.first.get(name)
        self.exact[name, content] = index = len(self.events)
        self.first.setdefault(name, index)
        self.events.append((name, content, first is not None))
        return None if first is None else (first, False)


def key_and_digest(seen: Seen, name: str, content: bytes) -> tuple[bytes, bytes]:
    return seen.fingerprint(3, name), seen.digest(content)


def offer(seen: Seen, model: Model, batch: list[tuple[str, bytes]]) -> None:
    keys = [key_and_digest(seen, *event) for event in batch]
    answers = seen.decide([key for key, _ in keys], [digest for _, digest in keys])
    given_index: dict[int, int] = {}
    for position, ((key, digest), answer) in enumerate(zip(keys, answers, strict=True)):
        index = len(model.events)
        expected = model.offer(*batch[position])
        assert (answer is None) == (expected is None)
        if answer is not None and expected is not None:
            told = answer.index if answer.index >= 0 else given_index[-1 - answer.index]
            assert (told, answer.same) == expected
        if answer is None or not answer.same:
            given_index[position] = index
            seen.commit(key, digest, index, conflict=answer is not None)


def seal(folder: Path, seen: Seen, model: Model) -> None:
    first, end = seen.sealed_end, len(model.events)
    if first == end:
        return
    records = []
    for index in range(first, end):
        name, content, conflict = model.events[index]
        key, digest = key_and_digest(seen, name, content)
        records.append(record(seen.variant(key, digest) if conflict else key, digest, index))
    seal_run(folder, SECRET, first, end, b"".join(records))
    compact(folder, SECRET)
    seen.reload()
    seen.forget_below(seen.sealed_end)
    sweep(folder)


def restart(folder: Path, model: Model) -> Seen:
    seen = Seen(folder, SECRET)
    for index in range(seen.sealed_end, len(model.events)):
        name, content, conflict = model.events[index]
        seen.commit(*key_and_digest(seen, name, content), index, conflict)
    return seen


@settings(max_examples=60, deadline=None)
@given(st.lists(STEP, max_size=30))
def test_index_answers_as_a_dictionary_would(
    steps: list[list[tuple[str, bytes]] | str],
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = Model()
        seen = Seen(folder, SECRET)
        for step in steps:
            if step == "seal":
                seal(folder, seen, model)
            elif step == "restart":
                seen = restart(folder, model)
            elif step == "reload":
                seen.reload()
            else:
                assert isinstance(step, list)
                offer(seen, model, step)
