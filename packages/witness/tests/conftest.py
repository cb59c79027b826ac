"""A small log to be witnessed, and a real witness served on loopback."""

from __future__ import annotations

import base64
import hashlib
import http.client
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import indelible_verify
import indelible_witness


def sha(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def split(count: int) -> int:
    k = 1
    while k * 2 < count:
        k *= 2
    return k


def merkle(leaves: list[bytes]) -> bytes:
    if not leaves:
        return sha()
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return sha(b"\x01", merkle(leaves[:k]), merkle(leaves[k:]))


def consistency(old: int, leaves: list[bytes], whole: bool = True) -> list[bytes]:
    """SUBPROOF of RFC 6962 section 2.1.2."""
    if old == len(leaves):
        return [] if whole else [merkle(leaves)]
    k = split(len(leaves))
    if old <= k:
        return [*consistency(old, leaves[:k], whole), merkle(leaves[k:])]
    return [*consistency(old - k, leaves[k:], False), merkle(leaves[:k])]


class SmallLog:
    """A log of made-up leaves under one Ed25519 key; `branch` makes another view of it."""

    def __init__(self, origin: str = "log.test/small", key: Any = None) -> None:
        self.origin = origin
        self.key = key or Ed25519PrivateKey.generate()
        self.leaves: list[bytes] = []
        public = self.key.public_key().public_bytes_raw()
        self.id = sha(origin.encode(), b"\n\x01", public)[:4]
        material = base64.b64encode(b"\x01" + public).decode()
        self.vkey = f"{origin}+{self.id.hex()}+{material}"

    def grow(self, size: int, label: bytes = b"") -> SmallLog:
        while len(self.leaves) < size:
            self.leaves.append(sha(b"\x00", label, str(len(self.leaves)).encode()))
        return self

    def branch(self, at: int, size: int, label: bytes) -> SmallLog:
        other = SmallLog(self.origin, self.key)
        other.leaves = self.leaves[:at]
        return other.grow(size, label)

    def checkpoint(self, size: int, extension: str = "") -> bytes:
        root = base64.b64encode(merkle(self.leaves[:size])).decode()
        text = f"{self.origin}\n{size}\n{root}\n{extension}"
        blob = base64.b64encode(self.id + self.key.sign(text.encode())).decode()
        return f"{text}\n— {self.origin} {blob}\n".encode()

    def request(self, old: int, size: int, checkpoint: bytes | None = None) -> bytes:
        proof = consistency(old, self.leaves[:size]) if 0 < old <= size else []
        lines = "".join(base64.b64encode(h).decode() + "\n" for h in proof)
        return f"old {old}\n{lines}\n".encode() + (checkpoint or self.checkpoint(size))


class Served:
    """A witness process; `post` and `get` give (status, content type, body)."""

    def __init__(
        self, folder: Path, port: int, *options: str, tls: ssl.SSLContext | None = None
    ) -> None:
        self.folder, self.port, self._tls = folder, port, tls
        self._options = options
        self.start()

    def start(self) -> None:
        roots = {str(Path(m.__file__).parents[1]) for m in (indelible_verify, indelible_witness)}
        path = os.pathsep.join([*roots, os.environ.get("PYTHONPATH", "")])
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "indelible_witness", "serve", str(self.folder)),
                *("--port", str(self.port), *self._options),
            ],
            env={**os.environ, "PYTHONPATH": path},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        while True:
            assert self.process.poll() is None, "the witness ended"
            try:
                if self.get("/healthz")[0] == 200:
                    return
            except OSError:
                self.process.poll()

    def kill(self) -> None:
        """End the whole process group at once, as a power cut would."""
        os.killpg(self.process.pid, 9)
        self.process.wait()

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(20)

    def post(self, body: bytes, path: str = "/add-checkpoint") -> tuple[int, str, bytes]:
        return self._call("POST", path, body)

    def get(self, path: str) -> tuple[int, str, bytes]:
        return self._call("GET", path, None)

    def _call(self, method: str, path: str, body: bytes | None) -> tuple[int, str, bytes]:
        connection: http.client.HTTPConnection
        if self._tls is None:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        else:
            connection = http.client.HTTPSConnection(
                "localhost", self.port, timeout=30, context=self._tls
            )
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer.status, answer.getheader("content-type", ""), answer.read()
        finally:
            connection.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def small() -> SmallLog:
    return SmallLog().grow(40)


@pytest.fixture
def make_small() -> Callable[..., SmallLog]:
    return SmallLog


@pytest.fixture
def folder(tmp_path: Path, small: SmallLog, capsys: pytest.CaptureFixture[str]) -> Path:
    from indelible_witness.main import main

    path = tmp_path / "witness"
    assert main(["init", str(path), "--name", "witness.test/w1"]) == 0
    assert main(["add-log", str(path), "--vkey", small.vkey]) == 0
    capsys.readouterr()
    return path


@pytest.fixture
def serve(folder: Path) -> Iterator[Callable[..., Served]]:
    """Start witnesses on free ports; all of them are ended after the test."""
    running: list[Served] = []

    def call(*options: str, tls: ssl.SSLContext | None = None) -> Served:
        running.append(Served(folder, free_port(), *options, tls=tls))
        return running[-1]

    yield call
    for one in running:
        if one.process.poll() is None:
            one.kill()


@pytest.fixture
def served(serve: Callable[..., Served]) -> Served:
    return serve()
