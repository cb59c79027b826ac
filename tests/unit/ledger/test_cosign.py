"""The witness client: what it sends, what it believes, and what it calls a contradiction."""

from __future__ import annotations

import asyncio
import base64
import datetime
import ssl
from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from indelible.ledger import cosign
from indelible.ledger.cosign import (
    Contradiction,
    Cosigned,
    HttpAnswer,
    HttpTransport,
    Outcome,
    Submission,
    WitnessError,
)
from indelible.ledger.tree_state import LogTree
from indelible.proof.checkpoint import Checkpoint, sign
from indelible.proof.errors import ProofError
from indelible.proof.keys import (
    Ed25519Cosigner,
    Ed25519Signer,
    MLDSA44Signer,
    VerifierKey,
)
from indelible.proof.path import verify_consistency

ORIGIN = "log.example/one"
LOG = (Ed25519Signer(ORIGIN, bytes(32)), MLDSA44Signer(ORIGIN, bytes(32)))
LOG_KEYS = [signer.verifier for signer in LOG]
WITNESS = Ed25519Cosigner("witness.example/w1", b"\x01" * 32)
STRANGER = Ed25519Cosigner("witness.example/w2", b"\x02" * 32)
URL = "https://witness.example/prefix"
TIME = 1_800_000_000


def _tree(size: int, seed: bytes = b"a") -> LogTree:
    def nothing_sealed(_tile: int) -> bytes:
        raise AssertionError("all leaves are in memory")

    tree = LogTree(nothing_sealed)
    tree.append(b"".join(sha256(seed + b"%d" % i).digest() for i in range(size)))
    return tree


def _note(tree: LogTree, size: int) -> bytes:
    return sign(Checkpoint(ORIGIN, size, tree.root(size)), *LOG, TIME - 5)


class Memory:
    """A witness as tlog-witness describes it, without a network; remembers one head."""

    def __init__(self, signer: Ed25519Cosigner | MLDSA44Signer = WITNESS) -> None:
        self.signer = signer
        self.head = Checkpoint(ORIGIN, 0, sha256(b"").digest())
        self.asked: list[int] = []

    async def exchange(self, method: str, url: str, body: bytes) -> HttpAnswer:
        assert (method, url) == ("POST", f"{URL}/add-checkpoint")
        head, _, note = body.partition(b"\n\n")
        first, *lines = head.decode("ascii").split("\n")
        old = int(first.removeprefix("old "))
        self.asked.append(old)
        text = note[: note.index(b"\n\n") + 1].decode()
        origin, size, root = text.split("\n")[:3]
        new = Checkpoint(origin, int(size), base64.b64decode(root))
        assert len(lines) <= 63
        assert old <= new.size
        if old != self.head.size:
            return HttpAnswer(409, "text/x.tlog.size", b"%d\n" % self.head.size)
        try:
            if old:
                proof = [base64.b64decode(line, validate=True) for line in lines]
                verify_consistency(old, self.head.root, new.size, new.root, proof)
            else:
                assert not lines
        except ProofError:
            return HttpAnswer(422, "text/plain", b"no\n")
        self.head = new
        return HttpAnswer(200, "text/plain", self.signer.cosign(text, TIME).encode())


class Scripted:
    """Gives the same answers whatever is asked."""

    def __init__(self, *answers: HttpAnswer) -> None:
        self._answers = list(answers)
        self.bodies: list[bytes] = []

    async def exchange(self, method: str, url: str, body: bytes) -> HttpAnswer:
        self.bodies.append(body)
        return self._answers.pop(0)


def _prover(tree: LogTree) -> Callable[[int, Checkpoint], Awaitable[list[bytes]]]:
    async def prove(old: int, head: Checkpoint) -> list[bytes]:
        return cosign.prove(tree, old, head)

    return prove


def _ask(
    transport: cosign.Transport, tree: LogTree, size: int, old: int = 0, known: int | None = None,
    key: VerifierKey = WITNESS.verifier,
) -> Outcome:
    submission = Submission.of(_note(tree, size))
    return asyncio.run(
        cosign.ask(
            transport, URL + "/", key, submission, old, _prover(tree), known or tree.size
        )
    )


def test_the_request_is_the_old_size_the_proof_and_the_checkpoint_line_by_line() -> None:
    tree = _tree(3)
    note = _note(tree, 3)
    submission = Submission.of(note)
    body = cosign.request_body(submission, 1, cosign.prove(tree, 1, submission.head))
    second, third = (
        base64.b64encode(sha256(b"a%d" % i).digest()).decode() for i in (1, 2)
    )
    assert body == f"old 1\n{second}\n{third}\n\n".encode() + note
    assert cosign.request_body(submission, 0, []).startswith(b"old 0\n\n" + ORIGIN.encode())


def test_lines_of_witnesses_are_not_sent_to_witnesses() -> None:
    note = _note(_tree(2), 2)
    text = note[: note.index(b"\n\n") + 1].decode()
    assert Submission.of(note + WITNESS.cosign(text, TIME).encode()).note == note


@pytest.mark.parametrize("signer", [WITNESS, MLDSA44Signer("witness.example/pq", b"\x03" * 32)])
def test_a_growing_log_is_cosigned_at_every_size(signer: Ed25519Cosigner | MLDSA44Signer) -> None:
    tree, witness, old = _tree(700), Memory(signer), 0
    for size in (1, 2, 3, 7, 8, 9, 255, 256, 257, 257, 512, 699, 700):
        outcome = _ask(witness, tree, size, old, key=signer.verifier)
        assert isinstance(outcome, Cosigned)
        text = Submission.of(_note(tree, size)).text
        assert signer.verifier.verify(text, outcome.line.blob) == outcome.at == TIME
        assert outcome.remembered is None
        old = size
    assert witness.asked == [0, 1, 2, 3, 7, 8, 9, 255, 256, 257, 257, 512, 699]


@pytest.mark.parametrize("believed", [0, 5, 40])
def test_a_size_named_by_409_is_asked_from_once_more(believed: int) -> None:
    tree, witness = _tree(50), Memory()
    _ask(witness, tree, 20)
    outcome = _ask(witness, tree, 50, believed)
    assert isinstance(outcome, Cosigned)
    assert outcome.remembered == 20
    assert witness.asked == [0, believed, 20]


def test_a_second_409_ends_the_asking() -> None:
    answers = [HttpAnswer(409, "text/x.tlog.size", b"%d\n" % size) for size in (3, 4, 5)]
    script = Scripted(*answers)
    with pytest.raises(WitnessError, match="409 twice"):
        _ask(script, _tree(9), 9)
    assert len(script.bodies) == 2


def test_a_remembered_size_beyond_the_checkpoint_is_not_proved_from() -> None:
    witness = Memory()
    assert isinstance(_ask(witness, _tree(9), 9, old=12), Cosigned)
    assert witness.asked == [0]


def test_a_witness_that_knows_more_than_the_log_says_rolled_back() -> None:
    tree, witness = _tree(50), Memory()
    _ask(witness, tree, 50)
    found = _ask(witness, _tree(20), 20, old=20)
    assert isinstance(found, Contradiction)
    assert (found.verdict, found.size) == ("rolled back", 50)


def test_a_witness_ahead_of_the_checkpoint_but_not_of_the_data_is_no_alarm() -> None:
    tree, witness = _tree(50), Memory()
    _ask(witness, tree, 40)
    with pytest.raises(WitnessError, match="ahead of the newest checkpoint"):
        _ask(witness, tree, 30, old=30)
    assert isinstance(_ask(witness, tree, 50, old=30), Cosigned)


@pytest.mark.parametrize("size", [20, 30])
def test_another_history_says_forked(size: int) -> None:
    witness = Memory()
    _ask(witness, _tree(20), 20)
    found = _ask(witness, _tree(30, b"b"), size, old=20)
    assert isinstance(found, Contradiction)
    assert (found.verdict, found.size) == ("forked", 20)


def test_a_409_to_the_very_size_that_was_given_says_forked() -> None:
    found = _ask(Scripted(HttpAnswer(409, "text/x.tlog.size", b"9\n")), _tree(9), 9, old=9)
    assert isinstance(found, Contradiction)
    assert found.verdict == "forked"


@pytest.mark.parametrize(
    "answer",
    [
        HttpAnswer(422, "text/plain", b"to an empty proof"),
        HttpAnswer(409, "text/plain", b"10\n"),
        HttpAnswer(409, "text/x.tlog.size", b""),
        HttpAnswer(409, "text/x.tlog.size", b"-1\n"),
        HttpAnswer(409, "text/x.tlog.size", b"010\n"),
        HttpAnswer(409, "text/x.tlog.size", b"99999999999999999999\n"),
        HttpAnswer(409, "text/x.tlog.size", b"0\n"),
        HttpAnswer(400, "text/plain", b"\x1b[31mbad\n"),
        HttpAnswer(403, "text/plain", b""),
        HttpAnswer(404, "text/plain", b"unknown log"),
        HttpAnswer(301, "text/plain", b""),
        HttpAnswer(500, "text/plain", b"\xff"),
        HttpAnswer(204, "text/plain", b""),
    ],
)
def test_any_other_answer_is_a_failure_and_no_alarm(answer: HttpAnswer) -> None:
    with pytest.raises(WitnessError) as caught:
        _ask(Scripted(answer), _tree(9), 9)
    assert caught.value.message.isprintable()


def _line(text: str | None = None, at: int = TIME, by: Ed25519Cosigner = WITNESS) -> str:
    return by.cosign(text or Submission.of(_note(_tree(9), 9)).text, at)


def _flipped() -> str:
    start, _, blob = _line().rstrip("\n").rpartition(" ")
    raw = bytearray(base64.b64decode(blob))
    raw[-1] ^= 1
    return f"{start} {base64.b64encode(raw).decode()}\n"


@pytest.mark.parametrize(
    "body",
    [
        "", "\n", "fine\n", _line(by=STRANGER), _flipped(), _line() + _flipped(),
        _line(Submission.of(_note(_tree(8), 8)).text), _line(at=0), _line()[2:],
        f"\n{_line()}x", LOG[0].sign(Submission.of(_note(_tree(9), 9)).text),
    ],
)
def test_an_answer_without_a_valid_line_of_the_configured_key_is_refused(body: str) -> None:
    with pytest.raises(WitnessError):
        _ask(Scripted(HttpAnswer(200, "text/plain", body.encode())), _tree(9), 9)


def test_lines_of_other_keys_are_left_out_and_the_newest_of_the_key_is_taken() -> None:
    body = _line(by=STRANGER) + _line(at=TIME - 60) + _line() + _line(at=TIME - 30)
    outcome = _ask(Scripted(HttpAnswer(200, "text/plain", body.encode())), _tree(9), 9)
    assert isinstance(outcome, Cosigned)
    assert (outcome.at, outcome.line.line()) == (TIME, _line())


@pytest.mark.parametrize("vkey", ["", "nonsense", LOG[0].vkey, WITNESS.vkey[:-4]])
def test_a_key_that_cannot_cosign_is_refused(vkey: str) -> None:
    with pytest.raises(WitnessError):
        cosign.cosigner_key(vkey)


def test_a_proof_that_does_not_verify_here_is_not_sent() -> None:
    tree = _tree(50)
    tree._leaves[32 * 3] ^= 1  # as a damaged disk would
    head = Checkpoint(ORIGIN, 50, _tree(50).root(50))
    with pytest.raises(ProofError):
        cosign.prove(tree, 20, head)


@pytest.mark.parametrize(
    ("cosigner", "log", "is_shown"),
    [(WITNESS, LOG, True), (STRANGER, LOG, False), (WITNESS, None, False)],
)
def test_a_witness_shows_only_what_log_and_witness_signed(
    cosigner: Ed25519Cosigner, log: tuple[Ed25519Signer, MLDSA44Signer] | None, is_shown: bool
) -> None:
    head = Checkpoint(ORIGIN, 9, _tree(9).root(9))
    signers = log or (Ed25519Signer(ORIGIN, b"\x09" * 32), MLDSA44Signer(ORIGIN, b"\x09" * 32))
    note = sign(head, *signers, TIME) + cosigner.cosign(head.format(), TIME).encode()
    script = Scripted(HttpAnswer(200, "text/plain", note))
    found = asyncio.run(cosign.shown(script, URL, ORIGIN, WITNESS.verifier, LOG_KEYS))
    assert found == ((head, note) if is_shown else None)


# --- the network


async def _served(
    answer: bytes, call: Callable[[str], Awaitable[HttpAnswer]], tls: ssl.SSLContext | None = None,
    stay: bool = False,
) -> HttpAnswer:
    done = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        if stay:
            await done.wait()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    try:
        return await call(f"{'https' if tls else 'http'}://127.0.0.1:{port}/add-checkpoint")
    finally:
        done.set()
        server.close()


async def _exchange(url: str) -> HttpAnswer:
    async with HttpTransport() as transport:
        return await transport.exchange("POST", url, b"old 0\n\n")


def _http(status: str, headers: str, body: bytes) -> bytes:
    return f"HTTP/1.1 {status}\r\n{headers}connection: close\r\n\r\n".encode() + body


def test_an_answer_comes_back_whole_with_its_type() -> None:
    raw = _http("409 Conflict", "Content-Type: Text/X.tlog.size; charset=utf-8\r\n", b"12\n")
    assert asyncio.run(_served(raw, _exchange)) == HttpAnswer(409, "text/x.tlog.size", b"12\n")


def test_an_endless_answer_is_cut_off() -> None:
    raw = _http("200 OK", "", bytes(200_000))
    with pytest.raises(WitnessError, match="longer than"):
        asyncio.run(_served(raw, _exchange))


@pytest.mark.parametrize("raw", [b"", _http("200 OK", "content-length: 10\r\n", b"drip")])
def test_a_witness_that_stays_silent_or_drips_is_hung_up_on(
    raw: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cosign, "WITNESS_SECONDS", 0.2)
    with pytest.raises(WitnessError, match=r"no answer within|cannot be reached"):
        asyncio.run(_served(raw, _exchange, stay=True))


def test_a_redirect_is_not_followed() -> None:
    raw = _http("302 Found", "location: http://127.0.0.1:1/\r\n", b"")
    assert asyncio.run(_served(raw, _exchange)).status == 302


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/x", "http://", "nonsense", "http://[::1", "ftp://x/", "http://\x00/"]
)
def test_an_address_that_answers_nothing_is_a_failure(url: str) -> None:
    with pytest.raises(WitnessError):
        asyncio.run(_exchange(url))


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name)
        .public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "both.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    with pytest.raises(WitnessError, match=r"(?i)certificate"):
        asyncio.run(_served(_http("200 OK", "", b""), _exchange, tls=context))
