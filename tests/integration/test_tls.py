"""TLS beyond the loopback, with and without client certificates."""

from __future__ import annotations

import contextlib
import ssl
import time
from pathlib import Path

import httpx2
import pytest

from support.authority import Authority
from support.served import Place, Server


class TlsServer(Server):
    """A server that speaks TLS; readiness is asked for over it."""

    def __init__(self, place: Place, context: ssl.SSLContext, *flags: str) -> None:
        super().__init__(place, *flags)
        self._context = context
        self.url = f"https://127.0.0.1:{self.port}"

    def wait_ready(self, seconds: float = 30.0) -> float:
        """Until it answers, with our certificate."""
        with httpx2.Client(verify=self._context, timeout=2) as client:
            began = time.monotonic()
            while time.monotonic() - began < seconds:
                with contextlib.suppress(httpx2.HTTPError):
                    if client.get(f"{self.url}/readyz").status_code == 200:
                        return time.monotonic() - began
                assert self.process.poll() is None
                time.sleep(0.02)
        raise AssertionError((self.place.root / "serve.log").read_text())


def test_only_a_client_with_a_certificate_gets_an_answer(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server_pem, client_pem = authority.issue("server"), authority.issue("client")
    context = ssl.create_default_context(cafile=str(authority.path))
    bare = ssl.create_default_context(cafile=str(authority.path))
    context.load_cert_chain(client_pem, client_pem.with_suffix(".key"))
    place = Place(tmp_path).init()
    flags = (
        "--tls-cert", str(server_pem), "--tls-key", str(server_pem.with_suffix(".key")),
        "--tls-client-ca", str(authority.path),
    )
    with TlsServer(place, context, *flags) as server:
        headers = {"authorization": f"Bearer {place.tokens['writer']}"}
        event = {"action": "a.b", "actor": {"type": "user", "id": "u"},
                 "target": {"type": "t", "id": "1"}}
        with httpx2.Client(verify=context, headers=headers) as client:
            assert client.post(f"{server.url}/v1/events", json=event).status_code == 200
        with httpx2.Client(verify=bare, headers=headers) as client:
            with pytest.raises(httpx2.HTTPError):
                client.post(f"{server.url}/v1/events", json=event)


def test_the_command_line_names_what_tls_lacks(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server_pem, client_pem = authority.issue("server"), authority.issue("client")
    pair = tmp_path / "pair.pem"
    pair.write_bytes(client_pem.read_bytes() + client_pem.with_suffix(".key").read_bytes())
    context = ssl.create_default_context(cafile=str(authority.path))
    context.load_cert_chain(pair)
    place = Place(tmp_path).init()
    token = tmp_path / "token"
    token.write_text(place.tokens["auditor"])
    flags = (
        "--tls-cert", str(server_pem), "--tls-key", str(server_pem.with_suffix(".key")),
        "--tls-client-ca", str(authority.path),
    )
    with TlsServer(place, context, *flags) as server:

        def status(url: str, *words: str) -> tuple[int, str]:
            done = place.cli("status", "--token-file", str(token), "--url", url, *words,
                             check=False)
            return done.returncode, done.stderr.decode()

        trusting = ("--ca", str(authority.path))
        assert status(server.url, *trusting, "--certificate", str(pair))[0] == 0
        for words, url, named in (
            ((), server.url, "--ca FILE"),
            (trusting, server.url, "--certificate FILE"),
            ((), server.url.replace("https", "http"), "https://"),
        ):
            code, told = status(url, *words)
            assert code == 5
            assert named in told
            assert "indelible serve" not in told


def test_listening_beyond_the_loopback_in_clear_is_refused(tmp_path: Path) -> None:
    place = Place(tmp_path).init()
    done = place.cli(
        "serve", "--data", str(place.data), "--host", "0.0.0.0", "--port", "0", check=False
    )
    assert done.returncode == 2
    assert b"TLS" in done.stderr
