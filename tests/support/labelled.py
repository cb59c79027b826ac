"""Messages labelled by hand, and what a parser made of them."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from indelible.base.clock import to_us
from indelible.ingest.parsed import Parsed
from indelible.ingest.parsers.contract import Given
from indelible.ingest.parsers.finish import parse_message
from indelible.ingest.parsers.table import parser_named

FOLDER = Path(__file__).parent.parent / "labelled"
HELD_OUT = FOLDER / "heldout"
NOW = "2026-06-01T00:00:00Z"
ABSENT = object()


class Case(NamedTuple):
    """One labelled message."""

    format: str
    number: int
    label: dict[str, Any]

    @property
    def raw(self) -> bytes:
        """The message as it would arrive."""
        message = self.label["message"]
        return message.encode() if isinstance(message, str) else json.dumps(message).encode()

    @property
    def given(self) -> Given:
        """What the way in knew."""
        said = dict(self.label.get("given", {}))
        now = datetime.fromisoformat(said.pop("now", NOW))
        zone = ZoneInfo(said.pop("zone", "UTC"))
        proxies = tuple(ipaddress.ip_network(one) for one in said.pop("proxies", ()))
        if "time" in said:
            said["time"] = datetime.fromisoformat(said["time"])
        return Given(now_us=to_us(now), zone=zone, proxies=proxies, **said)

    def parsed(self, parser: str = "") -> Parsed:
        """What the parser of the format, or the named one, makes of it."""
        return parse_message(parser_named(parser or self.format), self.raw, self.given)


def cases(name: str = "", folder: Path = FOLDER) -> Iterator[Case]:
    """Every labelled message of `folder`, or those of one format."""
    for path in sorted(folder.glob(f"{name or '*'}.json")):
        for number, label in enumerate(json.loads(path.read_text("utf-8")), 1):
            yield Case(path.stem, number, label)


def at(content: Any, path: str) -> Any:
    """The member of a decoded event at a dotted path, or ABSENT."""
    for step in path.split("."):
        if isinstance(content, list) and step.isdigit() and int(step) < len(content):
            content = content[int(step)]
        elif isinstance(content, dict) and step in content:
            content = content[step]
        else:
            return ABSENT
    return content


def differences(case: Case, parsed: Parsed) -> Iterator[str]:
    """What the parser says otherwise than the label."""
    content = json.loads(parsed.content)
    content["flags"] = list(parsed.flags)
    if "unparsed" in case.label:
        code = at(content, "reason.code")
        if parsed.kind != "unparsed" or code != case.label["unparsed"]:
            yield f"should be unparsed as {case.label['unparsed']}, is {parsed.kind} {code}"
        return
    if parsed.kind != "event":
        yield f"not understood: {content['reason']}"
        return
    for path, wanted in case.label["event"].items():
        found = at(content, path)
        if wanted is None and path != "flags":
            if found is not ABSENT:
                yield f"{path} should be absent, is {found!r}"
        elif found is ABSENT or found != wanted:
            shown = "absent" if found is ABSENT else repr(found)
            yield f"{path} should be {wanted!r}, is {shown}"
