"""From a request to a principal: bearer tokens, and the address a request came from.

All live tokens are held in memory by their SHA-256, so that a request costs one hash and one look
into a table. The table is rebuilt when a token is created or revoked: a revoked token is refused
from the next request on.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
from collections.abc import Callable, Iterable
from functools import lru_cache
from hashlib import sha256

from starlette.types import Scope

from indelible.access import Permission, Principal, Role, decide, owner, principal_of
from indelible.base.errors import Forbidden, Unauthenticated
from indelible.base.limits import REMEMBERED
from indelible.base.random import random_token
from indelible.store.meta import Meta, secret_hash

_BEARER = b"bearer "
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Tokens:
    """The live tokens of `meta`: `known` are their ids, `writers` those that may send events."""

    def __init__(
        self, meta: Meta, is_disabled: Callable[[str, str], bool] = lambda source, tenant: False
    ) -> None:
        self._meta, self._is_disabled = meta, is_disabled
        self._local: dict[bytes, Principal] = {}
        self._live: dict[bytes, Principal] = {}
        self.writers: frozenset[str] = frozenset()
        self.known: frozenset[str] = frozenset()
        self.reload()

    def reload(self) -> None:
        """Read the live tokens again."""
        live = {
            row.hash: principal_of(row.id, row.name, Role(row.role), row.source, row.tenant)
            for row in self._meta.tokens(live_only=True)
        }
        live.update(self._local)
        self._live = live
        self.known = frozenset(one.token for one in live.values())
        self.writers = frozenset(
            one.token for one in live.values()
            if decide(one, Permission.WRITE).allowed
            and not self._is_disabled(one.source, one.tenant)
        )

    def local(self) -> str:
        """A token for whoever holds the data folder; it lives in this process only."""
        secret = random_token()
        self._local[secret_hash(secret)] = owner()
        self.reload()
        return secret

    def check_enabled(self, source: str, tenant: str) -> None:
        """Raise Forbidden when a source is disabled."""
        if source and self._is_disabled(source, tenant):
            raise Forbidden(
                f"the source {source!r} is disabled",
                remedy="`indelible source enable` lets it send again.",
            )

    def principal(self, header: bytes) -> Principal:
        """The principal of an `Authorization` header; raises Unauthenticated."""
        if header[:7].lower() != _BEARER:
            raise Unauthenticated(
                "no credential came with the request"
                if not header
                else "the Authorization header is not of the form `Bearer TOKEN`"
            )
        digest = sha256(header[7:].strip()).digest()
        found = self._live.get(digest)
        if found is None:
            raise Unauthenticated("the token is not known, or it was revoked")
        return found


def as_bearer(header: bytes) -> bytes:
    """An Authorization header of another form as `Bearer TOKEN`.

    Splunk's `Splunk TOKEN`, `Basic` with the token as password, and Elasticsearch's `ApiKey` with
    the token behind a colon or alone. What is of no such form comes back as it is. Only the routes
    of foreign protocols read it: a browser sends Basic by itself, wherever it was once asked.
    """
    kind, _, rest = header.strip().partition(b" ")
    kind, rest = kind.lower(), rest.strip()
    if kind == b"splunk":
        return b"Bearer " + rest
    if kind in (b"basic", b"apikey"):
        try:
            _, colon, token = base64.b64decode(rest, validate=True).partition(b":")
        except (binascii.Error, ValueError):
            colon = token = b""
        if colon or kind == b"basic":
            return b"Bearer " + token
        return b"Bearer " + rest
    return header


def header_of(scope: Scope, name: bytes) -> bytes:
    """The first header called `name` (lower case), empty when there is none."""
    for key, value in scope["headers"]:
        if key == name:
            found: bytes = value
            return found
    return b""


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Addresses and blocks of the setting `trusted_proxies`."""
    return tuple(ipaddress.ip_network(text, strict=False) for text in texts)


def peer_of(scope: Scope, trusted: tuple[Network, ...]) -> str:
    """The address a request came from, empty when it has none.

    Forwarded-for headers count only as far as configured proxies wrote them: the last address that
    is not itself a trusted proxy. A proxy may add its address to the header or a header of its own
    behind the sender's, so all of them count, in their order.
    """
    client = scope.get("client")
    peer = _address(client[0]) if client else ""
    if not trusted or not _inside(peer, trusted):
        return peer
    said = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
    hops = b",".join(said).decode("latin-1").split(",")
    for hop in reversed(hops):
        address = _address(hop.strip())
        if not address:
            return peer
        peer = address
        if not _inside(peer, trusted):
            return peer
    return peer


@lru_cache(maxsize=REMEMBERED)
def _address(text: str) -> str:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return ""
    mapped = getattr(found, "ipv4_mapped", None)
    return str(mapped or found)


def _inside(address: str, trusted: tuple[Network, ...]) -> bool:
    if not address:
        return False
    found = ipaddress.ip_address(address)
    return any(found in network for network in trusted)
