"""The table in `docs/security.md` and the tests name the same attacks."""

from __future__ import annotations

import re
from pathlib import Path

from attack import test_evidence, test_forgers, test_journal, test_small_files

ROOT = Path(__file__).parents[2]
TABLE = (ROOT / "docs" / "security.md").read_text("utf-8")
GROUPS = {
    "journal": test_journal.CASES, "evidence": test_evidence.EVIDENCE,
    "tiles": test_evidence.TILES, "manifest": test_evidence.MANIFEST, **test_small_files.ALL,
    "forged": test_forgers.CASES,
}


def named(pattern: str) -> list[str]:
    return [found.strip("`") for found in re.findall(f"`{pattern}`", TABLE)]


def test_every_case_has_one_place_in_the_table_and_every_row_is_a_case() -> None:
    ours = [f"{group}/{case.name}" for group, cases in GROUPS.items() for case in cases]
    theirs = named(rf"(?:{'|'.join(GROUPS)})/[a-z0-9-]+")
    assert sorted(theirs) == sorted(ours)


def test_every_verdict_in_a_row_is_that_of_its_cases() -> None:
    verdicts = {f"{g}/{c.name}": c.verify for g, cases in GROUPS.items() for c in cases}
    for line in TABLE.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) != 6 or "`" not in cells[5]:
            continue
        for case in re.findall(r"`([a-z]+/[a-z0-9-]+)`", cells[5]):
            said = "an error, exit 4" if verdicts[case] in ("key_missing", "damaged") else None
            assert cells[1].startswith(said or verdicts[case]), (case, cells[1])


def test_every_test_that_the_table_names_is_there() -> None:
    found = named(r"test_[a-z_]+\.py::test_[a-z0-9_]+")
    assert len(found) > 20
    folders = (Path(__file__).parent, ROOT / "packages" / "verify" / "tests")
    for name in found:
        file, test = name.split("::")
        texts = [(f / file).read_text("utf-8") for f in folders if (f / file).is_file()]
        assert any(f"def {test}(" in text for text in texts), name
