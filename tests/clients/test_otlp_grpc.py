"""OpenTelemetry's own SDK and Collector against a served ledger, over gRPC."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.clients.test_otlp import OTELCOL, TRAIL, append, deep

from indelible.base.limits import GRPC_READS, REQUEST_BYTES
from indelible.ingest.protocols import otlp_wire as wire
from support.authority import Authority
from support.senders import Sender, block, eventually
from support.served import Server, free_port
from support.shipping import Ship, counts, events

pytest.importorskip("grpc", reason="grpcio")
pytest.importorskip(
    "opentelemetry.exporter.otlp.proto.grpc._log_exporter",
    reason="opentelemetry-exporter-otlp-proto-grpc",
)

import grpc
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource

METHOD = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"


class Grpc(Ship):
    """A ledger with a source of OTLP, and a port for gRPC."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, "otlp")
        self.at = f"127.0.0.1:{free_port()}"
        settings = self.place.data / "indelible.toml"
        named = block("otlp", "otlp-grpc-toml").replace("127.0.0.1:4317", self.at)
        settings.write_text(settings.read_text() + named)

    @property
    def bearer(self) -> tuple[tuple[str, str], ...]:
        """The metadata of a call."""
        return (("authorization", f"Bearer {self.token}"),)

    def filled(self, name: str, **more: str) -> str:
        """A block of the page with this ledger's address and token in it."""
        text = block("otlp", name)
        for old, new in {"127.0.0.1:4317": self.at, "TOKEN": self.token, **more}.items():
            assert old in text
            text = text.replace(old, new)
        return text

    @contextmanager
    def call(self) -> Iterator[Any]:
        """`Export`, of bytes."""
        with grpc.insecure_channel(self.at, options=[("grpc.max_send_message_length", -1)]) as one:
            yield one.unary_unary(METHOD)


def logger(ship: Grpc, **more: Any) -> tuple[Any, LoggerProvider]:
    """A logger of the SDK that sends each record at once."""
    given = {"insecure": True, "endpoint": ship.at, "headers": ship.bearer, **more}
    resource = Resource.create({"service.name": "shop", "host.name": "web-1"})
    provider = LoggerProvider(resource=resource)
    provider.add_log_record_processor(SimpleLogRecordProcessor(OTLPLogExporter(**given)))
    return provider.get_logger("audit", "2"), provider


def request(*texts: str, uid: str = "") -> bytes:
    """An ExportLogsServiceRequest with a record for each text."""
    named = wire.message(1, b"log.record.uid") + wire.message(2, wire.message(1, uid.encode()))
    records = [
        wire.message(2, wire.message(5, wire.message(1, text.encode()))
                     + (wire.message(6, named) if uid else b""))
        for text in texts
    ]
    return wire.message(1, wire.message(2, b"".join(records)))


def memory(server: Server) -> int:
    """The most bytes that the collector process ever held."""
    (pid,) = server.pids("collector")
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    raise AssertionError(pid)


def test_the_script_of_the_page_sends_an_event_over_grpc(tmp_path: Path) -> None:
    ship = Grpc(tmp_path)
    with Server(ship.place) as server:
        lines = ship.filled("otlp-grpc-env").splitlines()
        environment = dict(line.split("=", 1) for line in lines)
        script = block("otlp", "otlp-python").replace("proto.http", "proto.grpc")
        done = ship.python(script, **environment)
        assert done.returncode == 0, done.stderr
        (event,) = events(server)
    assert event["id"] == "0195c7a0-6d1e-7c3a-9a55-1f0c7b1f2a11"
    assert (event["action"], event["actor"]["id"]) == ("payslip.delete", "jsmith")


@pytest.mark.parametrize("packed", ["NoCompression", "Gzip", "Deflate"])
def test_the_sdk_sends_what_parsers_read_and_the_ledger_keeps(
    tmp_path: Path, packed: str
) -> None:
    ship = Grpc(tmp_path)
    with Server(ship.place) as server:
        audit, provider = logger(ship, compression=getattr(grpc.Compression, packed))
        audit.emit(LogRecord(
            timestamp=time.time_ns(), observed_timestamp=time.time_ns(), body=TRAIL,
            severity_number=SeverityNumber.WARN, attributes={"user.id": "ann", "n": 3},
        ))
        audit.emit(LogRecord(body=deep()))
        audit.emit(LogRecord(body=json.loads(TRAIL) | {"eventID": "e-2"}))
        audit.emit(LogRecord(body=TRAIL.encode()))
        provider.shutdown()
        found = events(server)
        now = counts(server)
    assert [event["id"] for event in found[:2]] == ["e-1", "e-2"]
    assert [event["action"] for event in found[:2]] == ["iam.user.create"] * 2
    assert found[0]["labels"]["service"] == "shop"
    assert found[0]["data"]["otel"]["attributes"] == {"user.id": "ann", "n": 3}
    assert (found[0]["via"]["protocol"], found[0]["via"]["peer"]) == ("otlp", "127.0.0.1")
    assert b"iam.amazonaws.com" in base64.b64decode(found[0]["raw"])
    assert (now["stored"], now["refused"], now["conflicts"]) == (3, 1, 1)


def test_what_is_refused_is_refused_in_grpcs_words_and_the_port_goes_on(tmp_path: Path) -> None:
    ship = Grpc(tmp_path)
    place = ship.place
    place.token("writer", "native", "other")
    with Server(place) as server, ship.call() as export:

        def code(content: bytes, token: str = ship.token, **more: Any) -> Any:
            held = {"metadata": (("authorization", f"Bearer {token}"),)} if token else {}
            with pytest.raises(grpc.RpcError) as raised:
                export(content, timeout=30, **held, **more)
            return raised.value

        assert code(request("x"), "").code().name == "UNAUTHENTICATED"
        assert code(request("x"), "nobody's").code().name == "UNAUTHENTICATED"
        assert code(request("x"), place.tokens["reader"]).code().name == "PERMISSION_DENIED"
        wrong = code(request("x"), place.tokens["native"])
        assert (wrong.code().name, "not for otlp" in wrong.details()) == ("PERMISSION_DENIED", True)
        bad = code(b"\x0a\xff")
        assert (bad.code().name, "bad_protobuf" in bad.details()) == ("INVALID_ARGUMENT", True)
        large = code(bytes(REQUEST_BYTES + 1))
        assert large.code().name == "RESOURCE_EXHAUSTED"
        assert "grpc-status-details-bin" not in dict(large.trailing_metadata() or ())
        many = code(wire.message(1, b"") * 70_000)
        assert (many.code().name, "too_large" in many.details()) == ("INVALID_ARGUMENT", True)
        with grpc.insecure_channel(ship.at) as channel:
            traces = channel.unary_unary(METHOD.replace("logs", "trace").replace("Logs", "Trace"))
            with pytest.raises(grpc.RpcError) as raised:
                traces(b"", metadata=ship.bearer, timeout=30)
            assert raised.value.code().name == "UNIMPLEMENTED"
        damaged = wire.message(1, wire.message(2, wire.message(2, b"\xff")))
        answer = export(request("fine") + damaged, metadata=ship.bearer, timeout=30)
        ((number, _, inner),) = wire.fields(answer)
        assert (number, {n: v for n, _, v in wire.fields(inner)}[1]) == (1, 1)
        assert export(b"", metadata=ship.bearer, timeout=30) == b""
        now = counts(server)
    assert (now["stored"], now["refused"]) == (1, 3)


def test_a_repeat_is_flagged_and_one_with_an_id_adds_nothing(tmp_path: Path) -> None:
    ship = Grpc(tmp_path)
    with Server(ship.place) as server, ship.call() as export:
        for _ in range(2):
            assert export(request("one and the same"), metadata=ship.bearer, timeout=30) == b""
            assert export(request("named", uid="u-1"), metadata=ship.bearer, timeout=30) == b""
        found = events(server)
        now = counts(server)
    assert now["stored"] == 3
    assert [event.get("id") for event in found].count("u-1") == 1
    flagged = [event for event in found if "probable_repeat" in event.get("flags", ())]
    assert len(flagged) == 1


def test_a_bomb_is_not_unpacked_beyond_the_limit(tmp_path: Path) -> None:
    """Four at once of 256 MiB each, with a token: refused, in the memory of four requests."""
    ship = Grpc(tmp_path)
    with Server(ship.place) as server, ship.call() as export:
        export(b"", metadata=ship.bearer, timeout=30)
        before = memory(server)
        bomb = bytes(1 << 28)
        calls = [
            export.future(bomb, metadata=ship.bearer, timeout=60, compression=grpc.Compression.Gzip)
            for _ in range(4)
        ]
        codes = {call.exception(60).code().name for call in calls}
        grown = memory(server) - before
        print(f"the collector grew by {grown >> 20} MiB")
        assert export(request("fine"), metadata=ship.bearer, timeout=30) == b""
    assert codes == {"RESOURCE_EXHAUSTED"}
    assert grown < 4 * REQUEST_BYTES + (64 << 20)


def test_many_large_requests_wait_where_they_are(tmp_path: Path) -> None:
    """Sixty at once, nearly as large as may be: a few are held, the others by their senders."""
    ship = Grpc(tmp_path)
    with Server(ship.place) as server, ExitStack() as stack:
        before = memory(server)
        large = bytes(REQUEST_BYTES - 1)  # no message: it is refused, but only when it was read
        own = [("grpc.use_local_subchannel_pool", 1)]
        channels = [stack.enter_context(grpc.insecure_channel(ship.at, own)) for _ in range(6)]
        calls = [
            channel.unary_unary(METHOD).future(large, metadata=ship.bearer, timeout=100)
            for channel in channels for _ in range(10)
        ]
        codes = {call.exception(100).code().name for call in calls}
        grown = memory(server) - before
        print(f"the collector grew by {grown >> 20} MiB")
    assert codes == {"INVALID_ARGUMENT"}
    assert grown < 4 * GRPC_READS * REQUEST_BYTES + (128 << 20)


def test_tls_with_a_client_certificate_and_none_without(tmp_path: Path) -> None:
    ship = Grpc(tmp_path)
    authority = Authority(tmp_path)
    served, client = authority.issue("localhost"), authority.issue("shop-1")
    ship.place.environment |= {
        "INDELIBLE_TLS_CERT": str(served), "INDELIBLE_TLS_KEY": str(served.with_suffix(".key")),
        "INDELIBLE_TLS_CLIENT_CA": str(authority.path), "INDELIBLE_TLS_CLIENT_OPTIONAL": "1",
    }
    roots = authority.path.read_bytes()
    known = grpc.ssl_channel_credentials(
        roots, client.with_suffix(".key").read_bytes(), client.read_bytes()
    )
    server = Server(ship.place)
    server.wait_ready = lambda seconds=30.0: 0.0  # type: ignore[method-assign]
    with server:
        audit, provider = logger(ship, insecure=False, credentials=known, timeout=60)
        audit.emit(LogRecord(body=TRAIL))
        provider.shutdown()
        for credentials in (grpc.ssl_channel_credentials(roots), None):
            channel = grpc.secure_channel(ship.at, credentials) if credentials else (
                grpc.insecure_channel(ship.at))
            with channel, pytest.raises(grpc.RpcError) as raised:
                channel.unary_unary(METHOD)(request("x"), metadata=ship.bearer, timeout=10)
            assert raised.value.code().name == "UNAVAILABLE"
    with _plain(ship) as again:
        (event,) = events(again)
    assert event["via"]["tls"] == "client CN=shop-1"


def _plain(ship: Grpc) -> Server:
    for name in ("CERT", "KEY", "CLIENT_CA", "CLIENT_OPTIONAL"):
        del ship.place.environment[f"INDELIBLE_TLS_{name}"]
    return Server(ship.place)


def test_nothing_that_was_answered_is_lost_by_kill_9_under_load(tmp_path: Path) -> None:
    """Exporters that repeat what was not answered: everything is there, repeats are flagged."""
    ship = Grpc(tmp_path)
    stop, answered = threading.Event(), [0] * 4

    def send(worker: int) -> None:
        with ship.call() as export:
            number = 0
            while not stop.is_set():
                try:
                    export(request(f"w{worker} n{number}"), metadata=ship.bearer, timeout=5,
                           compression=grpc.Compression.Gzip)
                except grpc.RpcError:
                    time.sleep(0.05)
                    continue
                number += 1
                answered[worker] = number

    audit: Any = None
    with Server(ship.place) as server:
        audit, provider = logger(ship, timeout=60)
        threads = [threading.Thread(target=send, args=(worker,)) for worker in range(4)]
        for thread in threads:
            thread.start()
        eventually(lambda: min(answered) > 20)
        emitting = threading.Thread(target=lambda: [
            audit.emit(LogRecord(body=TRAIL.replace("e-1", f"e-{n}"))) for n in range(40)
        ])
        emitting.start()
        for _ in range(2):
            time.sleep(0.3)
            server.kill()
            server.__enter__()
            before = list(answered)
            eventually(partial(_further, answered, before), 60)
        emitting.join(60)
        provider.shutdown()
        stop.set()
        for thread in threads:
            thread.join(30)
        found = events(server)
    texts = [base64.b64decode(event["raw"]) for event in found]
    mine = [(e, t) for e, t in zip(found, texts, strict=True) if b"iam.amazonaws" not in t]
    repeated = sum("probable_repeat" in e.get("flags", ()) for e, _ in mine)
    kinds = {t for _, t in mine}
    print(f"{sum(answered)} answered, {len(mine)} stored, {repeated} flagged as repeats")
    assert {request(f"w{w} n{n}") for w in range(4) for n in range(answered[w])} <= kinds
    assert len(mine) - repeated == len(kinds)
    assert {event.get("id") for event in found} >= {f"e-{n}" for n in range(40)}


def _further(answered: list[int], before: list[int]) -> bool:
    return all(now > then for now, then in zip(answered, before, strict=True))


def test_a_stop_under_load_answers_what_it_stored(tmp_path: Path) -> None:
    ship = Grpc(tmp_path)
    codes: list[str] = []

    def send(export: Any, worker: int) -> None:
        for number in range(100_000):
            try:
                export(request(f"w{worker} n{number}"), metadata=ship.bearer, timeout=20)
                codes.append("OK")
            except grpc.RpcError as error:
                codes.append(error.code().name)
                return

    with Server(ship.place) as server, ship.call() as export:
        threads = [threading.Thread(target=send, args=(export, worker)) for worker in range(8)]
        for thread in threads:
            thread.start()
        eventually(lambda: len(codes) > 200)
        assert server.stop() == 0
        for thread in threads:
            thread.join(30)
    with Server(ship.place) as server:
        now = counts(server)
    assert set(codes) <= {"OK", "UNAVAILABLE", "CANCELLED"}, "a sender would not come again"
    assert now["stored"] == codes.count("OK")  # nothing was stored that was not answered


@pytest.mark.component("otelcol")
@pytest.mark.skipif(not OTELCOL, reason="otelcol is not on the PATH, nor named by OTELCOL")
def test_the_collector_of_the_page_sends_over_grpc_and_outlives_the_server(tmp_path: Path) -> None:
    ship = Grpc(tmp_path)
    log, state = tmp_path / "audit.log", tmp_path / "otelcol"
    state.mkdir()
    log.touch()
    with Server(ship.place) as server:
        text = ship.config("otlp", "otelcol", server, **{
            "/var/log/app/audit.log": str(log), "/var/lib/otelcol": str(state)})
        first, second = tmp_path / "otelcol.yaml", tmp_path / "grpc.yaml"
        first.write_text(text + "  telemetry:\n    metrics:\n      level: none\n")
        second.write_text(ship.filled("otelcol-grpc"))
        with Sender(tmp_path, [OTELCOL, "--config", f"file:{first}", "--config", f"file:{second}"]):
            time.sleep(1)
            append(log, 0, 50)
            eventually(lambda: counts(server)["stored"] == 50, 60)
            server.kill()
            append(log, 50, 100)
            with ship.again(server) as later:
                eventually(lambda: counts(later)["stored"] >= 100, 60)
                found = events(later)
    assert len({event["id"] for event in found}) == 100
    assert {event["action"] for event in found} == {"iam.user.create"}
