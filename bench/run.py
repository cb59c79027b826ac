"""All benchmarks one after the other: what `make bench` runs.

Each is a process of its own; results stand as JSON in `--out` and as tables on standard output. The
default work folder is temporary; `--work` keeps the 10 million events for the next time.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.report import Report, Row

CLOUDTRAIL = Path("../shared/data/cloudtrail-invictus/events.ndjson.gz")
"""Real records of a public data set; where they are absent that row is left out."""


def main() -> None:
    """Run and show; exits with 1 when a floor was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--cloudtrail", type=Path, default=CLOUDTRAIL)
    args = parser.parse_args()
    if not shutil.which("wrk") or not shutil.which("zstd"):
        parser.error("wrk and zstd are needed: on Debian `apt-get install wrk zstd`")
    given = args.cloudtrail.exists()
    work = args.work or Path(tempfile.mkdtemp(prefix="indelible-bench-"))
    out = args.out or work / "results"
    count = ["--events", str(args.events)]
    plan = [
        ("bench.ingest", ["--seconds", str(args.seconds)]),
        ("bench.single", ["--seconds", str(max(5, args.seconds // 2))]),
        ("bench.search", count),
        ("bench.disk", count + (["--cloudtrail", str(args.cloudtrail)] if given else [])),
        ("bench.verify", count),
        ("bench.start", []),
        ("bench.parse", []),
        ("bench.capture", []),
    ]
    failed = []
    for module, more in plan:
        line = [sys.executable, "-m", module, "--work", str(work), "--out", str(out), *more]
        print(f"== {module}", file=sys.stderr)
        if subprocess.run(line, stdout=subprocess.DEVNULL).returncode:
            failed.append(module)
    missed = False
    for path in sorted(out.glob("*.json")):
        document = json.loads(path.read_text())
        report = Report(document["name"], [Row(**row) for row in document["rows"]])
        print(report.table())
        missed |= any(row.met is False for row in report.rows)
    if args.work is None:
        shutil.rmtree(work)
    for module in failed:
        print(f"{module} failed", file=sys.stderr)
    sys.exit(1 if failed or missed else 0)


if __name__ == "__main__":
    main()
