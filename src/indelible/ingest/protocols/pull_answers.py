"""What the status and the headers of an answer say: where to go on, and when. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple
from urllib.parse import urljoin

from indelible.base.clock import MICROS, to_us
from indelible.base.limits import NAME_CHARS, PULL_WAIT_SECONDS, WITNESS_EXCERPT_CHARS
from indelible.ingest.protocols.pull_description import Paging
from indelible.ingest.protocols.pull_items import text_of

_LINK: Final = re.compile(r'<([^<>]*)>((?:\s*;\s*[\w!#$&+.^`|~-]+\s*=\s*(?:"[^"]*"|[^",;\s]*))*)')
_REL: Final = re.compile(r';\s*rel\s*=\s*(?:"([^"]*)"|([^",;\s]*))', re.IGNORECASE)
_LEFT: Final = ("x-rate-limit-remaining", "x-ratelimit-remaining", "ratelimit-remaining")
_RESET: Final = ("x-rate-limit-reset", "x-ratelimit-reset", "ratelimit-reset")


class Answer(NamedTuple):
    """What came back; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def next_link(header: str) -> str:
    """The target of rel=next in a `Link` header (RFC 8288), or ''.

    A header that cannot be read leads nowhere, which is not the same as to no other page.
    """
    links = _LINK.findall(header)
    if header.strip() and not links:
        return "broken:"
    for target, parameters in links:
        for quoted, bare in _REL.findall(parameters):
            if "next" in (quoted or bare).lower().split():
                found: str = target
                return found
    return ""


def joined(url: str, link: str) -> str:
    """A link that may be relative to the URL that was asked; a URL of nowhere for a broken one."""
    try:
        return urljoin(url, link)
    except ValueError:
        return "broken:"


def held_back(answer: Answer) -> bool:
    """Whether a refusal says that too much was asked."""
    if answer.status not in (403, 503):
        return False
    return "retry-after" in answer.headers or any(
        answer.headers.get(name) == "0" for name in _LEFT
    )


def retry_after(answer: Answer, now_us: int) -> int:
    """When a `Retry-After` header (RFC 9110 section 10.2.3) is over, 0 without one."""
    value = answer.headers.get("retry-after", "").strip()
    if not value:
        return 0
    try:
        wait = int(value) * MICROS if value.isdigit() else (
            to_us(parsedate_to_datetime(value)) - now_us
        )
    except (ValueError, TypeError, OverflowError):
        return 0
    return now_us + min(max(wait, MICROS), PULL_WAIT_SECONDS * MICROS)


def used_up(answer: Answer, now_us: int) -> int:
    """When a used-up allowance is renewed, 0 while some is left or nothing is said of it."""
    if not any(answer.headers.get(name) == "0" for name in _LEFT):
        return 0
    for name in _RESET:
        value = answer.headers.get(name, "")
        if value.isascii() and value.isdigit():
            number = int(value[:12])
            since_1970 = number > 1_000_000_000  # else it is a number of seconds from now
            wait = number * MICROS - now_us if since_1970 else number * MICROS
            return now_us + min(max(wait, MICROS), PULL_WAIT_SECONDS * MICROS)
    return 0


def said_of(status: int, codes: set[str]) -> str:
    """What an error is called; never what else an answer holds."""
    short = ", ".join(sorted(code[:WITNESS_EXCERPT_CHARS] for code in codes))
    shown = "".join(mark for mark in short if mark.isprintable())[:NAME_CHARS]
    return f"status {status} ({shown})" if shown else f"status {status}"


def following_of(paging: Paging, answer: Answer, page: str, count: int) -> str:
    """The link, token or number of the next page after `page`, which held `count`; or ''."""
    match paging.by:
        case "link":
            return next_link(answer.headers.get("link", ""))
        case "header":
            return answer.headers.get(paging.name.lower(), "")
        case "url" | "token":
            return text_of(answer.body, paging.path)
        case "page":
            return str(int(page or "1") + 1) if count else ""
        case _:
            return ""
