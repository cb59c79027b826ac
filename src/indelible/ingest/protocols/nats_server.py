"""One connection to a NATS server, through nats-py, and JetStream's API behind it.

nats-py does the protocol, TLS and the login. What is pulled is taken from it as bytes, before it
reads headers and subjects: it would drop what comes twice or is no ASCII, and a subject that is no
UTF-8, which any publisher may send, would end its reading for good. Nothing is asked for that there
is no room for, and a connection that is lost is not mended here: whoever holds it begins anew.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import msgspec
from msgspec.structs import replace

from indelible.base.clock import monotonic
from indelible.base.errors import BadRequest, Unreachable
from indelible.base.limits import (
    NATS_ASK_SECONDS,
    NATS_EXPIRE_SECONDS,
    NATS_GATHER_SECONDS,
    NATS_PING_SECONDS,
    NATS_PULL,
    NATS_PULL_BYTES,
    NATS_WAIT_SECONDS,
)
from indelible.ingest.extras import libraries
from indelible.ingest.protocols.nats_positions import Seen, instant
from indelible.ingest.protocols.nats_records import Place, Record, headers_of, place_of
from indelible.ingest.protocols.nats_settings import Login, Options, context_of, driver, login_of

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.subscription import Subscription

_log = logging.getLogger(__name__)
_T = TypeVar("_T")
_encode = msgspec.json.Encoder().encode
_NOT_FOUND: Final = 404
_AGAIN: Final = "It is tried again."
NANOS: Final = 1_000_000_000


class Given(NamedTuple):
    """A message that came of a pull; `reply` is where it is acknowledged."""

    record: Record
    place: Place
    reply: str


class Taken(msgspec.Struct):
    """What came of one take.

    `expired`: the pull is over, and nothing came of its last part. `nothing`: the consumer has
    nothing for us now. `lost`: why it gives nothing any more, in the server's words.
    """

    given: list[Given] = []
    expired: bool = False
    nothing: bool = False
    lost: str = ""


class ConsumerConfig(msgspec.Struct, frozen=True):
    """How a consumer is set up, as far as it matters here; 0 where there is no limit."""

    ack_policy: str = ""
    deliver_subject: str = ""
    filter_subject: str = ""
    filter_subjects: list[str] = []
    max_deliver: int = -1
    max_ack_pending: int = 0
    max_batch: int = 0
    max_bytes: int = 0
    max_expires: int = 0

    @property
    def subjects(self) -> tuple[str, ...]:
        """What it is confined to; nothing for all."""
        return tuple(self.filter_subjects or filter(None, [self.filter_subject]))


class _Sequence(msgspec.Struct, frozen=True):
    stream_seq: int = 0


class Consumer(msgspec.Struct, frozen=True):
    """A consumer as the server has it now."""

    config: ConsumerConfig
    delivered: _Sequence = _Sequence()
    ack_floor: _Sequence = _Sequence()
    num_ack_pending: int = 0
    num_pending: int = 0


class _Wrong(msgspec.Struct, frozen=True):
    code: int = 0
    description: str = ""


class _Answer(msgspec.Struct, frozen=True):
    error: _Wrong | None = None


class Server:
    """A connection of one source. Lives in one event loop; `close` it whatever happens."""

    def __init__(self, options: Options, secret: bytes, name: str) -> None:
        """Raises `BadRequest` when what is configured cannot work."""
        driver()
        (library,) = libraries(
            "messages of NATS are", "nats", "nats-py[nkeys]", "nats.aio.client")
        self._options, self._name = options, name
        self._login: Login = login_of(options, secret)
        self._tls = context_of(options, secret)
        self._client: Client = library.Client()
        self._errors = library.errors
        self._last = self.trouble = ""  # `trouble`: a right that is missing, though it is read
        self._subscription: Subscription | None = None
        self._sid = -1
        self._inbox = self._consumer = ""
        self._pulls = 0
        self._answers = b""  # where the server answers the open pull, and no other
        self._pull_subject = ""
        self._arrived: deque[Given | tuple[int, str]] = deque()
        self._bell = asyncio.Event()
        self._left = 0  # messages that the open pull may still give
        self._alone = False  # the next message is too large to come with others
        self._over = False  # nothing more is taken of this consumer
        self._pulled_at = 0.0
        self._closed = False
        self._batch, self._bytes, self._expires = NATS_PULL, NATS_PULL_BYTES, NATS_EXPIRE_SECONDS

    # --- the connection

    async def open(self) -> None:
        """Connect and log in; raises `Unreachable`.

        nats-py encrypts only when the server asks for it. So secrets are handed over, and used to
        sign, only when it did, where TLS is configured, and a connection without is not used.
        """
        login, options = self._login, self._options
        scheme = "tls" if self._tls else "nats"
        more: dict[str, Any] = {}
        if login.password:
            more |= {"user": options.user, "password": self._secured(login.password)}
        if login.token:
            more["token"] = self._secured(login.token)
        if login.seed:
            more["signature_cb"] = self._signed
            if login.jwt:
                more["user_jwt_cb"] = lambda: bytearray(login.jwt.encode())
            else:
                self._client._public_nkey = login.public
        try:
            async with asyncio.timeout(NATS_ASK_SECONDS * len(options.servers)):
                await self._client.connect(
                    [f"{scheme}://{one}" for one in options.servers], name=self._name,
                    error_cb=self._heard_error, closed_cb=self._heard_end, allow_reconnect=False,
                    max_reconnect_attempts=1, reconnect_time_wait=0,
                    connect_timeout=round(NATS_ASK_SECONDS), ping_interval=NATS_PING_SECONDS,
                    tls=self._tls, tls_handshake_first=options.tls == "first",
                    inbox_prefix=options.inbox, **more,
                )
            self._check_tls()
            taken = self._client._process_msg
            self._client._process_msg = self._hearing(taken)  # type: ignore[method-assign]
        except (OSError, TimeoutError, self._errors.Error) as error:
            raise self._unreachable(error) from error

    def _secured(self, secret: str) -> Callable[[], str]:
        """`secret`, for nats-py to ask for when it is about to send it."""

        def handed() -> str:
            self._check_tls()
            return secret

        return handed

    def _check_tls(self) -> None:
        """Raise `Unreachable` where TLS is configured and the connection has none."""
        if self._tls is None:
            return
        writer = getattr(self._client._transport, "_io_writer", None)
        if writer is None or writer.get_extra_info("ssl_object") is None:
            raise Unreachable(
                "NATS: tls=on, and the server does not ask for TLS",
                remedy="Let the server require TLS (or somebody stands between: nothing was sent).",
            )

    def _signed(self, nonce: str) -> bytes:
        self._check_tls()
        pair = driver().from_seed(bytearray(self._login.seed.encode()))
        signature: bytes = pair.sign(nonce.encode())
        pair.wipe()
        return base64.b64encode(signature)

    async def close(self) -> None:
        """Let go of the connection."""
        self._closed = True
        try:
            async with asyncio.timeout(NATS_ASK_SECONDS):
                await self._client.close()
        except (OSError, TimeoutError, self._errors.Error) as error:
            _log.info("NATS: %s", error)

    async def _heard_error(self, error: Exception) -> None:
        self._last = _words(error)
        if "permissions violation" in self._last.lower():
            self.trouble = self._last
        _log.info("NATS: %s", self._last)

    async def _heard_end(self) -> None:
        self._closed = True
        self._bell.set()

    def _unreachable(self, error: Exception | None = None) -> Unreachable:
        told = [_words(error)] if error is not None else ["the connection was lost"]
        if self._last and self._last not in told:
            told.append(f"({self._last})")
        return Unreachable(
            f"NATS: {' '.join(told)}",
            remedy="Look at servers, tls, login and the secret, and at the user's permissions; it"
            " is tried again.",
        )

    # --- JetStream's API

    async def look(self) -> Seen | None:
        """The stream as it is now, None where there is none; raises `Unreachable`."""
        found = await self._asked(f"STREAM.INFO.{self._options.stream}", b"", Seen)
        return found and replace(found, created=instant(found.created))

    async def consumer(self, name: str) -> Consumer | None:
        """A consumer as it is now, None where there is none; raises `Unreachable`."""
        return await self._asked(f"CONSUMER.INFO.{self._options.stream}.{name}", b"", Consumer)

    async def make(self, name: str, config: dict[str, object]) -> Consumer | None:
        """Make a consumer; None where there is no stream. Raises `BadRequest` when it cannot be."""
        stream, subjects = self._options.stream, self._options.subjects
        config = {"name": name, "replay_policy": "instant", "max_deliver": -1, **config}
        path = f"CONSUMER.CREATE.{stream}.{name}"
        if len(subjects) == 1:
            config["filter_subject"] = subjects[0]
            path = f"{path}.{subjects[0]}"
        elif subjects:
            config["filter_subjects"] = list(subjects)
        asked = {"stream_name": stream, "config": config, "action": "create"}
        return await self._asked(path, _encode(asked), Consumer)

    async def drop(self, name: str) -> None:
        """Remove a consumer of our making, without waiting for it."""
        subject = f"{self._options.api}.CONSUMER.DELETE.{self._options.stream}.{name}"
        await self._publish(subject, b"", "")

    async def _asked(self, path: str, asked: bytes, kind: type[_T]) -> _T | None:
        try:
            message = await self._client.request(
                f"{self._options.api}.{path}", asked, timeout=NATS_ASK_SECONDS)
            found = msgspec.json.decode(message.data, type=_Answer).error
            if found is None:
                return msgspec.json.decode(message.data, type=kind)
        except self._errors.NoRespondersError as error:
            raise Unreachable(
                "NATS: JetStream does not answer: it is off for this account, or `domain` is not"
                " its own", remedy=_AGAIN,
            ) from error
        except (OSError, TimeoutError, self._errors.Error) as error:
            raise self._unreachable(error) from error
        except msgspec.MsgspecError as error:
            raise Unreachable(f"NATS: {path} is answered by {error}", remedy=_AGAIN) from error
        if found.code == _NOT_FOUND:
            return None
        text = f"NATS: {path}: {found.description}"
        if found.code == 400:
            raise BadRequest(text, remedy="Look at the options stream, subjects and consumer.")
        raise Unreachable(text, remedy=_AGAIN)

    async def _publish(self, subject: str, payload: bytes, reply: str) -> None:
        try:
            await self._client.publish(subject, payload, reply)
        except (OSError, TimeoutError, self._errors.Error) as error:
            raise self._unreachable(error) from error

    async def ack(self, reply: str) -> None:
        """Acknowledge a message, without waiting for it."""
        await self._publish(reply, b"+ACK", "")

    # --- messages

    async def read_with(self, name: str, config: ConsumerConfig) -> None:
        """Take messages from this consumer from now on, as many at once as it lets us.

        What was asked of another one before is heard no more.
        """
        self._consumer = name
        self._inbox = self._client.new_inbox()
        try:
            if self._subscription is not None:
                await self._subscription.unsubscribe()
            self._subscription = await self._client.subscribe(f"{self._inbox}.*")
        except (OSError, TimeoutError, self._errors.Error) as error:
            raise self._unreachable(error) from error
        self._sid = self._subscription._id
        api, stream = self._options.api, self._options.stream
        self._pull_subject = f"{api}.CONSUMER.MSG.NEXT.{stream}.{name}"
        self._batch = min(NATS_PULL, config.max_batch or NATS_PULL)
        self._bytes = min(NATS_PULL_BYTES, config.max_bytes or NATS_PULL_BYTES)
        self._expires = min(NATS_EXPIRE_SECONDS, config.max_expires / NANOS or NATS_EXPIRE_SECONDS)
        self._arrived.clear()
        self._left, self._alone, self._over = 0, False, False

    async def take(self, probe: bool = False) -> Taken:
        """Some messages in their order; waits a little for the first, while a pull is held.

        With `probe` that pull asks for what is there now, and `nothing` says that there is none;
        only when none is open. Raises `Unreachable` when the server is gone.
        """
        if not self.pulling:
            await self._pull(probe)
        taken, wait = Taken(), NATS_WAIT_SECONDS
        while True:
            self._sort(taken)
            if taken.lost or not self._left or (taken.given and self._arrived):
                return taken
            if self._closed or self._client.is_closed:
                raise self._unreachable()
            self._bell.clear()
            if not await _rung(self._bell, NATS_GATHER_SECONDS if taken.given else wait):
                break
        if not taken.given and monotonic() - self._pulled_at > self._expires + NATS_ASK_SECONDS:
            raise self._unreachable(TimeoutError("the server does not answer a pull"))
        return taken

    def _sort(self, taken: Taken) -> None:
        """Put what has come where it belongs, as much as is made durable together."""
        size = sum([one.record.size for one in taken.given])
        while self._arrived and len(taken.given) < NATS_PULL and size < NATS_PULL_BYTES:
            one = self._arrived.popleft()
            if isinstance(one, Given):
                taken.given.append(one)
                size += one.record.size
            else:
                self._ended(taken, *one)

    @property
    def pulling(self) -> bool:
        """Whether messages may still come of what was asked for."""
        return self._left > 0 or bool(self._arrived)

    async def _pull(self, probe: bool) -> None:
        asked: dict[str, object] = {"batch": 1 if self._alone or probe else self._batch}
        self._left = 1 if self._alone or probe else self._batch
        if probe:
            asked["no_wait"] = True
        else:
            asked["expires"] = round(self._expires * NANOS)
            if not self._alone:
                asked["max_bytes"] = self._bytes
        self._alone, self._pulled_at = False, monotonic()
        self._pulls += 1
        answers = f"{self._inbox}.{self._pulls}"
        self._answers = answers.encode()
        await self._publish(self._pull_subject, _encode(asked), answers)

    def _ended(self, taken: Taken, code: int, words: str) -> None:
        """What the server says instead of a message."""
        if code == 100:
            return
        self._left = 0
        said = words.lower()
        if code == _NOT_FOUND:
            taken.nothing = True
        elif code == 409 and "maxbytes" in said and "exceeds" in said:
            self._alone = True
        elif code == 408:
            taken.expired = True
        elif "batch completed" not in said:
            taken.lost = words or f"status {code}"
            self._over = True

    def _hearing(self, usual: Callable[..., Any]) -> Callable[..., Any]:
        """Take what is pulled as it came off the wire; the rest is for nats-py."""

        async def heard(
            sid: int, subject: bytes, reply: bytes, payload: bytes, headers: bytes | None
        ) -> None:
            if sid != self._sid or self._closed:
                await usual(sid, subject, reply, payload, headers)
                return
            answer = bytes(reply).decode("ascii", "replace")
            place = place_of(answer)
            if self._over or (place is not None and place.consumer != self._consumer):
                return
            if (place is not None and self._left <= 0) or len(self._arrived) > 2 * NATS_PULL:
                self._arrived.append((0, "it gives more than was asked for"))
                self._closed = True
            elif place is not None:
                self._left -= 1
                record = Record(
                    bytes(subject), place.sequence, place.time_ns, payload, headers or b"")
                self._arrived.append(Given(record, place, answer))
            elif bytes(subject) == self._answers:  # and not that a pull before is complete
                status, _ = headers_of(headers or b"")
                code, _, words = status.partition(" ")
                self._arrived.append((int(code) if code.isdecimal() else 0, words))
            self._bell.set()

        return heard


async def _rung(bell: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(max(0.0, seconds)):
            await bell.wait()
    except TimeoutError:
        return False
    return True


def _words(error: BaseException) -> str:
    return " ".join(str(error).split()).removeprefix("nats: ") or type(error).__name__
