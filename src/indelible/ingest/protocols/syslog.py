"""Syslog: messages out of a stream of bytes, and events out of messages. Pure.

Over UDP a datagram is a message (RFC 5426). Over TCP and TLS messages are framed in either of the
two ways of RFC 6587, told apart message by message: `LENGTH SPACE <PRI>...` counts octets (RFC 5425
demands it under TLS), everything else ends with a line feed, or with NUL as some senders have it.
A text that happens to begin with a number is a line unless `<` follows the number.

A message longer than `limits.SYSLOG_BYTES` is cut off there and flagged `truncated`; what is
behind is passed over, so that it costs no neighbour. Only a stream that cannot be framed any more
ends the connection.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from indelible.base.limits import SYSLOG_BYTES
from indelible.ingest.parsed import Parsed
from indelible.ingest.parsers.contract import Given, NotUnderstood, Parser
from indelible.ingest.parsers.finish import opened, parse_message
from indelible.ingest.parsers.syslog_line import unwrap
from indelible.ingest.parsers.table import AUTO, parser_named

_COUNTED = re.compile(rb"([1-9]\d{0,8}) (<|\Z)")
_COUNTING = re.compile(rb"[1-9]\d{0,8}\Z")
_ENDS = re.compile(rb"[\n\0]")
_HTTP = re.compile(rb"[A-Z]{3,10} \S+ HTTP/\d")
_NUMBER_MOST: Final = len("999999999 <")
_LONGEST: Final = 64 * SYSLOG_BYTES


class Frame(NamedTuple):
    """One message off the wire; `whole` is False when it was cut off."""

    message: bytes
    whole: bool = True


class Framer:
    """Messages of one connection, fed with whatever arrives.

    `broken` says why the stream cannot be told into messages any more; the connection must end. One
    that begins as a request of HTTP is broken from the start: its lines hold a credential, perhaps.
    """

    def __init__(self) -> None:
        self._held = bytearray()
        self._need = 0  # octets without which the counted message that is held cannot be whole
        self._line = False  # whether what is held is the beginning of a line
        self._skip = 0  # octets of a counted message that are passed over
        self._skip_line = False
        self._first = True
        self.broken = ""

    @property
    def inside(self) -> bool:
        """Whether a message has begun that is not whole."""
        return bool(self._held) or self._skip > 0 or self._skip_line

    def feed(self, data: bytes) -> list[Frame]:
        """Every message that `data` completes, in order."""
        held = len(self._held) + len(data)
        self._held += data
        if held < self._need:
            return []
        if self._line and held <= SYSLOG_BYTES and not _ENDS.search(data):
            return []
        text, at = bytes(self._held), 0
        self._held.clear()
        self._need, self._line = 0, False
        found: list[Frame] = []
        while at < len(text) and not self.broken:
            if self._skip:
                step = min(self._skip, len(text) - at)
                self._skip -= step
                at += step
                continue
            if self._skip_line:
                end = _ENDS.search(text, at)
                if end is None:
                    return found
                self._skip_line, at = False, end.end()
                continue
            begun = at
            at = self._one(text, at, found)
            if found and self._first:
                self._first = False
                if _HTTP.match(found[0].message):
                    found, self.broken = [], "it is a request of HTTP"
            if at < 0:
                self._held += text[begun:]
                break
        return found

    def _one(self, text: bytes, at: int, found: list[Frame]) -> int:
        """Take the message at `at`; where the next begins, or -1 when more must come first."""
        if text[at] in b"\r\n\0 ":
            return at + 1
        head = text[at : at + _NUMBER_MOST]
        counted = _COUNTED.match(head)
        if counted is not None and counted[2] == b"<":
            return self._counted(text, at + len(counted[1]) + 1, int(counted[1]), found)
        if counted is not None or (_COUNTING.match(head) and len(text) - at < _NUMBER_MOST):
            return -1  # a number, and nothing behind it yet that tells what it is
        end = _ENDS.search(text, at)
        if end is not None:
            line = text[at : end.start()].rstrip(b"\r")
            found.append(Frame(line[:SYSLOG_BYTES], len(line) <= SYSLOG_BYTES))
            return end.end()
        if len(text) - at <= SYSLOG_BYTES:
            self._line = True
            return -1
        found.append(Frame(text[at : at + SYSLOG_BYTES], False))
        self._skip_line = True
        return len(text)

    def _counted(self, text: bytes, at: int, length: int, found: list[Frame]) -> int:
        if length > _LONGEST:
            self.broken = f"a message of {length} octets is announced"
            return len(text)
        kept = min(length, SYSLOG_BYTES)
        if len(text) - at < kept:
            self._need = len(str(length)) + 1 + kept
            return -1
        message = text[at : at + kept].rstrip(b"\r\n\0")
        found.append(Frame(message, length <= SYSLOG_BYTES))
        self._skip = length - kept
        return at + kept

    def end(self) -> list[Frame]:
        """What the connection ended within: a last line is whole, a counted message is cut off."""
        held = bytes(self._held).rstrip(b"\r\n\0 ")
        self._held.clear()
        if not held:
            return []
        counted = _COUNTED.match(held[:_NUMBER_MOST])
        if counted is not None and counted[2] == b"<":
            return [Frame(held[len(counted[1]) + 1 :], False)]
        return [Frame(held)]


def parsed(frame: Frame, parser: Parser, given: Given, line: int) -> Parsed:
    """The event of one message, read by the source's parser behind its header; never refused."""
    flags = () if frame.whole else ("truncated",)
    if parser is AUTO:
        return parse_message(_LINES, frame.message, given, line=line, flags=flags)
    try:
        inner, known = unwrap(opened(frame.message), given)
    except NotUnderstood:
        inner, known = opened(frame.message), given
    return parse_message(parser, frame.message, known, line=line, inner=inner, flags=flags)


_LINES: Final = parser_named("syslog")
