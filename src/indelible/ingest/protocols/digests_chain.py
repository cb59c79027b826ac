"""A chain of digests: how each joins the ones before and after it, in whatever order they come.

Each digest names the one before it. Most come in order; a first reading of a bucket, a late
notification and a look back bring them in any. So a chain remembers its newest digests (`have`) and
what was said of digests that have not come (`expect`); a join is judged when its second end is
there. Pure.

Digests are hourly, so they are numbered: from 1 with the first that was seen, anew where CloudTrail
itself began a chain anew. The number tells the ledger which are missing.
"""

from __future__ import annotations

import hashlib
from typing import Final, NamedTuple

import msgspec

from indelible.base.clock import MICROS
from indelible.base.limits import DIGEST_LINKS, DIGEST_RUNS, DIGEST_SECONDS
from indelible.ingest.protocols.digests import Digest

PREFIX: Final = "chain/"


class Link(msgspec.Struct, frozen=True, array_like=True):
    """What tells one digest from any other: hashes of its content and of its signature."""

    sha256: str
    signature: str


class Run(msgspec.Struct, frozen=True, array_like=True):
    """Digests from a beginning on: `first_us` is the end of the first one's hour."""

    boot: str
    first_us: int


class Chain(msgspec.Struct, kw_only=True):
    """What is known of one chain. `first_us` to `last_us` were seen, by the ends of their hours.

    `numbered`: its digests bear numbers. `watched`: its newest digest was new when it came, so
    another is due an hour later; `overdue`: that none came is on record. `missing` are keys of
    digests that are not in the bucket, which is on record too. `signed`: a signature of one held.
    """

    name: str
    numbered: bool = False
    watched: bool = False
    first_us: int = 0
    last_us: int = 0
    last_key: str = ""
    overdue: bool = False
    signed: bool = False
    have: dict[str, Link] = {}
    expect: dict[str, Link] = {}
    missing: list[str] = []
    runs: list[Run] = []


class Joined(NamedTuple):
    """How a digest joined its chain.

    `before` speaks of the digest before it: `matches`, `differs`, `begins` (it says itself that
    there is none), `not_seen`, `elsewhere` (it is in another bucket). `altered`: it is not what was
    seen, or named, under its key before. `since_us`: it is the newest, and the newest before it
    ended then (0 for a first one).
    """

    before: str
    altered: bool = False
    since_us: int = 0


def link_of(sha256: bytes, signature: str) -> Link:
    """The link of a digest by its content's hash and its own signature."""
    return Link(sha256.hex(), hashlib.sha256(signature.lower().encode()).hexdigest())


def known(chain: Chain, digest: Digest, link: Link) -> bool:
    """Whether this very digest has joined before, as far as the chain remembers."""
    return chain.have.get(digest.digestS3Object) == link


def join(chain: Chain, digest: Digest, link: Link) -> Joined:
    """Let a digest whose signature was looked at join its chain."""
    key, end = digest.digestS3Object, digest.end_us
    named, seen = chain.expect.pop(key, None), chain.have.get(key)
    altered = any(one is not None and one != link for one in (named, seen))
    newest = end > chain.last_us
    since = chain.last_us if newest else 0
    before = _before(chain, digest)
    chain.have[key] = seen or link
    while len(chain.have) > DIGEST_LINKS:
        del chain.have[next(iter(chain.have))]
    if not chain.runs or (newest and before == "begins"):
        boot = f"cloudtrail-digest/{chain.name}/{digest.digestEndTime}"
        chain.runs = [*chain.runs, Run(boot, end)][-DIGEST_RUNS:]
    chain.first_us = min(chain.first_us or end, end)
    if newest:
        chain.last_us, chain.last_key, chain.overdue = end, key, False
    return Joined(before, altered, since)


def number_of(chain: Chain, end_us: int) -> tuple[str, int]:
    """The run and the number of the digest of an hour; ('', 0) where it has none."""
    for run in reversed(chain.runs if chain.numbered else []):
        if end_us >= run.first_us:
            return run.boot, 1 + round((end_us - run.first_us) / (DIGEST_SECONDS * MICROS))
    return "", 0


def _before(chain: Chain, digest: Digest) -> str:
    key, value = digest.previousDigestS3Object, digest.previousDigestHashValue
    if key is None or value is None:
        return "begins"
    if digest.previousDigestS3Bucket != digest.digestS3Bucket:
        return "elsewhere"
    wanted = link_of(b"", digest.previousDigestSignature or "")
    wanted = Link(value.lower(), wanted.signature)
    found = chain.have.get(key)
    if found is not None:
        return "matches" if found == wanted else "differs"
    chain.expect[key] = wanted
    while len(chain.expect) > DIGEST_LINKS:
        del chain.expect[next(iter(chain.expect))]
    return "not_seen"
