"""Bundles that prove something, and what they prove (sections 7, 8, 10, 11)."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable

from vectorgen.archives import make
from vectorgen.badbundles import bad_bundles
from vectorgen.base import ED, FOREIGN, LOG_KEYS, MLDSA, OUT, SIGNED_AT, WITNESS, WITNESS_PQ, write
from vectorgen.sample import ERASED, ODD_VIEW, PRUNED, SHORT_ERASE, Log, signed_note


def good_bundles(log: Log, at: dict[str, int]) -> Iterable[tuple[str, bytes, dict[str, object]]]:
    def proven(indexes: Iterable[int], **other: str) -> dict[str, object]:
        verdicts = {str(i): "proven" for i in indexes}
        return {
            "verdict": "proven",
            "exit": 0,
            "verdicts": verdicts | {k[1:]: v for k, v in other.items()},
        }

    text = log.head().format()
    w1, w2 = WITNESS.cosign(text, SIGNED_AT + 2), WITNESS_PQ.cosign(text, SIGNED_AT + 3)
    witnessed = make(log, [77], note=signed_note(log.head(), w1, w2))
    erase, prune = at["erase"], at["prune"]
    pruned = {f"_{i}": "pruned" for i in range(PRUNED[0], PRUNED[1] + 1)}
    with_pruned = [*range(1, 7), prune]
    hidden = range(PRUNED[0], PRUNED[1] + 1)
    yield "good-single", make(log, [77]), proven([77])
    yield "good-first", make(log, [0], size=1), proven([0])
    yield "good-last", make(log, [299]), proven([299])
    yield "good-several", make(log, [0, 1, 99, 255, 256, 299]), proven([0, 1, 99, 255, 256, 299])
    yield "good-range", make(log, range(100, 120), span=True), proven(range(100, 120))
    yield "good-range-over-tiles", make(log, range(250, 262), span=True), proven(range(250, 262))
    yield "good-older-checkpoint", make(log, range(42, 60), size=100), proven(range(42, 60))
    yield "good-odd-view", make(log, [ODD_VIEW]), proven([ODD_VIEW])
    yield "good-records", make(log, sorted(at.values())), proven(sorted(at.values()))
    yield (
        "good-erased",
        make(log, [ERASED, erase], [ERASED]),
        proven([erase], **{f"_{ERASED}": "erased"}),
    )
    yield "good-pruned", make(log, with_pruned, hidden), proven([1, 6, prune], **pruned)
    yield "good-witnessed", witnessed, proven([77])
    stored = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(make(log, [77]))) as old, zipfile.ZipFile(stored, "w") as new:
        for name in reversed(old.namelist()):
            new.writestr(zipfile.ZipInfo(name), old.read(name))
    yield "good-stored-reversed", stored.getvalue(), proven([77])
    withheld = {"verdict": "withheld", "exit": 4}
    yield "withheld", make(log, [ERASED, 77], [ERASED]), {
        **withheld, "verdicts": {"7": "withheld", "77": "proven"}
    }  # fmt: skip
    yield "withheld-wrong-erase", make(log, [8, SHORT_ERASE], [8]), {
        **withheld, "verdicts": {"8": "withheld", "22": "proven"}
    }  # fmt: skip


def verification_policy_cases() -> list[dict[str, object]]:
    """The same bundles under verification policies; `now` is the verifier's clock."""
    log_part = f'[log]\nkeys = ["{ED.vkey}", "{MLDSA.vkey}"]\n'
    witnesses = f'[witnesses]\nkeys = ["{WITNESS.vkey}", "{WITNESS_PQ.vkey}"]\n'
    strangers = f'[witnesses]\nkeys = ["{FOREIGN.vkey}"]\nquorum = 1\n'
    ok, now = {"verdict": "proven", "exit": 0}, SIGNED_AT + 60

    def case(
        file: str, policy: str, expect: dict[str, object], clock: int = now
    ) -> dict[str, object]:
        return {"file": file, "policy": policy, "now": clock, **expect}

    unwitnessed = {"verdict": "unwitnessed", "exit": 4}
    stale = {"verdict": "stale", "exit": 4}
    aged = log_part + 'max_age = "1h"\n'
    recent = log_part + witnesses + 'quorum = 2\nmax_age = "10m"\n'
    refuse = "[accept]\nerased = false\npruned = false\n"
    return [
        case("good-witnessed.zip", log_part + witnesses + "quorum = 1\n", ok),
        case("good-witnessed.zip", log_part + witnesses + "quorum = 2\n", ok),
        case("good-witnessed.zip", log_part + strangers, unwitnessed),
        case("good-single.zip", log_part + witnesses + "quorum = 1\n", unwitnessed),
        case("good-single.zip", aged, ok),
        case("good-single.zip", aged, stale, SIGNED_AT + 3700),
        case("good-witnessed.zip", recent, ok),
        case("good-witnessed.zip", recent, stale, SIGNED_AT + 900),
        case("good-erased.zip", log_part, ok),
        case("good-erased.zip", log_part + refuse, {"verdict": "erased", "exit": 4}),
        case("good-pruned.zip", log_part + refuse, {"verdict": "pruned", "exit": 4}),
        case("good-single.zip", log_part + refuse, ok),
    ]


def bundle_vectors(log: Log, at: dict[str, int]) -> None:
    folder = OUT / "bundle"
    folder.mkdir(exist_ok=True)
    cases: list[dict[str, object]] = []
    for name, data, expect in [*good_bundles(log, at), *bad_bundles(log)]:
        (folder / f"{name}.zip").write_bytes(data)
        cases.append({"file": f"{name}.zip", **expect})
    for old in folder.glob("*.zip"):
        if old.name not in {str(c["file"]) for c in cases}:
            old.unlink()
    write(
        "bundle/expected.json",
        {"keys": LOG_KEYS, "bundles": cases, "policies": verification_policy_cases()},
    )
