"""RELP, the Reliable Event Logging Protocol, version 0: frames in, answers out. Pure.

A frame is `TXNR SP COMMAND SP DATALEN [SP DATA] LF`; the answer to it is a frame `rsp` of the same
number whose data begins with a status. A session begins with `open`, whose offers are answered with
ours, and ends with `close`. Each `syslog` frame carries one message and is answered `200 OK` only
when the message is durable: a sender that hears nothing sends it again, and so nothing is lost
that was answered, and what was not answered may come twice (then it is flagged).

Source: the protocol's specification by its author, R. Gerhards (rsyslog.com, librelp).
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from indelible.base.limits import SYSLOG_BYTES

_HEADER = re.compile(rb"([0-9]{1,9}) ([A-Za-z]{1,32}) ([0-9]{1,9})([ \n])")
_HEADER_MOST: Final = 9 + 1 + 32 + 1 + 9 + 1
_LONGEST: Final = 64 * SYSLOG_BYTES
OFFERS: Final = b"relp_version=0\nrelp_software=indelible\ncommands=syslog"


class BadSession(Exception):
    """The peer does not speak RELP, or breaks its rules: the connection must end."""


class Message(NamedTuple):
    """One `syslog` frame; `whole` is False when its data was cut off at the limit."""

    number: int
    message: bytes
    whole: bool = True


class Answer(NamedTuple):
    """What to send at this place of the session, between the answers to messages."""

    data: bytes
    ends: bool = False


class Session:
    """One connection: what arrives becomes messages to keep and answers to give, in order."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._need = 0  # octets without which the frame that is held cannot be whole
        self._cut: Message | None = None  # a long message, of which the rest is passed over
        self._skip = 0
        self._open = False

    @property
    def inside(self) -> bool:
        """Whether a frame has begun that is not whole."""
        return bool(self._held) or self._cut is not None

    def feed(self, data: bytes) -> list[Message | Answer]:
        """What `data` completes, in the order in which it must be answered; raises `BadSession`."""
        found: list[Message | Answer] = []
        if self._cut is not None:
            data = self._passed_over(data, found)
        self._held += data
        if len(self._held) < self._need:
            return found
        text, at = bytes(self._held), 0
        self._need = 0
        while at < len(text):
            header = _HEADER.match(text, at)
            if header is None:
                if len(text) - at > _HEADER_MOST or not _may_begin(text[at:]):
                    raise BadSession("this is no frame of RELP")
                break
            number, command, size = int(header[1]), bytes(header[2]), int(header[3])
            if size > _LONGEST:
                raise BadSession(f"a frame of {size} octets is announced")
            start = header.end() if header[4] == b" " else header.end() - 1
            if header[4] == b"\n" and size:
                raise BadSession("a frame has no data where some is announced")
            if len(text) - start < size + 1:
                if command == b"syslog" and self._open and size > SYSLOG_BYTES:
                    at = self._begin_cut(number, text, at, start, size)
                else:
                    self._need = start - at + size + 1
                break
            if text[start + size] != 0x0A:
                raise BadSession("a frame does not end where its length says")
            found.append(self._frame(number, command, text[start : start + size]))
            at = start + size + 1
        self._held = bytearray(text[at:])
        return found

    def _begin_cut(self, number: int, text: bytes, at: int, start: int, size: int) -> int:
        """Keep the beginning of a long message once it is there; where what is held begins."""
        if len(text) - start < SYSLOG_BYTES:
            self._need = start - at + SYSLOG_BYTES
            return at
        self._cut = Message(number, text[start : start + SYSLOG_BYTES], False)
        self._skip = size + 1 - (len(text) - start)
        return len(text)

    def _passed_over(self, data: bytes, found: list[Message | Answer]) -> bytes:
        """Pass over the rest of a long message; what of `data` is behind it."""
        step = min(self._skip, len(data))
        self._skip -= step
        if not self._skip and self._cut is not None:
            if data[step - 1 : step] != b"\n":
                raise BadSession("a frame does not end where its length says")
            found.append(self._cut)
            self._cut = None
        return data[step:]

    def _frame(self, number: int, command: bytes, data: bytes) -> Message | Answer:
        if command == b"open":
            if self._open:
                raise BadSession("the session is open already")
            self._open = True
            if b"relp_version=" not in data:
                why = b"500 there is no relp_version among the offers"
                return Answer(_frame(number, why), True)
            return Answer(_frame(number, b"200 OK\n" + OFFERS))
        if not self._open:
            raise BadSession(f"{command.decode()} before open")
        if command == b"syslog":
            message = data.rstrip(b"\r\n\0")
            return Message(number, message[:SYSLOG_BYTES], len(message) <= SYSLOG_BYTES)
        if command == b"close":
            return Answer(_frame(number, b"") + SERVER_CLOSE, True)
        return Answer(_frame(number, b"500 the command is not known"))


def accepted(number: int) -> bytes:
    """The answer to a message that is durable."""
    return b"%d rsp 6 200 OK\n" % number


def _frame(number: int, data: bytes) -> bytes:
    if not data:
        return b"%d rsp 0\n" % number
    return b"%d rsp %d %s\n" % (number, len(data), data)


SERVER_CLOSE: Final = b"0 serverclose 0\n"
"""Tells a client that this end is going: it connects again and sends what was not answered."""


def _may_begin(text: bytes) -> bool:
    """Whether `text` can be the beginning of a header that is not whole yet."""
    return re.fullmatch(rb"[0-9]{1,9}( [A-Za-z]{0,32}( [0-9]{0,9})?)?", text) is not None
