"""How many single-event requests a second over 64 connections, each durable before its answer?

Yardstick: the same with fsync and fdatasync wrapped away by a preloaded library, here only; the
difference is what the disk costs.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from bench.ledger import Ledger, Watch, wrk
from bench.report import Report
from indelible.base.clock import wall_us
from indelible.simulate.company import events
from indelible.simulate.profile import BENCH
from indelible.simulate.stream import HOUR_US

HERE = Path(__file__).parent


def prepare(folder: Path, seed: int, count: int) -> None:
    """One file of lines for the one thread."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with (folder / "0.lines").open("wb") as file:
        lines = events(BENCH, seed, count, wall_us(), HOUR_US)
        while some := list(islice(lines, 10_000)):
            file.write(b"\n".join(some) + b"\n")
    os.sync()  # else its pages go to the disk while the ledger is measured


def measure(work: Path, name: str, seed: int, args: argparse.Namespace, preload: str) -> tuple[
    Mapping[str, Any], float
]:
    """One run on a new ledger: what wrk saw, and memory."""
    lines = work / "lines"
    prepare(lines, seed, args.seconds * args.rate)
    ledger = Ledger(work / name)
    ledger.preload = preload
    ledger.start()
    try:
        with Watch(ledger) as watch:
            got = wrk(
                HERE / "load" / "single.lua", ledger.port, connections=args.connections,
                seconds=args.seconds, arguments=[str(lines), ledger.tokens["writer"]],
            )
    finally:
        ledger.stop()
        shutil.rmtree(lines)
    return got, watch.memory_mb


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--rate", type=int, default=16_000, help="events prepared for a second")
    parser.add_argument("--connections", type=int, default=64)
    args = parser.parse_args()
    report = Report("single")
    got, memory = measure(args.work, "single", 21, args, "")
    note = f"refused {got['refused']} {got['sample']}" if got["refused"] else ""
    if got["left_over"]:
        note += f" without work {got['left_over']}"
    report.add("requests", got["events"] / got["seconds"], "/s", at_least=8_000, note=note)
    report.add("p50", got["p50_ms"], "ms")
    report.add("p99", got["p99_ms"], "ms", at_most=40)
    report.add("slowest", got["max_ms"], "ms")
    report.add("memory of all processes", memory, "MiB (PSS)", at_most=2_000)
    library = args.work / "nosync.so"
    if shutil.which("cc"):
        subprocess.run(
            ["cc", "-shared", "-fPIC", "-O2", "-o", str(library), str(HERE / "load/nosync.c")],
            check=True,
        )
        got, _ = measure(args.work, "nosync", 22, args, str(library.absolute()))
        report.add("yardstick: without fsync", got["events"] / got["seconds"], "/s")
        report.add("yardstick: without fsync, p99", got["p99_ms"], "ms")
    else:
        print("no C compiler: the yardstick without fsync is left out")
    report.finish(args.out)


if __name__ == "__main__":
    main()
