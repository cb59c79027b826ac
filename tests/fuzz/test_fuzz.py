"""A fixed sample of the fuzz campaign."""

from __future__ import annotations

import pytest

from fuzz.targets import TARGETS, Target, fuzz


@pytest.mark.parametrize("target", TARGETS, ids=lambda one: str(one.name))
def test_mutated_input_is_refused_as_documented_or_means_what_it_says(target: Target) -> None:
    counts = fuzz(target, seed="sample", cases=150)
    assert counts["refused"] > 0 or target.name == "cloudtrail"  # which keeps what it cannot read
