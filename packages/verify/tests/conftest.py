"""A minimal writer of Indelible logs for these tests, independent of the verifier's code."""

from __future__ import annotations

import base64
import hashlib
import json
import struct
import zipfile
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

KINDS = [
    *("event", "unparsed", "source", "gap", "silence", "statement", "heartbeat", "config"),
    *("key", "hold", "erase", "prune", "restore"),
]
START = 1_790_000_000
HIDDEN = [
    *range(0x20),
    *range(0x7F, 0xA0),
    0x061C,
    *range(0x200B, 0x2010),
    *range(0x2028, 0x202F),
    *range(0x2060, 0x206A),
    0xFEFF,
    *range(0xFFF9, 0xFFFC),
    *range(0xE0000, 0xE0080),
]


def sha(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def merkle(leaves: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, word for word."""
    if not leaves:
        return sha()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha(b"\x01", merkle(leaves[:k]), merkle(leaves[k:]))


def multiproof(leaves: list[bytes], chosen: Iterable[int]) -> list[bytes]:
    wanted, out = set(chosen), []

    def walk(low: int, high: int) -> None:
        if not any(low <= i < high for i in wanted):
            out.append(merkle(leaves[low:high]))
        elif high - low > 1:
            k = 1
            while k * 2 < high - low:
                k *= 2
            walk(low, low + k)
            walk(low + k, high)

    walk(0, len(leaves))
    return out


def inclusion(leaves: list[bytes], index: int) -> list[bytes]:
    if len(leaves) == 1:
        return []
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if index < k:
        return [*inclusion(leaves[:k], index), merkle(leaves[k:])]
    return [*inclusion(leaves[k:], index - k), merkle(leaves[:k])]


class Signer:
    """One key of a name, type 1, 4 or 6."""

    def __init__(self, name: str, kind: int) -> None:
        self.name, self.kind = name, kind
        self.private = MLDSA44PrivateKey.generate() if kind == 6 else Ed25519PrivateKey.generate()
        self.public = self.private.public_key().public_bytes_raw()
        self.id = sha(name.encode(), b"\n", bytes([kind]), self.public)[:4]
        material = base64.b64encode(bytes([kind]) + self.public).decode()
        self.vkey = f"{name}+{self.id.hex()}+{material}"

    def line(self, text: str, when: int) -> str:
        stamp = b""
        if self.kind == 1:
            message = text.encode()
        elif self.kind == 4:
            stamp = struct.pack(">Q", when)
            message = f"cosignature/v1\ntime {when}\n{text}".encode()
        else:
            stamp = struct.pack(">Q", when)
            origin, size, root = text.split("\n")[:3]
            name = self.name.encode()
            message = b"subtree/v1\n\x00" + bytes([len(name)]) + name + stamp
            message += bytes([len(origin.encode())]) + origin.encode()
            message += struct.pack(">QQ", 0, int(size)) + base64.b64decode(root)
        blob = self.id + stamp + self.private.sign(message)
        return f"— {self.name} {base64.b64encode(blob).decode()}\n"


class LogWriter:
    """Appends bodies, signs checkpoints, writes bundles, proofs and exported trees."""

    def __init__(self, origin: str = "log.test/audit") -> None:
        self.origin = origin
        self.ed, self.ml = Signer(origin, 1), Signer(origin, 6)
        self.bodies: list[bytes] = []
        self.salts: list[bytes] = []
        self.entries: list[bytes] = []

    @property
    def keys(self) -> list[str]:
        return [self.ed.vkey, self.ml.vkey]

    @property
    def leaves(self) -> list[bytes]:
        return [sha(b"\x00", entry) for entry in self.entries]

    def add(self, kind: str = "event", *, raw: bytes | None = None, **members: object) -> int:
        index = len(self.entries)
        micros = START * 1_000_000 + index * 1_000
        when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
        number = 1 if kind in ("event", "unparsed") else 0
        source: dict[str, object] = {"id": "app", "number": number}
        if number:
            source["seq"] = index
        body = {**members, "kind": kind, "received": when.strftime("%Y-%m-%dT%H:%M:%S.%fZ")}
        text = json.dumps({**body, "source": source, "via": {}}, separators=(",", ":"))
        data = text.encode() if raw is None else raw
        salt = sha(b"salt", struct.pack(">Q", index))
        head = (1, KINDS.index(kind) + 1, 0, number, index if number else 0, micros, 0)
        commitment = sha(b"indelible/body/v1\x00", salt, data)
        self.bodies.append(data)
        self.salts.append(salt)
        self.entries.append(struct.pack(">BBHIQQI", *head) + commitment)
        return index

    def event(self, actor: str = "ann", action: str = "user.login", **more: object) -> int:
        target = {"type": "account", "id": f"a{len(self.entries)}"}
        return self.add(actor={"id": actor}, action=action, targets=[target], **more)

    def fill(self, count: int) -> None:
        while len(self.entries) < count:
            self.event()

    def commitment(self, index: int) -> str:
        return self.entries[index][28:].hex()

    def checkpoint(
        self,
        size: int | None = None,
        *,
        root: bytes | None = None,
        signers: list[Signer] | None = None,
        when: int = START + 60,
    ) -> bytes:
        count = len(self.entries) if size is None else size
        top = merkle(self.leaves[:count]) if root is None else root
        text = f"{self.origin}\n{count}\n{base64.b64encode(top).decode()}\n"
        chosen = [self.ed, self.ml] if signers is None else signers
        return (text + "\n" + "".join(s.line(text, when) for s in chosen)).encode()

    def parts(
        self,
        indexes: list[int],
        *,
        hidden: Iterable[int] = (),
        as_range: bool = False,
        size: int | None = None,
        checkpoint: bytes | None = None,
    ) -> dict[str, bytes]:
        count = len(self.entries) if size is None else size
        away = set(hidden)
        description: dict[str, object] = {"format": "indelible-bundle/1", "origin": self.origin}
        description |= {"size": count, "indexes": indexes}
        if as_range:
            description["range"] = [indexes[0], indexes[-1]]
        bodies = [b"" if i in away else self.bodies[i] for i in indexes]
        return {
            "bundle.json": json.dumps(description).encode(),
            "checkpoint": checkpoint or self.checkpoint(count),
            "entries.bin": b"".join(self.entries[i] for i in indexes),
            "salts.bin": b"".join(bytes(32) if i in away else self.salts[i] for i in indexes),
            "bodies.ndjson": b"".join(body + b"\n" for body in bodies),
            "proof.bin": b"".join(multiproof(self.leaves[:count], indexes)),
            "view.html": view(self.origin, count, indexes, bodies),
        }

    def proof(self, index: int) -> bytes:
        extra = base64.b64encode(self.entries[index] + self.salts[index]).decode()
        hashes = [base64.b64encode(h).decode() for h in inclusion(self.leaves, index)]
        lines = ["c2sp.org/tlog-proof@v1", f"extra {extra}", f"index {index}", *hashes, "", ""]
        return "\n".join(lines).encode() + self.checkpoint()

    def export(self, root: Path, size: int | None = None) -> Path:
        count = len(self.entries) if size is None else size
        root.mkdir(parents=True, exist_ok=True)
        (root / "checkpoint").write_bytes(self.checkpoint(count))
        (root / "vkey").write_text("attacker+00000000+AAAA\n")
        slots = [b"\x00\x3c" + entry for entry in self.entries[:count]]
        write_tiles(root, "entries", slots)
        level, nodes = 0, self.leaves[:count]
        while nodes:
            write_tiles(root, str(level), nodes)
            full = len(nodes) // 256
            nodes = [merkle(nodes[n * 256 : n * 256 + 256]) for n in range(full)]
            level += 1
        return root


def write_tiles(root: Path, level: str, items: list[bytes]) -> None:
    for n in range(0, len(items), 256):
        chunk = items[n : n + 256]
        digits = f"{n // 256:03d}" if n < 256_000 else f"x{n // 256_000:03d}/{n // 256 % 1000:03d}"
        name = digits if len(chunk) == 256 else f"{digits}.p/{len(chunk)}"
        path = root / "tile" / level / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(chunk))


def escaped(value: str) -> str:
    pairs = [("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&#x27;")]
    for char, entity in pairs:
        value = value.replace(char, entity)
    return "".join(json.dumps(c)[1:-1] if ord(c) > 0xFF and ord(c) in HIDDEN
                   else f"\\u{ord(c):04x}" if ord(c) in HIDDEN else c for c in value)


def view(origin: str, size: int, indexes: list[int], bodies: list[bytes]) -> bytes:
    style = (
        "body{font:15px/1.5 system-ui,sans-serif;margin:2rem;max-width:80rem}table{border-collapse"
        ":collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.3rem .6rem;border-"
        "bottom:1px solid #ccc}pre{white-space:pre-wrap;overflow-wrap:anywhere;margin:.3rem 0}"
    )
    out = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Evidence of {escaped(origin)}</title>
<style>{style}</style></head><body>
<h1>Evidence of {escaped(origin)}</h1>
<p>{len(indexes)} of the log's first {size} entries. This page is for reading; the proof is in \
the other files: check it with <code>indelible-verify</code>.</p>
<table><tr><th>Index</th><th>Time</th><th>Actor</th><th>Action</th><th>Target</th>\
<th>Outcome</th></tr>
"""
    for index, body in zip(indexes, bodies, strict=True):
        if not body:
            out += f'<tr><td>{index}</td><td colspan="5">not shown</td></tr>\n'
            continue
        found = json.loads(body)
        target = (found.get("targets") or [None])[0]
        cells = [
            str(index),
            found.get("time", found["received"]),
            found.get("actor", {}).get("id", ""),
            found.get("action", ""),
            "" if target is None else f"{target['type']} {target['id']}",
            found.get("outcome", "unknown"),
        ]
        out += "<tr>" + "".join(f"<td>{escaped(c)}</td>" for c in cells) + "</tr>\n"
        out += '<tr><td></td><td colspan="5"><details><summary>Body</summary><pre>'
        out += escaped(body.decode()) + "</pre></details></td></tr>\n"
    return (out + "</table></body></html>\n").encode()


@pytest.fixture
def log() -> LogWriter:
    return LogWriter()


@pytest.fixture
def make_signer() -> Callable[[str, int], Signer]:
    return Signer


@pytest.fixture
def make_log() -> Callable[..., LogWriter]:
    return LogWriter


@pytest.fixture
def pack(tmp_path: Path) -> Callable[[dict[str, bytes]], Path]:
    def write(parts: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
        path = tmp_path / "bundle.zip"
        with zipfile.ZipFile(path, "w", method) as archive:
            for name, data in parts.items():
                archive.writestr(name, data)
        return path

    return write


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, dict[str, object]]]:
    """Run the command with --json and give exit code and object, which must agree."""
    from indelible_verify.main import main

    def call(*arguments: object) -> tuple[int, dict[str, object]]:
        code = main([*(str(a) for a in arguments), "--json"])
        found = json.loads(capsys.readouterr().out)
        assert found["exit"] == code
        return code, found

    return call


@pytest.fixture
def filled(log: Any) -> Any:
    log.fill(20)
    return log


@pytest.fixture
def check(
    run: Callable[..., tuple[int, dict[str, Any]]], pack: Callable[..., Path]
) -> Callable[..., tuple[int, dict[str, Any]]]:
    def call(log: Any, parts: dict[str, bytes], *more: object) -> tuple[int, dict[str, Any]]:
        keys = [part for vkey in log.keys for part in ("--key", vkey)]
        return run(pack(parts), *keys, *more)

    return call
