"""CEF apart: the header's seven fields and the pairs of the extension. Pure.

ArcSight's implementation standard (CEF 0 and 1): in the header a pipe and a backslash are escaped
by a backslash, in the extension `=`, the backslash, and line ends as `n` and `r`. A value runs to
the next key, so it may hold spaces; of several spaces before a key all but the last belong to the
value. Custom fields (`cs1`, `cs1Label`) are told by their labels.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from indelible.base.limits import NAME_CHARS

_START = re.compile(r"(?:^|(?<=[\s:>]))CEF: ?([01])(?:\.\d{1,2})?\|")
_PIPE = re.compile(r"(?:\\.|[^\\|])*")
_KEY = re.compile(r"(?:^|(?<=\s))([A-Za-z_][A-Za-z0-9_.\[\]-]{0,127})=")
_ESCAPED = re.compile(r"\\(.)", re.S)
_ENDS: Final = {"n": "\n", "r": "\r", "t": "\t"}
_LABELLED = re.compile(
    r"(?:cs|cn|cfp|c6a|flexString|flexNumber|flexDate|deviceCustomDate)\d"
)
_HEADER: Final = ("vendor", "product", "version", "signature", "name", "severity")


class Cef(NamedTuple):
    """One message: what stood before it, the header, and the pairs as they are named."""

    prefix: str
    vendor: str
    product: str
    version: str
    signature: str
    name: str
    severity: str
    pairs: dict[str, str]
    unclear: frozenset[str] = frozenset()
    """Keys that stand twice, with two values."""


def starts(text: str) -> re.Match[str] | None:
    """Where CEF begins in a text, within the length of a name."""
    return _START.search(text, 0, NAME_CHARS)


def read_cef(text: str) -> Cef | None:
    """The parts of a CEF message, None when it has no CEF header of seven fields."""
    begin = starts(text)
    if begin is None:
        return None
    at, header = begin.end(), []
    for _ in _HEADER:
        field = _PIPE.match(text, at)
        assert field is not None  # it matches the empty text
        header.append(unescaped(field[0]).strip())
        at = field.end() + 1
        if field.end() >= len(text) and len(header) < len(_HEADER):
            return None
    vendor, product, version, signature, name, severity = header
    pairs, unclear = read_pairs(text[at:])
    return Cef(
        text[: begin.start()].strip(), vendor, product, version, signature, name, severity,
        pairs, unclear,
    )


def read_pairs(text: str) -> tuple[dict[str, str], frozenset[str]]:
    """The pairs of an extension, and the keys that stand twice with two values.

    Of those the first value is given. Products that do not escape `=` let an address that was
    asked for say ` suser=root`: such a key names nobody.
    """
    pairs: dict[str, str] = {}
    unclear: set[str] = set()
    keys = list(_KEY.finditer(text))
    for at, key in enumerate(keys):
        end = keys[at + 1].start() - 1 if at + 1 < len(keys) else len(text)
        value = text[key.end() : max(end, key.end())]
        if at + 1 == len(keys):
            value = value.rstrip()
        if len(value) > 1 and value[0] == value[-1] == '"' and '"' not in value[1:-1]:
            value = value[1:-1]  # CEF knows no quotes; some products write them all the same
        if value:
            value = unescaped(value) if "\\" in value else value
            if pairs.setdefault(key[1], value) != value:
                unclear.add(key[1])
    return pairs, frozenset(unclear)


def unescaped(text: str) -> str:
    """A text without its escapes."""
    return _ESCAPED.sub(lambda found: _ENDS.get(found[1], found[1]), text)


def by_label(pairs: dict[str, str]) -> dict[str, str]:
    """The custom fields that have a value, by their labels."""
    found: dict[str, str] = {}
    for key, value in pairs.items():
        if _LABELLED.fullmatch(key):
            label = pairs.get(f"{key}Label", "") or pairs.get(f"{key}label", "")
            if label and label not in found:
                found[label] = value
    return found


def is_custom(key: str) -> bool:
    """Whether a key is a custom field or the label of one."""
    return _LABELLED.fullmatch(key.removesuffix("Label").removesuffix("label")) is not None
