"""The ledger's own name, however it is written."""

from __future__ import annotations

import pytest

from indelible.event.reserved import is_own_source, is_own_tenant

SPELLED = [
    "indelible", "Indelible", "INDELIBLE", " indelible", "indelible\t", "\uff29ndelible",
    "\uff29\uff2e\uff24\uff25\uff2c\uff29\uff22\uff2c\uff25", "\u0131ndelible", "\u0130ndelible",
    "\u200bindelible", "inde\u200dlible", "indelible\u00ad", "i\u0308ndelible",
    "\U0001d422\U0001d427\U0001d41d\U0001d41e\U0001d425\U0001d422\U0001d41b\U0001d425\U0001d41e",
]


@pytest.mark.parametrize("name", SPELLED)
def test_every_spelling_that_reads_as_the_ledgers_name_is_its_own(name: str) -> None:
    assert is_own_source(name)
    assert is_own_tenant(name)
    assert is_own_tenant(f"{name}-2")
    assert not is_own_source(f"{name}-2")


@pytest.mark.parametrize("name", ["", "acme", "delible", "an indelible ink", "\u00fcber", "\u6771"])
def test_other_names_are_not(name: str) -> None:
    assert not is_own_source(name)
    assert not is_own_tenant(name)
