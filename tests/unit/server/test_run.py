"""The server on a real port."""

from __future__ import annotations

import asyncio
import datetime
import http.client
import json
import socket
import ssl
import threading
from contextlib import contextmanager

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from tests.unit.server.fake_rooms import House

from indelible.base import limits
from indelible.base.errors import SettingsError
from indelible.ingest.protocols.hub import Configured
from indelible.ingest.sources import SourceSettings
from indelible.server import connection as connections
from indelible.server import run
from indelible.server.patience import Patience
from indelible.server.run import check_exposure, listen, serve

EVENT = b'{"action":"user.login","actor":{"type":"user","id":"ann"}}'


@contextmanager
def serving(house, **settings):
    """The server in a thread of its own, with the port it listens on."""
    begun, port, failures = threading.Event(), [], []
    stop = asyncio.Event()
    loops = []

    async def work():
        loops.append(asyncio.get_running_loop())

        def started(url):
            port.append(int(url.rsplit(":", 1)[1]))
            begun.set()

        await serve(house.app, house.settings(port=0, **settings), stop, started)

    def run():
        try:
            house.run(work())
        except BaseException as error:
            failures.append(error)
            raise
        finally:
            begun.set()

    thread = threading.Thread(target=run)
    thread.start()
    assert begun.wait(20)
    assert not failures, failures

    def end():
        loops[0].call_soon_threadsafe(stop.set)

    try:
        yield port[0], end
    finally:
        if thread.is_alive():
            end()
        thread.join(40)
        assert not thread.is_alive()


def _headers(house, role="writer"):
    return {"Authorization": f"Bearer {house.tokens[role]}"}


def _post(house, port, connection=None, body=EVENT):
    connection = connection or http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("POST", "/v1/events", body, _headers(house))
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


@pytest.fixture
def house(tmp_path):
    found = House(tmp_path)
    yield found
    found.close()


def test_it_answers_over_tcp_and_keeps_the_connection(house):
    with serving(house) as (port, _):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        for expected in range(3):
            status, answer = _post(house, port, connection)
            assert (status, answer["ranges"]) == (200, [[1, 1, expected]])
        connection.request("GET", "/v1/events/0", headers=_headers(house, "reader"))
        assert connection.getresponse().read().startswith(b'{"index":0')


def test_a_large_body_arrives_whole(house):
    with serving(house) as (port, _):
        body = b"\n".join([EVENT] * 20_000)
        assert _post(house, port, body=body)[1]["accepted"] == 20_000


def test_a_chunked_body_without_a_length_arrives_whole(house):
    with serving(house) as (port, _):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        parts = iter([EVENT[:10], EVENT[10:], b"\n" + EVENT])
        connection.request("POST", "/v1/events", parts, _headers(house), encode_chunked=True)
        assert json.loads(connection.getresponse().read())["accepted"] == 2


def test_what_is_under_way_is_answered_after_the_order_to_stop(house):
    entered, gate = threading.Event(), asyncio.Event()
    original = house.rooms.submit
    loops = []

    async def slow(submission):
        loops.append(asyncio.get_running_loop())
        entered.set()
        await gate.wait()
        return await original(submission)

    house.rooms.submit = slow
    answers = []
    with serving(house) as (port, end):
        client = threading.Thread(target=lambda: answers.append(_post(house, port)))
        client.start()
        assert entered.wait(20)
        end()
        while not house.app.context.draining.is_set():
            threading.Event().wait(0.001)
        loops[0].call_soon_threadsafe(gate.set)
        client.join(20)
    assert [status for status, _ in answers] == [200]


def test_the_end_closes_tails_and_the_port(house):
    with serving(house) as (port, end):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("GET", "/v1/tail", headers=_headers(house, "reader"))
        stream = connection.getresponse()
        assert stream.read(len(b": indelible\n\n")) == b": indelible\n\n"
        end()
        stream.read()
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=2)


def test_a_sender_that_hangs_up_in_its_body_stores_nothing(house):
    with serving(house) as (port, _):
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.sendall(
                b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n"
                b"Authorization: Bearer " + house.tokens["writer"].encode() + b"\r\n\r\n" + EVENT
            )
        assert _post(house, port)[1]["ranges"] == [[1, 1, 0]]
    assert len(house.rooms.submissions) == 1


def test_a_slow_sender_is_answered_408_and_its_neighbours_are_not_kept_waiting(
    house
):
    house.app.context.patience = Patience(0.3, 0.05)
    with serving(house) as (port, _), socket.create_connection(("127.0.0.1", port)) as sock:
        sock.settimeout(20)
        sock.sendall(
            b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n"
            b"Authorization: Bearer " + house.tokens["writer"].encode() + b"\r\n\r\n{"
        )
        assert _post(house, port)[0] == 200
        assert sock.recv(64).startswith(b"HTTP/1.1 408")


def test_a_client_that_never_ends_its_head_is_hung_up_on(house, monkeypatch):
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.2)
    with serving(house) as (port, _):
        for start in (b"", b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: "):
            with socket.create_connection(("127.0.0.1", port)) as sock:
                sock.settimeout(20)
                sock.sendall(start)
                assert sock.recv(64) == b""
        with socket.create_connection(("127.0.0.1", port)) as sock:  # between two requests too
            sock.settimeout(20)
            sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /hea")
            while sock.recv(4096):
                pass


def test_a_head_beyond_its_bound_is_hung_up_on(house):
    with serving(house) as (port, _), socket.create_connection(("127.0.0.1", port)) as sock:
        sock.settimeout(20)
        sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: ")
        with pytest.raises(ConnectionError):
            sock.sendall(b"x" * 65_536 * 1_000)  # 64 MB, had nobody counted
        assert _post(house, port)[0] == 200


def test_what_follows_a_chunked_body_is_no_header_of_the_request(house):
    with serving(house) as (port, _), socket.create_connection(("127.0.0.1", port)) as sock:
        sock.settimeout(20)
        sock.sendall(
            b"POST /v1/events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
            b"Connection: close\r\n\r\n%x\r\n%s\r\n0\r\nAuthorization: Bearer %s\r\n\r\n"
            % (len(EVENT), EVENT, house.tokens["writer"].encode())
        )
        assert sock.recv(64).startswith(b"HTTP/1.1 401")


@pytest.mark.parametrize("trailers", [b"a:b\r\n" * 20_000, b"a:" + b"b" * 100_000])
def test_trailers_have_the_bound_of_a_head(house, trailers):
    with serving(house) as (port, _), socket.create_connection(("127.0.0.1", port)) as sock:
        sock.settimeout(20)
        sock.sendall(
            b"POST /v1/events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
        )
        assert sock.recv(64).startswith(b"HTTP/1.1 401")  # a stranger, and still connected
        with pytest.raises(ConnectionError):
            sock.sendall(trailers * 500)
        assert _post(house, port)[0] == 200


class Unread:
    """A connection of which only the transport matters, and how much waits in it."""

    def __init__(self, size):
        self.size, self.aborted = size, False
        self.transport = self

    def get_write_buffer_size(self):
        return self.size

    def abort(self):
        self.aborted = True

    _unread, _unread_since = 0, 0.0
    unread = connections.Connection.unread


def test_an_answer_that_nobody_takes_is_dropped_in_time(house):
    silent, slow, idle = Unread(1_000), Unread(1_000_000), Unread(0)
    for now in range(0, 2 * limits.UNREAD_SECONDS, 10):
        slow.size -= 1_000
        connections.hang_up_on_the_silent([silent, slow, idle], float(now))
    assert [one.aborted for one in (silent, slow, idle)] == [True, False, False]


def test_answers_that_nobody_takes_hold_no_more_than_their_bound(house):
    page = 16 << 20
    held = []
    for now in range(40):  # one more client each second that asks and does not read
        held.append(Unread(page))
        alive = [one for one in held if not one.aborted]
        connections.hang_up_on_the_silent(alive, float(now))
    alive = [one for one in held if not one.aborted]
    assert len(alive) * page <= limits.UNREAD_BYTES
    assert alive == held[-len(alive) :]  # who waits longest goes first


def test_connections_beyond_the_bound_are_answered_503(house, monkeypatch):
    monkeypatch.setattr(run, "CONNECTIONS", 3)
    with serving(house) as (port, _):
        idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("GET", "/healthz")
        assert connection.getresponse().status == 503
        for sock in idle:
            sock.close()


def test_a_tail_whose_client_vanishes_is_closed(house):
    with serving(house) as (port, _):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("GET", "/v1/tail?from=0", headers=_headers(house, "reader"))
        connection.getresponse().read(1)
        assert house.app.context.tails.open == 1
        connection.sock.close() if connection.sock else None
        connection.close()
        deadline = threading.Event()
        for _ in range(2000):
            if house.app.context.tails.open == 0:
                break
            deadline.wait(0.01)
        assert house.app.context.tails.open == 0


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "log.example.org"])
def test_beyond_the_loopback_it_does_not_start_in_clear(house, host):
    with pytest.raises(SettingsError) as caught:
        check_exposure(house.settings(host=host))
    assert caught.value.field == "host"
    check_exposure(house.settings(host=host, insecure_plaintext=True))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.9.9.9"])
def test_the_loopback_needs_no_tls(house, host):
    check_exposure(house.settings(host=host))


def test_half_a_tls_setting_is_refused(house, tmp_path):
    for settings in ({"tls_cert": tmp_path}, {"tls_key": tmp_path}, {"tls_client_ca": tmp_path}):
        with pytest.raises(SettingsError):
            check_exposure(house.settings(**settings))


def test_a_port_that_is_taken_is_said_not_shared(house):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(SettingsError, match="cannot listen"):
            listen("127.0.0.1", taken.getsockname()[1])


# --- TLS


def _certificate(name, usage, signer=None):
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signer[0].subject if signer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    )
    if usage is None:
        builder = builder.add_extension(x509.BasicConstraints(True, None), critical=True)
    else:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        builder = builder.add_extension(x509.BasicConstraints(False, None), critical=True)
    certificate = builder.sign(signer[1] if signer else key, hashes.SHA256())
    return certificate, key


def _write(folder, name, pair):
    certificate, key = pair
    pem, secret = folder / f"{name}.pem", folder / f"{name}.key"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return pem, secret


@pytest.fixture
def certificates(tmp_path):
    authority = _certificate("Test CA", None)
    made = {"ca": _write(tmp_path, "ca", authority)}
    server = _certificate("localhost", ExtendedKeyUsageOID.SERVER_AUTH, authority)
    client = _certificate("client", ExtendedKeyUsageOID.CLIENT_AUTH, authority)
    made["server"], made["client"] = _write(tmp_path, "s", server), _write(tmp_path, "c", client)
    return made


def _tls(certificates, port, client=False):
    context = ssl.create_default_context(cafile=str(certificates["ca"][0]))
    if client:
        context.load_cert_chain(*map(str, certificates["client"]))
    return http.client.HTTPSConnection("localhost", port, context=context, timeout=20)


def test_tls_is_spoken_and_nothing_else(tmp_path, certificates):
    tls = {"tls_cert": certificates["server"][0], "tls_key": certificates["server"][1]}
    house = House(tmp_path, **tls)
    with serving(house, **tls) as (port, _):
        status, _ = _post(house, port, _tls(certificates, port))
        assert status == 200
        with pytest.raises((http.client.HTTPException, OSError)):
            _post(house, port)
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        with socket.create_connection(("127.0.0.1", port)) as sock, pytest.raises(ssl.SSLError):
            old.wrap_socket(sock)
    house.close()


def test_a_client_certificate_is_demanded_when_an_authority_is_set(tmp_path, certificates):
    tls = {
        "tls_cert": certificates["server"][0],
        "tls_key": certificates["server"][1],
        "tls_client_ca": certificates["ca"][0],
    }
    house = House(tmp_path, **tls)
    with serving(house, **tls) as (port, _):
        assert _post(house, port, _tls(certificates, port, client=True))[0] == 200
        with pytest.raises((ssl.SSLError, OSError, http.client.HTTPException)):
            _post(house, port, _tls(certificates, port))
    assert house.rooms.submissions[0].tls == "client CN=client"
    house.close()


def test_listeners_of_other_protocols_demand_certificates_all_the_same(tmp_path, certificates):
    house = House(tmp_path)
    settings = house.settings(
        tls_cert=certificates["server"][0], tls_key=certificates["server"][1],
        tls_client_ca=certificates["ca"][0], tls_client_optional=True,
    )
    assert run.tls_context(settings).verify_mode is ssl.CERT_REQUIRED
    house.close()


def test_a_client_certificate_may_be_left_out_where_that_is_set_but_not_be_wrong(
    tmp_path, certificates
):
    tls = {
        "tls_cert": certificates["server"][0], "tls_key": certificates["server"][1],
        "tls_client_ca": certificates["ca"][0], "tls_client_optional": True,
    }
    stranger = _certificate("client", ExtendedKeyUsageOID.CLIENT_AUTH, _certificate("Other", None))
    wrong = {**certificates, "client": _write(tmp_path, "w", stranger)}
    house = House(tmp_path, **tls)
    settings = SourceSettings(id="web", protocol="journald", certificates=("client",))
    house.rooms.settings[("web", "")] = Configured(settings=settings)
    with serving(house, **tls) as (port, _):
        assert _post(house, port, _tls(certificates, port))[0] == 200
        assert _post(house, port, _tls(certificates, port, client=True))[0] == 200
        with pytest.raises((ssl.SSLError, OSError, http.client.HTTPException)):
            _post(house, port, _tls(wrong, port, client=True))
        for client, status in ((True, 200), (False, 401)):
            line = _tls(certificates, port, client=client)
            line.request("POST", "/upload", b"__CURSOR=s=1\nMESSAGE=x\n\n")
            assert line.getresponse().status == status
            line.close()
    told = [(one.source, one.tls) for one in house.rooms.submissions]
    assert told == [("app", "server"), ("app", "client CN=client"), ("web", "client CN=client")]
    house.close()


def test_nobody_searches_on_for_a_client_that_hung_up(house):
    begun, ended = threading.Event(), threading.Event()

    async def slow(op, request):
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    house.rooms.query = slow
    with serving(house) as (port, _):
        token = house.tokens["reader"]
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.sendall(
                f"GET /v1/search HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n"
                .encode()
            )
            assert begun.wait(20)
            assert not ended.is_set()
        assert ended.wait(20)
        assert _post(house, port)[0] == 200
