"""Listeners against real sockets: answered only when durable, held back when it is slow."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from indelible.app import listeners
from indelible.base.settings import Settings
from indelible.ingest.protocols import connections, datagrams
from indelible.ingest.sources import Senders, SourceSettings
from support.authority import Authority
from support.hub import MemoryHub

OPEN = b"1 open 15 relp_version=0\n\n"
WEB = SourceSettings(id="web", protocol="syslog")
DB = SourceSettings(id="db", protocol="relp")


def settings(folder: Path, **more: object) -> Settings:
    return Settings(origin="o", keys=folder, state=folder, **more)  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def listening(hub: MemoryHub, folder: Path, **more: object) -> AsyncIterator[list[int]]:
    """Listeners at free ports; their ports."""
    found = listeners.listeners_of(settings(folder, **more), hub, None)
    for one in found:
        await one.settle()
        assert not one.trouble, one.trouble
    try:
        yield [int(one.where.rpartition(":")[2]) for one in found]
    finally:
        for one in found:
            await one.close()


async def connected(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port)


async def body_relp(hub: MemoryHub, folder: Path) -> None:
    """A message is answered when it is durable, and not before."""
    async with listening(hub, folder, relp="127.0.0.1:0") as [port]:
        reader, writer = await connected(port)
        writer.write(OPEN)
        assert (await reader.readline()).startswith(b"1 rsp")
        await reader.readuntil(b"commands=syslog\n")
        hub.open.clear()
        writer.write(b"2 syslog 6 <1>one\n3 syslog 6 <1>two\n")
        await writer.drain()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await reader.read(1)
        hub.open.set()
        assert await reader.readline() == b"2 rsp 6 200 OK\n"
        assert await reader.readline() == b"3 rsp 6 200 OK\n"
        assert hub.raws == ["<1>one", "<1>two"]
        writer.write(b"4 close 0\n")
        assert await reader.read() == b"4 rsp 0\n0 serverclose 0\n"


async def body_relp_says_that_it_goes(hub: MemoryHub, folder: Path) -> None:
    """A listener that stops tells its clients, and answers nothing that is not durable."""
    async with listening(hub, folder, relp="127.0.0.1:0") as [port]:
        reader, writer = await connected(port)
        writer.write(OPEN)
        await reader.readuntil(b"commands=syslog\n")
        hub.open.clear()
        writer.write(b"2 syslog 6 <1>one\n")
        await asyncio.sleep(0.1)
    assert await reader.read() == b"0 serverclose 0\n"


async def body_a_noisy_relp_peer(hub: MemoryHub, folder: Path) -> None:
    """Who speaks another protocol is hung up on and counted."""
    async with listening(hub, folder, relp="127.0.0.1:0") as [port]:
        reader, writer = await connected(port)
        writer.write(b"GET / HTTP/1.1\r\nHost: there\r\n\r\n" + b"x" * 64)
        assert await reader.read() == b""
    assert hub.counts["refused"] == 1


async def body_tcp_holds_back(hub: MemoryHub, folder: Path) -> None:
    """While nothing becomes durable, nothing more is read: the sender's socket fills."""
    async with listening(hub, folder, syslog_tcp="127.0.0.1:0") as [port]:
        hub.open.clear()
        link = socket.create_connection(("127.0.0.1", port))
        link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
        link.setblocking(False)
        line, sent = b"<13>1 - - - - - - " + b"x" * 980 + b"\n", 0
        full = 0
        while full < 20:
            try:
                sent += link.send(line[sent % len(line) :])
            except BlockingIOError:
                full += 1
                await asyncio.sleep(0.02)
        assert sent < 32 << 20
        hub.open.set()
        link.shutdown(socket.SHUT_WR)
        await hub.wait_for(-(-sent // len(line)), 120)
        link.close()


async def body_last_line(hub: MemoryHub, folder: Path) -> None:
    """A line without its end, and a connection that goes: the line is kept."""
    async with listening(hub, folder, syslog_tcp="127.0.0.1:0") as [port]:
        _, writer = await connected(port)
        writer.write(b"<1>one\n<1>two")
        writer.close()
        await hub.wait_for(2)
    assert hub.raws == ["<1>one", "<1>two"]


async def body_disabled(hub: MemoryHub, folder: Path) -> None:
    """Senders of a source that is disabled are hung up on at once."""
    found = listeners.listeners_of(settings(folder, syslog_tcp="127.0.0.1:0"), hub, None)
    await found[0].settle()
    reader, writer = await connected(int(found[0].where.rpartition(":")[2]))
    writer.write(b"<1>one\n")
    await hub.wait_for(1)
    hub.configured.clear()
    await found[0].settle()
    assert await reader.read() == b""
    await found[0].close()


async def body_udp(hub: MemoryHub, folder: Path) -> None:
    """Datagrams are kept in their order; those for which there is no room are counted."""
    async with listening(hub, folder, syslog_udp="127.0.0.1:0") as [port]:
        link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for number in range(50):
            link.sendto(b"<1>%d\n" % number, ("127.0.0.1", port))
        await hub.wait_for(50)
        assert hub.raws == [f"<1>{number}" for number in range(50)]
        link.close()


async def body_udp_disabled_meanwhile(hub: MemoryHub, folder: Path) -> None:
    """Datagrams of a source that is disabled before they are read are counted."""
    async with listening(hub, folder, syslog_udp="127.0.0.1:0") as [port]:
        link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        received = hub.senders

        def once(protocol: str) -> Senders:
            known = received(protocol)
            hub.configured.clear()
            return known

        hub.senders = once  # type: ignore[method-assign]
        link.sendto(b"<1>one", ("127.0.0.1", port))
        async with asyncio.timeout(10):
            while not hub.strangers:
                await asyncio.sleep(0.02)
        link.close()
    assert hub.strangers == [("syslog", "127.0.0.1", "")]
    assert not hub.contents


async def body_both_families(hub: MemoryHub, folder: Path) -> None:
    """`[::]` takes senders of IPv4, too, under their own addresses."""
    hub.configured = MemoryHub(
        SourceSettings(id="web", protocol="syslog", peers=("127.0.0.1/32", "::1/128"))
    ).configured
    async with listening(hub, folder, syslog_tcp="[::]:0") as [port]:
        for host in ("127.0.0.1", "::1"):
            _, writer = await asyncio.open_connection(host, port)
            writer.write(b"<1>one\n")
            writer.close()
        await hub.wait_for(2)
    assert {one.peer for one in hub.submissions} == {"127.0.0.1", "::1"}


async def body_udp_without_room(
    hub: MemoryHub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What this process has no room for is counted as dropped."""
    monkeypatch.setattr(datagrams, "DATAGRAMS", 10)
    async with listening(hub, folder, syslog_udp="127.0.0.1:0") as [port]:
        hub.open.clear()
        link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for _ in range(5):
            for number in range(10):
                link.sendto(b"<1>%d" % number, ("127.0.0.1", port))
            await asyncio.sleep(0.05)
        hub.open.set()
        async with asyncio.timeout(10):
            while len(hub.contents) + hub.counts["dropped"] < 50:
                await asyncio.sleep(0.02)
        assert hub.counts["dropped"] >= 20
        link.close()


async def body_a_slow_message(
    hub: MemoryHub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message that has begun must become whole in time."""
    monkeypatch.setattr(connections, "COLLECT_FRAME_SECONDS", 0.2)
    async with listening(hub, folder, syslog_tcp="127.0.0.1:0") as [port]:
        reader, writer = await connected(port)
        writer.write(b"100 <1>it never comes")
        async with asyncio.timeout(5):
            assert await reader.read() == b""


async def body_too_many(hub: MemoryHub, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One connection more than the limit is hung up on; those that are there go on."""
    monkeypatch.setattr(connections, "COLLECT_CONNECTIONS", 1)
    async with listening(hub, folder, syslog_tcp="127.0.0.1:0") as [port]:
        _, first = await connected(port)
        first.write(b"<1>one\n")
        await hub.wait_for(1)
        reader, _ = await connected(port)
        assert await reader.read() == b""
        first.write(b"<1>two\n")
        await hub.wait_for(2)


async def body_a_greedy_source(
    hub: MemoryHub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A source that takes all connections gives its silent ones to another; both are told of."""
    monkeypatch.setattr(connections, "COLLECT_CONNECTIONS", 4)
    monkeypatch.setattr(connections, "COLLECT_LAST_SECONDS", 0.1)
    greedy = SourceSettings(id="web", protocol="syslog", peers=("127.0.0.1",))
    other = SourceSettings(id="other", protocol="syslog", peers=("127.0.0.2",))
    hub.configured = MemoryHub(greedy, other).configured
    async with listening(hub, folder, syslog_tcp="127.0.0.1:0") as [port]:
        links = [await connected(port) for _ in range(4)]
        for number, (_, writer) in enumerate(links):
            writer.write(b"<1>hello\n")
            await hub.wait_for(number + 1)
        reader, _ = await connected(port)
        assert await reader.read() == b""
        assert hub.counts["refused"] == 1
        assert "4 of 4" in hub.shown["trouble"]
        for number in range(3):
            _, writer = await asyncio.open_connection("127.0.0.1", port,
                                                      local_addr=("127.0.0.2", 0))
            writer.write(b"<1>%d\n" % number)
            if number < 2:  # as many as the greedy one, which keeps its own
                await hub.wait_for(5 + number)
        assert await links[0][0].read() == b""
        assert await links[1][0].read() == b""
        links[3][1].write(b"<1>still there\n")
        await hub.wait_for(7)
        assert hub.raws[4:] == ["<1>0", "<1>1", "<1>still there"]
        links[2][1].close()
        links[3][1].close()
        await asyncio.sleep(0.2)
        assert not hub.shown


async def body_tls(hub: MemoryHub, folder: Path) -> None:
    """The source is the certificate's; without one that a source names there is no way in."""
    authority = Authority(folder)
    for name in ("server", "db1", "stranger"):
        authority.issue(name)
    hub.configured = MemoryHub(
        SourceSettings(id="db", protocol="syslog", certificates=("db1",))
    ).configured
    tls = {"tls_cert": folder / "server.pem", "tls_key": folder / "server.key",
           "tls_client_ca": authority.path}
    async with listening(hub, folder, syslog_tls="127.0.0.1:0", **tls) as [port]:
        for name in ("db1", "stranger"):
            context = ssl.create_default_context(cafile=str(authority.path))
            context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
            writer.write(b"11 <1>from " + name[:4].encode().ljust(4))
            await writer.drain()
            if name == "db1":
                await hub.wait_for(1)
                writer.close()
            else:
                assert await reader.read() == b""
    assert [one.tls for one in hub.submissions] == ["client db1"]
    assert [one[0] for one in hub.strangers] == ["syslog"]


Body = Callable[..., Awaitable[None]]
BODIES: list[tuple[Body, SourceSettings]] = [
    (body_relp, DB), (body_relp_says_that_it_goes, DB), (body_a_noisy_relp_peer, DB),
    (body_tcp_holds_back, WEB), (body_last_line, WEB), (body_disabled, WEB), (body_udp, WEB),
    (body_tls, WEB), (body_udp_disabled_meanwhile, WEB), (body_both_families, WEB),
]
PATCHED: list[tuple[Body, SourceSettings]] = [
    (body_udp_without_room, WEB), (body_a_slow_message, WEB), (body_too_many, WEB),
    (body_a_greedy_source, WEB),
]


def claim(case: tuple[Body, SourceSettings]) -> str:
    return case[0].__name__.removeprefix("body_")


@pytest.mark.parametrize("case", BODIES, ids=claim)
def test_a_listener(case: tuple[Body, SourceSettings], tmp_path: Path) -> None:
    async def main() -> None:
        await case[0](MemoryHub(case[1]), tmp_path)

    asyncio.run(main())


@pytest.mark.parametrize("case", PATCHED, ids=claim)
def test_a_listener_at_its_limits(
    case: tuple[Body, SourceSettings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        await case[0](MemoryHub(case[1]), tmp_path, monkeypatch)

    asyncio.run(main())


def test_what_cannot_listen_says_why_and_tries_again(tmp_path: Path) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            at = f"127.0.0.1:{taken.getsockname()[1]}"
            [one] = listeners.listeners_of(settings(tmp_path, syslog_tcp=at), MemoryHub(WEB), None)
            await one.settle()
            assert at in one.trouble
        await one.settle()
        assert one.trouble == ""
        assert one.where == at
        await one.close()

    asyncio.run(main())
