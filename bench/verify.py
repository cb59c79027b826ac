"""How fast is a full verification, cryptography and content?

Uses the corpus of `bench.search`, on the stopped ledger. Yardstick: sha256sum of the same events as
NDJSON.
"""

from __future__ import annotations

import argparse
import subprocess
import time
from pathlib import Path

from bench.ledger import Ledger
from bench.report import Report

YARD_EVENTS = 2_000_000


def sha_yardstick(packed: Path, work: Path) -> float:
    """Events a second of sha256sum over the first events, unpacked."""
    plain = work / "yard.ndjson"
    with plain.open("wb") as out, subprocess.Popen(
        ["zstd", "-dcq", str(packed)], stdout=subprocess.PIPE
    ) as unpacked:
        subprocess.run(["head", "-n", str(YARD_EVENTS)], stdin=unpacked.stdout, stdout=out)
        unpacked.terminate()
    count = int(subprocess.check_output(["wc", "-l", str(plain)]).split()[0])
    began = time.perf_counter()
    subprocess.run(["sha256sum", str(plain)], check=True, capture_output=True)
    took = time.perf_counter() - began
    plain.unlink()
    return count / took


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--events", type=int, default=10_000_000)
    args = parser.parse_args()
    report = Report("verify")
    ledger = Ledger(args.work / "corpus")
    packed = ledger.work / f"corpus-{args.events}.ndjson.zst"
    if not packed.exists():
        parser.error("run bench.search first: it loads the corpus")
    ledger.start()
    size = ledger.status()["size"]
    ledger.stop()
    began = time.perf_counter()
    done = ledger.run("verify", "--data", str(ledger.data), "--json", check=False)
    took = time.perf_counter() - began
    if done.returncode:
        raise RuntimeError(f"verify: exit {done.returncode}: {done.stderr.decode()[-500:]}")
    note = f"{size} events in {took:.1f} s"
    report.add("full verify", size / took, "events/s", at_least=200_000, note=note)
    began = time.perf_counter()
    done = ledger.run("fsck", "--data", str(ledger.data), "--json", check=False)
    took = time.perf_counter() - began
    if done.returncode:
        raise RuntimeError(f"fsck: exit {done.returncode}: {done.stderr.decode()[-500:]}")
    report.add("fsck", size / took, "events/s")
    report.add("yardstick: sha256sum", sha_yardstick(packed, args.work), "events/s")
    report.finish(args.out)


if __name__ == "__main__":
    main()
