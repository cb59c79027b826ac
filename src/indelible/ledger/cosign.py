"""Asking a witness to cosign a checkpoint (C2SP tlog-witness, add-checkpoint).

`ask` is the whole exchange over a `Transport`: build the request, read the answer, ask a second
time where a 409 names another size. Nothing is believed unchecked: a cosignature counts once it
verifies under the configured key, and a proof is verified here before it is sent, so that a 422
speaks of what the witness remembers and never of a slip of ours.

Answers, and what they mean when the log has done nothing wrong:

| answer | meaning here |
|---|---|
| 200 and a valid line | `Cosigned` |
| 409, a size up to ours | the witness's memory; asked again from there, once |
| 409, a size beyond ours | `Contradiction`, *rolled back*: it has seen what is gone here |
| 409 naming the size that was given | `Contradiction`, *forked*: another root (v1.0.0) |
| 422 to a proof | `Contradiction`, *forked*: what it has seen is not in this tree |
| anything else | `WitnessError`: this witness cannot be used now |
"""

from __future__ import annotations

import asyncio
import functools
import ssl
from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha256
from types import TracebackType
from typing import Final, NamedTuple, Protocol, TypeAlias

import httpx2

from indelible.base.errors import EXIT_UNREACHABLE, IndelibleError
from indelible.base.limits import WITNESS_ANSWER_BYTES, WITNESS_EXCERPT_CHARS, WITNESS_SECONDS
from indelible.ledger.publish import parse_lines
from indelible.ledger.tree_state import LogTree
from indelible.proof.checkpoint import Checkpoint, parse_head
from indelible.proof.errors import ProofError
from indelible.proof.keys import ED25519, VerifierKey
from indelible.proof.note import NoteSignature, SignedNote, check, parse, serialise
from indelible.proof.path import consistency_proof, verify_consistency
from indelible.proof.strict import encode_base64, parse_decimal

ROLLED_BACK: Final = "rolled back"
FORKED: Final = "forked"
_SIZE_TYPE: Final = "text/x.tlog.size"


class WitnessError(IndelibleError):
    """A witness did not answer, or not with a cosignature."""

    code = "witness_failed"
    status = 502
    exit_code = EXIT_UNREACHABLE
    remedy = "Look at the witness: its address, its key, and whether it follows this log."


class HttpAnswer(NamedTuple):
    """What came back: status, content type without parameters, body of bounded size."""

    status: int
    content_type: str
    body: bytes


class Transport(Protocol):
    """One HTTP exchange; raises `WitnessError` when there is no whole answer in time."""

    async def exchange(self, method: str, url: str, body: bytes) -> HttpAnswer:
        """Send and wait for the answer."""
        ...


Prove: TypeAlias = Callable[[int, Checkpoint], Awaitable[list[bytes]]]


class Submission(NamedTuple):
    """A checkpoint to be cosigned: its text, its head, the note with the log's own lines."""

    text: str
    head: Checkpoint
    note: bytes

    @classmethod
    def of(cls, note: bytes) -> Submission:
        """From a published checkpoint: lines of others than the log are left out."""
        parsed = parse(note)
        head, _ = parse_head(parsed.text)
        own = tuple(s for s in parsed.signatures if s.name == head.origin)
        return cls(parsed.text, head, serialise(SignedNote(parsed.text, own)))


class Cosigned(NamedTuple):
    """A witness's verified line over the submission; `at` is its time, seconds since 1970.

    `remembered` is the size that the witness named as its last, None when ours was right.
    """

    line: NoteSignature
    at: int
    remembered: int | None


class Contradiction(NamedTuple):
    """The witness has seen another history; a claim until its own copy is checked."""

    verdict: str
    size: int
    message: str


class _Elsewhere(NamedTuple):
    size: int


Outcome: TypeAlias = Cosigned | Contradiction


def request_body(submission: Submission, old: int, proof: Sequence[bytes]) -> bytes:
    """The body of add-checkpoint."""
    lines = [f"old {old}", *(encode_base64(one) for one in proof)]
    return "".join(f"{line}\n" for line in lines).encode() + b"\n" + submission.note


def prove(tree: LogTree, old: int, head: Checkpoint) -> list[bytes]:
    """The consistency proof from `old`, verified; empty from 0. Blocks; raises `ProofError`."""
    if old == 0:
        return []
    proof = consistency_proof(old, head.size, tree.subtree)
    verify_consistency(old, tree.root(old), head.size, head.root, proof)
    return proof


def cosigner_key(vkey: str) -> VerifierKey:
    """A witness's key; raises `WitnessError` when it is not one that cosigns (0x04 or 0x06)."""
    try:
        key = VerifierKey.parse(vkey)
    except ProofError as error:
        raise WitnessError(error.message) from error
    if key.kind == ED25519:
        raise WitnessError(f"the key of {key.name} signs notes (0x01), a witness's cosigns (0x04)")
    return key


def read_cosignature(text: str, lines: str, key: VerifierKey) -> tuple[NoteSignature, int]:
    """The newest valid line of `key` among an answer's lines, and its time.

    Lines of other keys are ignored. Raises `WitnessError` when the answer is malformed, a line of
    the key does not verify, or there is none.
    """
    try:
        found = [s for s in parse_lines(text, lines) if (s.name, s.keyid) == (key.name, key.keyid)]
        timed = [(key.verify(text, line.blob) or 0, line) for line in found]
    except ProofError as error:
        raise WitnessError(f"its answer is not a cosignature: {error.message}") from error
    if not timed:
        raise WitnessError(f"its answer has no line of the configured key {key.name}")
    at, line = max(timed, key=lambda one: one[0])
    if at == 0:
        raise WitnessError("its cosignature bears no time")
    return line, at


def _read(
    answer: HttpAnswer, submission: Submission, old: int, key: VerifierKey
) -> Cosigned | Contradiction | _Elsewhere:
    head = submission.head
    if answer.status == 200:
        line, at = read_cosignature(submission.text, _text(answer), key)
        return Cosigned(line, at, None)
    if answer.status == 409 and answer.content_type == _SIZE_TYPE:
        try:
            size = parse_decimal(_text(answer).removesuffix("\n"), "size")
        except ProofError as error:
            raise WitnessError(f"its answer 409 names no size: {error.message}") from error
        if size == old == head.size:
            return Contradiction(FORKED, size, f"it cosigned another root for the size {size}")
        if size == old:
            raise WitnessError(f"it answered 409 to the size {old} that it names itself")
        return _Elsewhere(size)
    if answer.status == 422 and old:
        return Contradiction(
            FORKED, old, f"what it cosigned at size {old} is not the beginning of this log"
        )
    said = _text(answer)[:WITNESS_EXCERPT_CHARS]
    said = "".join(c if c.isprintable() else " " for c in said).strip()
    raise WitnessError(f"it answered {answer.status} {said}".rstrip())


def _text(answer: HttpAnswer) -> str:
    return answer.body.decode("utf-8", "replace")


async def ask(
    transport: Transport, url: str, key: VerifierKey, submission: Submission, old: int,
    prove: Prove, known: int,
) -> Outcome:
    """Ask the witness at `url`, which last cosigned `old` as far as is known (0: nothing).

    `known` is the size of the log's data, at least the submission's: a witness that knows more
    contradicts. Between the two the checkpoint has yet to catch up, as after a crash: that raises
    `WitnessError` like every other answer that is neither a cosignature nor a contradiction.
    """
    address = f"{url.rstrip('/')}/add-checkpoint"
    size = submission.head.size
    start = old if 0 <= old <= size else 0
    remembered = None
    for _ in range(2):
        proof = await prove(start, submission.head)
        answer = await transport.exchange("POST", address, request_body(submission, start, proof))
        found = _read(answer, submission, start, key)
        if isinstance(found, Cosigned):
            return found._replace(remembered=remembered)
        if isinstance(found, Contradiction):
            return found
        if found.size > known:
            return Contradiction(
                ROLLED_BACK, found.size, f"it cosigned {found.size} events, this log holds {known}"
            )
        if found.size > size:
            raise WitnessError(f"it is ahead of the newest checkpoint, at {found.size}; later")
        start = remembered = found.size
    raise WitnessError(f"it answered 409 twice, last with the size {start}")


async def shown(
    transport: Transport, url: str, origin: str, key: VerifierKey, log_keys: list[VerifierKey]
) -> tuple[Checkpoint, bytes] | None:
    """The witness's own copy of the newest checkpoint, if it is signed by the log and by it.

    From the monitoring prefix (`<sha256 of the origin>/checkpoint`), taken to be the submission
    prefix. None when it is not served there, or proves nothing.
    """
    digest = sha256(origin.encode()).hexdigest()
    try:
        answer = await transport.exchange("GET", f"{url.rstrip('/')}/{digest}/checkpoint", b"")
        if answer.status != 200:
            return None
        note = parse(answer.body)
        head, _ = parse_head(note.text)
        by_log = any(result.valid for result in check(note, log_keys))
        by_witness = check(note, [key])[0].valid
    except (WitnessError, ProofError):
        return None
    if head.origin != origin or not by_log or not by_witness:
        return None
    return head, answer.body


class HttpTransport:
    """Exchanges over the network: no redirects, no proxies, TLS verified against the system's CAs.

    An exchange ends within WITNESS_SECONDS and WITNESS_ANSWER_BYTES, however slowly it drips.
    """

    def __init__(self) -> None:
        self._client: httpx2.AsyncClient | None = None

    async def __aenter__(self) -> HttpTransport:
        context = await asyncio.to_thread(_trust)
        self._client = httpx2.AsyncClient(
            verify=context, trust_env=False, timeout=WITNESS_SECONDS,
            headers={"accept-encoding": "identity", "content-type": "text/plain; charset=utf-8"},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def exchange(self, method: str, url: str, body: bytes) -> HttpAnswer:
        """See `Transport.exchange`."""
        try:
            async with asyncio.timeout(WITNESS_SECONDS):
                return await self._exchange(method, url, body)
        except TimeoutError as error:
            raise WitnessError(f"no answer within {WITNESS_SECONDS} s") from error
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
            raise WitnessError(f"it cannot be reached: {error or type(error).__name__}") from error

    async def _exchange(self, method: str, url: str, body: bytes) -> HttpAnswer:
        if self._client is None:
            raise WitnessError("the transport is closed")
        parts: list[bytes] = []
        length = 0
        async with self._client.stream(method, url, content=body or None) as response:
            async for part in response.aiter_raw():
                length += len(part)
                if length > WITNESS_ANSWER_BYTES:
                    raise WitnessError(f"its answer is longer than {WITNESS_ANSWER_BYTES} bytes")
                parts.append(part)
            kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            return HttpAnswer(response.status_code, kind, b"".join(parts))


@functools.cache
def _trust() -> ssl.SSLContext:
    return ssl.create_default_context()
