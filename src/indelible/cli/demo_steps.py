"""What the demo does with its ledger, step by step; `cli.demo` puts the steps together."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from indelible.base.clock import monotonic
from indelible.base.errors import IndelibleError
from indelible.base.limits import DEMO_REQUESTS, DEMO_SECONDS, POLL_SECONDS
from indelible.cli.check import Run
from indelible.cli.client import Client, Params, Reach, connect
from indelible.cli.keys import KeysAnswer
from indelible.cli.output import decode
from indelible.cli.progress import progress
from indelible.cli.token import Created
from indelible.ingest.importer import batches_of
from indelible.query.model import SearchPage
from indelible.server.rooms import Status

SOURCE = "hospital"
TOKENS = (("admin", "demo-admin"), ("writer", SOURCE), ("reader", "demo-reader"),
          ("auditor", "demo-auditor"))


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """How many events went in, and how fast."""

    events: int
    seconds: float

    @property
    def per_second(self) -> int:
        """Events a second, durable."""
        return round(self.events / max(self.seconds, 1e-6))


def make_tokens(ledger: Path, folder: Path) -> dict[str, Path]:
    """A token for each role, in files of mode 0600; made on the stopped ledger."""
    files = {}
    with connect(Reach(data=ledger)) as client:
        for role, name in TOKENS:
            asked = {"role": role, "name": name}
            if role == "writer":
                asked["source"] = SOURCE
            made = decode(client.post("/v1/tokens", asked), Created)
            path = folder / f"{role}.token"
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as file:
                file.write(made.token + "\n")
            files[role] = path
    return files


def load(client: Client, lines: Sequence[bytes]) -> Loaded:
    """Send a history as backfill, several batches in flight; every answer is looked at."""
    batches = list(batches_of(io.BytesIO(b"\n".join(lines)), "history", "native"))
    began, done = monotonic(), 0
    with progress("loading") as advance, ThreadPoolExecutor(DEMO_REQUESTS) as pool:
        for batch, raw in zip(batches, pool.map(lambda b: _send(client, b.body), batches),
                              strict=True):
            _require(raw, batch.count)
            done += batch.count
            advance(done, len(lines))
    return Loaded(events=done, seconds=monotonic() - began)


def _send(client: Client, body: bytes) -> bytes:
    params: Params = {"parser": "native", "backfill": True}
    headers = {"content-type": "application/x-ndjson"}
    return client.post("/v1/import", content=body, params=params, headers=headers)


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """The part of an answer that says whether everything is there."""

    accepted: int
    rejected: list[msgspec.Raw] = []


def _require(raw: bytes, count: int) -> None:
    answer = decode(raw, Accepted)
    if answer.accepted != count:
        first = bytes(answer.rejected[0]).decode() if answer.rejected else ""
        raise IndelibleError(f"{count - answer.accepted} simulated events were refused: {first}")


def send_live(client: Client, lines: Sequence[bytes]) -> int:
    """Send events that happen now; the number stored."""
    headers = {"content-type": "application/x-ndjson"}
    raw = client.post("/v1/events", content=b"\n".join(lines), headers=headers)
    _require(raw, len(lines))
    return len(lines)


def search(client: Client, query: str, limit: int = 1, **bounds: str) -> SearchPage:
    """One page of a search."""
    return decode(client.get("/v1/search", {"q": query, "limit": limit, **bounds}), SearchPage)


def status(client: Client) -> Status:
    """The ledger's status."""
    return decode(client.get("/v1/status"), Status)


def wait_published(client: Client, size: int) -> Status:
    """Wait until a checkpoint covers `size` entries."""
    began = monotonic()
    while (found := status(client)).published_size < size:
        if monotonic() - began > DEMO_SECONDS:
            raise IndelibleError(f"no checkpoint over {size} entries after {DEMO_SECONDS:.0f} s")
        threading.Event().wait(POLL_SECONDS)
    return found


def verify(client: Client) -> Run:
    """Verify everything, waiting for the end."""
    run = decode(client.post("/v1/verify", {}), Run)
    with progress("verifying") as advance:
        while run.state == "running":
            advance(run.done, run.total)
            threading.Event().wait(POLL_SECONDS)
            run = decode(client.get("/v1/verify", {"run": run.id}), Run)
    return run


def save_keys(client: Client, folder: Path) -> list[Path]:
    """The log's two public keys as files."""
    found = decode(client.get("/v1/keys"), KeysAnswer)
    files = []
    for name, line in (("log.vkey", found.vkey), ("log.vkey.mldsa44", found.mldsa44)):
        (folder / name).write_text(line.strip() + "\n", "utf-8")
        files.append(folder / name)
    return files


def save_bundle(client: Client, index: int, path: Path) -> None:
    """A bundle of one event."""
    with client.stream("POST", "/v1/bundle", value={"indexes": [index]}) as chunks:
        path.write_bytes(b"".join(chunks))


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What `indelible-verify --json` said."""

    verdict: str


def verify_offline(bundle: Path, keys: Sequence[Path]) -> str:
    """Run `indelible-verify`, which shares no code with the ledger and asks no network."""
    arguments = [sys.executable, "-m", "indelible_verify", str(bundle), "--json"]
    for key in keys:
        arguments += ["--key", str(key)]
    done = subprocess.run(arguments, capture_output=True, check=False)
    if b"No module named" in done.stderr:
        raise IndelibleError(
            "indelible-verify is not installed beside indelible", code="no_verifier",
            remedy="Install the package indelible-verify into the same environment.",
        )
    verdict = decode(done.stdout, Proof).verdict if done.stdout.strip() else ""
    if done.returncode != 0:
        said = verdict or done.stderr.decode("utf-8", "replace").strip()
        raise IndelibleError(f"indelible-verify refuses the bundle: {said}", code="not_proven")
    return verdict
