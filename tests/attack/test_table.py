"""The table in `docs/security.md` and the tests name the same attacks."""

from __future__ import annotations

import re
from pathlib import Path

from attack import (
    test_databases,
    test_derived,
    test_evidence,
    test_forgers,
    test_journal,
    test_small_files,
    test_tiles,
)
from attack.case import PROVEN, Case

ROOT = Path(__file__).parents[2]
TABLE = (ROOT / "docs" / "security.md").read_text("utf-8")
PARTS: list[dict[str, list[Case]]] = [
    {
        "journal": test_journal.CASES, "evidence": test_evidence.EVIDENCE,
        "tiles": test_evidence.TILES, "manifest": test_evidence.MANIFEST,
        "forged": test_forgers.CASES,
    },
    {"tiles": [*test_tiles.LEVEL_1, *test_tiles.LEVEL_2]}, test_small_files.ALL,
    test_databases.ALL, test_derived.ALL,
]
CASES = {
    f"{group}/{case.name}": case
    for part in PARTS for group, cases in part.items() for case in cases
}
GROUPS = {name.split("/")[0] for name in CASES}


def named(pattern: str) -> list[str]:
    return [found.strip("`") for found in re.findall(f"`{pattern}`", TABLE)]


def rows() -> list[tuple[list[str], list[str]]]:
    """The cells of each row, and the cases that it names."""
    found = []
    for line in TABLE.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        cases = re.findall(rf"`((?:{'|'.join(GROUPS)})/[a-z0-9-]+)`", cells[-1])
        if cases:
            found.append((cells, cases))
    return found


def test_every_case_has_one_place_in_the_table_and_every_row_is_a_case() -> None:
    ours = [
        f"{group}/{case.name}" for part in PARTS for group, cases in part.items() for case in cases
    ]
    theirs = [case for _, cases in rows() for case in cases]
    assert sorted(theirs) == sorted(ours)
    assert sorted(theirs) == sorted(named(rf"(?:{'|'.join(GROUPS)})/[a-z0-9-]+"))


def test_every_verdict_in_a_row_is_that_of_its_cases() -> None:
    wrong = []
    for cells, names in rows():
        for name in names:
            case = CASES[name]
            error = case.verify in ("key_missing", "damaged")
            verify = "an error, exit 4" if error else case.verify
            fsck, serve = "damaged" if case.fsck else "whole", "refuses" if case.opens else "starts"
            if len(cells) == 3:  # bytes without meaning: nobody is told anything
                due, told = [PROVEN, "whole", "starts"], [verify, fsck, serve]
            else:
                due, told = [verify, fsck, serve], [cells[1], *cells[3:5]]
            wrong += [(name, cell, word) for word, cell in zip(due, told, strict=True)
                      if not re.match(rf"{word}\b", cell)]
    assert wrong == []


def test_every_test_that_the_table_names_is_there() -> None:
    found = named(r"test_[a-z_]+\.py::test_[a-z0-9_]+")
    assert len(found) > 20
    folders = (Path(__file__).parent, ROOT / "packages" / "verify" / "tests")
    for name in found:
        file, test = name.split("::")
        texts = [(f / file).read_text("utf-8") for f in folders if (f / file).is_file()]
        assert any(f"def {test}(" in text for text in texts), name
