"""What came of checking a digest, as events: `cloudtrail.digest.verify` and its siblings. Pure.

A digest that holds, whose chain holds, and whose log files are what was read of them, is a success;
one that disagrees with any of it is a failure, and says with what. Where it cannot be judged (no
public key, a chain that CloudTrail began anew) the outcome is unknown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import msgspec

from indelible.base.clock import rfc3339
from indelible.base.limits import DIGEST_RAW_BYTES, DIGEST_SHOWN, NAME_CHARS
from indelible.event.model import Outcome, Severity, Target
from indelible.ingest.parsed import Parsed
from indelible.ingest.protocols.digests import Digest
from indelible.ingest.protocols.s3_keys import DigestKey, Place, address
from indelible.ingest.protocols.s3_records import Number, object_target, record

_TEXTS: Final[Mapping[str, tuple[Severity, str]]] = MappingProxyType(
    {
        "signature_invalid": (Severity.CRITICAL, "its signature is not one of this digest"),
        "key_foreign": (Severity.CRITICAL, "CloudTrail has no key of that fingerprint: somebody"
                                           " else signed it"),
        "digest_future": (Severity.CRITICAL, "it speaks of a time that is still to come"),
        "digest_moved": (Severity.CRITICAL, "it was written for another place"),
        "digest_altered": (Severity.CRITICAL, "it is not the digest that was seen, or named by the"
                                              " next one, under this key"),
        "chain_broken": (Severity.CRITICAL, "the digest before it is not the one that it names"),
        "log_file_altered": (Severity.CRITICAL, "log files are not what CloudTrail delivered"),
        "log_file_missing": (Severity.HIGH, "log files that it names are not in the bucket"),
        "log_file_unreadable": (Severity.HIGH, "log files that it names cannot be read"),
        "signature_absent": (Severity.HIGH, "it has no signature"),
        "key_lost": (Severity.HIGH, "no public key is at hand to check its signature with, as there"
                                    " was for digests before it"),
        "chain_restarted": (Severity.MEDIUM, "CloudTrail began its chain anew: nothing vouches for"
                                             " the time between"),
        "key_unknown": (Severity.MEDIUM, "no public key is at hand to check its signature with"),
        "chain_elsewhere": (Severity.MEDIUM, "the digest before it is in another bucket"),
        "log_file_elsewhere": (Severity.MEDIUM, "log files that it names are in another bucket, or"
                                                " outside the source's prefix"),
    }
)
"""What can be wrong with a digest, the gravest first."""
_UNKNOWN: Final = frozenset(
    ("key_lost", "chain_restarted", "key_unknown", "chain_elsewhere", "log_file_elsewhere")
)


class LogFiles(msgspec.Struct):
    """What became of the log files that a digest names: how many, and which of them not right."""

    named: int = 0
    matching: int = 0
    altered: list[str] = []
    missing: list[str] = []
    unreadable: list[str] = []
    elsewhere: list[str] = []


class Checked(NamedTuple):
    """All that was found of one digest. `since_us` is where its chain stood before, 0 for nowhere.

    `signature`: `valid`, `invalid`, `foreign` (of a key that is not CloudTrail's), `absent`,
    `unchecked` (no key is at hand), `lost` (nor is there one, as there was before). `before` is
    that of `digests_chain`, or `unchecked` where the digest itself is not to be trusted.
    """

    signature: str
    moved: bool = False
    future: bool = False
    altered: bool = False
    before: str = "unchecked"
    since_us: int = 0
    files: LogFiles = LogFiles()

    @property
    def codes(self) -> list[str]:
        """What is wrong, the gravest first."""
        files = self.files
        wrong = {
            "signature_invalid": self.signature == "invalid",
            "signature_absent": self.signature == "absent",
            "key_foreign": self.signature == "foreign",
            "key_unknown": self.signature == "unchecked",
            "key_lost": self.signature == "lost",
            "digest_future": self.future,
            "digest_moved": self.moved,
            "digest_altered": self.altered,
            "chain_broken": self.before == "differs",
            "chain_restarted": self.before == "begins" and self.since_us > 0,
            "chain_elsewhere": self.before == "elsewhere",
            "log_file_altered": bool(files.altered),
            "log_file_missing": bool(files.missing),
            "log_file_unreadable": bool(files.unreadable),
            "log_file_elsewhere": bool(files.elsewhere),
        }
        return [code for code in _TEXTS if wrong[code]]


class Found(NamedTuple):
    """A digest as it was found in the bucket."""

    bucket: str
    key: str
    etag: str
    modified_us: int
    named: DigestKey
    digest: Digest
    content: bytes
    sha256: str
    signature: str


def verified(found: Found, checked: Checked, number: Number) -> Parsed:
    """A digest was checked. It is kept whole in the event, unless it is very long."""
    codes, digest, files = checked.codes, found.digest, checked.files
    texts = [_TEXTS[code][1] for code in codes]
    outcome = Outcome.SUCCESS
    if codes:
        outcome = Outcome.UNKNOWN if _UNKNOWN.issuperset(codes) else Outcome.FAILURE
    data: dict[str, Any] = {
        "start": digest.digestStartTime,
        "end": digest.digestEndTime,
        "sha256": found.sha256,
        "signature": checked.signature,
        "signature_value": found.signature[: 2 * NAME_CHARS],
        "fingerprint": digest.digestPublicKeyFingerprint,
        "before": checked.before,
        "findings": codes,
        "log_files": {
            name: value if isinstance(value, int) else len(value)
            for name, value in msgspec.structs.asdict(files).items()
        },
        "altered": _shown(found.bucket, files.altered),
        "missing": _shown(found.bucket, files.missing),
        "unreadable": _shown(found.bucket, files.unreadable),
        "elsewhere": files.elsewhere[:DIGEST_SHOWN],
        "chain_stood_at": rfc3339(checked.since_us) if "chain_restarted" in codes else "",
    }
    wrong = (files.altered + files.missing + files.unreadable)[:DIGEST_SHOWN]
    whole = len(found.content) <= DIGEST_RAW_BYTES
    return record(
        "cloudtrail.digest.verify", outcome, _TEXTS[codes[0]][0] if codes else Severity.INFO,
        [_target(found.bucket, found.key, found.named),
         *(object_target(found.bucket, key) for key in wrong)],
        code=codes[0] if codes else "", text="; ".join(texts), data=data,
        labels=_labels(found.named.place),
        raw=found.content.decode("utf-8", "replace") if whole else "", number=number,
    )


def unreadable(bucket: str, key: str, named: DigestKey, why: str, etag: str) -> Parsed:
    """What lies under a digest's key is none."""
    return record(
        "cloudtrail.digest.verify", Outcome.FAILURE, Severity.HIGH, [_target(bucket, key, named)],
        code="digest_unreadable", text=f"it cannot be read as a digest: {why}", data={"etag": etag},
        labels=_labels(named.place),
    )


def missing(
    bucket: str, key: str, named: DigestKey | None, name: str, times: tuple[int, int], hours: int
) -> Parsed:
    """A digest that others vouch for is not in the bucket; `hours` of them, between `times`."""
    since = rfc3339(times[0]) if times[0] else ""
    return record(
        "cloudtrail.digest.verify", Outcome.FAILURE, Severity.HIGH, [_target(bucket, key, named)],
        code="digest_missing", text="the digest after it names it, and it is not in the bucket",
        data={"chain": name, "from": since, "until": rfc3339(times[1]), "digests": hours},
        labels=_labels(named.place) if named else None,
    )


def overdue(bucket: str, key: str, name: str, last_us: int) -> Parsed:
    """Hours passed and no digest came after this one."""
    named = name.split("/")
    return record(
        "cloudtrail.digest.verify", Outcome.FAILURE, Severity.HIGH, [_target(bucket, key, None)],
        code="digest_overdue", text="no digest came after this one: validation or the trail was"
        " turned off, or digests are kept from us", data={"chain": name, "last": rfc3339(last_us)},
        labels=_labels(Place(named[0], named[1])) if len(named) > 1 else None,
    )


def unnamed(bucket: str, place: Place, keys: Sequence[str]) -> Parsed:
    """Log files that no digest names, though digests of their place and time came."""
    return record(
        "cloudtrail.log_file.verify", Outcome.FAILURE, Severity.HIGH,
        [object_target(bucket, key) for key in keys[:DIGEST_SHOWN]],
        code="log_file_unnamed", text="no digest names them: CloudTrail did not write them, or did"
        " so for a trail without validation", data={"log_files": len(keys)}, labels=_labels(place),
    )


def altered_since(bucket: str, place: Place, key: str, before: bytes, now: bytes) -> Parsed:
    """A log file was written over after a digest had vouched for it."""
    return record(
        "cloudtrail.log_file.verify", Outcome.FAILURE, Severity.CRITICAL,
        [object_target(bucket, key)], code="log_file_altered",
        text="it was written over after its digest had vouched for it",
        data={"sha256": now.hex(), "sha256_before": before.hex()}, labels=_labels(place),
    )


def _target(bucket: str, key: str, named: DigestKey | None) -> Target:
    target = object_target(bucket, key, "cloudtrail_digest")
    return msgspec.structs.replace(target, parent=named.chain) if named is not None else target


def _shown(bucket: str, keys: Sequence[str]) -> list[str]:
    return [address(bucket, key) for key in keys[:DIGEST_SHOWN]]


def _labels(place: Place) -> dict[str, str]:
    return {"account": place.account, "region": place.region}
