"""Heads of requests under attack: strangers, malformed HTTP, two credentials, impossible tiles."""

from __future__ import annotations

import socket

import httpx2
import pytest

from support.hostile import raw, status_of
from support.served import Server

UNKNOWN = [
    ("GET", "/v1/search"), ("GET", "/v1/events/0"), ("GET", "/v1/export"), ("GET", "/v1/tail"),
    ("POST", "/v1/events"), ("POST", "/v1/tokens"), ("GET", "/metrics"), ("GET", "/checkpoint"),
    ("GET", "/tile/0/000"), ("GET", "/openapi.json"), ("GET", "/no/such/path"), ("OPTIONS", "/"),
    ("HEAD", "/v1/search"), ("TRACE", "/healthz"), ("GET", "/%2e%2e/%2e%2e/etc/passwd"),
]


@pytest.mark.parametrize(("method", "path"), UNKNOWN)
def test_a_stranger_learns_nothing_but_that_a_token_is_needed(
    server: Server, method: str, path: str
) -> None:
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer = raw(server, head.encode())
    assert status_of(answer) == 401
    assert server.place.origin.encode() not in answer
    assert str(server.place.root).encode() not in answer


MALFORMED = [
    ("not HTTP", b"\x00\x01\x02\r\n\r\n", 400),
    ("two lengths", b"POST /v1/events HTTP/1.1\r\nHost: x\r\n%AContent-Length: 2\r\n"
     b"Content-Length: 3\r\n\r\n{}x", 400),
    ("a negative length", b"POST /v1/events HTTP/1.1\r\nHost: x\r\n%AContent-Length: -2\r\n\r\n{}",
     400),
    ("a header of 1 MB", b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 1_000_000
     + b"\r\n\r\n", 431),
    ("two thousand headers", b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 2_000
     + b"\r\n", 431),
    ("a bare carriage return", b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n", 400),
]


@pytest.mark.parametrize(
    ("request_bytes", "status"), [row[1:] for row in MALFORMED], ids=[row[0] for row in MALFORMED]
)
def test_malformed_http_is_refused(server: Server, request_bytes: bytes, status: int) -> None:
    assert status_of(raw(server, request_bytes, "writer")) == status


def test_a_request_smuggled_behind_another_is_not_answered_as_its_sender(server: Server) -> None:
    answer = raw(
        server,
        b"POST /v1/events HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%AContent-Length: 4\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /v1/keys HTTP/1.1\r\nHost: x\r\n\r\n",
        "writer",
    )
    assert answer.count(b"HTTP/1.1 ") == 1


def test_of_two_credentials_the_first_counts_on_every_route(server: Server) -> None:
    both = "".join(
        f"Authorization: Bearer {server.place.tokens[role]}\r\n" for role in ("reader", "writer")
    ).encode()
    head = b"HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + both
    post = raw(server, b"POST /v1/events " + head + b"Content-Length: 2\r\n\r\n{}")
    assert status_of(post) == 403
    assert status_of(raw(server, b"GET /v1/search " + head + b"\r\n")) == 200


def test_an_unknown_sender_is_refused_before_its_body_is_read(server: Server) -> None:
    head = b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 16000000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(head)
        assert status_of(connection.recv(4096)) == 401


TILES = ["99/000", "0/000.p/0", "0/000.p/256", "0/000.p/999", "0/x999/999", "../vkey", "entries/x"]


@pytest.mark.parametrize("path", TILES)
def test_a_tile_that_cannot_be_is_not_found(reader: httpx2.Client, path: str) -> None:
    assert reader.get(f"/tile/{path}").status_code == 404
