"""Which campaigns there are, and what one step of each is. A step's number and seed give it whole.

Each function imports what it needs when it is called: the mutants must be loaded before the product
is, and a list should not wait for either.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from campaigns.state import Outcome

LIVES = 5
POINTS = 10
ROUNDS = 25
CASES = 5_000
RUNS = 200_000
RUN_SECONDS = 300
ENTRIES = 1_000_000
BENCHES = ("ingest", "single", "search", "disk", "verify", "start")
_SPREAD = 1_000_003


class Campaign(NamedTuple):
    """One long run. `total(out)` counts its steps; `step(work, seed, number, out)` does one."""

    what: str
    total: Callable[[Path], int]
    step: Callable[[Path, int, int, Path], Outcome]


def seed_of(seed: int, number: int) -> int:
    """A seed for one step that no other step shares."""
    return seed * _SPREAD + number


def _kill(work: Path, seed: int, number: int, _out: Path) -> Outcome:
    from crash.test_kill import run_lives

    return Outcome(run_lives(work, seed_of(seed, number), LIVES))


def _fault_points(out: Path) -> list[tuple[str, int, str]]:
    """Every (call, its number, error) of one dry run; found once and kept beside the state."""
    import tempfile

    from crash.test_faults import CALLS, prepared, touching

    kept = out / "faults.json"
    if not kept.exists():
        with tempfile.TemporaryDirectory(prefix="indelible-dry-") as folder:
            points = touching(prepared(Path(folder) / "dry"))
        found = [(call, at, error) for call, at in points for error in CALLS[call]]
        out.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(found))
    return [(call, at, error) for call, at, error in json.loads(kept.read_text())]


def _faults(out: Path) -> int:
    return -(-len(_fault_points(out)) // POINTS)


def _fault(work: Path, seed: int, number: int, out: Path) -> Outcome:
    import random

    from crash.test_faults import inject

    points = _fault_points(out)
    random.Random(seed).shuffle(points)
    mine = points[number * POINTS : (number + 1) * POINTS]
    calls = {f"at {call}": sum(1 for point in mine if point[0] == call) for call, _, _ in mine}
    return Outcome({"faults": inject(work, iter(mine)), **calls})


def _clean(work: Path, seed: int, number: int, _out: Path) -> Outcome:
    from campaigns.clean import run_clean

    return Outcome(run_clean(work, seed_of(seed, number), ROUNDS))


def _fuzzes(_out: Path) -> int:
    from fuzz.targets import TARGETS

    return 40 * len(TARGETS)


def _fuzz(_work: Path, seed: int, number: int, _out: Path) -> Outcome:
    from fuzz.targets import TARGETS, fuzz

    target = TARGETS[number % len(TARGETS)]
    counts = fuzz(target, f"{seed}/{number}", CASES)
    return Outcome({**counts, f"{target.name} taken": counts["taken"]})


def _messages(_out: Path) -> int:
    from fuzz.parser_targets import PARSER_TARGETS

    return 10 * len(PARSER_TARGETS)


def _message(_work: Path, seed: int, number: int, _out: Path) -> Outcome:
    from fuzz.parser_targets import PARSER_TARGETS
    from fuzz.targets import fuzz

    target = PARSER_TARGETS[number % len(PARSER_TARGETS)]
    counts = fuzz(target, f"{seed}/{number}", CASES)
    return Outcome({"inputs": counts["inputs"], "understood": counts["taken"]})


def _guides(_out: Path) -> int:
    from fuzz.parser_targets import PARSER_TARGETS

    return len(PARSER_TARGETS)


def _guide(_work: Path, _seed: int, number: int, _out: Path) -> Outcome:
    """Inputs that seek new code, for one parser; a finding is the step's failure."""
    from fuzz.guided import guided
    from fuzz.parser_targets import PARSER_TARGETS

    done = guided(PARSER_TARGETS[number].name, RUNS, RUN_SECONDS)
    assert done.returncode == 0, done.stderr[-3_000:]
    ran = re.findall(r"^Done (\d+) runs", done.stderr, re.M)
    return Outcome({"inputs": int(ran[-1])})


def _mutants(_out: Path) -> int:
    from campaigns.mutants import all_mutants

    return len(all_mutants())


def _mutant(_work: Path, _seed: int, number: int, _out: Path) -> Outcome:
    from campaigns.mutants import all_mutants, survives

    mutant = all_mutants()[number]
    if mutant.equivalent:
        return Outcome({"mutants": 1, "equivalent": 1})
    alive = survives(mutant)
    return Outcome(
        {"mutants": 1, "killed": int(not alive), "survived": int(alive)},
        (f"survived: {mutant.name}",) if alive else (),
    )


def _foreign(work: Path, seed: int, number: int, _out: Path) -> Outcome:
    from interop.million import audited

    return Outcome(audited(work, seed_of(seed, number), ENTRIES))


def _kafka(work: Path, seed: int, number: int, _out: Path) -> Outcome:
    from campaigns.kafka import run_kafka
    from campaigns.kafka_secured import run_secured

    counts = run_kafka(work / "plain", seed_of(seed, number))
    return Outcome({**counts, **run_secured(work / "secured")})


def _bench(work: Path, _seed: int, number: int, out: Path) -> Outcome:
    """One benchmark at full size; its rows stand in `campaign/out/bench`."""
    name = BENCHES[number]
    work = out / "bench-work"  # the ten million events serve several of them
    work.mkdir(parents=True, exist_ok=True)
    sized = [] if name in ("ingest", "single", "start") else ["--events", "10000000"]
    done = subprocess.run(
        [sys.executable, "-m", f"bench.{name}", "--work", str(work), "--out", str(out / "bench"),
         *sized],
        capture_output=True, text=True,
    )
    assert done.returncode in (0, 1), done.stderr[-2000:]
    rows = [
        row for path in (out / "bench").glob(f"*{name}*.json")
        for row in json.loads(path.read_text())["rows"]
    ]
    assert rows, f"bench.{name} measured nothing: {done.stderr[-500:]}"
    missed = tuple(
        f"missed: {row['measure']}: {row['value']} {row['unit']}, must be {row['floor']}"
        for row in rows if row["met"] is False
    )
    return Outcome({"measures": len(rows), "floors missed": len(missed)}, missed)


CAMPAIGNS: dict[str, Campaign] = {
    "kills": Campaign(
        f"kill -9 at random moments under load, {LIVES} lives of one ledger a step",
        lambda _out: 200, _kill,
    ),
    "faults": Campaign(
        f"an error injected at every system call that touches the folders, {POINTS} a step",
        _faults, _fault,
    ),
    "clean": Campaign(
        f"ordinary work raises no alarm, {ROUNDS} rounds of one ledger a step",
        lambda _out: 40, _clean,
    ),
    "fuzz": Campaign(
        f"mutated input for every parser of foreign bytes, {CASES:,} inputs a step",
        _fuzzes, _fuzz,
    ),
    "messages": Campaign(
        f"mutated messages of every foreign format, {CASES:,} inputs a step", _messages, _message
    ),
    "guided": Campaign(
        "inputs that seek new code in every parser of foreign formats (atheris), one parser a step",
        _guides, _guide,
    ),
    "mutants": Campaign(
        "changes to proof and access that the tests must notice, one a step", _mutants, _mutant
    ),
    "foreign": Campaign(
        f"a log of {ENTRIES:,} entries, exported, accepted by programs of others",
        lambda _out: 1, _foreign,
    ),
    "kafka": Campaign(
        "Apache Kafka itself (Java, Maven): transactions, retention, topics made again, kills",
        lambda _out: 10, _kafka,
    ),
    "benches": Campaign(
        "the benchmarks at ten million events, one a step", lambda _out: len(BENCHES), _bench
    ),
}
