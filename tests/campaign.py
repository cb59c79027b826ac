"""The long runs: `make campaign`, or `python -m tests.campaign --only clean --minutes 10`.

Each campaign is a number of seeded steps. What was done stands in `campaign/out/state.json`, so a
run that was stopped goes on where it was; a step that failed is kept there with its number, its
folder stays, and `--only NAME --seed SEED --step NUMBER` runs it again alone. Prints one line of
JSON for each campaign; exits with 1 when a step has failed.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from campaigns.plan import CAMPAIGNS
from campaigns.state import OUT, Failure, Progress, State


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description=__doc__)
    parser.add_argument("--list", action="store_true", help="say which there are, and how far")
    parser.add_argument("--report", action="store_true", help="the results as a Markdown table")
    parser.add_argument("--only", action="append", choices=sorted(CAMPAIGNS), default=[])
    parser.add_argument("--minutes", type=float, default=float("inf"), help="for each campaign")
    parser.add_argument("--steps", type=int, default=1 << 62, help="at most so many now")
    parser.add_argument("--step", type=int, help="this one alone, without counting it")
    parser.add_argument("--seed", type=int, help="another one begins anew; the first is 1")
    parser.add_argument("--fresh", action="store_true", help="forget what was done")
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the state")
    return parser.parse_args()


def one_step(name: str, seed: int, number: int, progress: Progress | None, out: Path) -> bool:
    """Run one step; True when it held. The folder of a failed one stays and is named."""
    work = Path(tempfile.mkdtemp(prefix=f"indelible-{name}-{number}-"))
    try:
        outcome = CAMPAIGNS[name].step(work, seed, number, out)
    except Exception:  # noqa: BLE001 - whatever it is, it is a result
        text = traceback.format_exc()
        print(f"{name} step {number}: FAILED, kept in {work}\n{text}", file=sys.stderr)
        if progress is not None:
            progress.failures.append(Failure(number, text[-4000:]))
        return False
    if progress is not None:
        progress.add(outcome)
    else:
        print(json.dumps({"campaign": name, "step": number, **outcome._asdict()}))
    shutil.rmtree(work, ignore_errors=True)
    return True


def run(name: str, args: argparse.Namespace) -> bool:
    """Go on with one campaign until its end or the time; True when nothing failed."""
    state = State(args.out)
    progress = state.begin(name, args.seed, fresh=args.fresh)
    progress.total = CAMPAIGNS[name].total(args.out)
    began = time.monotonic()
    last = min(progress.total, progress.next + args.steps)
    while progress.next < last and time.monotonic() - began < args.minutes * 60:
        before = time.monotonic()
        one_step(name, progress.seed, progress.next, progress, args.out)
        progress.next += 1
        progress.seconds += time.monotonic() - before
        progress.when = datetime.now(UTC).strftime("%Y-%m-%d")
        state.save()
        print(f"{name}: {progress.next} of {progress.total}", file=sys.stderr)
    state.save()
    print(json.dumps(progress.line(name), ensure_ascii=False), flush=True)
    return not progress.failures


def report(state: State) -> str:
    """The table of `docs/campaign.md`."""
    lines = [
        "| campaign | date | seed | steps done | time | counts | failed steps |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in CAMPAIGNS:
        found = state.campaigns.get(name)
        if found is None or not found.next:
            lines.append(f"| {name} | | | none yet | | | |")
            continue
        counts = ", ".join(f"{key} {value:,}" for key, value in found.counts.items())
        failed = ", ".join(str(one.step) for one in found.failures) or "none"
        lines.append(
            f"| {name} | {found.when} | {found.seed} | {found.next:,} of {found.total:,}"
            f" | {found.seconds:,.0f} s | {counts} | {failed} |"
        )
    notes = [f"- {name}: {note}" for name, found in state.campaigns.items() for note in found.notes]
    return "\n".join([*lines, *(["", *notes] if notes else [])])


def main() -> int:
    """Do what was asked; see the module."""
    args = arguments()
    if args.report:
        print(report(State(args.out)))
        return 0
    if args.list:
        known = State(args.out).campaigns
        for name, campaign in CAMPAIGNS.items():
            found = known.get(name)
            done = f"{found.next:,} of {found.total:,}" if found else "not begun"
            print(f"{name:8} {done:16} {campaign.what}")
        return 0
    chosen = args.only or list(CAMPAIGNS)
    if args.step is not None:
        seed = 1 if args.seed is None else args.seed
        return 0 if all(one_step(n, seed, args.step, None, args.out) for n in chosen) else 1
    if len(chosen) == 1:
        return 0 if run(chosen[0], args) else 1
    plain = [word for word in sys.argv[1:] if word not in chosen and word != "--only"]
    failed = 0
    for name in chosen:  # each in a process of its own: the mutants need one without the product
        line = [sys.executable, "-m", "tests.campaign", "--only", name, *plain]
        failed |= subprocess.run(line, cwd=Path(__file__).parent.parent).returncode
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
