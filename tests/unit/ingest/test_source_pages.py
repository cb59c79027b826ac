"""The pages of these sources name whatever their parsers put into `data` and `labels`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.labelled import cases

DOCS = Path(__file__).parents[3] / "docs" / "sources"
OWN = ("guessed",)


@pytest.mark.parametrize(
    ("parser", "page"),
    [("okta", "okta"), ("github", "github"), ("github_webhook", "github"),
     ("kubernetes", "kubernetes"), ("cloudtrail", "cloudtrail")],
)
def test_every_member_of_data_and_every_label_is_documented(parser: str, page: str) -> None:
    text = (DOCS / f"{page}.md").read_text("utf-8")
    for case in cases(parser):
        found = case.parsed()
        event = json.loads(found.content)
        for part in ("data", "labels"):
            for name in event.get(part, {}):
                assert name in OWN or f"`{part}.{name}`" in text, (part, name)
