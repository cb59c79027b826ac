"""What a verification policy may say: the specification's units and numbers, nothing like them."""

from __future__ import annotations

import pytest

from indelible.proof.verification_policy import BadVerificationPolicy, parse_verification_policy

WITNESS = "witness.example+20bc7f2b+BMhTrQ8M0rYZrqks7sT9VqJNZJnVhM55JX5Fz9gTm2Cn"


@pytest.mark.parametrize(
    ("line", "seconds"), [('"90s"', 90), ('"15m"', 900), ('"2h"', 7200), ('"7d"', 604_800)]
)
def test_ages_have_the_units_of_the_specification(line: str, seconds: int) -> None:
    text = f'[witnesses]\nkeys = ["{WITNESS}"]\nmax_age = {line}\n'
    assert parse_verification_policy(text).witness_max_age == seconds


@pytest.mark.parametrize(
    "line",
    ['max_age = "2w"', 'max_age = ""', "max_age = 90", "quorum = false", "quorum = true",
     "quorum = 2", "quorum = 1.0"],
)
def test_what_only_looks_like_a_number_or_an_age_is_refused(line: str) -> None:
    with pytest.raises(BadVerificationPolicy):
        parse_verification_policy(f'[witnesses]\nkeys = ["{WITNESS}"]\n{line}\n')
