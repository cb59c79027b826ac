"""Messages between the processes of one server, over Unix sockets in a private folder.

A frame is `u32 length || MessagePack`. Writer, sealer and query workers are of one version: the
messages are no format to keep.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from pathlib import Path

import msgspec

from indelible.base.clock import monotonic
from indelible.base.errors import IndelibleError, Unreachable
from indelible.base.limits import LINK_FRAME_BYTES, LINK_SECONDS, POLL_SECONDS
from indelible.ingest.protocols.hub import Answered, Configured, Head
from indelible.ingest.submission import Submission, SubmitResult


class Progress(msgspec.Struct, frozen=True, tag="durable"):
    """Writer to sealer: everything below `size` may be read, up to `offset` of `file`."""

    size: int
    file: str
    offset: int


class SealNow(msgspec.Struct, frozen=True, tag="seal"):
    """Writer to sealer: seal up to `end`; the journal file was rolled."""

    end: int


class Checked(msgspec.Struct, frozen=True, tag="checked"):
    """Sealer to writer: everything below `size` was read back from disk and has this root."""

    size: int
    root: bytes


class Sealed(msgspec.Struct, frozen=True, tag="sealed"):
    """Sealer to writer and workers: [first, end) is in a segment with columns."""

    first: int
    end: int


class Reloaded(msgspec.Struct, frozen=True, tag="reloaded"):
    """Writer to sealer: the id index was reloaded; replaced runs may go."""

    end: int


class ColumnsMoved(msgspec.Struct, frozen=True, tag="columns"):
    """Sealer to workers: column files were merged; look at the manifest again."""


class Trouble(msgspec.Struct, frozen=True, tag="trouble"):
    """Sealer to writer: damage was seen; the log must not be signed beyond what was checked.

    `stops`: it is in what the writer has just written, so nothing more may be promised.
    """

    code: str
    message: str
    stops: bool = False


class ChunkOf(msgspec.Struct, frozen=True, tag="chunk"):
    """Sealer to workers: columns of [first, end) as an Arrow stream; replaces any at `first`."""

    first: int
    end: int
    columns: bytes


class Flush(msgspec.Struct, frozen=True, tag="flush"):
    """Worker to sealer: somebody searches; make columns of what is there up to `size`."""

    size: int


class Ask(msgspec.Struct, frozen=True, tag="ask"):
    """Writer to worker: run `op`; the answer must know every event below `size`."""

    op: str
    payload: bytes
    size: int


class Answer(msgspec.Struct, frozen=True, tag="answer"):
    """Worker to writer: a piece of the answer; `more` says that others follow."""

    payload: bytes
    more: bool = False


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """Worker to writer: an error in the one shape of `base.errors`."""

    error: bytes
    status: int
    exit_code: int


class Sources(msgspec.Struct, frozen=True, tag="sources"):
    """Writer to collector: every configured source, at first and after each change."""

    sources: list[Configured]


class Deliver(msgspec.Struct, frozen=True, tag="deliver"):
    """Collector to writer: make this durable; answered by `Delivered` of the same number."""

    number: int
    submission: Submission


class Keep(msgspec.Struct, frozen=True, tag="keep"):
    """Collector to writer: keep how far a source was read; answered by `Delivered`."""

    number: int
    source: str
    tenant: str
    positions: dict[str, bytes]


class Gap(msgspec.Struct, frozen=True, tag="gap"):
    """Collector to writer: numbers of a source are missing for ever; answered by `Delivered`."""

    number: int
    source: str
    tenant: str
    boot: str
    first: int
    last: int


class Figures(msgspec.Struct, frozen=True, tag="figures"):
    """Collector to writer: what people see of a source besides its counts."""

    source: str
    tenant: str
    figures: dict[str, str]


class Delivered(msgspec.Struct, frozen=True, tag="delivered"):
    """Writer to collector: it is durable, or `error` says in the one shape why it is not.

    `again`: the ledger is busy or full, and the same may be tried again.
    """

    number: int
    result: SubmitResult | None = None
    error: bytes = b""
    again: bool = False


class Post(msgspec.Struct, frozen=True, tag="post"):
    """Collector to writer: answer this request; `Posted` of the same number answers."""

    number: int
    head: Head


class BodyOf(msgspec.Struct, frozen=True, tag="body"):
    """Collector to writer: the body of a request; None when its sender has gone."""

    number: int
    body: bytes | None


class Posted(msgspec.Struct, frozen=True, tag="posted"):
    """Writer to collector: the answer to a `Post`; without one, its body is asked for."""

    number: int
    answer: Answered | None = None


class Stranger(msgspec.Struct, frozen=True, tag="stranger"):
    """Collector to writer: somebody whom no source names tried to send, `count` times."""

    protocol: str
    peer: str
    certificate: str
    count: int


class Listening(msgspec.Struct, frozen=True, tag="listening"):
    """Collector to writer: what it listens to, and why not to what it should."""

    where: dict[str, str]
    troubles: list[str]


Message = (
    Progress | SealNow | Checked | Sealed | Reloaded | ColumnsMoved | Trouble | ChunkOf | Flush
    | Ask | Answer | Refused | Sources | Deliver | Keep | Gap | Figures | Delivered
    | Post | BodyOf | Posted | Stranger | Listening
)

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Message)


def encode(message: Message) -> bytes:
    """A frame."""
    content = _encoder.encode(message)
    return struct.pack(">I", len(content)) + content


async def receive(reader: asyncio.StreamReader) -> Message | None:
    """The next message; None when the other side is gone."""
    try:
        (length,) = struct.unpack(">I", await reader.readexactly(4))
        if length > LINK_FRAME_BYTES:
            return None
        message: Message = _decoder.decode(await reader.readexactly(length))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    return message


class Link:
    """A blocking connection with whole messages."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._buffer = bytearray()

    @classmethod
    def connect(cls, path: str, timeout: float) -> Link:
        """Connect to a Unix socket; raises OSError."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(timeout)
        connection.connect(path)
        return cls(connection)

    @classmethod
    def await_connection(cls, path: Path, seconds: float) -> Link:
        """Connect as soon as somebody listens; raises `Unreachable` after `seconds`."""
        until = monotonic() + seconds
        while True:
            try:
                return cls.connect(str(path), LINK_SECONDS)
            except OSError as error:
                if monotonic() > until:
                    raise Unreachable(f"nobody answers at {path}") from error
            threading.Event().wait(POLL_SECONDS)

    def send(self, message: Message) -> None:
        """Send one message; raises OSError."""
        self.socket.sendall(encode(message))

    def receive(self) -> Message | None:
        """Wait for one message; None when the other side is gone."""
        while True:
            for message in self._whole(1):
                return message
            if not self._fill():
                return None

    def available(self) -> list[Message] | None:
        """After the socket became readable: whole messages so far; None at the end."""
        if not self._fill():
            return None
        return self._whole(1 << 30)

    def _fill(self) -> bool:
        try:
            content = self.socket.recv(1 << 18)
        except ConnectionError:
            return False
        self._buffer += content
        return bool(content)

    def _whole(self, most: int) -> list[Message]:
        found: list[Message] = []
        while len(self._buffer) >= 4 and len(found) < most:
            length = int.from_bytes(self._buffer[:4], "big")
            if len(self._buffer) < 4 + length:
                break
            found.append(_decoder.decode(bytes(self._buffer[4 : 4 + length])))
            del self._buffer[: 4 + length]
        return found

    def hung_up(self) -> bool:
        """Whether the other side is gone; for the time in which it has nothing to say."""
        try:
            return not self.socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def close(self) -> None:
        """Hang up."""
        self.socket.close()


def refused(error: IndelibleError) -> Refused:
    """An error as a message."""
    return Refused(msgspec.json.encode(error.as_dict()), error.status, error.exit_code)


def raised(message: Refused) -> IndelibleError:
    """A message as the error it was."""
    shape = msgspec.json.decode(message.error)
    error = IndelibleError(
        shape["message"], field=shape.get("field"), position=shape.get("position"),
        remedy=shape["remedy"], code=shape["code"],
    )
    error.status, error.exit_code = message.status, message.exit_code
    return error
