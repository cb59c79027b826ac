"""The message itself as an event keeps it in `raw`: whole, or its beginning where that is too much.

Nothing is refused for its size: who did what is read from the whole message, and what is cut off is
told by the length and the SHA-256 of the whole.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Final, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

_encode = msgspec.json.Encoder().encode
_BASE64_GROUP: Final = len("AAAA")


class Keep(NamedTuple):
    """What is stored whatever a parser says."""

    raw: bytes
    raw_type: str
    line: int
    id: str
    flags: tuple[str, ...]

    @property
    def whole(self) -> tuple[str, str | UnsetType]:
        """The message as text, or in base64 with its media type."""
        kind = self.raw_type
        if not kind:
            try:
                return self.raw.decode(), UNSET
            except UnicodeDecodeError:
                kind = "application/octet-stream"
        return base64.b64encode(self.raw).decode(), kind

    def beginning(self, room: int) -> tuple[str, str | UnsetType]:
        """As much of it as takes no more than `room` bytes in JSON, always the same."""
        text, kind = self.whole
        size = min(len(text), max(room, 0))
        while (taken := len(_encode(text[:size])) - len('""')) > room:
            size = min(size * room // taken, size - (size >> 10) - 1)
        return text[: size if kind is UNSET else size - size % _BASE64_GROUP], kind

    def facts(self) -> dict[str, object]:
        """What tells the whole message where only its beginning is kept."""
        return {"raw_bytes": len(self.raw), "raw_sha256": hashlib.sha256(self.raw).hexdigest()}
