"""The credentials that go with a request: a header as it is, or a token that is fetched. Pure.

`Credentials.header` gives the header, or says that a token has to be fetched first: what to send
(`token_request`) and what to make of the answer (`took_token`). A token is used until shortly
before its end, and is dropped when the API does not take it any more. Nothing of a secret, a key,
an assertion or a token is in an error: `scrubbed` takes them out of whatever an API said.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from indelible.base.clock import MICROS
from indelible.base.errors import BadRequest
from indelible.base.limits import PULL_TOKEN_SECONDS
from indelible.ingest.protocols.pull_description import Auth, checked_url, fill

_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_FORM: Final = "application/x-www-form-urlencoded"
_encode = msgspec.json.Encoder().encode


class TokenRequest(NamedTuple):
    """A POST that is answered with a token."""

    url: str
    headers: Mapping[str, str]
    body: bytes


class _Key(msgspec.Struct):
    """What a service account's key file holds and is needed."""

    client_email: str
    private_key: str
    private_key_id: str = ""


class _Token(msgspec.Struct):
    """An answer of RFC 6749 section 5.1."""

    access_token: str
    expires_in: int | str = 3600


class Credentials:
    """Those of one source. Raises `BadRequest` for a secret that is not what `auth` needs."""

    def __init__(self, auth: Auth, values: Mapping[str, str], secret: bytes) -> None:
        self._auth, self._values = auth, values
        try:
            self._secret = secret.decode().strip()
        except UnicodeDecodeError as error:
            raise BadRequest("the source's secret is no text", field="secret") from error
        if not self._secret:
            raise BadRequest(
                "the source has no secret", field="secret",
                remedy="Give it with `indelible source add NAME --secret-file FILE`.",
            )
        self._token, self._until_us = "", 0
        self._url = checked_url(fill(auth.url, values), "login") if auth.url else ""
        self._client = fill(auth.client, values)
        self._key: tuple[_Key, RSAPrivateKey] | None = None
        if auth.kind == "service_account":
            self._key = _key_of(self._secret)
        elif not self._secret.isprintable():
            raise BadRequest("the secret holds what no header can carry", field="secret")

    def header(self, now_us: int) -> dict[str, str] | None:
        """The header that proves who asks, None when a token has to be fetched first."""
        name, kind = self._auth.header, self._auth.kind
        if kind == "basic":
            pair = f"{self._client}:{self._secret}".encode()
            return {name: f"Basic {base64.b64encode(pair).decode()}"}
        if kind == "header":
            return {name: fill(self._auth.value, {**self._values, "secret": self._secret})}
        if not self._token or now_us >= self._until_us - PULL_TOKEN_SECONDS * MICROS:
            return None
        return {name: fill(self._auth.value, {**self._values, "secret": self._token})}

    def token_request(self, now_us: int) -> TokenRequest:
        """What to send for a token."""
        form = {"grant_type": "client_credentials", "client_id": self._client,
                "client_secret": self._secret}
        scope = fill(self._auth.scope, self._values)
        if self._key is not None:
            form = {"grant_type": _GRANT, "assertion": self._assertion(scope, now_us)}
        elif scope:
            form["scope"] = scope
        return TokenRequest(self._url, {"content-type": _FORM}, urlencode(form).encode())

    def took_token(self, status: int, body: bytes, now_us: int) -> str:
        """Keep the token of an answer; why there is none, or ''."""
        if status != 200:
            return f"no token: status {status} ({self.scrubbed(_error_in(body))})"
        try:
            found = msgspec.json.decode(body, type=_Token)
            seconds = int(found.expires_in)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError):
            return "no token: the answer holds none"
        if not found.access_token.isprintable() or not found.access_token:
            return "no token: the answer holds none that a header can carry"
        self._token, self._until_us = found.access_token, now_us + max(0, seconds) * MICROS
        if seconds <= PULL_TOKEN_SECONDS:  # it is used once, else it would be fetched for ever
            self._until_us = now_us + (PULL_TOKEN_SECONDS + 1) * MICROS
        return ""

    def refused(self) -> bool:
        """The API did not take the credentials; whether a fresh token may help."""
        had, self._token = bool(self._token), ""
        return had

    def scrubbed(self, text: str) -> str:
        """`text` without any secret in it."""
        hidden = [self._secret, self._token]
        if self._key is not None:
            hidden.append(self._key[0].private_key)
        for one in hidden:
            if one:
                text = text.replace(one, "***")
        return text

    def _assertion(self, scope: str, now_us: int) -> str:
        """A signed claim to be the service account (RFC 7523 section 3)."""
        assert self._key is not None
        file, key = self._key
        now = now_us // MICROS
        head: dict[str, Any] = {"alg": "RS256", "typ": "JWT"}
        if file.private_key_id:
            head["kid"] = file.private_key_id
        claim: dict[str, Any] = {
            "iss": file.client_email, "scope": scope, "aud": self._url, "iat": now,
            "exp": now + 3600,
        }
        subject = fill(self._auth.subject, self._values)
        if subject:
            claim["sub"] = subject
        signed = f"{_base64url(_encode(head))}.{_base64url(_encode(claim))}"
        return f"{signed}.{_base64url(key.sign(signed.encode(), PKCS1v15(), SHA256()))}"


def _key_of(secret: str) -> tuple[_Key, RSAPrivateKey]:
    try:
        file = msgspec.json.decode(secret, type=_Key)
        key = load_pem_private_key(file.private_key.encode(), None)
    except (msgspec.MsgspecError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise BadRequest(
            "the secret is not a service account's key file", field="secret",
            remedy="Give the JSON file as it was downloaded, with client_email and private_key.",
        ) from error
    if not isinstance(key, RSAPrivateKey):
        raise BadRequest("the service account's key is no RSA key", field="secret")
    return file, key


def _error_in(body: bytes) -> str:
    """The error code of RFC 6749 section 5.2."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return "no reason given"
    code = found.get("error") if isinstance(found, dict) else None
    return code if isinstance(code, str) and code.isprintable() else "no reason given"


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
