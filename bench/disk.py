"""How many bytes does an event take on disk once its columns are compacted?

Uses the corpus of `bench.search`. The server is started once more so that replaced column files are
gone. Yardstick: the same events as NDJSON under zstd -3.
"""

from __future__ import annotations

import argparse
import gzip
from pathlib import Path

import zstandard

from bench.ledger import Ledger
from bench.report import Report


def compacted(ledger: Ledger) -> None:
    """Start, wait until the column files stop changing, stop, start and stop again."""
    for _ in range(2):
        ledger.start()
        ledger.calm()
        ledger.stop()


def cloudtrail(work: Path, source: Path, report: Report) -> None:
    """The same with CloudTrail, which keeps the original in `raw`."""
    opener = gzip.open if source.suffix == ".gz" else open
    with opener(source, "rb") as file:
        plain = file.read()
    count = plain.count(b"\n")
    ledger = Ledger(work / "cloudtrail", port=8472)
    ledger.run("import", str(source), "--parser", "cloudtrail", "--data", str(ledger.data))
    ledger.run("seal", "--data", str(ledger.data))
    sizes = ledger.folder_bytes()
    packed = len(zstandard.ZstdCompressor(level=3).compress(plain))
    total = sizes["evidence"] + sizes["columns"]
    report.add("CloudTrail with raw, against zstd -3", total / packed, "times", at_most=1.6,
               note=f"{total / count:.0f} and {packed / count:.0f} bytes an event")


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--cloudtrail", type=Path, help="a file of CloudTrail records, one a line")
    args = parser.parse_args()
    report = Report("disk")
    ledger = Ledger(args.work / "corpus")
    packed = ledger.work / f"corpus-{args.events}.ndjson.zst"
    if not packed.exists():
        parser.error("run bench.search first: it loads the corpus")
    compacted(ledger)
    ledger.start()
    size = ledger.status()["sealed_size"]
    ledger.stop()
    kinds = {name: total / size for name, total in ledger.folder_bytes().items()}
    report.add("evidence and columns", kinds["evidence"] + kinds["columns"], "bytes an event",
               at_most=245, note=f"{size} sealed events")
    for name in ("evidence", "columns", "ids", "tiles", "journal"):
        report.add(name, kinds.get(name, 0.0), "bytes an event")
    files = len(list((ledger.data / "ledger" / "columns").iterdir()))
    report.add("column files", files, "files")
    report.add("yardstick: NDJSON, zstd -3", packed.stat().st_size / args.events, "bytes an event")
    if args.cloudtrail:
        cloudtrail(args.work, args.cloudtrail, report)
    report.finish(args.out)


if __name__ == "__main__":
    main()
