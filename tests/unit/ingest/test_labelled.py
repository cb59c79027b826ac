"""Every parser says of every labelled message what its label says."""

from __future__ import annotations

import json

import pytest

from indelible.ingest.parsers.contract import Given
from indelible.ingest.parsers.finish import opened
from indelible.ingest.parsers.table import all_parsers, recognised
from support.labelled import FOLDER, Case, cases, differences

ALL = list(cases())
LEAST = 12
"""Labelled messages of a format of the first wave."""


@pytest.mark.parametrize("case", ALL, ids=lambda case: f"{case.format}-{case.number}")
def test_a_parser_says_what_the_label_says(case: Case) -> None:
    found = list(differences(case, case.parsed()))
    assert not found, f"{case.label.get('why', '')}: {found}"


@pytest.mark.parametrize("parser", all_parsers(), ids=lambda parser: parser.name)
def test_every_format_has_enough_labels_with_their_source(parser: object) -> None:
    name = parser.name  # type: ignore[attr-defined]
    labels = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    assert len(labels) >= LEAST
    for label in labels:
        assert label["from"], label
        assert label["why"], label
        assert ("event" in label) != ("unparsed" in label), label


@pytest.mark.parametrize("case", ALL, ids=lambda case: f"{case.format}-{case.number}")
def test_auto_recognises_its_format_and_says_why(case: Case) -> None:
    if case.label.get("auto", True) is False:
        return
    given: Given = case.given
    found = recognised(opened(case.raw), given)
    assert found is not None
    parser, why = found
    assert why
    assert parser.name == case.format
