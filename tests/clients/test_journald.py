"""systemd-journal-upload as the page configures it, over TLS, against a real server."""

from __future__ import annotations

import json
import shutil
import signal
import ssl
import subprocess
from collections import Counter
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import httpx2
import pytest

from support.authority import Authority
from support.journal_export import failed, logged
from support.senders import Sender, block, eventually
from support.served import Place, Server

_LIB = "/usr/lib/systemd:/lib/systemd"
UPLOAD = shutil.which("systemd-journal-upload", path=_LIB) or ""
REMOTE = shutil.which("systemd-journal-remote", path=_LIB) or ""
pytestmark = pytest.mark.skipif(
    not (UPLOAD and REMOTE), reason="systemd-journal-remote is not installed"
)
NAME = "web1.example.org"


class Uploaded:
    """A ledger that speaks TLS, a host's journal, and journal-upload as the page configures it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "house").mkdir()
        self.place = Place(root / "house").init()
        self.authority = Authority(root)
        for name in ("server", NAME, "stranger"):
            self.authority.issue(name)
        said = block("journald", "indelible-toml")
        for old, new in (("tls/chain", "server"), ("tls/ca", "ca")):
            said = said.replace(f"{old}.pem", str(root / f"{new}.pem"))
        said = said.replace("tls/key.pem", str(root / "server.key")).replace("0.0.0.0", "127.0.0.1")
        with (self.place.data / "indelible.toml").open("a") as file:
            file.write(f"\n{said}")
        self.journal = root / "journal"
        self.journal.mkdir()
        self.state = root / "upload.state"

    def source(self, *flags: str) -> str:
        """Register the host; its token where one is made."""
        made = self.place.cli(
            "source", "add", "web1", "--data", str(self.place.data), "--protocol", "journald",
            "--json", *flags,
        )
        return str(json.loads(made.stdout)["token"])

    def log(self, *entries: bytes) -> None:
        """Write entries into the journal of the host."""
        subprocess.run(
            [REMOTE, "-o", str(self.journal / "host.journal"), "-"],
            input=b"".join(entries), check=True, capture_output=True, timeout=60,
        )

    def upload(self, url: str, certificate: str = NAME, *flags: str) -> Sender:
        """journal-upload with the page's configuration, given as the flags of the same meaning."""
        config = ConfigParser()
        config.optionxform = str  # type: ignore[assignment,method-assign]
        config.read_string(block("journald", "journal-upload"))
        said = dict(config["Upload"])
        assert set(said) == {
            "URL", "ServerKeyFile", "ServerCertificateFile", "TrustedCertificateFile",
        }
        assert said["URL"] == "https://audit.example.org:8440"
        return Sender(
            self.root,
            [UPLOAD, f"--url={url}", f"--key={self.root / certificate}.key",
             f"--cert={self.root / certificate}.pem", f"--trust={self.authority.path}",
             f"--directory={self.journal}", f"--save-state={self.state}", *flags],
        )


class TlsServer(Server):
    """A server whose clients speak TLS; tests' own come by token alone."""

    def __init__(self, uploaded: Uploaded) -> None:
        super().__init__(uploaded.place)
        self.url = self.url.replace("http://", "https://")
        self._trust = ssl.create_default_context(cafile=str(uploaded.authority.path))

    def wait_ready(self, seconds: float = 30.0) -> float:
        def ready() -> bool:
            assert self.process.poll() is None
            try:
                with httpx2.Client(verify=self._trust) as client:
                    return bool(client.get(f"{self.url}/readyz").status_code == 200)
            except httpx2.HTTPError:
                return False

        eventually(ready, seconds)
        return 0.0

    def client(self, role: str) -> httpx2.Client:
        return httpx2.Client(
            base_url=self.url, timeout=60, verify=self._trust,
            headers={"authorization": f"Bearer {self.place.tokens[role]}"},
        )

    def events(self, query: str) -> list[dict[str, Any]]:
        """The stored events of a search, oldest first."""
        with self.client("reader") as client:
            answer = client.get("/v1/export", params={"q": query, "format": "ndjson"})
            assert answer.status_code == 200, answer.text
        found = [json.loads(line) for line in answer.text.splitlines()]
        return [one.get("event", one) for one in found]

    def now(self) -> dict[str, Any]:
        """The source as the list shows it."""
        with self.client("auditor") as client:
            found: dict[str, Any] = client.get("/v1/sources/web1").json()["now"]
        return found


@pytest.fixture
def uploaded(tmp_path: Path) -> Uploaded:
    return Uploaded(tmp_path)


def test_a_journal_is_uploaded_as_the_page_says_and_each_entry_once(uploaded: Uploaded) -> None:
    assert uploaded.source("--certificate-name", NAME) == ""
    uploaded.log(
        logged(1, failed(4711)), logged(2, b"two\nlines"), logged(3, "gr\u00fc\u00dfe".encode()),
        logged(4, b"\xff\xfe no text"),
    )
    with TlsServer(uploaded) as server:
        with uploaded.upload(server.url, NAME, "--follow=no") as upload:
            assert upload.process.wait(60) == 0
        first, second, third, fourth = server.events("source:web1")
        state = uploaded.state.read_text()
        uploaded.state.unlink()  # the host forgets how far it was
        with uploaded.upload(server.url, NAME, "--follow=no") as upload:
            assert upload.process.wait(60) == 0
        assert uploaded.state.read_text() == state
        eventually(lambda: server.now()["duplicates"] == 4)
        assert server.now()["stored"] == 4
        uploaded.log(logged(5, failed(5)))
        with uploaded.upload(server.url, NAME, "--follow=no") as upload:
            assert upload.process.wait(60) == 0
        assert server.now()["stored"] == 5
        assert server.events("source:web1")[-1]["raw"].endswith(f"{failed(5).decode()}\n")
    assert f"LAST_CURSOR={fourth['id']}" in state
    assert first["actor"]["id"] == "root"
    assert (first["origin"]["ip"], first["origin"]["host"]) == ("203.0.113.7", "web1")
    assert first["outcome"] == "failure"
    assert first["time"].startswith("2026-05-28T20:26:40.000993")
    assert first["via"]["protocol"] == "journald"
    assert first["via"]["tls"] == f"client CN={NAME}"
    assert first["raw"].startswith("__CURSOR=s=")
    assert first["raw"].endswith(f"MESSAGE={failed(4711).decode()}\n")
    assert "MESSAGE\n\t\0\0\0\0\0\0\0two\nlines\n" in second["raw"]
    assert third["raw"].endswith("gr\u00fc\u00dfe\n")
    assert fourth["raw_type"] == "application/vnd.fdo.journal"


def test_a_certificate_that_no_source_names_is_refused_and_on_record(uploaded: Uploaded) -> None:
    uploaded.source("--certificate-name", NAME)
    uploaded.log(logged(1, failed(1)))
    with TlsServer(uploaded) as server:
        with uploaded.upload(server.url, "stranger", "--follow=no") as upload:
            assert upload.process.wait(60) != 0
        said = (uploaded.root / "sender.log").read_text()
        assert "failed with code 403" in said
        assert "unknown_certificate" in said
        assert not uploaded.state.exists()
        server.stop()
    with TlsServer(uploaded) as server:
        assert server.now()["stored"] == 0
        [refusal] = server.events("action:indelible.access.deny")
        assert "stranger" in refusal["reason"]["text"]


def test_a_token_in_the_address_is_taken_for_what_it_is(uploaded: Uploaded) -> None:
    token = uploaded.source()
    uploaded.log(logged(1, failed(1)))
    with TlsServer(uploaded) as server:
        url = server.url.replace("https://", f"https://x:{token}@")
        with uploaded.upload(url, "stranger", "--follow=no") as upload:
            assert upload.process.wait(60) == 0
        assert server.now()["stored"] == 1


@pytest.mark.parametrize("who", ["server", "upload"])
def test_kill_9_loses_nothing_and_repeats_nothing(uploaded: Uploaded, who: str) -> None:
    count = 40_000
    uploaded.source("--certificate-name", NAME)
    uploaded.log(*(logged(number + 1, failed(number)) for number in range(count)))
    server = TlsServer(uploaded)
    kills = 0
    while kills < 3:
        with server:
            before = server.now()["stored"]
            with uploaded.upload(server.url) as upload:
                eventually(lambda: server.now()["stored"] >= before + 500)  # noqa: B023
                assert not uploaded.state.exists(), "the upload ended before it could be killed"
                if who == "server":
                    server.kill()
                    assert upload.process.wait(60) != 0
                else:
                    upload.end(signal.SIGKILL)
            kills += 1
    with server:
        with uploaded.upload(server.url, NAME, "--follow=no") as upload:
            assert upload.process.wait(120) == 0
        assert uploaded.state.exists()
        found = Counter(event["id"] for event in server.events("source:web1"))
        assert len(found) == count
        assert set(found.values()) == {1}
        assert server.now()["stored"] == count
        assert server.now()["duplicates"] >= 500
