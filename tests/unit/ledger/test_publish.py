"""Who may sign: the one writer that the register knows, and while it is alive."""

from __future__ import annotations

from pathlib import Path

import pytest

from indelible.ledger.open import Ledger
from indelible.ledger.register import Fenced, Register
from support.opened import ORIGIN, create, open_ledger, work


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    create(tmp_path)
    made = open_ledger(tmp_path)
    made.writer.append([work(0, 3)])
    made.publisher.publish(3, made.tree.root(3), made.clock.now_us())
    return made


def renew(ledger: Ledger) -> bytes:
    """A sign of life."""
    return ledger.publisher.publish(3, ledger.tree.root(3), ledger.clock.now_us())


def test_a_sign_of_life_is_given_for_the_same_size(ledger: Ledger) -> None:
    assert renew(ledger) == ledger.paths.checkpoint.read_bytes()
    ledger.close()


@pytest.mark.parametrize("by", ["another writer", "a restore"])
def test_a_writer_that_was_replaced_gives_no_sign_of_life(
    ledger: Ledger, tmp_path: Path, by: str
) -> None:
    """It would make the state before look fresh to whoever asks how old a signature is."""
    register = Register(tmp_path / "state", ORIGIN)
    if by == "another writer":
        register.take()
    else:
        register.close_origin()
    register.close()
    before = ledger.paths.checkpoint.read_bytes()
    with pytest.raises(Fenced):
        renew(ledger)
    assert ledger.paths.checkpoint.read_bytes() == before
    ledger.close()
