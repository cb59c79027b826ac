"""The log files that a digest names, compared with what was read of them."""

from __future__ import annotations

from indelible.base.limits import S3_AT_ONCE
from indelible.ingest.protocols.digests import LogFile
from indelible.ingest.protocols.digests_records import LogFiles
from indelible.ingest.protocols.s3_keys import address
from indelible.ingest.protocols.s3_memory import ALTERED, NAMED
from indelible.ingest.protocols.s3_store import Gone, Object, Withheld
from indelible.ingest.protocols.s3_work import Work, together


async def compared(work: Work, named: list[LogFile]) -> LogFiles:
    """What became of each log file that a digest names, after those that were not read are."""
    files = LogFiles(named=len(named))
    for start in range(0, len(named), S3_AT_ONCE):
        some = named[start : start + S3_AT_ONCE]
        await together(_one(work, one, files) for one in some)
    for paths in (files.altered, files.missing, files.unreadable, files.elsewhere):
        paths.sort()
    return files


async def _one(work: Work, named: LogFile, files: LogFiles) -> None:
    key = named.s3Object
    options = work.options
    if named.s3Bucket != options.bucket or not key.startswith(options.prefix):
        files.elsewhere.append(address(named.s3Bucket, key))
        return
    reads = work.memory.of(key)
    if not reads:
        try:
            reads = [await work.read(Object(key))]
        except Gone:
            files.missing.append(key)
            return
        except Withheld:
            files.unreadable.append(key)
            return
    right = named.hashValue.lower()
    for read in reads:
        work.memory.mark(read, NAMED if read.sha256.hex() == right else ALTERED)
    if all(read.sha256.hex() == right for read in reads):
        files.matching += 1
    else:
        files.altered.append(key)
