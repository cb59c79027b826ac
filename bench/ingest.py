"""How many events a second does one ledger take over HTTP, in batches of 1,000?

wrk posts prepared files, each once, for a minute: every answer stands for events that are durable,
committed and encrypted; the backlog that is not yet sealed is watched, and so is memory.
Yardsticks over the same files: zstd -3 and fdatasync a batch; SQLite with a hash chain, one
transaction a batch.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import sqlite3
import time
from pathlib import Path

import zstandard

from bench.ledger import BATCH, Ledger, Watch, wrk
from bench.report import Report
from indelible.base.clock import wall_us
from indelible.simulate.company import write_batches

HERE = Path(__file__).parent
YARD_FILES = 300


def zstd_yardstick(folder: Path, out: Path, files: int) -> float:
    """Events a second of zstd -3 with fdatasync after each batch."""
    packer = zstandard.ZstdCompressor(level=3)
    began = time.monotonic()
    with out.open("wb", buffering=0) as file:
        for number in range(files):
            file.write(packer.compress((folder / f"{number:06d}.ndjson").read_bytes()))
            os.fdatasync(file.fileno())
    return files * BATCH / (time.monotonic() - began)


def sqlite_yardstick(folder: Path, out: Path, files: int) -> float:
    """Events a second of one table with a hash chain, synchronous=FULL, a commit a batch."""
    base = sqlite3.connect(out)
    base.execute("PRAGMA journal_mode=WAL")
    base.execute("PRAGMA synchronous=FULL")
    base.execute("CREATE TABLE log(n INTEGER PRIMARY KEY, body BLOB, hash BLOB)")
    last = bytes(32)
    began = time.monotonic()
    for number in range(files):
        rows = []
        for line in (folder / f"{number:06d}.ndjson").read_bytes().splitlines():
            last = hashlib.sha256(last + line).digest()
            rows.append((line, last))
        base.executemany("INSERT INTO log(body, hash) VALUES (?, ?)", rows)
        base.commit()
    rate = files * BATCH / (time.monotonic() - began)
    base.close()
    return rate


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--rate", type=int, default=60_000, help="events prepared for a second")
    parser.add_argument("--connections", type=int, default=8)
    args = parser.parse_args()
    report = Report("ingest")
    batches = args.work / "batches"
    shutil.rmtree(batches, ignore_errors=True)
    files, total = write_batches(batches, 11, args.seconds * args.rate, wall_us(), BATCH)
    os.sync()  # else their pages go to the disk while the ledger is measured
    report.add("size of an event", total / (files * BATCH), "bytes of JSON")
    ledger = Ledger(args.work / "ledger")
    ledger.start()
    try:
        before = ledger.status()["size"]
        with Watch(ledger) as watch:
            got = wrk(
                HERE / "load" / "batches.lua", ledger.port, connections=args.connections,
                seconds=args.seconds,
                arguments=[str(batches), "0", str(files), "1", ledger.tokens["writer"]],
            )
            backlog = ledger.status()["unsealed"]
        drained = ledger.settle()
        after = ledger.status()["size"]
    finally:
        ledger.stop()
    note = f"{got['requests']} requests, p99 {got['p99_ms']:.0f} ms"
    if got["refused"] or got["errors"] or got["left_over"]:
        note += f"; refused {got['refused']} ({got['sample']}), errors {got['errors']},"
        note += f" without work {got['left_over']}"
    report.add(
        "acknowledged", got["events"] / got["seconds"], "events/s", at_least=30_000, note=note
    )
    sealed = got["events"] / (got["seconds"] + drained)
    report.add("acknowledged and sealed", sealed, "events/s", note=f"drained in {drained:.1f} s")
    report.add("largest unsealed backlog", max(watch.unsealed, backlog), "events")
    report.add("memory of all processes", watch.memory_mb, "MiB (PSS)", at_most=2_000)
    report.add("in the ledger, not acknowledged", after - before - got["events"], "events")
    yard = min(YARD_FILES, files)
    rate = zstd_yardstick(batches, args.work / "yard.zst", yard)
    report.add("yardstick: zstd -3 and fdatasync", rate, "events/s")
    (args.work / "yard.sqlite").unlink(missing_ok=True)
    rate = sqlite_yardstick(batches, args.work / "yard.sqlite", yard)
    report.add("yardstick: SQLite with a hash chain", rate, "events/s")
    shutil.rmtree(batches)
    report.finish(args.out)


if __name__ == "__main__":
    main()
