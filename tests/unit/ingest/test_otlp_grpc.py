"""OTLP over gRPC: answers in its words, and a listener over a server that a test plays."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from indelible.base.errors import BadRequest
from indelible.ingest.protocols import otlp, otlp_grpc
from indelible.ingest.protocols.hub import Answered, Body, Head

pytest.importorskip("grpc", reason="grpcio")
pytest.importorskip("google.rpc.status_pb2", reason="googleapis-common-protos")

import grpc
import grpc.aio
from google.rpc import error_details_pb2, status_pb2

Play = Callable[[Head, Body], Awaitable[Answered]]
FINE = Answered(status=200, body=b"\x0a\x00")
UNREAD = Answered(status=401, body=otlp.failure(otlp.PROTOBUF, "no token"))


class Relay:
    """Answers as a test says."""

    def __init__(self, play: Play) -> None:
        self.play = play
        self.heads: list[Head] = []

    async def post(self, head: Head, body: Body) -> Answered:
        self.heads.append(head)
        return await self.play(head, body)


async def echo(head: Head, body: Body) -> Answered:
    return Answered(status=200, body=await body() or b"")


def listening(play: Play, test: Callable[[otlp_grpc.Server, Relay, Any], Awaitable[None]]) -> None:
    """Run a test with a listener and a channel to it."""

    async def main() -> None:
        relay = Relay(play)
        server = otlp_grpc.Server(relay)
        port = await server.open("127.0.0.1", 0, None)
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                async with asyncio.timeout(30):
                    await test(server, relay, channel)
        finally:
            await server.close()

    asyncio.run(main())


def refusal(error: grpc.aio.AioRpcError) -> tuple[str, int]:
    """The code of an error, and after how many seconds to come again: -1 for never."""
    trailers = dict(error.trailing_metadata() or ())
    status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
    assert (status.code, status.message) == (error.code().value[0], error.details())
    retry = error_details_pb2.RetryInfo()
    found = [one.Unpack(retry) for one in status.details]
    assert found in ([], [True])
    return error.code().name, retry.retry_delay.seconds if found else -1


@pytest.mark.parametrize(("status", "after", "code", "seconds"), [
    (400, b"", "INVALID_ARGUMENT", -1), (413, b"", "INVALID_ARGUMENT", -1),
    (415, b"", "INVALID_ARGUMENT", -1), (401, b"", "UNAUTHENTICATED", -1),
    (403, b"", "PERMISSION_DENIED", -1), (408, b"", "DEADLINE_EXCEEDED", -1),
    (429, b"1", "RESOURCE_EXHAUSTED", 1), (503, b"1", "UNAVAILABLE", 1),
    (503, b"30", "UNAVAILABLE", 30), (500, b"", "INTERNAL", -1), (0, b"", "INVALID_ARGUMENT", -1),
])
def test_an_error_says_in_grpcs_words_whether_to_come_again(
    status: int, after: bytes, code: str, seconds: int
) -> None:
    headers = [(b"retry-after", after)] if after else []

    async def refuse(head: Head, body: Body) -> Answered:
        text = otlp.failure(otlp.PROTOBUF, "ünser Grund" + "x" * 5_000)
        return Answered(status=status, headers=headers, body=text if status else b"")

    async def test(server: otlp_grpc.Server, relay: Relay, channel: Any) -> None:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await channel.unary_unary(otlp_grpc.METHOD)(b"")
        assert refusal(raised.value) == (code, seconds)
        assert ("ünser Grund" in raised.value.details()) is (status != 0)
        trailers = dict(raised.value.trailing_metadata())
        assert ("google.rpc.retryinfo-bin" in trailers) is (seconds >= 0)

    listening(refuse, test)


def test_every_size_of_message_comes_through_and_what_is_a_head_goes_along() -> None:
    async def test(server: otlp_grpc.Server, relay: Relay, channel: Any) -> None:
        for size in (0, 1, 100_000, 3 << 20):
            call = channel.unary_unary(otlp_grpc.METHOD)
            given = (("authorization", "Bearer x"), ("x-forwarded-for", "192.0.2.1"),
                     ("other", "y"))
            assert len(await call(bytes(size), metadata=given)) == size
        head = relay.heads[0]
        assert (head.path, head.peer[0], head.certificate) == ("/v1/logs", "127.0.0.1", "")
        said = dict(head.headers)
        assert said.pop(b"user-agent").startswith(b"grpc-python")
        assert said == {
            b"authorization": b"Bearer x", b"x-forwarded-for": b"192.0.2.1",
            b"content-type": b"application/x-protobuf",
        }

    listening(echo, test)


def test_a_message_is_not_received_before_its_sender_is_known() -> None:
    async def refuse(head: Head, body: Body) -> Answered:
        return UNREAD

    async def test(server: otlp_grpc.Server, relay: Relay, channel: Any) -> None:
        async def never() -> AsyncIterator[bytes]:
            await asyncio.Event().wait()
            yield b""

        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await channel.stream_unary(otlp_grpc.METHOD)(never())
        assert refusal(raised.value) == ("UNAUTHENTICATED", -1)

    listening(refuse, test)


def test_a_call_too_many_is_asked_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otlp_grpc, "GRPC_CALLS", 1)
    gate = asyncio.Event()

    async def hold(head: Head, body: Body) -> Answered:
        await gate.wait()
        return FINE

    async def test(server: otlp_grpc.Server, relay: Relay, channel: Any) -> None:
        call = channel.unary_unary(otlp_grpc.METHOD)
        first = asyncio.ensure_future(call(b""))
        while not relay.heads:
            await asyncio.sleep(0.01)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call(b"")
        assert refusal(raised.value) == ("UNAVAILABLE", 1)
        gate.set()
        assert await first == FINE.body
        assert await call(b"") == FINE.body

    listening(hold, test)


def test_only_so_many_are_received_at_once_and_who_goes_makes_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(otlp_grpc, "GRPC_READS", 1)

    async def test(server: otlp_grpc.Server, relay: Relay, channel: Any) -> None:
        async def never() -> AsyncIterator[bytes]:
            await asyncio.Event().wait()
            yield b""

        slow = channel.stream_unary(otlp_grpc.METHOD)(never())
        while not relay.heads:
            await asyncio.sleep(0.01)
        second = asyncio.ensure_future(channel.unary_unary(otlp_grpc.METHOD)(b"second"))
        while len(relay.heads) < 2:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        assert not second.done()
        slow.cancel()
        assert await second == b"second"

    listening(echo, test)


def test_a_stop_answers_what_is_under_way_and_takes_nothing_more() -> None:
    gate = asyncio.Event()

    async def hold(head: Head, body: Body) -> Answered:
        await gate.wait()
        return FINE

    async def test(server: otlp_grpc.Server, relay: Relay, channel: Any) -> None:
        call = channel.unary_unary(otlp_grpc.METHOD)
        first = asyncio.ensure_future(call(b""))
        while not relay.heads:
            await asyncio.sleep(0.01)
        closing = asyncio.ensure_future(server.close())
        await asyncio.sleep(0.2)
        assert not closing.done()
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call(b"", timeout=1)
        assert raised.value.code().name in ("UNAVAILABLE", "DEADLINE_EXCEEDED")
        gate.set()
        assert await first == FINE.body
        await closing
        assert len(relay.heads) == 1

    listening(hold, test)


def test_whatever_else_is_called_is_not_served() -> None:
    async def test(server: otlp_grpc.Server, relay: Relay, channel: Any) -> None:
        for method in ("/", "/x", otlp_grpc.METHOD + "s", otlp_grpc.METHOD.lower()):
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await channel.unary_unary(method)(b"")
            assert raised.value.code().name == "UNIMPLEMENTED"
        assert not relay.heads

    listening(echo, test)


def test_a_connection_that_is_no_http_2_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    silent = [(name, 500 if name == "grpc.server_handshake_timeout_ms" else value)
              for name, value in otlp_grpc._OPTIONS]
    monkeypatch.setattr(otlp_grpc, "_OPTIONS", tuple(silent))

    async def main() -> None:
        server = otlp_grpc.Server(Relay(echo))
        port = await server.open("127.0.0.1", 0, None)
        for said in (b"", b"GET / HTTP/1.1\r\n\r\n", bytes(5_000)):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(said)
            async with asyncio.timeout(10):
                try:
                    while await reader.read(4_096):
                        pass
                except ConnectionError:
                    pass
            writer.close()
        await server.close()

    asyncio.run(main())


def test_connections_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    few = [(name, 2 if name == "grpc.max_allowed_incoming_connections" else value)
           for name, value in otlp_grpc._OPTIONS]
    monkeypatch.setattr(otlp_grpc, "_OPTIONS", tuple(few))

    async def main() -> None:
        server = otlp_grpc.Server(Relay(echo))
        port = await server.open("127.0.0.1", 0, None)
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        for reader, _ in held:
            assert await reader.read(9)  # served: the server's settings
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.timeout(10):
            assert await reader.read(9) == b""
        for _, one in [*held, (reader, writer)]:
            one.close()
        await server.close()

    asyncio.run(main())


def test_an_address_in_use_is_refused_and_can_be_had_later() -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            server = otlp_grpc.Server(Relay(echo))
            port = taken.getsockname()[1]
            with pytest.raises(OSError, match="in use"):
                await server.open("127.0.0.1", port, None)
        assert await server.open("127.0.0.1", port, None) == port
        other = otlp_grpc.Server(Relay(echo))
        with pytest.raises(OSError, match="in use"):
            await other.open("127.0.0.1", port, None)
        await server.close()

    asyncio.run(main())


def test_what_nobody_foresaw_is_not_told_to_a_sender(caplog: pytest.LogCaptureFixture) -> None:
    async def fails(head: Head, body: Body) -> Answered:
        raise RuntimeError("a secret of the server")

    async def test(server: otlp_grpc.Server, relay: Relay, channel: Any) -> None:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await channel.unary_unary(otlp_grpc.METHOD)(b"")
        assert refusal(raised.value) == ("INTERNAL", -1)
        assert "secret" not in str(raised.value)

    listening(fails, test)
    assert "a secret of the server" in caplog.text


def test_without_grpcio_the_command_of_pip_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "grpc", None)
    with pytest.raises(BadRequest) as raised:
        asyncio.run(otlp_grpc.Server(Relay(echo)).open("127.0.0.1", 0, None))
    assert "the extra `grpc`" in raised.value.message
    assert "pip install grpcio" in raised.value.remedy


@pytest.mark.parametrize(("said", "peer"), [
    ("ipv4:192.0.2.1:77", ("192.0.2.1", 77)), ("ipv6:%5B2001:db8::1%5D:77", ("2001:db8::1", 77)),
    ("ipv6:[fe80::1%25eth0]:77", ("fe80::1", 77)), ("unix:", ("", 0)), ("", ("", 0)),
])
def test_a_peer_is_its_address(said: str, peer: tuple[str, int]) -> None:
    assert otlp_grpc._peer(said) == peer
