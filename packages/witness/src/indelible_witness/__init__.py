"""A C2SP tlog-witness for any log: cosigns only what is consistent with what it saw before."""

from __future__ import annotations

from indelible_witness.app import create_app
from indelible_witness.cosigner import Cosigner, WitnessError
from indelible_witness.request import AddCheckpoint, BadRequest, parse_add_checkpoint
from indelible_witness.state import Evidence, Head, State
from indelible_witness.witness import Answer, Witness

__all__ = [
    "AddCheckpoint",
    "Answer",
    "BadRequest",
    "Cosigner",
    "Evidence",
    "Head",
    "State",
    "Witness",
    "WitnessError",
    "create_app",
    "parse_add_checkpoint",
]
