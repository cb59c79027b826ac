"""How long do an investigator's questions take over 10 million events, idle and during ingest?

With `--events` over another number, for which nothing is demanded.

Times are wall seconds over HTTP from the first byte sent to the last received, the median of
several runs after one that warms; every run asks for another actor or target of the same rank, so
that no answer is a repeated one. Yardstick: zstd -dc and grep over the same events.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.ledger import Ledger, background, corpus, groups
from bench.report import Report
from indelible.base.clock import wall_us
from indelible.simulate.company import events
from indelible.simulate.profile import BENCH
from indelible.simulate.stream import DAY_US, HOUR_US

EVENTS = 10_000_000
RUNS = 7
WORDS = ("penicillin", "treatment relationship", "Troponin", "A417", "B218", "Mill", "discharge")
NOWHERE = ("Chisinau", "Reykjavik", "Vladivostok", "Ouagadougou", "Zwickau", "Quetzal", "Ushuaia")
"""Words that hardly an event has: every column of every file must be read to say so."""
Ask = Callable[[int], tuple[str, dict[str, object]]]


class Needles:
    """Actors and targets that occur, taken from the middle of their distribution."""

    def __init__(self, packed: Path, sample: int = 400_000) -> None:
        actors: Counter[str] = Counter()
        targets: Counter[str] = Counter()
        with subprocess.Popen(["zstd", "-dcq", str(packed)], stdout=subprocess.PIPE) as unpacked:
            assert unpacked.stdout is not None
            for number, line in enumerate(unpacked.stdout):
                if number >= sample:
                    break
                event = json.loads(line)
                actors[event["actor"]["id"]] += 1
                targets.update(target["id"] for target in event.get("targets", ()))
            unpacked.terminate()
        self.actors = [name for name, _ in actors.most_common(200)][20:]
        self.targets = [name for name, count in targets.items() if 2 <= count <= 5]


def questions(needles: Needles, until_us: int) -> dict[str, tuple[Ask, float]]:
    """The questions of the table with what each must reach, in seconds."""
    since = until_us - 30 * DAY_US

    def span(start: int, end: int) -> dict[str, object]:
        return {"since": rfc(start), "until": rfc(end)}

    def target(run: int) -> tuple[str, dict[str, object]]:
        name = needles.targets[(run * 997) % len(needles.targets)]
        return "/v1/search", {"q": f"target:{name}", **span(since, until_us)}

    def actor(run: int) -> tuple[str, dict[str, object]]:
        name = needles.actors[(run * 13) % len(needles.actors)]
        day = until_us - (3 + run) * DAY_US
        return "/v1/search", {"q": f"actor:{name}", **span(day, day + DAY_US), "limit": 200}

    def daily(run: int) -> tuple[str, dict[str, object]]:
        shift = run * HOUR_US
        return "/v1/search/histogram", {"q": "", "interval": "1d", **span(since + shift, until_us)}

    def asking(words: Sequence[str]) -> Ask:
        def text(run: int) -> tuple[str, dict[str, object]]:
            word = json.dumps(words[run % len(words)])
            return "/v1/search", {"q": word, **span(since, until_us)}

        return text

    return {
        "one target in 30 days": (target, 0.15),
        "one actor's day": (actor, 0.1),
        "daily histogram": (daily, 0.5),
        "free text over 30 days": (asking(WORDS), 3.0),
        "free text that is nowhere": (asking(NOWHERE), 3.0),
    }


def rfc(us: int) -> str:
    """A time as the interface takes it."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)
    return moment.isoformat().replace("+00:00", "Z")


class Runs(list[float]):
    """Seconds of each run; `ended` of them were ended by the server's deadline for a query."""

    ended = 0

    def note(self) -> str:
        """What a reader of the table must know of them."""
        deadline = f"; {self.ended} of {len(self)} ended at the deadline" if self.ended else ""
        return f"slowest {max(self):.3f}{deadline}"


def timed(ledger: Ledger, ask: Ask, runs: int, offset: int) -> Runs:
    """Ask several times, never for the same."""
    took = Runs()
    for run in range(runs):
        path, query = ask(offset + run)
        began = time.perf_counter()
        try:
            ledger.get(path, "reader", **query)
        except RuntimeError as error:
            if "query_timeout" not in str(error):
                raise
            took.ended += 1
        took.append(time.perf_counter() - began)
    return took


def fresh() -> Iterator[bytes]:
    """Batches of events that happen now, without end."""
    seed = 1_000
    while True:
        yield from groups(events(BENCH, seed, 500_000, wall_us(), 60_000_000))
        seed += 1


def grep_yardstick(packed: Path, needle: str) -> float:
    """Seconds of zstd -dc and grep -c for one word."""
    began = time.perf_counter()
    with subprocess.Popen(["zstd", "-dcq", str(packed)], stdout=subprocess.PIPE) as unpacked:
        subprocess.run(["grep", "-cF", needle], stdin=unpacked.stdout, capture_output=True)
    return time.perf_counter() - began


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--half", type=float, default=15_000, help="events/s during ingest")
    args = parser.parse_args()
    demanded = args.events == EVENTS
    report = Report("search" if demanded else f"search-{args.events}")
    ledger = Ledger(args.work / "corpus")
    marker = ledger.work / "until"
    if not marker.exists():
        marker.write_text(str(wall_us() // DAY_US * DAY_US))
    until = int(marker.read_text())
    ledger.start()
    try:
        packed, seconds = corpus(ledger, args.events, until)
        if seconds:
            report.add("loading", args.events / seconds, "events/s", note="one connection")
        ledger.settle()
        ledger.calm()
        asked = questions(Needles(packed), until)
        idle: dict[str, float] = {}
        for name, (ask, most) in asked.items():
            (first,), warm = timed(ledger, ask, 1, 0), timed(ledger, ask, RUNS, 1)
            idle[name] = statistics.median(warm)
            note = f"first {first:.3f}, {warm.note()}"
            report.add(name, idle[name], "s", at_most=most if demanded else None, note=note)
        with background(ledger, fresh(), args.half):
            time.sleep(5)
            for name, (ask, most) in asked.items():
                took = timed(ledger, ask, RUNS, 50)
                busy = statistics.median(took)
                note = f"{busy / idle[name]:.1f} times; {took.note()}"
                limit = 3 * most if demanded else None
                report.add(f"{name}, during ingest", busy, "s", at_most=limit, note=note)
    finally:
        ledger.stop()
    report.add("yardstick: zstd -dc and grep", grep_yardstick(packed, WORDS[0]), "s")
    report.finish(args.out)


if __name__ == "__main__":
    main()
