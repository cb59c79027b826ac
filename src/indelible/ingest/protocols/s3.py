"""Objects in an S3 bucket as a source: CloudTrail's log files with their digests, and any others.

New objects are found by listing, or told by a queue (`s3_listing`, `s3_queue`). Each is read into
the ledger whole before it is done with (`s3_work`); digests are checked against what was read
(`digests_work`).
"""

from __future__ import annotations

import asyncio

from indelible.ingest.protocols.digests_keys import PublicKeys
from indelible.ingest.protocols.digests_work import Digests
from indelible.ingest.protocols.hub import Configured, Hub
from indelible.ingest.protocols.s3_aws import BotoBucket, BotoQueue
from indelible.ingest.protocols.s3_boto import Account
from indelible.ingest.protocols.s3_listing import Listing
from indelible.ingest.protocols.s3_options import login_of, options_of
from indelible.ingest.protocols.s3_queue import Notified
from indelible.ingest.protocols.s3_store import Bucket, Queue
from indelible.ingest.protocols.s3_work import Work, first_of


async def collect(hub: Hub, configured: Configured) -> None:
    """Read the objects of a source until cancelled.

    Raises `BadRequest` when its options, its secret or its file of keys cannot work, `Unreachable`
    when bucket or queue do not answer, `LedgerStopped` when the ledger takes nothing more.
    """
    options = options_of(configured.settings.options)
    account = await asyncio.to_thread(Account, options, login_of(configured.secret))
    queue = BotoQueue(account, options) if options.queue else None
    asks = None if options.endpoint else account.public_keys  # only AWS itself has CloudTrail
    keys = await asyncio.to_thread(PublicKeys, options.keys, asks)
    await collecting(hub, configured, BotoBucket(account, options), queue, keys)


async def collecting(
    hub: Hub, configured: Configured, bucket: Bucket, queue: Queue | None, keys: PublicKeys
) -> None:
    """`collect` with a given bucket, queue and keys."""
    options = options_of(configured.settings.options)
    work = Work(hub, configured, options, bucket)
    digests = Digests(work, keys, configured.positions)
    listing = Listing(work, digests, configured.positions, looks=queue is None)
    try:
        if queue is None:
            await listing.forever()
            return
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(Notified(work, digests, queue).forever())
            if options.since_us is not None:
                tasks.create_task(listing.forever())
    except ExceptionGroup as group:
        raise first_of(group) from group
    finally:
        work.close()

