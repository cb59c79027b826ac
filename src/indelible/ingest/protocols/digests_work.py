"""Digests checked as they come: each joins its chain, and is compared with what was read.

A log file that a digest names and that was not read yet is read now: so a notification that was
lost costs nothing. A digest before the newest that is not there is fetched; what cannot be found is
told. Only a digest whose signature holds (or cannot be checked) is believed anything.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import Mapping
from typing import Final

import msgspec

from indelible.base.clock import MICROS
from indelible.base.errors import BadRequest
from indelible.base.limits import (
    BOOTS,
    DIGEST_BYTES,
    DIGEST_CHAINS,
    DIGEST_LATE_SECONDS,
    DIGEST_LINKS,
    DIGEST_SECONDS,
    DIGEST_STEPS,
    DIGEST_UNNAMED_SECONDS,
)
from indelible.ingest.protocols import digests_records as records
from indelible.ingest.protocols.digests import (
    ALGORITHM,
    NotADigest,
    read_digest,
    signature_holds,
)
from indelible.ingest.protocols.digests_chain import (
    PREFIX,
    Chain,
    join,
    known,
    link_of,
    number_of,
)
from indelible.ingest.protocols.digests_files import compared
from indelible.ingest.protocols.digests_keys import ForeignKey, PublicKeys
from indelible.ingest.protocols.digests_records import Checked, Found
from indelible.ingest.protocols.s3_keys import Place, address, digest_key, log_place
from indelible.ingest.protocols.s3_memory import NAMED, TOLD, Read
from indelible.ingest.protocols.s3_reading import Content
from indelible.ingest.protocols.s3_records import UNNUMBERED, Number
from indelible.ingest.protocols.s3_store import Gone, Object, Opened, Withheld
from indelible.ingest.protocols.s3_work import Work

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Chain).decode
_HOUR_US = DIGEST_SECONDS * MICROS
_FALSE: Final = ("invalid", "foreign", "absent")
"""What a signature can be under which nothing is believed."""


class Digests:
    """The chains of one source. One digest at a time."""

    def __init__(self, work: Work, keys: PublicKeys, positions: Mapping[str, bytes]) -> None:
        self._work, self._keys = work, keys
        self._bucket = work.options.bucket
        self._prefix = work.options.prefix
        self._lock = asyncio.Lock()
        self._chains = {
            chain.name: chain
            for name, value in positions.items() if name.startswith(PREFIX)
            for chain in [_decode(value)]
        }

    async def take(self, what: Object) -> None:
        """Check a digest, and everything between it and the newest before it.

        Raises `Gone`, `Withheld`, `Unreachable`.
        """
        async with self._lock:
            found = await self._fetch(what)
            if found is not None:
                await self._judge(found, fill=True)

    # --- one digest

    async def _fetch(self, what: Object) -> Found | None:
        """The digest under a key; None, and that is told, where it is none."""
        named = digest_key(what.key)
        assert named is not None, what.key
        opened = await self._work.open(what)
        try:
            content = await self._work.run(_content, opened, address(self._bucket, what.key))
            digest = read_digest(content)
        except (BadRequest, NotADigest) as error:
            etag = opened.object.etag
            await self._work.tell(
                records.unreadable(self._bucket, what.key, named, str(error), etag)
            )
            self._remember(what.key, etag, opened.object.modified_us, b"")
            return None
        finally:
            opened.close()
        metadata = {name.lower(): value for name, value in opened.metadata.items()}
        signature = metadata.get("signature", "")
        if metadata.get("signature-algorithm", ALGORITHM) != ALGORITHM:
            signature = ""
        return Found(
            self._bucket, what.key, opened.object.etag, opened.object.modified_us, named, digest,
            content, hashlib.sha256(content).hexdigest(), signature,
        )

    def _remember(self, key: str, etag: str, modified_us: int, sha256: bytes) -> None:
        self._work.memory.add(Read(key, etag, modified_us, sha256, False, NAMED))

    async def _judge(self, found: Found, *, fill: bool) -> None:
        """Check a digest and put on record what came of it."""
        signature, moved = await self._signature(found), _moved(found)
        future = signature != "valid" and found.digest.end_us > self._work.now_us() + _HOUR_US
        if signature in _FALSE or moved or future:
            checked = Checked(signature, moved, future)
            await self._work.tell(records.verified(found, checked, UNNUMBERED))
        else:
            await self._believe(found, signature, fill)
        sha256 = bytes.fromhex(found.sha256)
        self._remember(found.key, found.etag, found.modified_us, sha256)

    async def _believe(self, found: Found, signature: str, fill: bool) -> None:
        """Let a digest join its chain, and look at the log files that it names."""
        digest, chain = found.digest, self._chain(found.named.chain)
        chain.signed = chain.signed or signature == "valid"
        link = link_of(bytes.fromhex(found.sha256), found.signature)
        if known(chain, digest, link):
            return
        if fill and chain.last_us and digest.end_us > chain.last_us:
            await self._fill(chain, found)
        joined = join(chain, digest, link)
        if joined.since_us or chain.last_key == found.key:
            chain.watched = self._work.now_us() - digest.end_us < DIGEST_UNNAMED_SECONDS * MICROS
        files = await compared(self._work, digest.logFiles)
        number = UNNUMBERED if found.named.late else Number(*number_of(chain, digest.end_us))
        checked = Checked(
            signature, False, False, joined.altered, joined.before, joined.since_us, files
        )
        await self._work.tell(records.verified(found, checked, number))
        self._changed(chain)

    async def _signature(self, found: Found) -> str:
        digest = found.digest
        if not found.signature or digest.digestSignatureAlgorithm != ALGORITHM:
            return "absent"
        try:
            key = await self._work.run(
                self._keys.get, digest.digestPublicKeyFingerprint, found.named.place.region,
                digest.start_us, digest.end_us,
            )
        except ForeignKey:
            return "foreign"
        if key is None:
            chain = self._chains.get(found.named.chain)
            return "lost" if chain is not None and chain.signed else "unchecked"
        holds = signature_holds(key, digest, found.content, found.signature)
        return "valid" if holds else "invalid"

    # --- chains

    def _chain(self, name: str) -> Chain:
        found = self._chains.get(name)
        if found is None:
            found = Chain(name=name)
            if len(self._chains) < DIGEST_CHAINS:
                numbered = sum(1 for one in self._chains.values() if one.numbered)
                found.numbered = numbered < BOOTS and not name.endswith("/backfill")
                self._chains[name] = found
        return found

    def _changed(self, chain: Chain) -> None:
        if chain.name in self._chains:
            self._work.changed[f"{PREFIX}{chain.name}"] = _encode(chain)

    async def _fill(self, chain: Chain, newest: Found) -> None:
        """Check what lies between the newest digest so far and this one, the oldest first."""
        between: list[Found] = []
        one = newest
        while len(between) < DIGEST_STEPS and one.digest.start_us > chain.last_us:
            key = one.digest.previousDigestS3Object
            if key is None or key in chain.have or digest_key(key) is None or not self._ours(
                one.digest.previousDigestS3Bucket or "", key
            ):
                break
            try:
                before = await self._fetch(Object(key))
            except Gone:
                await self._missing(chain, key, one.digest.start_us)
                break
            except Withheld as error:
                await self._unreadable(chain, key, error)
                break
            if before is None or before.digest.end_us >= one.digest.end_us:
                break
            between.append(before)
            if _moved(before) or await self._signature(before) in _FALSE:
                break
            one = before
        for found in reversed(between):
            await self._judge(found, fill=False)

    async def _missing(self, chain: Chain, key: str, until_us: int) -> None:
        since = chain.last_us if chain.last_us < until_us else until_us - _HOUR_US
        hours = max(1, round((until_us - since) / _HOUR_US))
        await self._work.tell(records.missing(
            self._bucket, key, digest_key(key), chain.name, (since, until_us), hours
        ))
        self._told(chain, key)

    async def _unreadable(self, chain: Chain, key: str, error: Withheld) -> None:
        named = digest_key(key)
        if named is not None:
            await self._work.tell(records.unreadable(self._bucket, key, named, str(error), ""))
        self._told(chain, key)

    def _told(self, chain: Chain, key: str) -> None:
        """A digest is not there, and that is on record: it is not looked for any more."""
        chain.missing = [*chain.missing, key][-DIGEST_LINKS:]
        self._changed(chain)

    async def look(self) -> None:
        """Tell what is overdue, and log files that no digest named."""
        async with self._lock:
            now = self._work.now_us()
            for chain in list(self._chains.values()):
                due = chain.last_us + _HOUR_US + DIGEST_LATE_SECONDS * MICROS
                if not chain.watched or chain.overdue or now < due:
                    continue
                if not chain.name.endswith("/backfill"):
                    await self._work.tell(records.overdue(
                        self._bucket, chain.last_key, chain.name, chain.last_us
                    ))
                chain.overdue = True
                self._changed(chain)
            await self._unnamed(now)

    async def _unnamed(self, now: int) -> None:
        covered: dict[Place, list[Chain]] = defaultdict(list)
        for chain in self._chains.values():
            account, region = chain.name.split("/")[:2]
            covered[Place(account, region)].append(chain)
        found: dict[Place, list[Read]] = defaultdict(list)
        for read in self._work.memory.unnamed(now - DIGEST_UNNAMED_SECONDS * MICROS):
            place = log_place(read.key)
            if place is not None and any(
                one.first_us <= read.modified_us <= one.last_us - _HOUR_US
                for one in covered[place]
            ):
                found[place].append(read)
        for place, reads in found.items():
            keys = sorted({read.key for read in reads})
            await self._work.tell(records.unnamed(self._bucket, place, keys))
            for read in reads:
                self._work.memory.mark(read, TOLD)

    async def probe(self, since_us: int) -> None:
        """After everything was listed: digests that were named and did not come are looked for."""
        async with self._lock:
            for chain in list(self._chains.values()):
                for key in [one for one in chain.expect if one not in chain.missing]:
                    named = digest_key(key)
                    if named is None or named.end_us < since_us or not self._ours(
                        self._bucket, key
                    ):
                        continue
                    try:
                        found = await self._fetch(Object(key))
                    except Gone:
                        await self._missing(chain, key, named.end_us)
                        continue
                    except Withheld as error:
                        await self._unreadable(chain, key, error)
                        continue
                    if found is not None:
                        await self._judge(found, fill=False)

    def _ours(self, bucket: str, key: str) -> bool:
        return bucket == self._bucket and key.startswith(self._prefix)


def _moved(found: Found) -> bool:
    """Whether a digest was written for another place than the one where it was found."""
    digest = found.digest
    return (digest.digestS3Bucket, digest.digestS3Object) != (found.bucket, found.key)


def _content(opened: Opened, name: str) -> bytes:
    """A digest, unpacked; raises `BadRequest` when it is damaged or larger than any."""
    content = Content(opened, name, DIGEST_BYTES)
    parts: list[bytes] = []
    while part := content.read():
        parts.append(part)
    return b"".join(parts)
