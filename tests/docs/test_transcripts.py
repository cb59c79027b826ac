"""What the documents show is what happens: their console blocks are run and compared."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from tests.docs import transcript

from support.served import free_port

ROOT = Path(__file__).parents[2]
DOCUMENTS = ("README.md", "docs/tutorial.md", "docs/howto/verify-by-hand.md")
TOOLS = ("curl", "openssl", "zstd", "zip", "unzip", "basenc", "sha256sum")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_transcript_shows_what_really_happens(document: str, tmp_path: Path) -> None:
    text = (ROOT / document).read_text("utf-8")
    commands = "\n".join(step.command for step in transcript.steps_of(text))
    missing = [tool for tool in TOOLS if tool in commands and shutil.which(tool) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} is not installed")
    ran = transcript.run(text, tmp_path, free_port())
    assert ran, f"{document} shows no console block"
    for one, after in zip(ran, [*ran[1:], None], strict=True):
        where = f"{document}:{one.step.line}: $ {one.step.command}\n{one.printed}"
        assert transcript.matches(one.step.expected, one.printed), where
        told = after is not None and after.step.command == "echo $?"
        assert one.code == 0 or told, f"exit code {one.code}\n{where}"


def test_a_reader_can_follow_one_document_after_the_other() -> None:
    origins = [
        re.findall(r"^\$ indelible init .*--origin (\S+)", (ROOT / name).read_text("utf-8"), re.M)
        for name in DOCUMENTS
    ]
    found = [origin for one in origins for origin in one]
    assert len(found) == len(set(found)) == len(DOCUMENTS)


def test_nothing_is_installed_that_is_not_to_be_had() -> None:
    pages = [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"]
    asked = [re.findall(r"pip install [^\n`]*", page.read_text("utf-8")) for page in pages]
    ours = [line for lines in asked for line in lines if "indelible" in line]
    assert ours == []


@pytest.mark.parametrize(
    ("expected", "printed", "fits"),
    [
        ("a\nb\n", "a\nb\n", True),
        ("a\n", "a\nb\n", False),
        ("a ... c\n", "a b b c\n", True),
        ("a ... c\n", "a b\nb c\n", False),
        ("a\n...\nd\n", "a\nb\nc\nd\n", True),
        ("a\n...\nd\n", "a\nd\n", True),
        ("", "", True),
        ("", "surprise\n", False),
        ("...\n", "", True),
        ("at 2026-03-03 09:14:07, 1.2 kB\n", "at 2027-01-01 00:00:00, 12 kB\n", True),
        ("event 6, size 7\n", "event 6, size 12,000\n", True),
        ("event 6\n", "event 7\n", False),
    ],
)
def test_an_ellipsis_stands_for_anything_and_nothing_else_does(
    expected: str, printed: str, fits: bool
) -> None:
    assert transcript.matches(expected, printed) is fits


def test_commands_and_what_they_print_are_told_apart() -> None:
    text = "```console\n$ one \\\n> two\nout\n\n$ three\n```\n```sh\n$ no\n```\n"
    assert [(s.command, s.expected) for s in transcript.steps_of(text)] == [
        ("one \\\ntwo", "out\n\n"), ("three", ""),
    ]
