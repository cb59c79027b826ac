"""What a source records and what it does not: a catalogue of auditing, and how it is judged.

For each format there is a file that lists its *capabilities*: kinds of events that the source can
write when it is told to. Each names the search by which its events are recognised, the question
that stays unanswered without them, the setting to paste, and the volume to expect. A capability is

- `on` when such events were seen in the time looked at;
- `off` when none was, although the source sent enough, and a source that records this is hardly
  ever without it for so long (`always`);
- `unknown` otherwise: perhaps it is off, perhaps nothing of the kind happened.

Pure: whoever calls asks the searches, and hands in what they found.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final

import msgspec

from indelible.base.limits import COVERAGE_EVENTS

SHARED: Final = MappingProxyType(
    {
        "laurel": "auditd",
        "postgresql_csv": "postgresql",
        "postgresql_json": "postgresql",
        "windows_xml": "windows",
        "winlogbeat": "windows",
        "nxlog": "windows",
        "github_webhook": "github",
    }
)
"""Formats that say the same as another in another form."""


class Capability(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of events; `seen` is a search for them among the source's own."""

    name: str
    seen: str
    question: str
    setting: str
    volume: str
    always: bool = False


class Covered(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one capability of one source."""

    source: str
    tenant: str
    format: str
    name: str
    state: str
    question: str
    setting: str
    volume: str
    last: str = ""


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    capability: tuple[Capability, ...]


def formats() -> list[str]:
    """Formats that have a catalogue of their own."""
    folder = files(__package__)
    names = [one.name for one in folder.iterdir()]
    return sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml"))


@cache
def catalogue(parser: str) -> tuple[Capability, ...]:
    """The capabilities of a format; none where there is no catalogue of it."""
    name = SHARED.get(parser, parser)
    if name not in formats():
        return ()
    text = files(__package__).joinpath(f"{name}.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), _File).capability


def formats_of(parsers: Iterable[str]) -> list[str]:
    """The formats with a catalogue among parsers that read a source (`okta/1`), each once."""
    names = (SHARED.get(name, name) for name in (one.partition("/")[0] for one in parsers))
    return [name for name in dict.fromkeys(names) if catalogue(name)]


def judged(capability: Capability, found: bool, events: int) -> str:
    """`on`, `off` or `unknown`; `events` is how many of what the source sent could be read."""
    if found:
        return "on"
    return "off" if capability.always and events >= COVERAGE_EVENTS else "unknown"


def read_by(parsers: Mapping[str, int]) -> list[str]:
    """Parsers by how many events each read, the most first."""
    return sorted(parsers, key=lambda name: -parsers[name])
