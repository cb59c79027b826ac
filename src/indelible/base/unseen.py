"""Characters that nobody sees, or that move or reorder what is seen: one list for terminal and
view (`spec/log.md` section 8)."""

from __future__ import annotations

from typing import Final

UNSEEN: Final = (
    "\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f"
)
"""The inside of a character class of a regular expression: control, bidirectional and invisible
characters, and lone surrogates."""


def code_units(character: str) -> str:
    """`\\uXXXX` for each UTF-16 code unit of one character."""
    code = ord(character)
    if code < 0x10000:
        return f"\\u{code:04x}"
    return f"\\u{0xD800 + (code - 0x10000 >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
