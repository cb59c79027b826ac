"""A fixed sample of the fuzz campaign."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from fuzz.guided import guided
from fuzz.parser_targets import PARSER_TARGETS
from fuzz.targets import TARGETS, Target, fuzz


@pytest.mark.parametrize("target", PARSER_TARGETS, ids=lambda one: str(one.name))
def test_a_foreign_message_is_kept_whatever_it_says(target: Target) -> None:
    fuzz(target, seed="sample", cases=200)


@pytest.mark.skipif(find_spec("atheris") is None, reason="atheris is not installed")
def test_inputs_that_seek_new_paths_find_none_that_fails() -> None:
    done = guided("parser_auto", runs=2_000, seconds=60)
    assert done.returncode == 0, done.stderr[-3_000:]
    assert "Done 2000" in done.stderr


@pytest.mark.parametrize("target", TARGETS, ids=lambda one: str(one.name))
def test_mutated_input_is_refused_as_documented_or_means_what_it_says(target: Target) -> None:
    counts = fuzz(target, seed="sample", cases=150)
    assert counts["refused"] > 0 or target.name == "cloudtrail"  # which keeps what it cannot read
