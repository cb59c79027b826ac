from __future__ import annotations

import re
from pathlib import Path

import pytest

from indelible.base import limits
from indelible.language import parse
from indelible.language.names import FAMILIES, all_names
from indelible.language.values import CLOSED

REFERENCE = (Path(__file__).parents[3] / "docs" / "reference" / "search.md").read_text()
ROWS = [line for line in REFERENCE.splitlines() if line.startswith("| `")]


@pytest.mark.parametrize("name", [name for name in all_names() if not name.endswith(".")])
def test_every_name_has_a_row_in_the_reference(name: str) -> None:
    assert any(f"`{name}`" in row.split("|")[1] for row in ROWS)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_of_names_is_in_the_reference(family: str) -> None:
    assert re.search(rf"^\| `{family}\.[A-Z]+` \|", REFERENCE, re.MULTILINE)


@pytest.mark.parametrize("field", CLOSED)
def test_closed_sets_are_in_the_reference_in_their_order(field: str) -> None:
    row = next(row for row in ROWS if row.startswith(f"| `{field}` "))
    assert ", ".join(CLOSED[field]) in row


def test_limits_in_the_reference_are_those_in_force() -> None:
    for limit in (limits.QUERY_CHARS, limits.QUERY_TERMS, limits.JSON_DEPTH):
        assert f"{limit:,}" in REFERENCE.split("## Limits")[1]


@pytest.mark.parametrize(
    "example",
    [
        found
        for found in re.findall(r"`([^`]+)`", REFERENCE.replace("```", ""))
        if re.match(r"^-?[a-z.]+:[^ ]", found)
    ],
)
def test_examples_of_the_reference_parse(example: str) -> None:
    parse(example, 1_772_539_200_000_000)
