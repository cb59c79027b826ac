"""The name that only the ledger's own records bear, and what would be read as it."""

from __future__ import annotations

import unicodedata

OWN_NAME = "indelible"
_LEFT_OUT = frozenset(("Cc", "Cf", "Mn", "Zs"))


def folded(name: str) -> str:
    """`name` as a reader sees it: without case, width, marks, spaces and invisible characters.

    Letters of other alphabets that look alike stay what they are.
    """
    if name.isascii():
        return name.strip().lower()
    plain = unicodedata.normalize("NFKD", name).casefold().replace("\u0131", "i")
    return "".join(c for c in plain if unicodedata.category(c) not in _LEFT_OUT)


def is_own_source(name: str) -> bool:
    """Whether a source of this name would pass for the ledger itself."""
    return folded(name) == OWN_NAME


def is_own_tenant(name: str) -> bool:
    """Whether a tenant of this name would pass for the ledger's own; so does all it begins."""
    return folded(name).startswith(OWN_NAME)
