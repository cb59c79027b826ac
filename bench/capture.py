"""How many changes of a PostgreSQL database a second: decoded, made events, stored in a ledger?

Decoding and events are measured on one core over messages as the server writes them; yardstick:
encoding what was decoded as JSON. End to end, a backlog of transactions of 100 changes each waits
in a slot of a real server, which the ledger then takes; yardstick: reading the same slot to
nowhere. Where PostgreSQL is not installed that part is left out.
"""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from bench.ledger import Ledger, Watch
from bench.report import Report
from indelible.ingest.protocols.pgoutput import Relation, Row, decode
from indelible.ingest.protocols.postgres_capture_events import Place, Translator

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))  # a cluster and messages are there
from support import pgoutput as made
from support.postgres import BIN, PASSWORD, Postgres

CHANGES = 100
"""In one transaction."""
TABLE = """CREATE TABLE account (
    id bigint PRIMARY KEY, name text, email text, balance numeric(12,2), active boolean,
    created timestamptz DEFAULT now(), profile jsonb, note text)"""
COLUMNS = (
    ("id", 20, True), ("name", 25, True), ("email", 25, True), ("balance", 1700, True),
    ("active", 16, True), ("created", 1184, True), ("profile", 3802, True), ("note", 25, True),
)
PERSON = '{"actor":{"type":"user","id":"jsmith"},"request_id":"r-4711"}'


def row(number: int, balance: str) -> list[object]:
    """A row of `TABLE`, some 150 bytes."""
    return [
        number, f"Customer {number}", f"customer{number}@example.org", balance, "t",
        "2026-05-01 10:00:00.123456+00", '{"plan": "basic", "seats": [1, 2]}',
        f"the note of customer {number}",
    ]


def stream(count: int) -> list[bytes]:
    """Transactions of `CHANGES` updates with the full old row, and a person each."""
    out = [made.relation(COLUMNS)]
    for first in range(0, count, CHANGES):
        lsn = 1 << 32 | first << 8
        out += [made.begin(lsn), made.message(PERSON)]
        for number in range(first, first + CHANGES):
            out.append(made.update(row(number, "17.50"), row(number, "16.25")))
        out.append(made.commit(lsn))
    return out


def rate(count: int, work: Callable[[], object], seconds: float) -> float:
    """How often a second `work`, which does `count`, does one, on one core's own time."""
    began, done = time.process_time(), 0
    for _ in itertools.count():
        work()
        done += count
        if time.process_time() - began > seconds:
            return done / (time.process_time() - began)
    raise AssertionError


def alone(report: Report, seconds: float) -> None:
    """Without server and ledger."""
    messages = stream(20_000)
    changes = [one for one in messages if one[:1] == b"U"]
    report.add("size of a change", sum(map(len, changes)) / len(changes), "bytes of pgoutput")

    def decoding() -> None:
        for one in changes:
            decode(one)

    report.add("decoded", rate(len(changes), decoding, seconds), "changes/s", at_least=50_000)
    sizes: list[int] = []

    def events() -> None:
        translator = Translator(Place("7713069031415292387", "shop"))
        sizes.clear()
        for one in messages:
            if one[:1] == b"R":
                relation = decode(one)
                assert isinstance(relation, Relation)
                translator.relate(relation, ("id",))
                continue
            event = translator.take(one)
            if event is not None:
                sizes.append(len(event.content))

    got = rate(len(changes), events, seconds)
    size = sum(sizes) / len(sizes)
    report.add("made events", got, "changes/s", note=f"{size:,.0f} bytes an event")
    rows = [found for one in changes if isinstance(found := decode(one), Row)]
    pairs = [[[str(one) for one in part or ()] for part in (one.old, one.new)] for one in rows]

    def encoding() -> None:
        for one in pairs:
            msgspec.json.encode(one)

    report.add("yardstick: both rows as JSON", rate(len(pairs), encoding, 0.3), "changes/s")


def loaded(postgres: Postgres, count: int) -> None:
    """A table, its publication and slot, and a backlog of `count` updates."""
    postgres.sql(
        TABLE, "ALTER TABLE account REPLICA IDENTITY FULL",
        "CREATE PUBLICATION indelible FOR TABLE account",
        "INSERT INTO account SELECT g, 'Customer ' || g, 'customer' || g || '@example.org', 16.25,"
        " true, now(), '{\"plan\": \"basic\", \"seats\": [1, 2]}', 'the note of customer ' || g"
        f" FROM generate_series(0, {count - 1}) g",
        "SELECT pg_create_logical_replication_slot('indelible', 'pgoutput')",
        f"""DO $$ BEGIN
            FOR base IN 0..{count - CHANGES} BY {CHANGES} LOOP
                PERFORM pg_logical_emit_message(true, 'indelible', '{PERSON}');
                UPDATE account SET balance = balance + 1.25
                WHERE id >= base AND id < base + {CHANGES};
                COMMIT;
            END LOOP;
        END $$""",
    )


def drained(postgres: Postgres, count: int) -> float:
    """Changes a second that a driver reads from the slot and throws away."""
    peek = (
        "COPY (SELECT data FROM pg_logical_slot_peek_binary_changes('indelible', NULL, NULL,"
        " 'proto_version', '1', 'publication_names', 'indelible', 'messages', 'true'))"
        " TO STDOUT (FORMAT BINARY)"
    )
    began = time.monotonic()
    with postgres.connect() as connection, connection.cursor() as cursor:
        with cursor.copy(peek) as copy:
            for _ in copy:
                pass
    return count / (time.monotonic() - began)


def together(report: Report, work: Path, count: int) -> None:
    """From a real server into a real ledger."""
    shutil.rmtree(work / "capture", ignore_errors=True)
    ledger = Ledger(work / "capture")
    secret = work / "capture" / "password"
    secret.write_text(PASSWORD)
    with Postgres(shared_buffers="256MB", fsync="on") as postgres:
        loaded(postgres, count)
        report.add("yardstick: the slot read to nowhere", drained(postgres, count), "changes/s")
        ledger.run(
            "source", "add", "shop", "--data", str(ledger.data), "--protocol", "postgres",
            "--option", f"dsn={postgres.dsn()}", "--option", "publication=indelible",
            "--secret-file", str(secret),
        )
        ledger.start()
        try:
            with Watch(ledger) as watch:
                seen, seconds = taken(ledger, count)
            for role, used in processor_seconds(ledger).items():
                report.add(f"processor time, {role}", used / count * 1e6, "us a change")
            report.add(
                "stored in the ledger", seen / seconds, "changes/s", at_least=12_000,
                note=f"{count:,} changes in {count // CHANGES:,} transactions",
            )
            report.add("memory of all processes", watch.memory_mb, "MiB (PSS)", at_most=2_000)
            report.add("largest unsealed backlog", watch.unsealed, "events")
            view = ledger.get("/v1/sources/shop", "auditor")["now"]
            report.add("in the ledger, not of the table", view["stored"] - count, "events")
            report.add("not understood", view["unparsed"], "events", at_most=0)
        finally:
            ledger.stop()
    shutil.rmtree(work / "capture")


def processor_seconds(ledger: Ledger) -> dict[str, float]:
    """What each of the server's processes has used since it began, by its role."""
    used: dict[str, float] = {}
    for process in ledger.processes():
        words = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
        if b"indelible.app.process" in words:
            role = words[words.index(b"indelible.app.process") + 1].decode()
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            ticks = int(fields[11]) + int(fields[12])
            used[role] = used.get(role, 0.0) + ticks / os.sysconf("SC_CLK_TCK")
    return used


def taken(ledger: Ledger, count: int) -> tuple[int, float]:
    """How many changes were stored after the first that was seen, and in how many seconds."""
    samples: list[tuple[float, int]] = []
    until = time.monotonic() + 600
    while not samples or samples[-1][1] < count:
        stored = int(ledger.get("/v1/sources/shop", "auditor")["now"]["stored"])
        if stored:
            samples.append((time.monotonic(), stored))
        if time.monotonic() > until:
            raise RuntimeError(f"only {stored} of {count} changes were stored in ten minutes")
        time.sleep(0.05)
    first, last = samples[0], next(one for one in samples if one[1] >= count)
    return last[1] - first[1], last[0] - first[0]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--changes", type=int, default=300_000)
    args = parser.parse_args(arguments)
    report = Report("capture")
    alone(report, args.seconds)
    if (BIN / "initdb").exists():
        together(report, args.work, args.changes)
    else:
        print("PostgreSQL is not installed: nothing end to end", file=sys.stderr)
    report.finish(args.out)


if __name__ == "__main__":
    main()
