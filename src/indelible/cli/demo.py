"""`indelible demo`: a ledger with a year of a hospital group in it, to look around in."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click
import msgspec

from indelible.base.clock import MICROS, monotonic, wall_us
from indelible.base.errors import EXIT_DAMAGED, IndelibleError
from indelible.base.limits import DEMO_BATCH_EVENTS
from indelible.base.random import random_id
from indelible.cli.client import URL_VARIABLE
from indelible.cli.failures import Refused
from indelible.cli.options import FOLDER, Output, plain
from indelible.cli.output import size_text
from indelible.cli.visible import visible

if TYPE_CHECKING:
    from indelible.cli.client import Client
    from indelible.cli.demo_steps import Loaded

EVENTS = 50_000
RECORD = "pr_839"
DELETION = f"action:payroll.record.delete target:{RECORD}"
_LIVE_PER_SECOND = 3.0


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """The one line of JSON with which `demo --once` ends."""

    events: int
    verdict: str
    root: str
    ingest_per_s: int
    bytes_per_event: float
    size: int
    origin: str
    search_ms: float
    verify_s: float
    proof: str
    seconds: float


@click.command()
@click.option("--once", is_flag=True,
              help="Load, seal, search, verify, prove one event offline, and end.")
@click.option("--events", type=click.IntRange(2_000), default=EVENTS, show_default=True,
              metavar="N", help="How many events the history has.")
@click.option("--dir", "directory", type=FOLDER, metavar="DIR",
              help="A new folder for everything.  [default: made here; with --once temporary]")
@click.option("--port", type=click.IntRange(1, 65_535), metavar="P",
              help="Port to listen on.  [default: 8440, or a free one]")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, metavar="N",
              help="Another seed is another company.")
@plain
def demo(
    out: Output, once: bool, events: int, directory: Path | None, port: int | None, seed: int
) -> None:
    """Start a ledger and fill it with a simulated hospital group: a year's thin trail, 30 ordinary
    days, and an intruder's afternoon that ends now. Then events go on arriving until Ctrl-C.

    Everything lies in one folder, keys and tokens included; delete it when you are done.

    \b
    Examples:
      indelible demo
      indelible demo --once
      indelible demo --events 1000000 --dir /tmp/big-demo
    """
    began = monotonic()
    with _folder(directory, once) as folder, _interruptible():
        result = _run(out, folder, once, events, port, seed, began)
    if result is None:
        return
    click.echo(msgspec.json.encode(result).decode())
    if result.verdict not in ("proven", "unwitnessed"):
        click.get_current_context().exit(EXIT_DAMAGED)


@contextmanager
def _folder(directory: Path | None, once: bool) -> Iterator[Path]:
    """The demo's folder: named and kept, or temporary and removed."""
    if directory is not None:
        if directory.exists() and any(directory.iterdir()):
            raise Refused(f"{directory} is not empty", remedy=_go_on(directory))
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        yield directory.absolute()
    elif once:
        with tempfile.TemporaryDirectory(prefix="indelible-demo-") as name:
            yield Path(name)
    else:
        made = Path.cwd() / f"indelible-demo-{random_id()[:6]}"
        made.mkdir(mode=0o700)
        yield made


def _go_on(directory: Path) -> str:
    """The way out where the named folder holds something, an earlier demo perhaps."""
    if not (directory / "data" / "indelible.toml").exists():
        return "Name a new folder."
    return (
        f"Go on with what is there: `indelible serve --data {directory / 'data'}`. "
        "For another demo name a new folder."
    )


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM and SIGHUP end the demo as Ctrl-C does, so that its server is drained too.

    SIGINT is set as well: a shell starts what runs in its background with SIGINT ignored.
    """

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, interrupt)
              for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _run(
    out: Output, folder: Path, once: bool, events: int, port: int | None, seed: int, began: float
) -> Result | None:
    from indelible.app import init_ledger
    from indelible.cli import demo_steps as steps
    from indelible.cli.client import Reach, connect
    from indelible.cli.demo_server import DemoServer, free_port
    from indelible.simulate.company import demo_history

    origin = f"demo.indelible.example/{random_id()}"
    init_ledger(folder / "data", origin, folder / "keys", folder / "state", False)
    tokens = steps.make_tokens(folder / "data", folder)
    out.say(f"A new ledger, {origin}, is in {visible(str(folder))}.")
    lines = list(demo_history(seed, wall_us(), events))
    server = DemoServer(folder / "data", free_port(port), folder / "serve.log")

    @contextmanager
    def role(name: str) -> Iterator[Client]:
        with connect(Reach(url=server.url, token_file=tokens[name])) as client:
            yield client

    try:
        with server, role("writer") as writer:
            loaded = steps.load(writer, lines)
            del lines
            out.say(f"{loaded.events:,} events are in it, durable: {loaded.per_second:,}/s.")
            with role("auditor") as auditor, role("admin") as admin:
                admin.post("/v1/seal", endless=True)
                if once:
                    return _once(out, folder, auditor, loaded, origin, began)
                found = steps.search(auditor, DELETION)
            index = found.events[0].index if found.events else 0
            _invite(out, folder, server.url, index)
            _live(out, writer, server, seed)
    except KeyboardInterrupt:
        out.say()
        out.say(f"Stopped. Everything is kept in {visible(str(folder))}; delete it when done.")
    return None


def _once(
    out: Output, folder: Path, auditor: Client, loaded: Loaded, origin: str, began: float
) -> Result:
    """Search, verify, prove offline; the numbers."""
    from indelible.cli import demo_steps as steps

    found = steps.search(auditor, DELETION)
    if not found.events:
        raise IndelibleError(f"the deletion of {RECORD} was not found", code="not_found")
    deletion = found.events[0]
    out.say(f"Found in {found.took_ms:.0f} ms: {visible(deletion.actor_name)} deleted "
            f"{visible(deletion.target)} on {deletion.time[:10]}, event {deletion.index}.")
    at = monotonic()
    run = steps.verify(auditor)
    verify_s = monotonic() - at
    out.say(f"Verified {run.total or loaded.events:,} events in {verify_s:.1f} s: "
            f"{visible(run.verdict)}.")
    steps.wait_published(auditor, deletion.index + 1)
    bundle, keys = folder / "bundle.zip", steps.save_keys(auditor, folder)
    steps.save_bundle(auditor, deletion.index, bundle)
    proof = steps.verify_offline(bundle, keys)
    out.say(f"indelible-verify, offline, of event {deletion.index}: {visible(proof)}.")
    state = steps.status(auditor)
    stored = sum(state.bytes_by_kind.get(kind, 0) for kind in ("evidence", "columns"))
    out.say(f"Evidence and columns take {size_text(stored)}.")
    return Result(
        events=loaded.events, verdict=run.verdict, root=state.root,
        ingest_per_s=loaded.per_second,
        bytes_per_event=round(stored / max(state.sealed_size, 1), 1),
        size=state.size, origin=origin, search_ms=round(found.took_ms, 1),
        verify_s=round(verify_s, 2), proof=proof, seconds=round(monotonic() - began, 1),
    )


def _program() -> str:
    """How the reader of the demo calls this program."""
    beside = Path(sys.executable).with_name("indelible")
    if shutil.which("indelible") or not beside.exists():
        return "indelible"
    try:
        return str(beside.relative_to(Path.cwd()))
    except ValueError:
        return str(beside)


def _invite(out: Output, folder: Path, url: str, index: int) -> None:
    """What to try next: real commands, to be copied."""
    program = _program()
    usual = url.endswith(":8440") and not os.environ.get(URL_VARIABLE)
    where = "" if usual else f" --url {url}"
    verifier = f"{program}-verify"
    steps: list[tuple[str, list[str]]] = [
        ("Who deleted a payroll record, and what happened to it before?", [
            f"{program} search 'operation:delete target.type:payroll_record' --since 400d{where}",
            f"{program} history payroll_record {RECORD}{where}",
        ]),
        ("What did the intruder do this afternoon?", [
            f"{program} search 'action:session.login outcome:failure ip:198.51.100.0/24' "
            f"--since 6h{where}",
            f"{program} search 'ip:198.51.100.0/24 outcome:success -action:patient.*' "
            f"--since 6h{where}",
        ]),
        ("Watch it live; how is the ledger?", [
            f"{program} tail 'operation:update'{where}",
            f"{program} status{where}",
        ]),
        ("Prove the deletion to somebody who trusts nobody here:", [
            f"{program} prove {index} -o bundle.zip{where}",
            f"{program} keys show -o .{where}",
            f"{verifier} bundle.zip --key log.vkey --key log.vkey.mldsa44",
        ]),
        ("Then stop it with Ctrl-C, change one byte, and ask again:", [
            f"f=$(find {folder}/data -name '*.evidence' | head -1)",
            'printf X | dd of="$f" bs=1 seek=5000 conv=notrunc status=none',
            f"{program} verify --data {folder}/data",
        ]),
    ]
    out.say()
    out.say(out.paint("In another terminal:", None, bold=True))
    out.say(f"  export INDELIBLE_TOKEN_FILE={folder}/auditor.token")
    for title, commands in steps:
        out.say()
        out.say(f"  # {title}")
        for command in commands:
            out.say(f"  {command}")
    out.say()
    out.say(f"Events go on arriving at {url} until Ctrl-C.")


def _live(out: Output, writer: Client, server: object, seed: int) -> None:
    """Send what happens now, by the company's rhythm, until interrupted."""
    from indelible.cli import demo_steps as steps
    from indelible.cli.demo_server import DemoServer
    from indelible.simulate.company import live

    assert isinstance(server, DemoServer)
    company, pause = live(seed + 1, _LIVE_PER_SECOND), threading.Event()
    sent, due = 0, wall_us()
    while True:
        ready: list[bytes] = []
        while due <= wall_us() and len(ready) < DEMO_BATCH_EVENTS:
            ready.append(company.event(due))
            due += round(company.delay_s(due) * MICROS)
        if ready:
            server.check()
            sent += steps.send_live(writer, ready)
            if out.color:
                click.echo(f"\r{sent:,} live events", nl=False)
        pause.wait(min(max((due - wall_us()) / MICROS, 0.05), 1.0))
