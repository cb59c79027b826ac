"""A name that is no parser's is answered with those that may be meant."""

from __future__ import annotations

import pytest

from indelible.base.errors import BadRequest
from indelible.ingest.parsers.table import parser_named


@pytest.mark.parametrize(
    ("name", "meant"),
    [("linux-auth", "linux_auth"), ("cloud_trail", "cloudtrail"), ("Kubernetes", "kubernetes")],
)
def test_a_name_nearly_right_is_answered_with_the_right_one(name: str, meant: str) -> None:
    with pytest.raises(BadRequest) as no:
        parser_named(name)
    assert f"perhaps {meant}" in no.value.message


def test_a_name_like_no_other_is_answered_with_where_to_look() -> None:
    with pytest.raises(BadRequest) as no:
        parser_named("q" * 5_000)
    assert "perhaps" not in no.value.message
    assert "when the server starts" in no.value.remedy
