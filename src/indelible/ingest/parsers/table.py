"""Every parser by name, loaded when it is first asked for; and which one a message belongs to."""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from indelible.base.errors import BadRequest
from indelible.base.limits import ENVELOPES, NAME_CHARS
from indelible.ingest.parsers.contract import Given, NotUnderstood, Parser, Record

FORMATS: Final = MappingProxyType(
    {
        # JSON objects with members of their own
        "cloudtrail": "cloudtrail",
        "entra": "entra",
        "azure_activity": "azure_activity",
        "gcp_audit": "gcp_audit",
        "m365": "m365",
        "google_workspace": "google_workspace",
        "kubernetes": "kubernetes",
        "okta": "okta",
        "github": "github",
        "github_webhook": "github_webhook",
        "postgresql_json": "postgresql_json",
        "laurel": "laurel",
        "vault": "vault",
        "winlogbeat": "winlogbeat",
        "nxlog": "nxlog",
        "slack": "mappings/slack.toml",
        "auth0": "mappings/auth0.toml",
        "onepassword": "mappings/onepassword.toml",
        "duo": "mappings/duo.toml",
        "cloudflare": "mappings/cloudflare.toml",
        "teleport": "mappings/teleport.toml",
        "mongodb": "mappings/mongodb.toml",
        "mongodb_atlas": "mappings/mongodb_atlas.toml",
        "access_json": "mappings/access_json.toml",
        "gitlab": "mappings/gitlab.toml",
        "databricks": "mappings/databricks.toml",
        "snowflake": "mappings/snowflake.toml",
        "zendesk": "mappings/zendesk.toml",
        "atlassian": "mappings/atlassian.toml",
        "salesforce": "mappings/salesforce.toml",
        # texts with a beginning of their own
        "windows_xml": "windows_xml",
        "linux_auth": "linux_auth",
        "auditd": "auditd",
        "postgresql_csv": "postgresql_csv",
        "postgresql": "postgresql",
        "cef": "cef",
        "leef": "leef",
        "access_log": "mappings/access_log.toml",
        # envelopes: what is in them is read by the parser that recognises it
        "journald": "journald",
        "beats": "beats",
        "syslog": "syslog_line",
        # what anything may be: last
        "ocsf": "mappings/ocsf.toml",
        "cloudevents": "mappings/cloudevents.toml",
        "ecs": "mappings/ecs.toml",
        "json": "generic_json",
        "keyvalue": "keyvalue",
    }
)
"""Name to module, or to mapping file. `auto` asks them in this order: what is recognised by more
stands first; before all of them the mappings that users added."""

OF_SERVICES: Final = frozenset((
    "cloudtrail", "entra", "azure_activity", "gcp_audit", "m365", "google_workspace", "kubernetes",
    "okta", "github", "github_webhook", "slack", "auth0", "onepassword", "duo", "cloudflare",
    "mongodb_atlas", "databricks", "snowflake", "zendesk", "atlassian", "salesforce", "journald",
    "beats",
))
"""Formats that no program of a host writes into its log: records of services, and envelopes that
claim more than a line of syslog can. There any local user may write what looks like them, so
`auto` does not take them for it; a source that names the format does."""

_added: dict[str, Parser] = {}


@cache
def parser_named(name: str) -> Parser:
    """The parser of a format; raises `BadRequest` for a name that there is not."""
    if name == AUTO.name:
        return AUTO
    if name in _added:
        return _added[name]
    if name not in FORMATS:
        known = [AUTO.name, *_added, *FORMATS]
        near = get_close_matches(name.replace("-", "_").lower()[:NAME_CHARS], known, 3)
        meant = f"; perhaps {' or '.join(near)} is meant" if near else ""
        raise BadRequest(
            f"there is no parser {name!r}{meant}", field="parser",
            remedy="`indelible parser list` names them all; a mapping of your own in the ledger's "
            "folder `parsers` is read when the server starts.",
        )
    place = FORMATS[name]
    found: Parser = (
        import_module(f"{__package__}.mapping_file").shipped(place) if place.endswith(".toml")
        else import_module(f"{__package__}.{place}").PARSER
    )
    assert found.name == name, f"{found.name} is listed as {name}"
    return found


@cache
def all_parsers() -> tuple[Parser, ...]:
    """Every parser, users' mappings first, then in the order of `FORMATS`."""
    return (*_added.values(), *(parser_named(name) for name in FORMATS))


def add_mappings(folder: Path) -> tuple[str, ...]:
    """Add the mappings of a ledger's own folder (`DIR/parsers/*.toml`); their names.

    Called once, before messages are read. Raises `BadMapping` for a file that cannot be used.
    """
    taken = (AUTO.name, "native", *FORMATS)
    found = import_module(f"{__package__}.mapping_file").read_folder(folder, taken)
    _added.clear()
    _added.update(found)
    parser_named.cache_clear()
    all_parsers.cache_clear()
    return tuple(found)


def recognised(message: Any, given: Given) -> tuple[Parser, str] | None:
    """The parser that knows a decoded object or a text as its own, and by what; else None.

    In what any program of a host may have written, formats `OF_SERVICES` are not looked for.
    """
    records = isinstance(message, dict)
    for parser in all_parsers():
        if given.of_host and parser.name in OF_SERVICES:
            continue
        if parser.reads_records == records and (why := parser.recognise(message, given)):
            return parser, why
    return None


def _chosen(message: str | Record, given: Given) -> Parser:
    found = recognised(message, given)
    if found is None:
        raise NotUnderstood("unknown_format", "no parser recognises the message")
    return found[0]


AUTO: Final = Parser("auto", "auto/1", "each message by what it is recognised as")
"""Stands for the parser that recognises a message; `resolve` finds it."""


def resolve(parser: Parser, message: str | Record, given: Given) -> Resolved:
    """The parser that reads a message, with the message out of its envelopes.

    Raises `NotUnderstood` with what is known by then: the envelope it got to, and what that said.
    """
    last = parser
    try:
        for _ in range(ENVELOPES):
            if parser is AUTO:
                parser = _chosen(message, given)
            last = parser
            if parser.unwrap is None:
                return Resolved(parser, message, given)
            message, given = parser.unwrap(message, given)
            parser = AUTO
        raise NotUnderstood("too_deep", f"more than {ENVELOPES} envelopes around one message")
    except NotUnderstood as no:
        no.known = (last, given)
        raise


class Resolved(NamedTuple):
    """Who reads a message, what is left of it, and what its envelopes said."""

    parser: Parser
    message: str | Record
    given: Given
