"""What nginx and Apache really write, asked by clients that mean well and by others."""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from indelible.ingest.parsers.finish import parse_message
from indelible.ingest.parsers.table import AUTO
from support.parsing import GIVEN
from support.served import free_port

ROOT = Path(os.environ.get("WEB_SERVERS_ROOT", "/opt/web-servers"))
"""Where the packages were unpacked, when they are not installed."""
MODULES = ("mpm_event", "log_config", "authz_core", "unixd")


def program(name: str) -> str | None:
    unpacked = ROOT / "usr/sbin" / name
    return shutil.which(name, path="/usr/sbin:/usr/bin") or (
        str(unpacked) if unpacked.exists() else None)


NGINX, APACHE = program("nginx"), program("apache2")
COMBINED = r'%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\"'
HELLO_OF_TLS = bytes.fromhex("16030100f8010000f40303") + bytes(range(128, 160)) + b"\r\n\r\n"


def ask(port: int, request: bytes) -> None:
    """One request as it is; the answer is read to its end."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as one:
        one.sendall(request)
        one.shutdown(socket.SHUT_WR)
        while one.recv(65_536):
            pass


@contextmanager
def running(command: list[str], port: int) -> Iterator[None]:
    libraries = f"{ROOT}/usr/lib/x86_64-linux-gnu:{os.environ.get('LD_LIBRARY_PATH', '')}"
    process = subprocess.Popen(command, env={**os.environ, "LD_LIBRARY_PATH": libraries})
    try:
        until = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert process.poll() is None, "the web server ended"
                assert time.monotonic() < until, "the web server does not listen"
                time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.wait(20)


def read(line: bytes) -> dict[str, Any]:
    found = parse_message(AUTO, line, GIVEN)
    return {**json.loads(found.content), "parser": found.parser}


def requests(port: int) -> None:
    """A person, a secret, quotes, a tunnel that is none, no request at all; each is one line."""
    user = base64.b64encode(b'ann "x" [1:pw')
    for one in (
        b"GET /plain?token=s3cret HTTP/1.1\r\nHost: h\r\nUser-Agent: say \"hi\" \xd0\xb6\r\n"
        b"Referer: http://h/r?s3cret\r\nConnection: close\r\n\r\n",
        b"GET /named HTTP/1.0\r\nAuthorization: Basic " + user + b"\r\n\r\n",
        b'POST /a"b\\c HTTP/1.0\r\nContent-Length: 0\r\n\r\n',
        HELLO_OF_TLS,
    ):
        ask(port, one)


def lines(path: Path, count: int) -> list[bytes]:
    until = time.monotonic() + 20
    while True:
        found = path.read_bytes().splitlines() if path.exists() else []
        if len(found) >= count:
            return found
        assert time.monotonic() < until, found
        time.sleep(0.02)


def check(events: dict[str, dict[str, Any]], written: list[bytes]) -> None:
    """What every form of the log must say of these requests."""
    plain = events["/plain"]
    assert plain["action"] == "http.request.get"
    assert plain["actor"] == {"type": "anonymous", "id": "anonymous"}
    assert plain["origin"] == {"ip": "127.0.0.1", "user_agent": 'say "hi" ж'}
    assert plain["data"]["referer"] == "http://h/r"
    assert "s3cret" in plain.pop("raw")
    assert "s3cret" not in json.dumps(plain)
    assert events['/a"b\\c']["action"] == "http.request.post"
    assert events[""]["action"] == "http.request.invalid"
    assert events[""]["outcome"] == "failure"
    assert all(one["outcome"] in ("success", "failure") for one in events.values()), written


def by_path(written: list[bytes]) -> dict[str, dict[str, Any]]:
    found = [read(line) for line in written]
    assert {one["parser"] for one in found} <= {"access_log/1", "access_json/1", "auto/1"}, written
    return {one.get("targets", [{"id": ""}])[0]["id"]: one for one in found}


@pytest.mark.component("nginx")
@pytest.mark.skipif(NGINX is None, reason="nginx is not installed")
def test_lines_of_nginx_say_what_was_asked(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "nginx.conf").write_text(
        f"""
        daemon off; pid {tmp_path}/pid; error_log {tmp_path}/error.log;
        events {{}}
        http {{
          log_format json escape=json '{{"time_iso8601":"$time_iso8601",'
            '"remote_addr":"$remote_addr","remote_user":"$remote_user",'
            '"request":"$request","status":"$status",'
            '"http_referer":"$http_referer","http_user_agent":"$http_user_agent"}}';
          access_log {tmp_path}/combined.log; access_log {tmp_path}/json.log json;
          client_body_temp_path {tmp_path}/b; proxy_temp_path {tmp_path}/p;
          fastcgi_temp_path {tmp_path}/f; uwsgi_temp_path {tmp_path}/u; scgi_temp_path {tmp_path}/s;
          server {{ listen 127.0.0.1:{port}; return 200; }}
        }}
        """
    )
    assert NGINX is not None
    command = [NGINX, "-e", f"{tmp_path}/error.log", "-c", f"{tmp_path}/nginx.conf"]
    with running(command, port):
        requests(port)
        texts, objects = (lines(tmp_path / name, 4) for name in ("combined.log", "json.log"))
    # JSON of nginx has octets that are no UTF-8 as they came: such a line is none.
    [broken] = [line for line in objects if b"\xf4" in line or b"\x80" in line]
    assert read(broken)["reason"]["code"]
    objects.remove(broken)
    assert by_path(objects)["/plain"]["origin"] == {"ip": "127.0.0.1", "user_agent": 'say "hi" ж'}
    check(by_path(texts), texts)
    # A name that holds ` [` makes no line of text mean another.
    for written in (objects, texts):
        assert by_path(written)["/named"]["actor"]["id"] == 'ann "x" [1'
    assert [read(line)["parser"] for line in texts if b"/named" in line] == ["access_log/1"]


@pytest.mark.component("apache2")
@pytest.mark.skipif(APACHE is None, reason="Apache is not installed")
def test_lines_of_apache_say_what_was_asked(tmp_path: Path) -> None:
    port = free_port()
    folder = Path(str(APACHE)).parents[1] / "lib/apache2/modules"
    loaded = "\n".join(
        f"LoadModule {name}_module {folder}/mod_{name}.so" for name in MODULES
        if (folder / f"mod_{name}.so").exists()
    )
    (tmp_path / "apache.conf").write_text(
        f"""
        {loaded}
        ServerRoot {tmp_path}
        ServerName www.example.org:{port}
        PidFile {tmp_path}/pid
        Listen 127.0.0.1:{port}
        ErrorLog {tmp_path}/error.log
        DocumentRoot {tmp_path}
        LogFormat "{COMBINED}" combined
        LogFormat "%v:%p {COMBINED}" vhost
        CustomLog {tmp_path}/combined.log combined
        CustomLog {tmp_path}/vhost.log vhost
        """
    )
    (tmp_path / "plain").write_text("hello")
    with running([str(APACHE), "-DFOREGROUND", "-f", f"{tmp_path}/apache.conf"], port):
        requests(port)
        both = [lines(tmp_path / name, 4) for name in ("combined.log", "vhost.log")]
    for written in both:
        found = by_path([line for line in written if line.split(b'"')[1] != b"-"])
        check(found, written)
    assert found["/plain"]["targets"][0]["parent"] == f"www.example.org:{port}"
