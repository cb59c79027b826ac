"""What an API is that is asked for events: a TOML file, read and checked.

Five are shipped (`pulls/*.toml`); an absolute path names one of your own. A text may hold names in
braces, `{org}`, that stand for options of the source, and for what the puller knows: `{since}`,
`{until}`, `{stream}`, `{page}`; `{secret}` in `auth` only. Of several paths the first one counts
whose names are all given. `docs/sources/pull.md` has every member.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import quote, urlsplit

import msgspec

from indelible.base.clock import parse_duration
from indelible.base.errors import BadRequest, IndelibleError
from indelible.base.limits import CONTROL_BYTES
from indelible.ingest.parsers.table import AUTO, parser_named

OPTIONS: Final = (
    "vendor", "url", "login", "org", "enterprise", "directory", "client", "subject", "streams",
    "since",
)
"""What a source of this protocol can be told. `vendor` names the description, or is its path."""

VENDORS: Final = ("github", "google_workspace", "m365", "okta", "slack")
"""The descriptions that are shipped."""

_KNOWN: Final = ("since", "until", "stream", "page")
_NAME: Final = re.compile(r"\{([a-z_]+)\}")


class _Member(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of a description: an unknown member is a mistake."""


class Auth(_Member, frozen=True, kw_only=True):
    """How a request proves who asks.

    `header`: the secret in a header. `basic`: `client` and the secret. `client_credentials` (RFC
    6749 section 4.4): `client` and the secret are exchanged at `url` for a token that expires.
    `service_account` (RFC 7523, as Google has it): the secret is a JSON key file, with which an
    assertion for `subject` is signed (RS256) and exchanged at `url`.
    """

    kind: Literal["header", "basic", "client_credentials", "service_account"]
    header: str = "Authorization"
    value: str = "Bearer {secret}"
    url: str = ""
    client: str = ""
    subject: str = ""
    scope: str = ""


class Request(_Member, frozen=True, kw_only=True):
    """What is asked: the path behind the base, the query, headers besides."""

    path: list[str]
    query: dict[str, str] = {}
    headers: dict[str, str] = {}


class Items(_Member, frozen=True, kw_only=True):
    """Where the events are in an answer (`path`, empty for the answer itself), and in an event
    its `id` (of several parts) and its `time`, an ISO 8601 text or a number since 1970.

    An answer without the list is none, unless the API leaves an empty list out: then `empty` is a
    member that its answers have all the same.
    """

    path: str = ""
    empty: str = ""
    id: list[str]
    time: str = ""
    unit: Literal["iso", "s", "ms"] = "iso"


class Paging(_Member, frozen=True, kw_only=True):
    """Where the next page is: a `Link` header with rel=next (`link`), a header of another `name`
    (`header`), a URL in the answer at `path` (`url`), a token there, to be sent as `name`
    (`token`), or the next number, sent as `name` (`page`)."""

    by: Literal["none", "link", "header", "url", "token", "page"] = "none"
    name: str = ""
    path: str = ""


class Window(_Member, frozen=True, kw_only=True):
    """From when to when is asked, in the `format` of the API.

    `longest` is the longest time that is asked for at once (empty: up to now), `overlap` what is
    asked again each time, since events may appear late; `deep` is a longer overlap, asked each
    `deep_every`. `oldest` is how long the API keeps events, `first` how far back a new source
    begins. With `resume` = `link` the next page's link is kept for ever and asked on each beat.
    `ascending` order lets a window that breaks off go on at the last event that came.
    """

    format: Literal["rfc3339", "plain", "s", "ms"] = "rfc3339"
    longest: str = ""
    overlap: str = "5m"
    deep: str = ""
    deep_every: str = ""
    oldest: str = ""
    first: str = "24h"
    order: Literal["ascending", "descending", "none"] = "none"
    resume: Literal["time", "link"] = "time"


class Pace(_Member, frozen=True, kw_only=True):
    """How often is asked when there is nothing more, and how many requests a minute at the most.

    `throttled` are codes of errors, or reasons, that mean the same as status 429.
    """

    beat: str = "60s"
    per_minute: int = 30
    throttled: list[str] = []


class Start(_Member, frozen=True, kw_only=True):
    """A request that makes the API begin to collect, sent upon one of the errors `when`."""

    path: list[str]
    query: dict[str, str] = {}
    method: Literal["POST", "PUT"] = "POST"
    when: list[str]


class Contents(_Member, frozen=True, kw_only=True):
    """Where items are not events but places of them: `link` is the member with the URL, `gone`
    the errors that say that a content is not kept any more."""

    link: str
    gone: list[str] = []


class Errors(_Member, frozen=True, kw_only=True):
    """Where an error's code is in an answer, and which say that too old events were asked for."""

    code: list[str] = []
    too_old: list[str] = []


class Description(_Member, frozen=True, kw_only=True):
    """One API."""

    name: str
    about: str
    base: str
    auth: Auth
    request: Request
    items: Items
    parser: str = AUTO.name
    needs: list[str] = []
    defaults: dict[str, str] = {}
    streams: list[str] = msgspec.field(default_factory=lambda: ["events"])
    paging: Paging = Paging()
    window: Window = Window()
    pace: Pace = Pace()
    start: Start | None = None
    contents: Contents | None = None
    errors: Errors = Errors()


def described(vendor: str) -> Description:
    """The description of a shipped vendor, or in the file of an absolute path.

    Raises `BadRequest` that says what is wrong with it.
    """
    if vendor in VENDORS:
        text = (files(__package__) / "pulls" / f"{vendor}.toml").read_text("utf-8")
        return read_description(text, vendor)
    path = Path(vendor)
    if not path.is_absolute():
        raise BadRequest(
            f"there is no vendor {vendor!r}; there are {', '.join(VENDORS)}", field="vendor",
            remedy="Name one of them, or the absolute path of a description of your own.",
        )
    try:
        with path.open("rb") as file:
            data = file.read(CONTROL_BYTES)
        return read_description(data.decode(), vendor)
    except (OSError, UnicodeDecodeError) as error:
        raise BadRequest(f"{vendor} cannot be read: {error}", field="vendor") from error


def read_description(text: str, name: str) -> Description:
    """A description from its text; raises `BadRequest`."""
    try:
        found = msgspec.convert(tomllib.loads(text), Description)
        _checked(found)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise BadRequest(f"the description {name} is wrong: {error}", field="vendor") from error
    except IndelibleError as error:
        why = f"the description {name} is wrong: {error.message}"
        raise BadRequest(why, field="vendor") from error
    return found


def _checked(found: Description) -> None:
    parser_named(found.parser)
    window = found.window
    for age in (window.longest, window.overlap, window.deep, window.deep_every, window.oldest,
                window.first, found.pace.beat):
        if age:
            parse_duration(age)
    if bool(window.deep) != bool(window.deep_every):
        raise BadRequest("deep and deep_every belong together")
    if found.pace.per_minute < 1:
        raise BadRequest("per_minute is at least 1")
    if not found.items.id:
        raise BadRequest("items.id names at least one member")
    paging = found.paging
    if paging.by in ("header", "token", "page") and not paging.name:
        raise BadRequest(f"paging by {paging.by} needs a name")
    if paging.by in ("url", "token") and not paging.path:
        raise BadRequest(f"paging by {paging.by} needs a path")
    if window.resume == "link" and paging.by not in ("link", "header", "url"):
        raise BadRequest("to resume at a link, pages must be links")
    if found.auth.kind in ("client_credentials", "service_account") and not found.auth.url:
        raise BadRequest(f"auth of kind {found.auth.kind} needs a url")


class Api(NamedTuple):
    """A description with the options of a source: what its texts stand for, and the base URL."""

    description: Description
    values: dict[str, str]
    base: str


def resolved(options: Mapping[str, str]) -> Api:
    """What the options of a source come to; raises `BadRequest` when they cannot work."""
    found = described(options.get("vendor", ""))
    values = values_of(found, options)
    for name in ("url", "login"):
        if values.get(name):
            values[name] = checked_url(values[name], name)
    if values.get("since"):
        parse_duration(values["since"])
    requests = [found.request.path, found.start.path if found.start else []]
    for paths in requests:
        if paths:
            fill(first_path(paths, values), {**dict.fromkeys(_KNOWN, ""), **values})
    for text in (found.auth.url, found.auth.client, found.auth.subject, found.auth.scope):
        fill(text, values)
    return Api(found, values, checked_url(fill(found.base, values), "url"))


def values_of(found: Description, options: Mapping[str, str]) -> dict[str, str]:
    """What the names in a description stand for; raises `BadRequest` for what is missing."""
    values = {**found.defaults, **{name: value for name, value in options.items() if value}}
    for name in found.needs:
        if name not in values:
            raise BadRequest(f"{found.name} needs the option {name!r}", field=name)
    return values


def named(text: str) -> set[str]:
    """The names in braces in a text."""
    return set(_NAME.findall(text))


def fill(text: str, values: Mapping[str, str], escape: bool = False) -> str:
    """A text with its names replaced, percent-encoded for a path with `escape`.

    Raises `BadRequest` for a name that has no value.
    """

    def value(found: re.Match[str]) -> str:
        if found[1] not in values:
            raise BadRequest(f"the option {found[1]!r} is missing", field=found[1])
        return quote(values[found[1]], safe="") if escape else values[found[1]]

    return _NAME.sub(value, text)


def first_path(paths: list[str], values: Mapping[str, str]) -> str:
    """The first of several paths whose names are all given, else the last; still a text."""
    given = {*values, *_KNOWN}
    return next((path for path in paths if named(path) <= given), paths[-1])


def checked_url(url: str, field: str) -> str:
    """A URL that secrets may be sent to: https, or http to this machine. Raises `BadRequest`."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise BadRequest(f"{field} is no URL: {error}", field=field) from error
    local = host in ("localhost", "127.0.0.1", "::1")
    if not host or parts.scheme not in (("https", "http") if local else ("https",)):
        raise BadRequest(
            f"{field} is no https URL", field=field,
            remedy="Secrets are sent over TLS only; http:// is for this machine itself.",
        )
    if parts.username or parts.password or parts.fragment:
        raise BadRequest(f"{field} holds more than an address", field=field)
    return url.rstrip("/")


def origin_of(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port: what must stay the same for a secret to go along."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
        return parts.scheme, (parts.hostname or "").lower(), port
    except ValueError:
        return "", "", None


def at(value: Any, path: str) -> Any:
    """What stands in a decoded object under a path of names and numbers, else None."""
    for step in path.split(".") if path else ():
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value
