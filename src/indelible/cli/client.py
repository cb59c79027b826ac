"""The one HTTP client of the command line: a running server, or a stopped ledger's folder.

`connect` gives a `Client` for either; what a command asks is the same HTTP both times. Errors come
back as `IndelibleError`: the server's own with its code, message, place and remedy, `Unreachable`
where there is none.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlsplit

import httpx2
import msgspec

from indelible import __version__
from indelible.base.errors import IndelibleError, Unreachable
from indelible.base.limits import CLIENT_CONNECT_SECONDS, CLIENT_READ_BYTES, CLIENT_SECONDS
from indelible.cli.failures import Answered, ErrorAnswer, Refused

DEFAULT_URL = "http://127.0.0.1:8440"
TOKEN_VARIABLE = "INDELIBLE_TOKEN_FILE"
URL_VARIABLE = "INDELIBLE_URL"
Params = Mapping[str, str | int | bool | None]
_NO_TOKEN = (
    f"Name the file that holds a valid token with --token-file or {TOKEN_VARIABLE}; "
    "`indelible token create` makes one."
)
_TLS = {
    "certificate_verify_failed":
        "Name the authority that vouches for the server with --ca FILE, and in --url a name or "
        "address that its certificate holds.",
    "certificate_required":
        "The server wants a client certificate: give it and its key with --certificate FILE.",
    "alert":
        "The server refused the TLS handshake: where it wants a client certificate, give it and "
        "its key with --certificate FILE.",
    "wrong_version": "The server speaks no TLS there: write http:// in the address.",
}
_HUNG_UP = "Where the server speaks TLS, write https:// in the address (--url)."
_HUNG_UP_TLS = (
    "Where the server asks for a client certificate, give it and its key with --certificate FILE."
)
_PATIENCE = httpx2.Timeout(CLIENT_SECONDS, connect=CLIENT_CONNECT_SECONDS)
_ENDLESS = httpx2.Timeout(None, connect=CLIENT_CONNECT_SECONDS)


class Reach(NamedTuple):
    """Which ledger a command talks to, and as whom."""

    url: str | None = None
    data: Path | None = None
    token_file: Path | None = None
    ca: Path | None = None
    certificate: Path | None = None
    recorded: bool = True


class Client:
    """Typed calls; every one raises `IndelibleError` unless the server said yes."""

    def __init__(self, http: httpx2.Client, place: str) -> None:
        self._http = http
        self.place = place

    def get(self, path: str, params: Params | None = None) -> bytes:
        """The body of a GET."""
        return self._call("GET", path, params)

    def post(
        self, path: str, value: object = None, *, content: bytes | None = None,
        params: Params | None = None, headers: Mapping[str, str] | None = None,
        endless: bool = False,
    ) -> bytes:
        """The body of a POST of `value` as JSON, or of `content`. 207 and 422 with a whole answer
        (some or all events refused) are answers, not errors."""
        if content is None:
            content = msgspec.json.encode({} if value is None else value)
            headers = {"content-type": "application/json", **(headers or {})}
        return self._call("POST", path, params, content, headers, endless)

    def delete(self, path: str, params: Params | None = None) -> bytes:
        """The body of a DELETE."""
        return self._call("DELETE", path, params)

    def _call(
        self, method: str, path: str, params: Params | None, content: bytes | None = None,
        headers: Mapping[str, str] | None = None, endless: bool = False,
    ) -> bytes:
        with self._translated():
            response = self._http.request(
                method, path, params=_given(params), content=content,
                headers=dict(headers or {}), timeout=_ENDLESS if endless else _PATIENCE,
            )
            body = response.content
        _check(response, body, params, self.place)
        return body

    @contextmanager
    def stream(
        self, method: str, path: str, params: Params | None = None, value: object = None,
    ) -> Iterator[Iterator[bytes]]:
        """The body in pieces, for what is large or never ends."""
        content = None if value is None else msgspec.json.encode(value)
        headers = {} if value is None else {"content-type": "application/json"}
        with self._translated(), self._http.stream(
            method, path, params=_given(params), content=content, headers=headers,
            timeout=_ENDLESS,
        ) as response:
            if response.status_code >= 400:
                _check(response, response.read(), params, self.place)
            whole = "content-length" in response.headers
            yield response.iter_bytes(CLIENT_READ_BYTES if whole else None)

    def lines(self, path: str, params: Params | None = None) -> Iterator[str]:
        """The lines of an answer that never ends (server-sent events)."""
        with self._translated(), self._http.stream(
            "GET", path, params=_given(params), timeout=_ENDLESS
        ) as response:
            if response.status_code >= 400:
                _check(response, response.read(), params, self.place)
            yield from response.iter_lines()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except httpx2.TransportError as error:
            raise unreachable(self.place, error) from error
        except httpx2.InvalidURL as error:
            raise Refused(f"{self.place} is not an address: {error}") from error


def _given(params: Params | None) -> dict[str, str]:
    shown = {True: "1", False: "0"}
    return {
        name: shown[value] if isinstance(value, bool) else str(value)
        for name, value in (params or {}).items()
        if value is not None
    }


def _check(response: httpx2.Response, body: bytes, params: Params | None, place: str) -> None:
    status = response.status_code
    if status < 400:
        return
    try:
        said = msgspec.json.decode(body, type=ErrorAnswer).error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if status == 422 and body.startswith(b"{"):
            return
        where = f"{place} answered {status} {response.reason_phrase}".rstrip()
        if status in (502, 504):
            raise Unreachable(where) from error
        raise IndelibleError(
            where, code="bad_answer",
            remedy="Check that --url names an Indelible server, without a path of a page.",
        ) from error
    if status == 401 and place.startswith("http"):
        said = msgspec.structs.replace(said, remedy=_NO_TOKEN)
    text = (params or {}).get("q")
    raise Answered(said, status, text if isinstance(text, str) else "")


def unreachable(place: str, error: httpx2.TransportError) -> Unreachable:
    """The error of a server that could not be talked to, with the remedy that fits it."""
    told = str(error) or type(error).__name__
    if place.startswith("https:"):
        marks = told.lower().replace(" ", "_")
        for mark, remedy in _TLS.items():
            if mark in marks:
                return Unreachable(f"no TLS connection to {place}: {told}", remedy=remedy)
    if isinstance(error, httpx2.RemoteProtocolError | httpx2.ReadError):
        return Unreachable(
            f"{place} hung up without an answer: {told}",
            remedy=_HUNG_UP_TLS if place.startswith("https:") else _HUNG_UP,
        )
    return Unreachable(f"{place} does not answer: {told}")


def path_of(*parts: str | int) -> str:
    """A URL path of the given parts, each percent-encoded whole."""
    return "/" + "/".join(quote(str(part), safe="") for part in parts)


def read_token(file: Path | None) -> str | None:
    """The token from `--token-file`, else from the file that INDELIBLE_TOKEN_FILE names."""
    named = file or (Path(value) if (value := os.environ.get(TOKEN_VARIABLE)) else None)
    if named is None:
        return None
    try:
        token = named.expanduser().read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(
            f"{named}: the token cannot be read ({error})", code="no_token",
            remedy="Put the token alone into a file and name it with --token-file "
            f"or {TOKEN_VARIABLE}.",
        ) from error
    if not token or not token.isascii() or any(c.isspace() for c in token):
        raise Refused(f"{named} holds no token: one line of text is expected", code="no_token")
    return token


def sends_in_clear(reach: Reach) -> bool:
    """Whether the token would cross a network unencrypted."""
    parts = urlsplit(reach.url or DEFAULT_URL)
    return parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "::1", "localhost")


def _trust(reach: Reach, url: str) -> ssl.SSLContext | bool:
    if url.startswith("http://"):
        return False
    try:
        context = ssl.create_default_context(cafile=reach.ca)
        if reach.certificate is not None:
            context.load_cert_chain(reach.certificate)
    except OSError as error:
        named = reach.ca if reach.certificate is None else reach.certificate
        raise Refused(f"{named} cannot be used for TLS: {error}", code="bad_certificate") from error
    return context


def _remote(reach: Reach) -> httpx2.Client:
    url = reach.url or DEFAULT_URL
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise Refused(f"{url} is not an address: it must begin with http:// or https://")
    token = read_token(reach.token_file)
    headers = {"user-agent": f"indelible/{__version__}"}
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    return httpx2.Client(
        base_url=url, headers=headers, trust_env=False, verify=_trust(reach, url)
    )


def _local(reach: Reach, data: Path) -> httpx2.Client:
    from indelible.app import open_local, takes_nothing
    from indelible.cli.local import LocalTransport

    if not data.is_dir():
        raise Refused(f"there is no folder {data}", remedy="Make one with `indelible init`.")
    if not reach.recorded and os.access(data, os.W_OK) and not takes_nothing(data):
        raise Refused(
            f"{data} can be written to, so what is read from it is recorded",
            code="must_be_recorded",
            remedy="Leave --unrecorded out; it is for read-only media, backups and closed logs.",
        )
    transport = LocalTransport(open_local(data, recorded=reach.recorded))
    return httpx2.Client(
        base_url="http://localhost", transport=transport, trust_env=False,
        headers={"authorization": f"Bearer {transport.token}"},
    )


@contextmanager
def connect(reach: Reach) -> Iterator[Client]:
    """A client for the ledger that `reach` names, closed at the end of the block."""
    if reach.data is not None:
        place, http = str(reach.data), _local(reach, reach.data)
    else:
        place, http = reach.url or DEFAULT_URL, _remote(reach)
    with http:
        yield Client(http, place)
