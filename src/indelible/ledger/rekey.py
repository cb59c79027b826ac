"""A journal file written again under a key of its own, up to a size: for backup and restore.

A ledger destroys the data key of a journal file once its events are sealed. A byte copy of the file
would then be unreadable, so a backup holds the same records under a fresh key that no ledger
destroys at a seal. Bodies, id marks, first index and salt key stay as they are: so do the leaves.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from indelible.base.errors import IndelibleError
from indelible.base.limits import BATCH_BYTES, BATCH_EVENTS
from indelible.base.random import random_id
from indelible.ledger.journal import MARK, JournalReader, JournalWriter, NewJournal
from indelible.store.keyring import Keyring

BACKUP = "backup"
"""The purpose of the data key of a backup's journal file."""


def rekey_journal(
    source: Path, folder: Path, origin: str, keyring: Keyring, *, end: int, purpose: str
) -> str | None:
    """Write the events of `source` below `end` into a new journal file in `folder`, durably.

    Returns the new file's id; None when there are none, and then there is no file. Raises what
    reading raises; then no file stays and the key is destroyed.
    """
    reader = JournalReader(source, origin, keyring)
    try:
        if reader.header.first >= end:
            return None
        file_id, salt_key = random_id(), keyring.get(reader.header.salt_key)
        key_id, key = keyring.new_key(purpose, file_id)
        keys = NewJournal(file_id, key_id, key, reader.header.salt_key, salt_key)
        writer = JournalWriter(folder, origin, reader.header.first, keys)
        try:
            _copy(reader, writer, end)
            writer.close()
            if writer.next > writer.first:
                return file_id
        except BaseException:
            with suppress(IndelibleError, OSError):
                writer.close()
            writer.path.unlink(missing_ok=True)
            keyring.destroy(purpose, [file_id])
            raise
        writer.path.unlink()
        keyring.destroy(purpose, [file_id])
        return None
    finally:
        reader.close()


def _copy(reader: JournalReader, writer: JournalWriter, end: int) -> None:
    bodies: list[bytes] = []
    marks: list[bytes] = []
    held = 0
    for batch in reader.read():
        count = min(len(batch.bodies), end - batch.first)
        size = sum(map(len, batch.bodies[:count]))
        if bodies and (held + size > BATCH_BYTES or len(bodies) + count > BATCH_EVENTS):
            writer.append(bodies, b"".join(marks))
            bodies, marks, held = [], [], 0
        bodies += batch.bodies[:count]
        marks.append(batch.marks[: count * MARK])
        held += size
        if reader.next >= end:
            break
    if bodies:
        writer.append(bodies, b"".join(marks))
