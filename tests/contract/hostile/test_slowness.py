"""Senders and readers that are slow, many, or gone keep nobody else waiting."""

from __future__ import annotations

import socket
import threading
import time

import httpx2
import msgspec
import pytest

from indelible.base.limits import EXPORT_STREAMS
from support.hostile import GOOD, raw, ready, status_of
from support.served import Server


def test_broken_requests_behind_many_others_cost_the_server_nothing(server: Server) -> None:
    head = b"HEAD / HTTP/1.1\r\nHost: x\r\n"
    request = (head + b"\r\n") * 300 + head + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n"
    until = time.monotonic() + 2.5  # the server looks after its connections once a second
    while time.monotonic() < until:
        assert raw(server, request).startswith(b"HTTP/1.1 4")
    assert ready(server)  # and no traceback in its log, see `server`


def test_a_request_that_is_slow_to_read_does_not_stop_the_others(
    server: Server, writer: httpx2.Client
) -> None:
    nested = b"[" + b'{"a":{"b":{"c":1}}},' * 45_000 + b"1]"
    slow = (GOOD[:-1] + b',"data":' + nested + b"}\n") * 8
    done: list[tuple[float, int]] = []

    def send() -> None:
        began = time.monotonic()
        done.append((0.0, 0))
        status = writer.post("/v1/events", content=slow).status_code
        done[0] = (time.monotonic() - began, status)

    sending = threading.Thread(target=send)
    waited: list[float] = []
    with httpx2.Client(base_url=server.url, timeout=60) as other:
        sending.start()
        while sending.is_alive():
            began = time.monotonic()
            assert other.get("/healthz").status_code == 200
            waited.append(time.monotonic() - began)
        sending.join()
    assert done[0][1] == 200
    assert max(waited) < max(0.5, done[0][0] / 3), (max(waited), done[0])


def test_a_sender_that_hangs_up_stores_nothing(server: Server, reader: httpx2.Client) -> None:
    line = GOOD.replace(b'"i"', b'"half-sent"')
    head = (
        b"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
        + server.place.tokens["writer"].encode() + b"\r\nContent-Length: %d\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(head % (2 * len(line) + 2) + line + b"\n")
    assert ready(server)
    assert reader.get("/v1/search", params={"q": "target:half-sent kind:event tenant:''"}).json()[
        "events"
    ] == []


@pytest.fixture(scope="module")
def burst(writer: httpx2.Client) -> int:
    """How many large events were sent at once, more than the buffers of a connection take."""
    large = {"target": {"type": "t", "id": "burst"}, "data": "x" * 24_000}
    rows = [{**msgspec.json.decode(GOOD), **large} for _ in range(600)]
    for _ in range(8):
        assert writer.post("/v1/events", json=rows).status_code == 200
    return 8 * len(rows)


def test_an_export_behind_a_burst_leaves_nothing_out(reader: httpx2.Client, burst: int) -> None:
    answer = reader.get("/v1/export", params={"q": "target:burst kind:event action:a.read"})
    assert answer.content.count(b"\n") == burst


def test_exports_that_nobody_reads_keep_no_search_waiting(
    server: Server, reader: httpx2.Client, burst: int
) -> None:
    token = server.place.tokens["reader"]
    head = f"GET /v1/export HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}"
    stalled = []
    try:
        for _ in range(EXPORT_STREAMS):
            connection = socket.socket()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            connection.connect(("127.0.0.1", server.port))
            connection.sendall(f"{head}\r\n\r\n".encode())
            stalled.append(connection)
        for connection in stalled:
            assert status_of(connection.recv(64)) == 200
        assert reader.get("/v1/search", params={"q": "target:i"}, timeout=20).status_code == 200
        assert reader.get("/v1/export").status_code == 503
    finally:
        for connection in stalled:
            connection.close()


def test_tails_that_ask_for_much_leave_single_reads_alone(
    server: Server, reader: httpx2.Client
) -> None:
    query = "%20OR%20".join(f"data.k{n}:z" for n in range(250))
    tails = []
    try:
        for _ in range(64):
            connection = socket.create_connection(("127.0.0.1", server.port))
            connection.sendall(
                f"GET /v1/tail?from=0&q={query} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
                f"{server.place.tokens['reader']}\r\n\r\n".encode()
            )
            tails.append(connection)
        for connection in tails:
            assert status_of(connection.recv(64)) == 200
        began = time.monotonic()
        assert reader.get("/v1/events/3").status_code == 200
        assert time.monotonic() - began < 5
        assert reader.get("/v1/tail").status_code == 503
    finally:
        for connection in tails:
            connection.close()
