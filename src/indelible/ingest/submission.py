"""What ways in hand to the ledger, and what they hear back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from indelible.ingest.parsed import Parsed

NOT_STORED = -1
"""The index of an event that the audit policy rolled up or dropped: it has none."""


class Submission(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Events of one request or one batch, from one source.

    `rejected` counts what the same batch had to refuse, `dropped` what was lost before it could be
    read (datagrams), so that the ledger can put both into its statement by source and hour. With
    no events it is only those counts: `submit` answers at once.
    """

    source: str
    tenant: str
    events: list[Parsed]
    protocol: str
    parser: str
    peer: str
    tls: str = ""
    backfill: bool = False
    rejected: int = 0
    dropped: int = 0


class SubmitResult(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Where the events of a submission are; positions count its `events` from 0.

    `indexes[p]` is the index of event p: new, or for a duplicate the first one's. `duplicates`
    holds the positions that were stored before with the same content; `conflicts` maps a position
    stored under an id that was taken to the index that first bore it, `repeats` one stored and
    flagged `probable_repeat` to the index of the same message before. `summarised` and
    `dropped_by_rule` are the positions that the audit policy rolled up and dropped: durable as
    such, with the index `NOT_STORED`.
    """

    indexes: Sequence[int]
    duplicates: Sequence[int] = ()
    conflicts: Mapping[int, int] = {}
    repeats: Mapping[int, int] = {}
    summarised: Sequence[int] = ()
    dropped_by_rule: Sequence[int] = ()
