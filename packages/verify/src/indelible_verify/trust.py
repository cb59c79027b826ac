"""What the verifier brings along, and judging a checkpoint's signatures by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from indelible_verify.checkpoint import Authenticated, Checkpoint, parse_checkpoint
from indelible_verify.errors import NoteInvalid, Refused, UsageProblem
from indelible_verify.note import ED25519, MLDSA44, Key, verify_note
from indelible_verify.verdict import Report, Verdict
from indelible_verify.verification_policy import Accept, VerificationPolicy

AHEAD_SECONDS: Final = 300
"""How far ahead of the verifier's clock a signature may be and still count as fresh."""


@dataclass(frozen=True, slots=True)
class Trust:
    """Log keys, verification policy, an older checkpoint held, and the verifier's time (seconds).

    Nothing here ever comes from the material that is verified.
    """

    keys: tuple[Key, ...]
    now: int
    demands: VerificationPolicy = field(default_factory=VerificationPolicy)
    against: Checkpoint | None = None

    @property
    def witness_keys(self) -> tuple[Key, ...]:
        """Keys of the witnesses the verification policy names."""
        return self.demands.witness_keys

    def signed(self, report: Report) -> bool:
        """Tell whether every given log key was found to have signed, as far as is reported."""
        unsigned = (Verdict.NOT_SIGNED, Verdict.SIGNATURE_STRIPPED)
        return not any(problem.verdict in unsigned for problem in report.problems)

    @property
    def accept(self) -> Accept:
        """What the verification policy accepts."""
        return self.demands.accept


def make_trust(
    keys: Sequence[Key],
    *,
    now: int,
    verification_policy: VerificationPolicy | None = None,
    against: bytes | None = None,
) -> Trust:
    """Gather what the verifier gave; raises UsageProblem when the log keys do not fit together.

    Keys given and keys of the verification policy are all required. Raises Refused when the older
    checkpoint is not one signed by a given key.
    """
    chosen = verification_policy or VerificationPolicy()
    wanted = tuple(dict.fromkeys([*keys, *chosen.keys]))
    if not wanted:
        raise UsageProblem("no log key was given: a log cannot vouch for itself")
    for key in wanted:
        if key.type not in (ED25519, MLDSA44):
            raise UsageProblem(f"{key.label} is a witness key, not a log key")
    if len({key.name for key in wanted}) > 1:
        raise UsageProblem("the log keys bear the names of different logs")
    held = None if against is None else _held(against, wanted)
    return Trust(wanted, now, chosen, held)


def _held(data: bytes, keys: Sequence[Key]) -> Checkpoint:
    try:
        checkpoint = parse_checkpoint(data)
        signed = verify_note(checkpoint.note, keys)
    except NoteInvalid as error:
        raise Refused(f"the checkpoint held: {error}") from None
    if not any(line.valid for line in signed) or checkpoint.origin != keys[0].name:
        raise Refused("the checkpoint held is not signed by a given key: it shows nothing")
    return checkpoint


def judge_signatures(report: Report, found: Authenticated, trust: Trust) -> None:
    """Add what the checkpoint's log lines and cosignatures prove, and what they do not."""
    report.problems.extend(found.problems)
    if not found.problems:
        names = ", ".join(line.key.label for line in found.log)
        report.proved.append(f"the checkpoint of size {found.checkpoint.size} is signed by {names}")
    times = [s.timestamp for s in (*found.log, *found.witnesses) if s.timestamp]
    newest = max(times, default=None)
    if newest is not None:
        report.proved.append(f"the newest signature says {spell_time(newest)}")
    limit = trust.demands.max_age
    if limit is not None and not _fresh(newest, trust.now, limit):
        when = "bears no time" if newest is None else f"says {spell_time(newest)}"
        text = f"the newest signature {when}; the verification policy allows {limit} s"
        report.add(Verdict.STALE, text)
    if limit is None:
        report.not_proved.append(
            "that this checkpoint is the newest: no age was demanded (verification policy, max_age)"
        )
    _judge_witnesses(report, found, trust, newest)


def _judge_witnesses(
    report: Report, found: Authenticated, trust: Trust, newest: int | None
) -> None:
    """What witnesses say of this size: they cosign the whole log up to it, or none of it here."""
    size = found.checkpoint.size
    if not trust.witness_keys:
        report.not_proved.append(
            "no witness key was given: that everybody sees this same log; a fork, or a rollback"
            " of what came after this checkpoint, would not show"
        )
        return
    demands = trust.demands
    valid = [s for s in found.witnesses if s.valid]
    names = {s.key.name for s in valid}
    limit = demands.witness_max_age
    fresh = {s.key.name for s in valid if limit is None or _fresh(s.timestamp, trust.now, limit)}
    if len(names) < demands.quorum:
        text = (
            f"{len(names)} of the named witnesses cosigned this checkpoint,"
            f" the verification policy asks for {demands.quorum}"
        )
        report.add(Verdict.UNWITNESSED, text)
    elif len(fresh) < demands.quorum:
        text = f"cosignatures are older than the {limit} s that the verification policy allows"
        report.add(Verdict.STALE, text)
    if names:
        last = max((s.timestamp or 0 for s in valid), default=0)
        age = f", last {max(0, trust.now - last)} s ago" if last else ""
        report.proved.append(
            f"cosigned by {', '.join(sorted(names))}{age}: no entry of the {size} is unwitnessed"
        )
    else:
        age = "" if newest is None else f", the newest signature is {trust.now - newest} s old"
        report.not_proved.append(
            f"unwitnessed: no named witness cosigned this size of {size} entries{age}"
        )


def _fresh(timestamp: int | None, now: int, limit: int) -> bool:
    return timestamp is not None and now - limit <= timestamp <= now + AHEAD_SECONDS


def spell_time(timestamp: int) -> str:
    """Seconds since 1970 as RFC 3339, or as a number beyond the year 9999."""
    try:
        return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return f"{timestamp} s after 1970"
