"""Verification policies, keys, the single proof, and the command line itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import indelible_verify
from indelible_verify import Key, UsageProblem, parse_verification_policy
from indelible_verify.main import main

Run = Callable[..., tuple[int, dict[str, Any]]]
SIGNED = "2026-09-21T14:14:20Z"


@pytest.fixture
def judged(
    log: Any, pack: Callable[..., Path], run: Run, tmp_path: Path
) -> Callable[..., tuple[int, str]]:
    """Verify one bundle under a verification policy; gives exit code and verdict."""

    def call(text: str, *, now: str = SIGNED, signers: list[Any] | None = None) -> tuple[int, str]:
        if not log.entries:
            log.fill(3)
        chosen = [log.ed, log.ml, *(signers or [])]
        path = pack(log.parts([1], checkpoint=log.checkpoint(signers=chosen)))
        demands = tmp_path / "verification.toml"
        demands.write_text(f"[log]\nkeys = {log.keys!r}\n{text}")
        code, found = run(path, "--policy", demands, "--now", now)
        return code, found["verdict"]

    return call


def test_age_is_demanded_of_the_newest_signature(judged: Any) -> None:
    assert judged('max_age = "1m"') == (0, "proven")
    assert judged('max_age = "1m"', now="2026-09-21T14:15:20Z") == (0, "proven")
    assert judged('max_age = "1m"', now="2026-09-21T14:15:21Z") == (4, "stale")
    assert judged('max_age = "1m"', now="2026-09-21T13:00:00Z") == (4, "stale")


@pytest.mark.parametrize("kind", [4, 6])
def test_quorum_of_witnesses_is_demanded(judged: Any, make_signer: Any, kind: int) -> None:
    one, two, foreign = (make_signer(f"w{n}.test", kind) for n in range(3))
    keys = f"[witnesses]\nkeys = ['{one.vkey}', '{two.vkey}']\n"
    assert judged(keys) == (4, "unwitnessed")
    assert judged(keys, signers=[foreign]) == (4, "unwitnessed")
    assert judged(keys, signers=[two]) == (0, "proven")
    assert judged(keys + "quorum = 2\n", signers=[two]) == (4, "unwitnessed")
    assert judged(keys + "quorum = 2\n", signers=[one, two]) == (0, "proven")
    aged = keys + 'max_age = "10m"\n'
    assert judged(aged, signers=[one], now="2026-09-21T14:24:21Z") == (4, "stale")


def test_two_keys_of_one_witness_are_one_witness(judged: Any, make_signer: Any) -> None:
    classic, later = make_signer("w.test", 4), make_signer("w.test", 6)
    other = make_signer("v.test", 4)
    listed = [classic.vkey, later.vkey, other.vkey]
    text = f"[witnesses]\nkeys = {listed!r}\nquorum = 2\n"
    assert judged(text, signers=[classic, later]) == (4, "unwitnessed")
    assert judged(text, signers=[classic, other]) == (0, "proven")


def test_witness_line_that_does_not_verify_is_tampering(judged: Any, make_signer: Any) -> None:
    real, fake = make_signer("w.test", 4), make_signer("w.test", 4)
    fake.id = real.id
    text = f"[witnesses]\nkeys = ['{real.vkey}']\n"
    assert judged(text, signers=[fake]) == (4, "tampered")


def test_lawful_absences_can_be_refused(log: Any, judged: Any, pack: Any, run: Run) -> None:
    log.fill(2)
    erased = [{"index": 1, "commitment": log.commitment(1)}]
    log.add("erase", data={"erased": erased})
    log.add("gap", data={"source": 1, "first": 7, "last": 9})
    log.add("prune", data={"from": 0, "to": 0, "root": log.leaves[0].hex()})
    cases = {"erased": [1, 2], "gap": [3], "pruned": [0, 4]}
    path = pack({})
    for name, indexes in cases.items():
        hidden = [i for i in indexes if i < 2]
        path = pack(log.parts(indexes, hidden=hidden))
        demands = path.with_suffix(".toml")
        demands.write_text(f"[log]\nkeys = {log.keys!r}\n[accept]\n{name} = false\n")
        code, found = run(path, "--policy", demands)
        assert (code, found["verdict"].split()[0]) == (4, name)
        demands.write_text(f"[log]\nkeys = {log.keys!r}\n[accept]\n{name} = true\n")
        assert run(path, "--policy", demands)[0] == 0


def test_pending_entries_can_be_refused(log: Any, run: Run, tmp_path: Path) -> None:
    log.fill(4)
    root = log.export(tmp_path / "log", 3)
    log.export(tmp_path / "newer")
    for level in ("entries", "0"):
        name = f"tile/{level}/000.p/4"
        (root / name).write_bytes((tmp_path / "newer" / name).read_bytes())
    demands = tmp_path / "verification.toml"
    demands.write_text("[accept]\npending = false\n")
    arguments = ("log", root, "--key", log.ed.vkey)
    assert run(*arguments)[0] == 0
    code, found = run(*arguments, "--policy", demands)
    assert (code, found["verdict"]) == (4, "pending")


@pytest.mark.parametrize(
    "text",
    [
        "[logs]\n",
        "[log]\nmax-age = '1h'\n",
        "[log]\nmax_age = '1 hour'\n",
        "[log]\nmax_age = 60\n",
        "[log]\nkeys = ['x']\n",
        "[log]\nkeys = 'x'\n",
        "[witnesses]\nquorum = 1\n",
        "[witnesses]\nquorum = -1\n",
        "[witnesses]\nquorum = true\n",
        "[accept]\nerased = 'no'\n",
        "[accept]\nall = true\n",
        "log = 1\n",
        "not toml",
    ],
)
def test_mistaken_verification_policy_is_an_error_not_a_weaker_demand(text: str) -> None:
    with pytest.raises(UsageProblem):
        parse_verification_policy(text.encode())


def test_single_proof_is_proven_and_every_change_is_found(
    log: Any, run: Run, tmp_path: Path
) -> None:
    log.fill(11)
    proof, body = tmp_path / "p.tlog-proof", tmp_path / "body.json"
    arguments = ("proof", proof, "--body", body, "--key", log.ed.vkey, "--key", log.ml.vkey)
    body.write_bytes(log.bodies[6] + b"\n")
    proof.write_bytes(log.proof(6))
    code, found = run(*arguments)
    assert (code, found["verdict"], found["events"][0]["index"]) == (0, "proven", 6)
    assert any("other entries" in text for text in found["not_proved"])
    good = log.proof(6)
    for at in range(0, len(good), 37):
        changed = bytearray(good)
        changed[at] ^= 1
        proof.write_bytes(bytes(changed))
        assert run(*arguments)[0] in (3, 4), at
    proof.write_bytes(good)
    body.write_bytes(log.bodies[7])
    assert run(*arguments)[1]["verdict"] == "tampered"


def test_missing_or_unfit_keys_are_usage(
    log: Any, make_signer: Any, run: Run, pack: Any, tmp_path: Path
) -> None:
    log.fill(1)
    path = pack(log.parts([0]))
    two = tmp_path / "two.vkey"
    two.write_text(log.ed.vkey + "\n" + log.ml.vkey + "\n")
    witness, other = make_signer("w", 4), make_signer("other", 1)
    assert run(path)[0] == 2
    for given in ("no-such-file", two, witness.vkey, log.ed.vkey[:-4] + "AAA="):
        assert run(path, "--key", given)[0] == 2
    assert run(path, "--key", log.ed.vkey, "--key", other.vkey)[0] == 2
    assert run(path, "--key", log.ed.vkey, "--now", "yesterday")[0] == 2
    with pytest.raises(SystemExit) as caught:
        main([str(path), "--no-such-option"])
    assert caught.value.code == 2


def test_what_is_no_evidence_is_refused(log: Any, run: Run, tmp_path: Path) -> None:
    note = tmp_path / "holiday.txt"
    note.write_text("nothing to see")
    assert run(note, "--key", log.ed.vkey)[0] == 3
    assert run(tmp_path / "absent.zip", "--key", log.ed.vkey)[0] == 3
    assert run(tmp_path, "--key", log.ed.vkey)[0] == 3
    assert run("proof", note, "--body", note, "--key", log.ed.vkey)[0] == 3


def test_text_report_begins_with_the_verdict(
    log: Any, pack: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    log.fill(3)
    path = pack(log.parts([1]))
    assert main([str(path), "--key", log.ed.vkey]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "PROVEN"
    assert "NOT proved:" in lines
    assert "ACTOR" in lines[-2]
    assert "user.login" in lines[-1]
    parts = log.parts([1])
    main([str(pack({**parts, "salts.bin": bytes(32)})), "--key", log.ed.vkey])
    assert capsys.readouterr().out.startswith("TAMPERED: index 1: ")


def test_key_text_round_trips(log: Any) -> None:
    for vkey in log.keys:
        assert Key.parse(vkey).vkey == vkey
        assert Key.parse(vkey + "\n").vkey == vkey


def test_public_names_are_exact() -> None:
    public = {name for name in vars(indelible_verify) if not name.startswith("_")}
    modules = {
        name for name in public if type(getattr(indelible_verify, name)).__name__ == "module"
    }
    assert public - modules - {"annotations"} == set(indelible_verify.__all__)


def test_verifier_imports_nothing_of_the_server() -> None:
    folder = Path(indelible_verify.__file__).parent
    allowed = {"indelible_verify", "cryptography"}
    for path in folder.glob("*.py"):
        for line in path.read_text("utf-8").splitlines():
            if line.startswith(("import ", "from ")):
                root = line.split()[1].split(".")[0]
                assert root in allowed or root in __import__("sys").stdlib_module_names, line
