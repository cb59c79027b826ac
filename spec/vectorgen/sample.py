"""The small log that most vectors are taken from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

from indelible.proof import bundle, commitment, tree
from indelible.proof.checkpoint import Checkpoint
from indelible.proof.claims import received_text
from vectorgen.base import ED, LOG_KEYS, MLDSA, ORIGIN, SALT_KEY, SIGNED_AT, START, compact


class Log:
    """A small log in memory: bodies, salts, entries, leaves."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.salts: list[bytes] = []
        self.entries: list[bytes] = []
        self.leaves: list[bytes] = []

    def add(
        self,
        members: dict[str, object],
        kind: str = "event",
        seq: int = 0,
        retention: int = 0,
        entry_change: dict[str, int] | None = None,
        spoil: Callable[[bytes], bytes] = lambda body: body,
    ) -> int:
        index = len(self.bodies)
        received = START + index * 250_000
        number = 1 if kind in ("event", "unparsed") else 0
        source: dict[str, object] = {"id": "web-1" if number else "ledger", "number": number}
        if seq:
            source |= {"seq": seq, "boot": "b1"}
        whole = members | {"kind": kind, "received": received_text(received), "source": source}
        whole["via"] = {"protocol": "http"}
        if retention:
            whole["retention"] = retention
        body = spoil(compact(whole))
        salt = commitment.salt_of(SALT_KEY, index)
        digest = commitment.commitment(salt, body)
        agreed = commitment.Entry(commitment.KINDS[kind], retention, number, seq, received, digest)
        wrong = entry_change or {}
        entry = commitment.encode_entry(
            wrong.get("kind", agreed.kind),
            wrong.get("retention", agreed.retention),
            wrong.get("source", agreed.source),
            wrong.get("seq", agreed.seq),
            wrong.get("received", agreed.received),
            digest,
        )
        self.bodies.append(body)
        self.salts.append(salt)
        self.entries.append(entry)
        self.leaves.append(commitment.leaf_of(entry))
        return index

    @property
    def size(self) -> int:
        return len(self.entries)

    def get(self, lo: int, hi: int) -> bytes:
        return tree.tree_hash(self.leaves[lo:hi])

    def head(self, size: int | None = None) -> Checkpoint:
        size = self.size if size is None else size
        return Checkpoint(ORIGIN, size, self.get(0, size))

    def items(self, indexes: Iterable[int], hidden: Sequence[int] = ()) -> list[bundle.Item]:
        return [
            (i, self.entries[i], None, None)
            if i in hidden
            else (i, self.entries[i], self.salts[i], self.bodies[i])
            for i in indexes
        ]


def event(actor: str, action: str, target: tuple[str, str], **more: object) -> dict[str, object]:
    return {
        "action": action,
        "actor": {"type": "user", "id": actor},
        "targets": [{"type": target[0], "id": target[1]}],
    } | more


ERASED, PRUNED = 7, (2, 5)
ODD_VIEW, DIFFERS, TWICE, SHORT_ERASE = 21, 40, 41, 22


def sample_log() -> tuple[Log, dict[str, int]]:
    """300 events with records of every kind, some of them deliberately wrong."""
    log = Log()
    at: dict[str, int] = {"source": log.add({"data": {"number": 1, "id": "web-1"}}, kind="source")}

    def fill(until: int) -> None:
        while log.size < until:
            i = log.size
            more: dict[str, object] = {"outcome": ("success", "failure", "denied")[i % 3]}
            if i % 2:
                more["time"] = received_text(START + i * 250_000 - 900_000)
            log.add(event(f"user-{i % 7}", "payroll.view", ("record", f"pr_{i}"), **more), seq=i)

    def record(kind: str, data: dict[str, object]) -> None:
        at[kind] = log.add({"data": data}, kind=kind)

    by = [{"type": "user", "id": "dana"}, {"type": "user", "id": "eli"}]
    fill(20)
    gone = log.entries[ERASED][28:].hex()
    erased = [{"index": ERASED, "commitment": gone}]
    record("erase", {"erased": erased, "reason": "request", "order": "DSR-17", "by": by})
    assert log.add(odd_event()) == ODD_VIEW
    wrong = [{"index": 8, "commitment": gone}]
    assert log.add({"data": {"erased": wrong, "by": by}}, kind="erase") == SHORT_ERASE
    fill(30)
    pruned = {"from": PRUNED[0], "to": PRUNED[1], "root": log.get(PRUNED[0], PRUNED[1] + 1).hex()}
    record("prune", pruned | {"reason": "retention", "by": by, "holds": []})
    data: dict[str, object] = {
        "name": "case-4",
        "state": "placed",
        "reason": "litigation",
        "by": by,
    }
    record("hold", data | {"from": 10, "to": 19})
    record("gap", {"source": 1, "boot": "b1", "first": 400, "last": 402})
    old = {"origin": "log.example/old", "size": 12, "root": sha256(b"old root").hexdigest()}
    record("restore", old | {"kept": 9, "reason": "disk lost", "by": by})
    record("key", {"state": "active", "keys": LOG_KEYS})
    fill(40)
    say = event("mallory", "payroll.change", ("record", "pr_40"))
    assert log.add(say, entry_change={"received": START + DIFFERS * 250_000 - 1}) == DIFFERS
    twice = b',"kind":"event"}'
    assert log.add(say, spoil=lambda body: body[:-1] + twice) == TWICE
    fill(300)
    return log, at


def odd_event() -> dict[str, object]:
    """An event with everything that a readable view must not pass on as it is."""
    return {
        "time": 5,
        "action": "<script>alert('1')</script> & \"more\"",
        "actor": {"id": "eve\u202eexe.\u200bx\n\t\x7f\u2066\ufeff\u0085"},
        "targets": [{"id": "only-an-id \\u0041"}, {"type": "second", "id": "not shown"}],
        "outcome": {"reason": "an object"},
    }


def signed_note(head: Checkpoint, *lines: str) -> bytes:
    text = head.format()
    own = ED.sign(text) + MLDSA.cosign(text, SIGNED_AT)
    return f"{text}\n{own}{''.join(lines)}".encode()
