"""What the key of an object says: its day, whether it is CloudTrail's, which digest it is. Pure.

CloudTrail's keys are `PREFIX/AWSLogs/[ORGANISATION/]ACCOUNT/CloudTrail/REGION/YYYY/MM/DD/FILE`, and
the same with `CloudTrail-Digest` (docs.aws.amazon.com/awscloudtrail/latest/userguide, "CloudTrail
log file examples" and "CloudTrail digest file structure").
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, date, datetime
from typing import NamedTuple

from indelible.base.clock import to_us
from indelible.base.limits import NAME_CHARS

_OWNER = r"^(?:.*/)?AWSLogs/(?:o-[a-z0-9]+/)?(?P<account>\d{12})"
_DAYS = r"(?P<region>[a-z0-9-]+)/\d{4}/\d\d/\d\d"
_LOG = re.compile(rf"{_OWNER}/CloudTrail(?!-Digest/)[A-Za-z-]*/{_DAYS}/[^/]+\.json\.gz$")
_DIGEST = re.compile(
    rf"{_OWNER}/CloudTrail-Digest/{_DAYS}/(?P=account)_CloudTrail-Digest_(?P=region)"
    r"_(?P<trail>[^/]+)_(?P<home>[a-z0-9-]+)_(?P<end>\d{8}T\d{6}Z)(?P<late>_backfill)?\.json\.gz$"
)
_DATED = re.compile(
    r"^(?P<root>(?:[^/]+/)*?)(?:"
    r"(?P<y1>(?:year=|y=)?)(?P<y>\d{4})/(?P<m1>(?:month=|m=)?)(?P<m>\d\d)"
    r"/(?P<d1>(?:day=|d=)?)(?P<d>\d\d)"
    r"|(?P<t1>(?:[a-z_]+=)?)(?P<t>\d{4}-\d\d-\d\d)"
    r")/"
)


class Place(NamedTuple):
    """Whose log files these are: digests of a place name them."""

    account: str
    region: str


class DigestKey(NamedTuple):
    """What a digest's key says of it; `end_us` is the end of its hour."""

    place: Place
    chain: str
    end_us: int
    late: bool


def log_place(key: str) -> Place | None:
    """The place of one of CloudTrail's log files; None for any other object."""
    found = _LOG.match(key)
    return Place(found["account"], found["region"]) if found else None


def digest_key(key: str) -> DigestKey | None:
    """What the key of a digest says, or None for any other object.

    `chain` names the chain it is of: account, region, trail and the trail's home; digests that were
    written afterwards (`_backfill`) have a chain of their own.
    """
    found = _DIGEST.match(key)
    if found is None:
        return None
    try:
        end = datetime.strptime(found["end"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
    place = Place(found["account"], found["region"])
    late = bool(found["late"])
    chain = "/".join((*place, found["trail"], found["home"], *(("backfill",) if late else ())))
    return DigestKey(place, chain, to_us(end), late)


def passed_over(key: str, oldest: date) -> str:
    """Where a listing may go on when it meets `key` and needs no folder of a day before `oldest`.

    That is the beginning of the oldest day's folder beside it; '' where the key's folder is of no
    day, or of one that is wanted. Folders are `2026/01/31/`, `2026-01-31/`, and both with names
    before the numbers (`year=2026/month=01/day=31/`, `dt=2026-01-31/`).
    """
    found = _DATED.match(key)
    if found is None:
        return ""
    text = found["t"] or f"{found['y']}-{found['m']}-{found['d']}"
    wanted = oldest.isoformat()
    if text >= wanted:
        return ""
    if found["t"]:
        return f"{found['root']}{found['t1']}{wanted}/"
    year, month, day = wanted.split("-")
    return f"{found['root']}{found['y1']}{year}/{found['m1']}{month}/{found['d1']}{day}/"


def address(bucket: str, key: str) -> str:
    """How people write an object down."""
    return f"s3://{bucket}/{key}"


def message_id(bucket: str, key: str, etag: str, position: int) -> str:
    """The id of a message that has none of its own: the object, its content, and the place in it.

    The ETag is told by listings, notifications and reads alike, and changes when the content does;
    a version is told by some of them only. Where that is no id (long, unprintable) it is hashed.
    """
    name = f"s3/{bucket}/{key}/{etag}"
    if len(name) > NAME_CHARS // 2 or not name.isprintable():
        name = f"s3/{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()}"
    return f"{name}/{position}"
