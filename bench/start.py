"""How long from kill -9 under load to `/readyz`, and how long does one proof take?

Uses the corpus of `bench.search`: a batch load runs, every process is killed, the server is started
again on what is there.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from bench.ledger import Ledger, command, post_all
from bench.report import Report
from bench.search import fresh

KILLS = 3
PROOFS = 20


def quiet(ledger: Ledger, bodies: Iterator[bytes]) -> None:
    """Post until the server is gone."""
    try:
        post_all(ledger, bodies)
    except (OSError, RuntimeError, EOFError):
        return


def killed_under_load(ledger: Ledger, bodies: Iterator[bytes]) -> float:
    """Seconds from the kill to the first yes of `/readyz`."""
    thread = threading.Thread(target=quiet, args=(ledger, bodies))
    thread.start()
    time.sleep(4)
    began = time.monotonic()
    ledger.kill()
    ledger.start()
    took = time.monotonic() - began
    thread.join()
    return took


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    report = Report("start")
    ledger = Ledger(args.work / "corpus")
    report.add("start after a clean stop", ledger.start(), "s")
    try:
        bodies = fresh()
        kills = [killed_under_load(ledger, bodies) for _ in range(KILLS)]
        size = ledger.status()["published_size"]
        note = f"{size} events; all: {', '.join(f'{k:.2f}' for k in kills)}"
        report.add("kill -9 under load to /readyz", max(kills), "s", at_most=3, note=note)
        picks = random.Random(1).sample(range(size), PROOFS)
        took = []
        for index in picks:
            began = time.perf_counter()
            status, _ = ledger.ask(
                "POST", "/v1/bundle", "reader", json.dumps({"indexes": [index]}).encode()
            )
            took.append(time.perf_counter() - began)
            if status != 200:
                raise RuntimeError(f"bundle of {index}: {status}")
        report.add("proof of one event", statistics.median(took), "s", at_most=0.3,
                   note=f"bundle over HTTP; slowest {max(took):.3f}")
        began = time.perf_counter()
        subprocess.run(
            [*command(), "prove", str(picks[0]), "-o", str(args.work / "one.zip"),
             "--url", f"http://127.0.0.1:{ledger.port}"],
            check=True, capture_output=True,
            env={"INDELIBLE_TOKEN_FILE": str(ledger.work / "reader.token"), "PATH": ""},
        )
        report.add("whole `indelible prove` command", time.perf_counter() - began, "s",
                   note="with the interpreter's start and imports")
        (args.work / "one.zip").unlink()
    finally:
        ledger.stop()
    report.finish(args.out)


if __name__ == "__main__":
    main()
