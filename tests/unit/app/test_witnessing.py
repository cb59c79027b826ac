"""The beat that asks witnesses: what it keeps, what it says, and what it never does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path
from zipfile import ZipFile

import msgspec
import pytest

from indelible.app import witnessing
from indelible.app.core import Core
from indelible.app.local import LocalLedger
from indelible.app.setup import init_ledger
from indelible.app.signatures import configured_witnesses
from indelible.app.witnessing import ask_one, ask_witnesses, cosigned_path
from indelible.base.clock import MICROS, wall_us
from indelible.base.errors import BadRequest
from indelible.ledger.cosign import HttpAnswer, Submission, WitnessError
from indelible.ledger.incoming import own_record
from indelible.proof.checkpoint import Checkpoint, parse_head, sign
from indelible.proof.keys import Ed25519Cosigner, Ed25519Signer
from indelible.proof.note import check, parse

ORIGIN = "log.example/witnessed"
W1 = Ed25519Cosigner("witness.example/w1", b"\x01" * 32)
W2 = Ed25519Cosigner("witness.example/w2", b"\x02" * 32)

ORIGIN_KEY = Ed25519Signer(ORIGIN, b"\x03" * 32).vkey


class Witnesses:
    """What each address answers; stands in for the network."""

    def __init__(self) -> None:
        self.answers: dict[str, Callable[[str, bytes], HttpAnswer]] = {}
        self.asked: list[tuple[str, bytes]] = []

    async def __aenter__(self) -> Witnesses:
        return self

    async def __aexit__(self, *_: object) -> None:
        return

    async def exchange(self, method: str, url: str, body: bytes) -> HttpAnswer:
        self.asked.append((url, body))
        host = url.split("/")[2]
        if host not in self.answers:
            raise WitnessError("it cannot be reached: refused")
        return self.answers[host](url, body)


def _cosigns(signer: Ed25519Cosigner, at: int) -> Callable[[str, bytes], HttpAnswer]:
    def answer(_url: str, body: bytes) -> HttpAnswer:
        note = body.partition(b"\n\n")[2]
        text = note[: note.index(b"\n\n") + 1].decode()
        return HttpAnswer(200, "text/plain", signer.cosign(text, at).encode())

    return answer


def _says(status: int, kind: str, body: bytes) -> Callable[[str, bytes], HttpAnswer]:
    def answer(url: str, _body: bytes) -> HttpAnswer:
        if url.endswith("/checkpoint"):
            return HttpAnswer(404, "text/plain", b"")
        return HttpAnswer(status, kind, body)

    return answer


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Witnesses:
    found = Witnesses()
    monkeypatch.setattr(witnessing, "HttpTransport", lambda: found)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    init_ledger(tmp_path / "data", ORIGIN, tmp_path / "keys", tmp_path / "state")
    return tmp_path / "data"


def _with(folder: Path, act: Callable[[LocalLedger], Awaitable[None]]) -> None:
    async def run() -> None:
        async with LocalLedger(folder) as ledger:
            await act(ledger)

    asyncio.run(run())


def _add(core: Core, name: str, signer: Ed25519Cosigner) -> None:
    core.meta.add_witness(name, f"https://{name}.example", signer.vkey)


async def _grow(ledger: LocalLedger) -> None:
    await ledger.core.own(own_record("event", "indelible.test.grow", {}))
    await ledger.engine.publish()


async def _last_action(core: Core) -> str:
    stored = core.ledger.reader.many([core.ledger.tree.size - 1])
    action: str = msgspec.json.decode(stored[0].body)["action"]
    return action


def test_the_line_is_added_to_the_checkpoint_and_kept_apart(
    folder: Path, network: Witnesses
) -> None:
    now = wall_us() // MICROS
    network.answers = {"one.example": _cosigns(W1, now), "two.example": _cosigns(W2, now - 5)}

    async def act(ledger: LocalLedger) -> None:
        core = ledger.core
        _add(core, "one", W1)
        _add(core, "two", W2)
        await ask_witnesses(core)
        size = core.publisher.size
        assert core.witnessed["one"][:3] == (size, now, "")
        assert core.witnessed["two"][:3] == (size, now - 5, "")
        stored = core.ledger.paths.checkpoint.read_bytes()
        keys = [*core.ledger.keys.verifier_keys(), W1.verifier, W2.verifier]
        assert all(result.valid for result in check(stored, keys))
        kept = cosigned_path(core, W1.verifier).read_bytes()
        assert [r.valid for r in check(kept, keys)] == [True, True, True, False]
        await _grow(ledger)
        assert [r.valid for r in check(core.publisher.note, keys)] == [True, True, False, False]
        assert parse_head(parse(cosigned_path(core, W1.verifier).read_bytes()).text)[0].size == size

    _with(folder, act)


def test_a_line_for_an_older_checkpoint_is_not_attached_to_the_newer(
    folder: Path, network: Witnesses
) -> None:
    async def act(ledger: LocalLedger) -> None:
        core = ledger.core
        _add(core, "one", W1)
        older = Submission.of(await core.published())
        await _grow(ledger)
        network.answers = {"one.example": _cosigns(W1, wall_us() // MICROS)}
        await ask_one(core, core.meta.witnesses()[0], older, network)
        assert core.witnessed["one"].size == older.head.size < core.publisher.size
        assert not check(core.publisher.note, [W1.verifier])[0].valid
        assert check(cosigned_path(core, W1.verifier).read_bytes(), [W1.verifier])[0].valid

    _with(folder, act)


def test_after_a_restart_it_asks_on_from_what_was_cosigned(
    folder: Path, network: Witnesses
) -> None:
    at = wall_us() // MICROS
    network.answers = {"one.example": _cosigns(W1, at)}
    sizes: list[int] = []

    async def first(ledger: LocalLedger) -> None:
        _add(ledger.core, "one", W1)
        await ask_witnesses(ledger.core)
        sizes.append(ledger.core.witnessed["one"].size)

    async def second(ledger: LocalLedger) -> None:
        del network.answers["one.example"]
        await ask_witnesses(ledger.core)
        assert ledger.core.witnessed["one"][:2] == (sizes[0], at)
        assert "cannot be reached" in ledger.core.witnessed["one"].error

    _with(folder, first)
    _with(folder, second)
    assert [body.partition(b"\n")[0] for _, body in network.asked] == [
        b"old 0", b"old %d" % sizes[0]
    ]


def test_one_witness_that_fails_does_not_keep_the_others_from_cosigning(
    folder: Path, network: Witnesses
) -> None:
    network.answers = {
        "one.example": _says(500, "text/plain", b"out of order"),
        "two.example": _cosigns(W2, wall_us() // MICROS + 3600),
    }

    async def act(ledger: LocalLedger) -> None:
        core = ledger.core
        _add(core, "one", W1)
        _add(core, "two", W2)
        core.meta.add_witness("three", "https://three.example", "no key")
        await ask_witnesses(core)
        assert core.witnessed["one"].error == "it answered 500 out of order"
        assert core.witnessed["three"].error
        assert core.witnessed["two"].size == core.publisher.size
        assert core.witnessed["two"].at <= wall_us() // MICROS
        assert not core.damage

    _with(folder, act)


def test_a_witness_that_is_removed_is_forgotten(folder: Path, network: Witnesses) -> None:
    network.answers = {"one.example": _says(409, "text/x.tlog.size", b"1000\n")}

    async def act(ledger: LocalLedger) -> None:
        _add(ledger.core, "one", W1)
        await ask_witnesses(ledger.core)
        assert ledger.core.damage
        ledger.core.meta.remove_witness("one")
        await ask_witnesses(ledger.core)
        assert not ledger.core.witnessed
        assert not ledger.core.damage

    _with(folder, act)


@pytest.mark.parametrize(
    ("verdict", "answer"),
    [
        ("rolled back", _says(409, "text/x.tlog.size", b"1000\n")),
        ("forked", _says(422, "text/plain", b"no")),
    ],
)
def test_a_contradiction_is_damage_and_one_record_until_the_witness_agrees(
    folder: Path, network: Witnesses, verdict: str,
    answer: Callable[[str, bytes], HttpAnswer],
) -> None:
    async def act(ledger: LocalLedger) -> None:
        core = ledger.core
        _add(core, "one", W1)
        network.answers = {"one.example": _cosigns(W1, wall_us() // MICROS)}
        await ask_witnesses(core)
        seen = core.witnessed["one"]
        network.answers = {"one.example": answer}
        await ask_witnesses(core)
        assert [text.partition(":")[0] for text in core.damage] == [verdict]
        assert "its word alone" in core.damage[0]
        assert core.witnessed["one"][:3] == (seen.size, seen.at, core.damage[0])
        assert await _last_action(core) == "indelible.witness.contradict"
        size = core.ledger.tree.size
        await ledger.engine.publish()
        await ask_witnesses(core)
        assert core.ledger.tree.size == size
        assert len(core.damage) == 1
        network.answers = {"one.example": _cosigns(W1, wall_us() // MICROS)}
        await ask_witnesses(core)
        assert not core.damage
        assert core.witnessed["one"].error == ""

    _with(folder, act)


@pytest.mark.parametrize(("ahead", "verdict"), [(1000, "rolled back"), (0, "forked")])
def test_what_a_signed_checkpoint_shows_is_kept_and_never_taken_back(
    folder: Path, network: Witnesses, ahead: int, verdict: str
) -> None:
    async def act(ledger: LocalLedger) -> None:
        core = ledger.core
        keys = core.ledger.keys
        head = Checkpoint(ORIGIN, core.publisher.size + ahead, sha256(b"another").digest())
        shown = sign(head, keys.ed25519[-1], keys.mldsa44[-1], wall_us() // MICROS)
        shown += W1.cosign(head.format(), wall_us() // MICROS).encode()

        def answer(url: str, _body: bytes) -> HttpAnswer:
            if url.endswith(f"/{sha256(ORIGIN.encode()).hexdigest()}/checkpoint"):
                return HttpAnswer(200, "text/plain", shown)
            return HttpAnswer(409, "text/x.tlog.size", b"%d\n" % head.size)

        _add(core, "one", W1)
        network.answers = {"one.example": answer}
        await ask_witnesses(core)
        assert core.damage[0].startswith(f"{verdict}: the witness one")
        path = cosigned_path(core, W1.verifier)
        assert path.with_name(f"{path.name}-contradicts").read_bytes() == shown
        network.answers = {"one.example": _cosigns(W1, wall_us() // MICROS)}
        await ask_witnesses(core)
        assert len(core.damage) == 1

    _with(folder, act)


def test_a_witness_that_forgot_is_said_to_have_forgotten(
    folder: Path, network: Witnesses
) -> None:
    async def act(ledger: LocalLedger) -> None:
        core = ledger.core
        _add(core, "one", W1)
        cosigns = _cosigns(W1, wall_us() // MICROS)
        network.answers = {"one.example": cosigns}
        await ask_witnesses(core)

        def forgetful(url: str, body: bytes) -> HttpAnswer:
            if body.startswith(b"old 0\n"):
                return cosigns(url, body)
            return HttpAnswer(409, "text/x.tlog.size", b"0\n")

        network.answers = {"one.example": forgetful}
        await ask_witnesses(core)
        assert "forgot" in core.witnessed["one"].error
        assert not core.damage

    _with(folder, act)


def test_no_sender_waits_for_a_witness_that_hangs(folder: Path, network: Witnesses) -> None:
    release = asyncio.Event()

    class Hanging(Witnesses):
        async def exchange(self, method: str, url: str, body: bytes) -> HttpAnswer:
            await release.wait()
            raise WitnessError("no answer")

    async def act(ledger: LocalLedger) -> None:
        core = ledger.core
        for number in range(8):
            _add(core, f"w{number}", W1)
        submission = Submission.of(await core.published())
        rows = core.meta.witnesses()
        asking = [
            asyncio.ensure_future(ask_one(core, row, submission, Hanging())) for row in rows
        ]
        size = core.publisher.size
        await _grow(ledger)
        assert core.publisher.size == size + 1
        assert not any(task.done() for task in asking)
        release.set()
        await asyncio.gather(*asking)

    _with(folder, act)


def test_a_kept_note_that_was_altered_is_not_believed(folder: Path, network: Witnesses) -> None:
    network.answers = {"one.example": _cosigns(W1, wall_us() // MICROS)}

    async def act(ledger: LocalLedger) -> None:
        core = ledger.core
        _add(core, "one", W1)
        await ask_witnesses(core)
        path = cosigned_path(core, W1.verifier)
        path.write_bytes(path.read_bytes().replace(b"\n%d\n" % core.publisher.size, b"\n99\n"))
        assert witnessing.remembered(core, W1.verifier) == (0, 0, "", None)

    _with(folder, act)


def test_proofs_bear_the_newest_cosigned_checkpoint_that_reaches_so_far(
    folder: Path, network: Witnesses
) -> None:
    now = wall_us() // MICROS
    network.answers = {"one.example": _cosigns(W1, now), "two.example": _cosigns(W2, now)}

    def lines(note: bytes) -> tuple[int, int]:
        """Size, and how many of the two witnesses cosigned it."""
        parsed = parse(note)
        return parse_head(parsed.text)[0].size, sum(
            check(parsed, [one.verifier])[0].valid for one in (W1, W2)
        )

    def proved(core: Core, index: int) -> tuple[int, int]:
        with ZipFile(core.prover.bundle([index], None)) as bundle:
            return lines(bundle.read("checkpoint"))

    async def act(ledger: LocalLedger) -> None:
        core = ledger.core
        first = core.publisher.size
        assert proved(core, 0) == (first, 0)
        _add(core, "one", W1)
        _add(core, "two", W2)
        await ask_witnesses(core)
        await _grow(ledger)
        assert lines(core.publisher.note) == (first + 1, 0)
        assert proved(core, 0) == (first, 2)
        assert lines(core.prover.cosigned()) == (first, 2)
        assert proved(core, first) == (first + 1, 0)
        del network.answers["two.example"]
        await ask_witnesses(core)
        assert proved(core, 0) == (first + 1, 1)

    _with(folder, act)

    async def again(ledger: LocalLedger) -> None:
        size, count = proved(ledger.core, 0)
        assert (size < ledger.core.publisher.size, count) == (True, 1)

    _with(folder, again)


def test_a_cosigned_note_of_another_history_is_not_shown(
    folder: Path, network: Witnesses
) -> None:
    async def act(ledger: LocalLedger) -> None:
        core = ledger.core
        keys, size = core.ledger.keys, core.publisher.size
        other = sign(
            Checkpoint(ORIGIN, size, bytes(32)), keys.ed25519[0], keys.mldsa44[0], 1
        )
        note = parse(other)
        core.publisher.keep_cosigned(note.text, note.signatures)
        assert core.prover.cosigned() == core.publisher.note

    _with(folder, act)


@pytest.mark.parametrize("vkey", ["", "w1", ORIGIN_KEY])
def test_a_key_that_no_witness_cosigns_with_is_refused_when_it_is_added(
    folder: Path, vkey: str
) -> None:
    async def act(ledger: LocalLedger) -> None:
        with pytest.raises(BadRequest) as refused:
            await ledger.rooms.witness_add("one", "https://one.example", vkey)
        assert refused.value.field == "vkey"
        assert ledger.core.meta.witnesses() == []

    _with(folder, act)


def test_one_unreadable_witness_does_not_hide_the_others(folder: Path) -> None:
    async def act(ledger: LocalLedger) -> None:
        ledger.core.meta.add_witness("bad", "https://bad.example", "nothing")
        _add(ledger.core, "one", W1)
        assert [key.name for key in configured_witnesses(ledger.place)] == [W1.name]

    _with(folder, act)
