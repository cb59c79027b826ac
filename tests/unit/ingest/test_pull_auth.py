"""Credentials of a pull, and descriptions that cannot work."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from indelible.base.clock import MICROS
from indelible.base.errors import BadRequest
from indelible.ingest.protocols.pull_auth import Credentials
from indelible.ingest.protocols.pull_description import (
    VENDORS,
    Auth,
    described,
    read_description,
    resolved,
)
from indelible.ingest.protocols.pull_plan import Plan
from indelible.ingest.sources import SourceSettings, checked

NOW = 1_780_272_000 * MICROS
TOKEN = Auth(kind="client_credentials", url="https://login.example.org/token", client="me",
             scope="all")
OWN = """
name = "own"
about = "of our own"
base = "https://audit.example.org"
auth = { kind = "header" }
request = { path = ["/events"] }
items = { id = ["id"] }
"""


def token(value: str = "t0ken", seconds: Any = 3_600) -> bytes:
    return json.dumps({"access_token": value, "expires_in": seconds}).encode()


def test_a_secret_goes_into_the_header_that_is_described() -> None:
    auth = Auth(kind="header", value="SSWS {secret}")
    assert Credentials(auth, {}, b"abc\n").header(NOW) == {"Authorization": "SSWS abc"}


def test_basic_credentials_are_a_name_and_a_secret() -> None:
    header = Credentials(Auth(kind="basic", client="me"), {}, b"a:b").header(NOW)
    assert header == {"Authorization": f"Basic {base64.b64encode(b'me:a:b').decode()}"}


def test_a_token_is_fetched_used_and_renewed_before_its_end() -> None:
    credentials = Credentials(TOKEN, {}, b"s3cret")
    assert credentials.header(NOW) is None
    request = credentials.token_request(NOW)
    assert request.url == "https://login.example.org/token"
    assert request.body == (
        b"grant_type=client_credentials&client_id=me&client_secret=s3cret&scope=all"
    )
    assert credentials.took_token(200, token(), NOW) == ""
    assert credentials.header(NOW + 3_539 * MICROS) == {"Authorization": "Bearer t0ken"}
    assert credentials.header(NOW + 3_540 * MICROS) is None


def test_a_token_that_is_refused_is_fetched_anew() -> None:
    credentials = Credentials(TOKEN, {}, b"s3cret")
    credentials.took_token(200, token(), NOW)
    assert credentials.refused()
    assert credentials.header(NOW) is None
    assert not credentials.refused()


def test_a_token_of_no_time_is_used_once_and_not_fetched_for_ever() -> None:
    credentials = Credentials(TOKEN, {}, b"s3cret")
    assert credentials.took_token(200, token(seconds="0"), NOW) == ""
    assert credentials.header(NOW) is not None


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, b'{"error":"invalid_client s3cret"}'), (200, b"{}"), (200, b"[]"), (200, b"\xff"),
        (200, token("a\nb")), (200, token("")), (200, token(seconds="soon")), (500, b"<html>"),
        (400, b'{"error":{"x":1}}'), (200, token(seconds=[])),
    ],
)
def test_what_is_no_token_is_told_without_the_secret(status: int, body: bytes) -> None:
    credentials = Credentials(TOKEN, {}, b"s3cret")
    why = credentials.took_token(status, body, NOW)
    assert why.startswith("no token")
    assert "s3cret" not in why
    assert credentials.header(NOW) is None


def key_file(kind: str = "rsa") -> bytes:
    key: Any = (
        rsa.generate_private_key(65_537, 2_048) if kind == "rsa"
        else ec.generate_private_key(ec.SECP256R1())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return json.dumps({"client_email": "p@x", "private_key": pem.decode()}).encode()


@pytest.mark.parametrize(
    "secret", [b"{}", b"no json", b'{"client_email":"a","private_key":"no key"}', key_file("ec")]
)
def test_a_secret_that_is_no_key_file_is_told_when_it_is_given(secret: bytes) -> None:
    with pytest.raises(BadRequest) as caught:
        Credentials(Auth(kind="service_account", url="https://x.example/t"), {}, secret)
    assert caught.value.field == "secret"


def test_a_key_is_never_in_what_is_told() -> None:
    secret = key_file()
    auth = Auth(kind="service_account", url="https://x.example/t", subject="a@x")
    credentials = Credentials(auth, {}, secret)
    pem = json.loads(secret)["private_key"]
    assert "PRIVATE" not in credentials.scrubbed(f"failed with {pem} and {secret.decode()}")
    credentials.took_token(200, token("t0ken"), NOW)
    assert credentials.scrubbed("failed with t0ken") == "failed with ***"


@pytest.mark.parametrize("secret", [b"", b" \n", b"\xff\xfe", b"a\nb"])
def test_a_secret_that_no_header_can_carry_is_refused(secret: bytes) -> None:
    with pytest.raises(BadRequest):
        Credentials(Auth(kind="header"), {}, secret)


# --- descriptions and options


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_shipped_description_reads(vendor: str) -> None:
    found = described(vendor)
    assert found.name == vendor
    assert found.parser == vendor
    assert found.items.time


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (("about", "abuot"), "abuot"), (('id = ["id"]', "id = []"), "items.id"),
        (('kind = "header"', 'kind = "client_credentials"'), "url"),
        (('kind = "header"', 'kind = "cookie"'), "kind"),
        (("[\"/events\"]", '"/events"'), "path"),
        (('name = "own"', 'name = "own"\nparser = "nonsense"'), "nonsense"),
        (("items =", 'window = { overlap = "5 minutes" }\nitems ='), "5 minutes"),
        (("items =", 'window = { deep = "5h" }\nitems ='), "deep_every"),
        (("items =", 'window = { resume = "link" }\nitems ='), "link"),
        (("items =", 'paging = { by = "token" }\nitems ='), "name"),
        (("items =", 'paging = { by = "url" }\nitems ='), "path"),
        (("items =", "pace = { per_minute = 0 }\nitems ="), "per_minute"),
        (("items =", "items"), "line"),
    ],
)
def test_a_description_that_cannot_work_says_why(change: tuple[str, str], what: str) -> None:
    with pytest.raises(BadRequest, match=r"own\.toml") as caught:
        read_description(OWN.replace(*change), "own.toml")
    assert what in caught.value.message


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"vendor": "nobody"}, "vendor"), ({"vendor": "/no/such.toml"}, "vendor"),
        ({"vendor": "okta"}, "url"), ({"vendor": "github"}, "org"),
        ({"vendor": "okta", "url": "http://example.okta.com"}, "url"),
        ({"vendor": "okta", "url": "https://user:pass@example.okta.com"}, "url"),
        ({"vendor": "okta", "url": "https://[::1"}, "url"),
        ({"vendor": "okta", "url": "example.okta.com"}, "url"),
        ({"vendor": "google_workspace"}, "subject"),
        ({"vendor": "m365", "directory": "d"}, "client"),
        ({"vendor": "m365", "directory": "d", "client": "c", "login": "http://x.example"}, "login"),
    ],
)
def test_options_that_cannot_work_are_told_when_the_source_is_added(
    options: dict[str, str], field: str
) -> None:
    with pytest.raises(BadRequest) as caught:
        checked(SourceSettings(id="s", protocol="pull", options=options))
    assert caught.value.field == field


@pytest.mark.parametrize(
    "options",
    [
        {"vendor": "okta", "url": "https://example.okta.com/"},
        {"vendor": "okta", "url": "http://127.0.0.1:8080"},
        {"vendor": "github", "org": "acme"}, {"vendor": "github", "enterprise": "acme"},
        {"vendor": "slack"}, {"vendor": "google_workspace", "subject": "admin@example.org"},
        {"vendor": "m365", "directory": "d", "client": "c", "since": "12h"},
    ],
)
def test_options_that_work(options: Mapping[str, str]) -> None:
    assert not resolved(options).base.endswith("/")
    checked(SourceSettings(id="s", protocol="pull", options=dict(options)))


def test_the_documented_description_works(tmp_path: Path) -> None:
    text = (Path(__file__).parents[3] / "docs" / "sources" / "pull.md").read_text("utf-8")
    path = tmp_path / "acme.toml"
    path.write_text(text.partition("```toml\n")[2].partition("```")[0])
    found = resolved({"vendor": str(path), "url": "https://acme.example"})
    assert found.base == "https://acme.example/audit/v2"
    made = Plan(found.description, found.values, "logins", found.base)
    following = made.next(made.begin(NOW), NOW)
    assert following.ask is not None
    assert following.ask.url == (
        "https://acme.example/audit/v2/logins?"
        "from=2026-05-24T23%3A50%3A00Z&to=2026-05-26T00%3A00%3A00Z&size=500"
    )


def test_a_description_of_ones_own_is_named_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(OWN)
    assert resolved({"vendor": str(path)}).base == "https://audit.example.org"
