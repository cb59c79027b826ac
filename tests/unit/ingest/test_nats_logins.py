"""Who is let in by a real nats-server, and what is sent to one that cannot be trusted."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from indelible.base.errors import BadRequest, Unreachable
from indelible.ingest import extras
from indelible.ingest.protocols import nats, nats_server
from indelible.ingest.protocols.nats_check import check
from indelible.ingest.protocols.nats_settings import Options, login_of, options_of
from support.authority import Authority
from support.kafka import story
from support.kafka_source import until
from support.nats import Nats, needs_nats
from support.nats_keys import key, operated
from support.nats_source import become, hub_of, kept, message, often, reading, users
from support.senders import block

pytestmark = needs_nats
_often = pytest.fixture(autouse=True)(often)


async def _read(server: Nats, secret: bytes, **options: str) -> None:
    """One message is read with this login, and with a wrong one none."""
    await server.make("AUDIT")
    await server.send("audit.a", [message(1)])
    hub = hub_of(server, secret, **options)
    async with reading(hub) as task:
        await until(lambda: kept(hub).next == 2, task)
        assert "trouble" not in hub.shown
    assert users(hub) == ["u1"]
    said = options_of(hub.configured[0].settings.options)
    found = await check(said, secret)
    assert "error" not in [one.level for one in found]
    assert "a consumer may be made and read with" in [one.text for one in found]
    assert [one for one in await server.consumers("AUDIT") if "check" in one] == []


async def _acknowledged(server: Nats) -> bool:
    return not (await server.consumer("AUDIT", "durable"))["num_ack_pending"]


async def _refused(server: Nats, secret: bytes, **options: str) -> str:
    hub = hub_of(server, secret, **options)
    with pytest.raises(Unreachable) as caught:
        async with reading(hub) as task:
            await until(lambda: False, task)
    assert not secret or secret.decode() not in caught.value.message
    [found] = await check(options_of(hub.configured[0].settings.options), secret)
    assert found.level == "error"
    return caught.value.message


@story
async def test_a_password_with_the_rights_of_the_page_and_no_more(tmp_path: Path) -> None:
    text = block("nats", "nats-user")
    assert "  users: [\n" in text
    text = text.replace("  users: [\n", '  users: [\n    { user: admin, password: "all" }\n')
    with Nats(tmp_path / "nats", text, user="admin", password="all") as server:
        await _read(server, b"change-me\n", user="indelible")
        hub = hub_of(server, b"change-me", user="indelible", consumer="durable",
                     subjects="audit.a,audit.b")
        async with reading(hub) as task:
            await until(lambda: kept(hub).next == 2, task)
            await become(lambda: _acknowledged(server))
            assert "trouble" not in hub.shown
        hub = hub_of(server, b"change-me", user="indelible", subjects="audit.a")
        async with reading(hub) as task:
            await until(lambda: kept(hub).next == 2, task)
        assert "uthorization" in await _refused(server, b"wrong", user="indelible")


@story
async def test_a_right_that_is_missing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nats_server, "NATS_ASK_SECONDS", 1.0)
    text = block("nats", "nats-user").replace(
        "  users: [\n", '  users: [\n    { user: admin, password: "all" }\n')
    for lacks, named in (
        ('"$JS.API.CONSUMER.CREATE.AUDIT.>",', "CONSUMER.CREATE"), ('"_INBOX.>"', "_INBOX"),
        ('"$JS.API.CONSUMER.MSG.NEXT.AUDIT.>",', "MSG.NEXT"),
    ):
        assert lacks in text
        config = text.replace(lacks, '"other"' + "," * (lacks[-1] == ","))
        with Nats(tmp_path / named, config, user="admin", password="all") as one:
            await one.make("AUDIT")
            hub = hub_of(one, b"change-me", user="indelible")
            with pytest.raises(Unreachable, match=f"(?i)permissions violation.*{named}"):
                async with reading(hub) as task:
                    await until(lambda: False, task)
            said = options_of(hub.configured[0].settings.options)
            found = (await check(said, b"change-me"))[0]
            assert (found.level, found.about) == ("error", "permissions")
            for right in re.findall(r'"([$_][^"]+)"', text):
                assert f'"{right}"' in found.remedy


@story
async def test_a_token(tmp_path: Path) -> None:
    with Nats(tmp_path / "nats", 'authorization { token: "s3cret" }', token="s3cret") as server:
        await _read(server, b"s3cret\n", login="token")
        assert "uthorization" in await _refused(server, b"other", login="token")
        assert "uthorization" in await _refused(server, b"")


@story
async def test_an_nkey(tmp_path: Path) -> None:
    mine, other = key("USER"), key("USER")
    config = f"authorization {{ users: [ {{ nkey: {mine.public} }} ] }}"
    with Nats(tmp_path / "nats", config, nkeys_seed_str=mine.seed) as server:
        await _read(server, mine.seed.encode(), login="nkey")
        assert "uthorization" in await _refused(server, other.seed.encode(), login="nkey")


@story
async def test_a_credentials_file(tmp_path: Path) -> None:
    config, credentials = operated()
    (tmp_path / "user.creds").write_text(credentials)
    _, others = operated()
    with Nats(tmp_path / "nats", config, user_credentials=str(tmp_path / "user.creds")) as server:
        await _read(server, credentials.replace("\n", "\r\n").encode(), login="credentials")
        assert "uthorization" in await _refused(server, others.encode(), login="credentials")


def _tls(authority: Authority, name: str, more: str = "") -> str:
    issued = authority.issue(name)
    return (f'tls {{ cert_file: "{issued}", key_file: "{issued.with_suffix(".key")}",'
            f' ca_file: "{authority.path}" {more} }}')


@pytest.mark.parametrize("how", ["on", "first"])
def test_tls_with_a_client_certificate(tmp_path: Path, how: str) -> None:
    import ssl

    (tmp_path / "others").mkdir()
    authority, others = Authority(tmp_path), Authority(tmp_path / "others")
    mine, foreign = authority.issue("client"), others.issue("client")
    context = ssl.create_default_context(cafile=str(authority.path))
    context.load_cert_chain(mine, mine.with_suffix(".key"))
    more = ", verify: true" + (", handshake_first: true" if how == "first" else "")
    said = {"tls": how, "ca": str(authority.path), "certificate": str(mine),
            "key": str(mine.with_suffix(".key"))}

    @story
    async def told() -> None:
        login: dict[str, Any] = {"tls": context, "tls_handshake_first": how == "first"}
        with Nats(tmp_path / "nats", _tls(authority, "server", more), **login) as server:
            await _read(server, b"", **said)
            assert "certificate" in await _refused(
                server, b"", **{**said, "ca": str(others.path)})
            await _refused(server, b"", **{
                **said, "certificate": str(foreign), "key": str(foreign.with_suffix(".key"))})

    told()


@pytest.mark.parametrize(("login", "secret"), [
    ({"user": "indelible"}, b"pa55word"), ({"login": "token"}, b"t0ken"),
    ({"login": "credentials"}, b""), ({"login": "nkey"}, b""), ({}, b""),
])
def test_one_who_strips_tls_gets_no_secret(
    tmp_path: Path, login: dict[str, str], secret: bytes
) -> None:
    """A server that says it needs no TLS, or somebody between who says so."""
    heard = bytearray()
    _, credentials = operated()
    if login.get("login") in ("credentials", "nkey"):
        secret = credentials.encode() if login["login"] == "credentials" else (
            key("USER").seed.encode())

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        info = {"server_id": "x", "version": "2.15.0", "proto": 1, "headers": True,
                "max_payload": 1 << 20, "auth_required": True, "nonce": "abc"}
        writer.write(b"INFO " + json.dumps(info).encode() + b"\r\n")
        with contextlib.suppress(OSError):
            while piece := await reader.read(4096):
                heard.extend(piece)
                if b"PING" in piece:
                    writer.write(b"PONG\r\n")
        writer.close()

    @story
    async def told() -> None:
        listening = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        options = options_of({
            "servers": f"127.0.0.1:{port}", "stream": "AUDIT", "tls": "on", **login})
        server = nats_server.Server(options, secret, "x")
        with pytest.raises(Unreachable, match="does not ask for TLS"):
            await server.open()
        await server.close()
        listening.close()

    told()
    assert b"STREAM.INFO" not in heard
    assert b"CONNECT" not in heard or not login


@pytest.mark.parametrize(("options", "secret", "why"), [
    ({"login": "token"}, b"", "needs its secret"),
    ({"login": "token"}, b"\xff", "not text"),
    ({"login": "nkey"}, b"SUBAD", "no nkey's"),
    ({"login": "nkey"}, b"\xc3\xa9" * 29, "no nkey's"),
    ({"login": "credentials"}, b"SUBAD", "no credentials file"),
    ({"login": "credentials"}, b"-----BEGIN NATS USER JWT-----\nabc\n", "no credentials file"),
])
def test_a_secret_that_is_none_is_refused_without_being_told(
    options: dict[str, str], secret: bytes, why: str
) -> None:
    said = Options(servers=("a:1",), stream="A", **options)
    with pytest.raises(BadRequest, match=why) as caught:
        login_of(said, secret)
    assert "SUBAD" not in f"{caught.value} {caught.value.remedy}"


@pytest.mark.parametrize(("said", "field"), [
    ({"stream": ""}, "stream"),
    ({"servers": "nats://a.example.org:4222"}, "servers"),
    ({"servers": "me:secret@a.example.org:4222"}, "servers"),
    ({"servers": ",".join(f"a{n}:1" for n in range(33))}, "servers"),
    ({"stream": "A.B"}, "stream"),
    ({"stream": "A/B"}, "stream"),
    ({"consumer": "a*"}, "consumer"),
    ({"subjects": "a..b"}, "subjects"),
    ({"subjects": "a.>.b"}, "subjects"),
    ({"subjects": "a b"}, "subjects"),
    ({"subjects": ",".join(f"a{n}" for n in range(65))}, "subjects"),
    ({"inbox": "a.*"}, "inbox"),
    ({"start": "middle"}, "start"),
    ({"tls": "maybe"}, "tls"),
    ({"ca": "/ca.pem"}, "ca"),
    ({"tls": "on", "ca": "ca.pem"}, "ca"),
    ({"tls": "on", "certificate": "/c.pem"}, "certificate"),
    ({"login": "kerberos"}, "login"),
    ({"login": "token", "user": "me"}, "user"),
    ({"login": "password"}, "user"),
])
def test_options_that_cannot_work_are_named(said: dict[str, str], field: str) -> None:
    with pytest.raises(BadRequest) as caught:
        options_of({"servers": "a.example.org:4222", "stream": "AUDIT", **said})
    assert caught.value.field == field


def test_options_are_read() -> None:
    found = options_of({"servers": "a:1, b:2,a:1", "stream": "A", "subjects": "a.*,b.>,*",
                        "user": "me", "domain": "hub"})
    assert found.servers == ("a:1", "b:2")
    assert found.subjects == ("a.*", "b.>", "*")
    assert (found.login, found.host, found.remote, found.api) == (
        "password", "a", True, "$JS.hub.API")


def test_files_of_tls_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    options = options_of({"servers": "a:1", "stream": "A", "tls": "on", "ca": str(tmp_path / "x")})
    with pytest.raises(BadRequest, match="TLS cannot be had") as caught:
        nats_server.Server(options, b"", "x")
    assert caught.value.field == "ca"


@story
async def test_a_library_that_is_absent_is_named_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    from indelible.ingest.protocols.hub import Configured
    from indelible.ingest.sources import SourceSettings
    from support.hub import MemoryHub

    def absent(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(extras, "import_module", absent)
    settings = SourceSettings(
        id="n", protocol="nats", options={"servers": "127.0.0.1:9", "stream": "AUDIT"})
    with pytest.raises(BadRequest) as caught:
        await nats.consume(MemoryHub(settings), Configured(settings=settings))
    assert "pip install 'nats-py[nkeys]'" in (caught.value.remedy or "")
