"""How many messages a second does one core parse and normalise, format by format?

The messages are the labelled ones of `tests/labelled`, each made different by a number so that no
table of remembered answers is all there is to it. Yardstick, in the same run: decoding the same
bytes and encoding them again as JSON (msgspec), or for texts one regular expression over the line.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from bench.report import Report
from indelible.base.clock import parse_rfc3339
from indelible.ingest.parsers.contract import Given, Parser
from indelible.ingest.parsers.finish import parse_message
from indelible.ingest.parsers.table import all_parsers

LABELLED = Path(__file__).parents[1] / "tests" / "labelled"
COMMON = frozenset(
    (
        "cloudtrail", "entra", "azure_activity", "gcp_audit", "m365", "google_workspace",
        "kubernetes", "okta", "github", "laurel", "vault", "winlogbeat", "nxlog", "journald",
        "postgresql_json",
    )
)
"""JSON formats for which the floor is demanded."""
FLOOR = 15_000
_NUMBER = re.compile(rb"\d{6,}")
_FIELD = re.compile(r"(\S+)=(\S*)|(\S+)")


def messages(name: str, copies: int) -> list[bytes]:
    """Labelled messages of a format, repeated with other long numbers in them."""
    labels = json.loads((LABELLED / f"{name}.json").read_text("utf-8"))
    texts = [one["message"] for one in labels if "event" in one]
    raws = [t.encode() if isinstance(t, str) else json.dumps(t).encode() for t in texts]
    found = []
    for copy in range(copies):
        digits = b"1%05d" % copy
        found += [_NUMBER.sub(lambda m, d=digits: m[0][:-6] + d, raw) for raw in raws]
    return found


def rate(work: Callable[[bytes], object], raws: Iterable[bytes], seconds: float) -> float:
    """How often a second `work` is done, on one core's own time."""
    count, began = 0, time.process_time()
    for raw in itertools.cycle(raws):
        work(raw)
        count += 1
        if count % 256 == 0 and time.process_time() - began > seconds:
            break
    return count / (time.process_time() - began)


def yardstick(parser: Parser) -> Callable[[bytes], object]:
    """What costs the least for such bytes."""
    if parser.reads_records:
        return lambda raw: msgspec.json.encode(msgspec.json.decode(raw))
    return lambda raw: _FIELD.findall(raw.decode("utf-8", "replace"))


def main() -> None:
    """Measure and report."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--work", type=Path)
    arguments.add_argument("--out", type=Path)
    arguments.add_argument("--seconds", type=float, default=1.0)
    args = arguments.parse_args()
    report = Report("parse")
    given = Given(now_us=parse_rfc3339("2026-06-01T00:00:00Z"))
    for parser in all_parsers():
        if not (LABELLED / f"{parser.name}.json").exists():
            continue
        raws = messages(parser.name, 50)

        def work(raw: bytes, parser: Parser = parser) -> object:
            return parse_message(parser, raw, given)

        got, against = rate(work, raws, args.seconds), rate(yardstick(parser), raws, 0.2)
        size = sum(map(len, raws)) / len(raws)
        report.add(
            parser.name, got, "/s", at_least=FLOOR if parser.name in COMMON else None,
            note=f"{size:,.0f} B a message; yardstick {against:,.0f}/s",
        )
    report.finish(args.out)


if __name__ == "__main__":
    main()
