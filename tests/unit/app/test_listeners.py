"""Listeners that cannot be opened say why and what to do, and are tried again."""

from __future__ import annotations

import asyncio
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from indelible.app.listeners import listeners_of
from indelible.base.settings import Address, Settings
from support.authority import Authority


def settings(folder: Path, at: str, **more: Any) -> Settings:
    return Settings(
        origin="example.org/log", keys=folder / "keys", state=folder / "state",
        otlp_grpc=Address(at), **more,
    )


def settled(made: Settings) -> tuple[str, str]:
    """Where the listener of gRPC is open, and what its trouble is."""

    async def main() -> tuple[str, str]:
        (listener,) = listeners_of(made, None, None)  # type: ignore[arg-type]
        await listener.settle()
        await listener.settle()
        found = listener.where, listener.trouble
        await listener.close()
        return found

    return asyncio.run(main())


def test_grpc_without_its_library_names_the_command_of_pip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "grpc", None)
    where, trouble = settled(settings(tmp_path, "127.0.0.1:0"))
    assert where == ""
    assert trouble.startswith("otlp_grpc: cannot listen on 127.0.0.1:0: ")
    assert "pip install grpcio" in trouble


def test_grpc_at_an_address_in_use_says_so_and_is_opened_later(tmp_path: Path) -> None:
    pytest.importorskip("grpc", reason="grpcio")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        at = f"127.0.0.1:{taken.getsockname()[1]}"
        where, trouble = settled(settings(tmp_path, at))
        assert (where, "in use" in trouble) == ("", True)
    assert settled(settings(tmp_path, at)) == (at, "")


def test_grpc_with_a_certificate_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    pytest.importorskip("grpc", reason="grpcio")
    cert = Authority(tmp_path).issue("localhost")
    key = cert.with_suffix(".key")
    where, trouble = settled(settings(tmp_path, "127.0.0.1:0", tls_cert=cert, tls_key=key))
    assert (where[:10], trouble) == ("127.0.0.1:", "")
    wrong = settings(tmp_path, "127.0.0.1:0", tls_cert=cert, tls_key=cert)
    where, trouble = settled(wrong)
    assert (where, "tls_cert and tls_key cannot be used" in trouble) == ("", True)
