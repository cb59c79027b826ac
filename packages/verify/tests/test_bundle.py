"""Bundles: what a verifier says about honest ones, and about every attack on them."""

from __future__ import annotations

import json
import random
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., tuple[int, dict[str, Any]]]
Pack = Callable[..., Path]
SOME = [3, 4, 9, 17]


def statuses(found: dict[str, Any]) -> dict[int, str]:
    return {event["index"]: event["status"] for event in found["events"]}


def test_honest_bundle_is_proven(filled: Any, check: Run) -> None:
    code, found = check(filled, filled.parts(SOME))
    assert (code, found["verdict"]) == (0, "proven")
    assert statuses(found) == dict.fromkeys(SOME, "proven")
    assert found["events"][0]["actor"] == "ann"
    assert any("no witness key was given" in text for text in found["not_proved"])
    assert any("entries other than" in text for text in found["not_proved"])


def test_range_is_said_to_be_complete(filled: Any, check: Run) -> None:
    parts = filled.parts(list(range(5, 15)), as_range=True)
    _, found = check(filled, parts)
    assert any("range is complete" in text for text in found["proved"])
    assert not any("entries other than" in text for text in found["not_proved"])


def test_first_index_with_another_body_is_named(filled: Any, check: Run) -> None:
    parts = filled.parts(SOME)
    parts["bodies.ndjson"] = parts["bodies.ndjson"].replace(b'"a9"', b'"a0"')
    code, found = check(filled, parts)
    assert (code, found["verdict"]) == (4, "tampered")
    assert found["problems"][0]["first"] == 9
    assert statuses(found)[9] == "tampered"
    assert found["proved"] == []


def test_body_swapped_under_a_valid_proof_is_tampering(filled: Any, check: Run) -> None:
    parts, other = filled.parts([3]), filled.parts([4])
    code, found = check(filled, {**parts, "bodies.ndjson": other["bodies.ndjson"]})
    assert (code, found["problems"][0]["first"]) == (4, 3)


def test_whole_other_event_under_a_valid_proof_is_tampering(filled: Any, check: Run) -> None:
    parts, other = filled.parts([3]), filled.parts([4])
    for name in ("bodies.ndjson", "salts.bin", "entries.bin"):
        parts[name] = other[name]
    code, found = check(filled, parts)
    assert (code, found["verdict"]) == (4, "tampered")


@pytest.mark.parametrize("name", ["entries.bin", "salts.bin", "proof.bin", "view.html"])
def test_every_flipped_byte_of_a_part_is_found(filled: Any, check: Run, name: str) -> None:
    parts = filled.parts([3, 4])
    step = max(1, len(parts[name]) // 40)
    for at in range(0, len(parts[name]), step):
        data = bytearray(parts[name])
        data[at] ^= 1
        code, found = check(filled, {**parts, name: bytes(data)})
        assert (code, found["verdict"]) == (4, "tampered"), (name, at)


@pytest.mark.parametrize("name", ["entries.bin", "salts.bin", "proof.bin", "bodies.ndjson"])
@pytest.mark.parametrize("change", ["cut", "more", "empty"])
def test_wrong_lengths_are_found(filled: Any, check: Run, name: str, change: str) -> None:
    parts = filled.parts(SOME)
    data = parts[name]
    parts[name] = {"cut": data[:-1], "more": data + b"\x00" * 32, "empty": b""}[change]
    code, found = check(filled, parts)
    assert code == 4
    assert "proven" not in statuses(found).values()


def test_everything_rebuilt_without_the_keys_is_not_signed(
    filled: Any, make_log: Any, check: Run
) -> None:
    forger = make_log()
    forger.fill(20)
    code, found = check(filled, forger.parts(SOME))
    assert (code, found["verdict"]) == (4, "not signed by the given key")
    assert "proven" not in statuses(found).values()


def test_old_signature_over_a_rebuilt_tree_is_tampering(
    filled: Any, make_log: Any, check: Run
) -> None:
    forger = make_log()
    forger.fill(19)
    forger.event("mallory")
    parts = forger.parts(SOME, checkpoint=filled.checkpoint())
    code, found = check(filled, parts)
    assert (code, found["verdict"]) == (4, "tampered")


@pytest.mark.parametrize("kept", ["ed", "ml"])
def test_stripped_line_is_named(filled: Any, check: Run, kept: str) -> None:
    signers = [getattr(filled, kept)]
    parts = filled.parts(SOME, checkpoint=filled.checkpoint(signers=signers))
    code, found = check(filled, parts)
    assert (code, found["verdict"]) == (4, "signature stripped")
    assert "proven" not in statuses(found).values()


def test_one_given_key_is_enough_when_only_one_is_given(
    filled: Any, pack: Pack, run: Run, tmp_path: Path
) -> None:
    path = pack(filled.parts(SOME, checkpoint=filled.checkpoint(signers=[filled.ed])))
    key = tmp_path / "log.vkey"
    key.write_text(filled.ed.vkey + "\n")
    assert run(path, "--key", key)[0] == 0


def test_entry_and_body_that_disagree_are_tampering(log: Any, check: Run) -> None:
    log.fill(3)
    wrong = log.bodies[1].replace(b'"seq":1', b'"seq":7')
    log.add(raw=wrong)
    code, found = check(log, log.parts([3]))
    assert (code, found["verdict"], found["problems"][0]["first"]) == (4, "tampered", 3)


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body[:-1] + b',"kind":"event"}',
        lambda body: b'{"received":"x",' + body[1:],
        lambda body: body.replace(b'"seq":0', b'"seq":0,"seq":0'),
        lambda body: b'{"deep":' + b"[" * 100_000 + b"]" * 100_000 + b"," + body[1:],
        lambda body: b'{"bad":"\xff",' + body[1:],
        lambda body: b'{"nan":NaN,' + body[1:],
        lambda body: b"[1]",
        lambda body: b"\xef\xbb\xbf" + body,
    ],
)
def test_ambiguous_or_broken_json_is_refused_though_it_is_signed(
    log: Any, check: Run, change: Callable[[bytes], bytes]
) -> None:
    log.event()
    body = log.bodies.pop()
    log.entries.pop(), log.salts.pop()
    log.add(raw=change(body))
    code, found = check(log, log.parts([0]) if b"NaN" in change(body) else _plain(log))
    assert (code, found["verdict"], found["problems"][0]["first"]) == (4, "tampered", 0)


def _plain(log: Any) -> dict[str, bytes]:
    body = log.bodies[0]
    log.bodies[0] = b'{"received":""}'
    parts: dict[str, bytes] = log.parts([0])
    return {**parts, "bodies.ndjson": body + b"\n"}


def test_numbers_beyond_doubles_do_not_matter(log: Any, check: Run) -> None:
    log.event(data={"big": 12345678901234567890123456789012345, "f": 1e300})
    assert check(log, log.parts([0]))[0] == 0


def test_erased_body_is_said_and_fine(log: Any, check: Run) -> None:
    log.fill(5)
    erased = [{"index": 2, "commitment": log.commitment(2)}]
    record = log.add("erase", data={"erased": erased, "reason": "r", "order": "o", "by": []})
    code, found = check(log, log.parts([1, 2, record], hidden=[2]))
    assert (code, found["verdict"]) == (0, "proven")
    assert statuses(found)[2] == "erased"
    assert found["said"][0]["verdict"] == "erased"


@pytest.mark.parametrize("wrong", ["commitment", "index", "other record"])
def test_erase_record_for_something_else_leaves_it_withheld(
    log: Any, check: Run, wrong: str
) -> None:
    log.fill(5)
    item = {"index": 2, "commitment": log.commitment(2)}
    if wrong == "commitment":
        item["commitment"] = log.commitment(3)
    elif wrong == "index":
        item["index"] = 3
    kind = "hold" if wrong == "other record" else "erase"
    record = log.add(kind, data={"erased": [item], "reason": "r", "order": "o", "by": []})
    code, found = check(log, log.parts([2, record], hidden=[2]))
    assert (code, found["verdict"], statuses(found)[2]) == (4, "withheld", "withheld")


def test_order_cannot_precede_what_it_is_about(log: Any, check: Run) -> None:
    data = {"from": 0, "to": 9, "root": "00" * 32, "reason": "r", "by": [], "holds": []}
    record = log.add("prune", data=data)
    log.fill(5)
    code, found = check(log, log.parts([record, 3], hidden=[3]))
    assert (code, found["verdict"]) == (4, "withheld")


def test_pruned_range_is_said_and_its_root_is_checked(log: Any, check: Run) -> None:
    from indelible_verify import tree_hash

    log.fill(6)
    data = {"from": 1, "to": 4, "root": tree_hash(log.leaves[1:5]).hex(), "reason": "age"}
    record = log.add("prune", data={**data, "by": [], "holds": []})
    lie = log.add("prune", data={**data, "root": "00" * 32, "by": [], "holds": []})
    code, found = check(log, log.parts([1, 2, 3, 4, record], hidden=[1, 2, 3, 4]))
    assert (code, statuses(found)[1]) == (0, "pruned")
    code, found = check(log, log.parts([2, record], hidden=[2]))
    assert code == 0
    assert any("range root" in text for text in found["not_proved"])
    code, found = check(log, log.parts([1, 2, 3, 4, lie], hidden=[1, 2, 3, 4]))
    assert (code, found["verdict"], found["problems"][0]["first"]) == (4, "tampered", lie)


def test_hidden_body_without_order_is_withheld(filled: Any, check: Run) -> None:
    code, found = check(filled, filled.parts(SOME, hidden=[9]))
    assert (code, found["verdict"], found["problems"][0]["first"]) == (4, "withheld", 9)


def test_salt_of_a_hidden_body_must_not_be_there(filled: Any, check: Run) -> None:
    parts = filled.parts(SOME, hidden=[9])
    parts["salts.bin"] = filled.parts(SOME)["salts.bin"]
    code, found = check(filled, parts)
    assert (code, found["verdict"], found["problems"][0]["first"]) == (4, "tampered", 9)


def test_declared_gap_is_said(log: Any, check: Run) -> None:
    log.fill(2)
    data = {"source": 1, "boot": "b", "first": 7, "last": 9}
    record = log.add("gap", data=data)
    code, found = check(log, log.parts([record]))
    assert (code, found["said"][0]["verdict"]) == (0, "gap declared")
    assert "7 to 9" in found["said"][0]["text"]


@pytest.mark.parametrize(
    "change",
    [
        {"indexes": []},
        {"indexes": [3, 3]},
        {"indexes": [4, 3]},
        {"indexes": [3, 99]},
        {"indexes": [True]},
        {"indexes": [3.0]},
        {"size": 21},
        {"size": 2**64},
        {"origin": "other"},
        {"format": "indelible-bundle/2"},
        {"range": [3, 17]},
        {"note": "unsigned words"},
    ],
)
def test_description_that_lies_is_found(filled: Any, check: Run, change: dict[str, object]) -> None:
    parts = filled.parts(SOME)
    parts["bundle.json"] = json.dumps({**json.loads(parts["bundle.json"]), **change}).encode()
    assert check(filled, parts)[0] == 4


def test_member_twice_in_the_description_is_found(filled: Any, check: Run) -> None:
    parts = filled.parts(SOME)
    parts["bundle.json"] = parts["bundle.json"][:-1] + b',"size":20}'
    assert check(filled, parts)[0] == 4


def test_forged_view_is_found(filled: Any, check: Run) -> None:
    parts = filled.parts(SOME)
    parts["view.html"] = parts["view.html"].replace(b"ann", b"bob", 1)
    code, found = check(filled, parts)
    assert (code, found["verdict"]) == (4, "tampered")
    assert "view.html" in found["problems"][0]["text"]


def test_hostile_values_render_as_specified_and_are_visible_in_the_report(
    log: Any, check: Run, pack: Pack, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from indelible_verify.main import main

    log.event("\x1b[31m<b>'\u202eevil\r\n", "x&\u061c\U000e0041y")
    parts = log.parts([0])
    out = tmp_path / "mine.html"
    path = pack(parts)
    assert main([str(path), "--key", log.ed.vkey, "--view", str(out)]) == 0
    assert out.read_bytes() == parts["view.html"]
    text = capsys.readouterr().out
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "\\u001b[31m<b>'\\u202eevil\\u000d\\u000a" in text
    assert "x&\\u061c\\udb40\\udc41y" in text


def test_view_is_not_written_when_something_is_wrong(
    filled: Any, check: Run, tmp_path: Path
) -> None:
    out = tmp_path / "mine.html"
    parts = filled.parts(SOME)
    parts["salts.bin"] = bytes(len(parts["salts.bin"]))
    assert check(filled, parts, "--view", out)[0] == 4
    assert not out.exists()


def test_older_bundle_passed_as_current_is_caught_by_a_newer_checkpoint(
    filled: Any, check: Run, tmp_path: Path
) -> None:
    held = tmp_path / "held.ckpt"
    held.write_bytes(filled.checkpoint())
    code, found = check(filled, filled.parts([3], size=10), "--against", held)
    assert (code, found["verdict"]) == (4, "rolled back")


def test_fork_at_one_size_is_caught(filled: Any, check: Run, tmp_path: Path) -> None:
    held = tmp_path / "held.ckpt"
    held.write_bytes(filled.checkpoint(root=bytes(32)))
    code, found = check(filled, filled.parts(SOME), "--against", held)
    assert (code, found["verdict"]) == (4, "forked")


def test_continuation_is_proved_where_the_bundle_determines_it(
    filled: Any, check: Run, tmp_path: Path
) -> None:
    held = tmp_path / "held.ckpt"
    held.write_bytes(filled.checkpoint(16))
    _, found = check(filled, filled.parts([3]), "--against", held)
    assert any("continues the checkpoint held" in text for text in found["proved"])
    held.write_bytes(filled.checkpoint(16, root=bytes(32)))
    assert check(filled, filled.parts([3]), "--against", held)[1]["verdict"] == "forked"
    held.write_bytes(filled.checkpoint(7))
    _, found = check(filled, filled.parts([19]), "--against", held)
    assert any("continues the checkpoint held" in text for text in found["not_proved"])


def test_no_damage_to_the_archive_ever_ends_in_anything_but_a_verdict(
    filled: Any, pack: Pack, run: Run
) -> None:
    path = pack(filled.parts(SOME))
    good = path.read_bytes()
    chance = random.Random(20)
    for round_ in range(300):
        data = bytearray(good)
        for _ in range(chance.randrange(1, 5)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        path.write_bytes(bytes(data[: chance.randrange(len(data))] if round_ % 5 == 0 else data))
        with warnings.catch_warnings(action="ignore"):
            code, found = run(path, "--key", filled.ed.vkey)
        assert code in (0, 3, 4)
        assert code or statuses(found) == dict.fromkeys(SOME, "proven")
