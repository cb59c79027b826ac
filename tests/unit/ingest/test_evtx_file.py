"""Binary event logs: what is asked of the library, and what is said when it is not there."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from indelible.base.errors import BadRequest
from indelible.ingest.evtx_file import Damaged, event_texts, is_event_log


class Library(ModuleType):
    """Stands in for `evtx`: records that are texts, or errors to raise."""

    def __init__(self, records: list[str | Exception]) -> None:
        super().__init__("evtx")
        self.records = iter(records)
        self.options: dict[str, Any] = {}

    def PyEvtxParser(self, file: object, **options: Any) -> Library:
        """The library's one entry."""
        self.options = options
        return self

    def __iter__(self) -> Iterator[dict[str, str]]:
        return self

    def __next__(self) -> dict[str, str]:
        found = next(self._records)
        if isinstance(found, Exception):
            raise found
        return {"data": found}


def installed(monkeypatch: pytest.MonkeyPatch, records: list[str | Exception]) -> Library:
    """A library with these records."""
    library = Library([])
    library._records = iter(records)  # type: ignore[attr-defined]
    library.records = lambda: library  # type: ignore[assignment, method-assign]
    monkeypatch.setitem(sys.modules, "evtx", library)
    return library


def test_the_beginning_tells_an_event_log() -> None:
    assert is_event_log(b"ElfFile\x00\x00\x00")
    assert not is_event_log(b"ElfChnk\x00")
    assert not is_event_log(b"")


def test_without_the_library_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "evtx", None)
    with pytest.raises(BadRequest, match=r"extra `evtx`") as caught:
        next(event_texts(io.BytesIO(), "Security.evtx"))
    assert "Security.evtx" in str(caught.value)
    assert "pip install" in str(caught.value.as_dict()["remedy"])


def test_a_damaged_part_costs_only_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, ["<a/>", RuntimeError("chunk 2"), "<b/>"])
    assert list(event_texts(io.BytesIO(), "f")) == ["<a/>", Damaged("chunk 2"), "<b/>"]


def test_a_library_that_does_not_get_on_ends_the_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, [RuntimeError("stuck")] * 1_000)
    assert list(event_texts(io.BytesIO(), "f")) == [Damaged("stuck"), Damaged("stuck")]


def test_records_are_asked_for_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    library = installed(monkeypatch, ["<a/>", "<b/>"])
    texts = event_texts(io.BytesIO(), "f")
    assert next(texts) == "<a/>"
    assert library.options == {"number_of_threads": 1, "indent": False}
    assert list(library._records) == ["<b/>"]  # type: ignore[attr-defined]


def test_a_file_that_is_no_event_log_is_refused_by_name() -> None:
    pytest.importorskip("evtx", reason="the extra evtx is not installed")
    with pytest.raises(BadRequest, match=r"notes\.txt"):
        next(event_texts(io.BytesIO(b"hello"), "notes.txt"))
