"""Orders in a bundle: erase and prune records, declared gaps, and what they excuse (section 7, 9).

A record counts only for indexes below its own: an order cannot precede what it is about.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from indelible_verify import entry as entries
from indelible_verify import strict_json
from indelible_verify.errors import Damaged
from indelible_verify.tree import tree_hash
from indelible_verify.verdict import Report, Said, Verdict, ranges, spell
from indelible_verify.verification_policy import Accept

_HEX32: Final = re.compile("[0-9a-fA-F]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Prune:
    """A prune record that is proven: what it covers, its root, and its own index."""

    first: int
    last: int
    root: bytes
    record: int


@dataclass
class Orders:
    """What the proven records of a bundle order, and the indexes whose body is not shown.

    `missing` gives for each such index its place in the report's events and its commitment.
    """

    erased: dict[tuple[int, bytes], int] = field(default_factory=dict)
    pruned: list[_Prune] = field(default_factory=list)
    gaps: list[Said] = field(default_factory=list)
    missing: dict[int, tuple[int, bytes]] = field(default_factory=dict)

    def take(self, kind: str, body: Mapping[str, object], index: int) -> None:
        """Learn from one proven body; raises Damaged when a record's data is malformed."""
        if kind not in ("erase", "prune", "gap"):
            return
        data = strict_json.members(body.get("data"), f"the {kind} record's data", index)
        if kind == "erase":
            self._take_erase(data, index)
        elif kind == "prune":
            self._take_prune(data, index)
        else:
            self._take_gap(data, index)

    def _take_erase(self, data: Mapping[str, object], index: int) -> None:
        listed = data.get("erased")
        if type(listed) is not list:
            raise Damaged("the erase record lists nothing", index)
        for item in listed:
            found = strict_json.members(item, "the erase record's item", index)
            number = strict_json.integer(found.get("index"), entries.U64)
            commitment = strict_json.text(found, "commitment")
            if number is None or not _HEX32.fullmatch(commitment):
                raise Damaged("the erase record's item is malformed", index)
            if number < index:
                self.erased.setdefault((number, bytes.fromhex(commitment)), index)

    def _take_prune(self, data: Mapping[str, object], index: int) -> None:
        first = strict_json.integer(data.get("from"), entries.U64)
        last = strict_json.integer(data.get("to"), entries.U64)
        root = strict_json.text(data, "root")
        if first is None or last is None or first > last or not _HEX32.fullmatch(root):
            raise Damaged("the prune record is malformed", index)
        self.pruned.append(_Prune(first, last, bytes.fromhex(root), index))

    def _take_gap(self, data: Mapping[str, object], index: int) -> None:
        source = strict_json.integer(data.get("source"), entries.U32)
        first = strict_json.integer(data.get("first"), entries.U64)
        last = strict_json.integer(data.get("last"), entries.U64)
        if source is None or first is None or last is None or first > last:
            raise Damaged("the gap record is malformed", index)
        text = f"source {source} never delivered its sequences {first} to {last}"
        self.gaps.append(Said(Verdict.GAP_DECLARED, text, index, index))


def settle(
    report: Report,
    orders: Orders,
    leaves: Mapping[int, bytes],
    accept: Accept,
) -> None:
    """Give every index without body its status and say what is lawful but missing."""
    for prune in orders.pruned:
        _check_prune_root(report, prune, leaves)
    found: dict[tuple[Verdict, int | None], list[int]] = {}
    for index, (place, commitment) in orders.missing.items():
        status, record = _status(orders, index, commitment)
        report.events[place] = replace(report.events[place], status=status)
        found.setdefault((status, record), []).append(index)
    for (status, record), indexes in found.items():
        for first, last in ranges(indexes):
            _say(report, status, record, (first, last), accept)
    for gap in orders.gaps:
        report.said.append(gap)
        if not accept.gap:
            report.add(Verdict.GAP_DECLARED, f"{gap.text}, which is not accepted", gap.first)


def _status(orders: Orders, index: int, commitment: bytes) -> tuple[Verdict, int | None]:
    record = orders.erased.get((index, commitment))
    if record is not None:
        return Verdict.ERASED, record
    for prune in orders.pruned:
        if prune.first <= index <= prune.last and index < prune.record:
            return Verdict.PRUNED, prune.record
    return Verdict.WITHHELD, None


def _say(
    report: Report,
    status: Verdict,
    record: int | None,
    span: tuple[int, int],
    accept: Accept,
) -> None:
    if status is Verdict.WITHHELD:
        text = f"{spell(*span)}: the bundle shows neither body nor an order that took it away"
        report.add(status, text, *span)
        return
    text = f"{spell(*span)}: {status.value} by the record at index {record}"
    report.said.append(Said(status, text, *span))
    if not (accept.erased if status is Verdict.ERASED else accept.pruned):
        report.add(status, f"{text}, which is not accepted", *span)


def _check_prune_root(report: Report, prune: _Prune, leaves: Mapping[int, bytes]) -> None:
    count = prune.last - prune.first + 1
    here = count <= len(leaves) and all(i in leaves for i in range(prune.first, prune.last + 1))
    if not here:
        report.not_proved.append(
            f"the range root in the prune record at index {prune.record}: not all of"
            f" {spell(prune.first, prune.last)} is in the bundle"
        )
    elif tree_hash([leaves[i] for i in range(prune.first, prune.last + 1)]) != prune.root:
        text = f"the prune record's root is not that of {spell(prune.first, prune.last)}"
        report.add(Verdict.TAMPERED, text, prune.record)
