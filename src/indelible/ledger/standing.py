"""What a folder's data amount to: tree, size and root, found without writer, lock or register.

Backup, restore and `register rebuild` ask this before they change anything. It reads what `Ledger`
reads at its start (stored tile hashes, then the journal), compares with nothing, and changes
nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from indelible.base.errors import Damaged
from indelible.ledger.journal import JournalReader, TornTail, journal_files
from indelible.ledger.kernel import SaltStream, head_of, leaves_of
from indelible.ledger.paths import LedgerPaths
from indelible.ledger.publish import LogKeys
from indelible.ledger.reader import LedgerReader
from indelible.ledger.tree_state import LogTree
from indelible.proof.checkpoint import Checkpoint, parse_head
from indelible.proof.errors import ProofError
from indelible.proof.note import check, parse
from indelible.store.keyring import Keyring
from indelible.store.manifest import Manifest


class Standing:
    """The tree over everything whole in a folder. `torn` names a torn tail that is not in it."""

    def __init__(
        self, paths: LedgerPaths, origin: str, keyring: Keyring,
        reached: Callable[[int], None] = lambda _size: None,
    ) -> None:
        """Raises `Damaged` when the data have a hole or cannot be read.

        `reached` hears of the size that the tree has while it grows.
        """
        self._manifest = existing_manifest(paths)
        try:
            self.reader = LedgerReader(paths, origin, keyring, self._manifest)
            self.tree = LogTree(self.reader.tile_leaves)
            self.tree.load(paths.tiles, self.reader.sealed_end)
            reached(self.tree.size)
            self.torn = read_journals(paths, origin, keyring, self.tree, reached)
        except BaseException:
            self._manifest.close()
            raise

    @property
    def size(self) -> int:
        """How many events there are."""
        return self.tree.size

    def holds(self, size: int, root: bytes) -> bool:
        """Whether the first `size` events are there and have this root."""
        return size <= self.tree.size and self.tree.root(size) == root

    def close(self) -> None:
        """Close the files."""
        self.reader.close()
        self._manifest.close()


def existing_manifest(paths: LedgerPaths) -> Manifest:
    """The manifest of a folder; raises `Damaged` when it is not there (it is never made empty)."""
    if not paths.manifest.is_file() or not paths.manifest.stat().st_size:
        raise Damaged(
            f"there is no manifest at {paths.manifest}",
            remedy="Run `indelible reindex --data DIR`: it is made again from the evidence files.",
        )
    return Manifest(paths.manifest)


def read_journals(
    paths: LedgerPaths, origin: str, keyring: Keyring, tree: LogTree,
    reached: Callable[[int], None] = lambda _size: None,
) -> str | None:
    """Append the leaves of the journal to `tree`, which stands at the sealed size.

    Returns what is said of a torn tail: an incomplete end of the newest file. Raises `Damaged` for
    anything else that does not read.
    """
    files = journal_files(paths.journal)
    for position, path in enumerate(files):
        newest = position == len(files) - 1
        if newest and _headless(path):
            return f"{path.name} has no whole header"
        journal = JournalReader(path, origin, keyring)
        try:
            if journal.header.first > tree.size:
                raise Damaged(
                    f"indexes {tree.size}..{journal.header.first - 1} are missing:"
                    " no journal file holds them"
                )
            _append(journal, keyring, tree, reached)
        except TornTail as torn:
            if not newest or journal.whole_record_after(torn.offset):
                raise
            return torn.message
        finally:
            journal.close()
    return None


def _headless(path: Path) -> bool:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(2), "big")
        return len(file.read(length)) < length or length == 0


def _append(
    journal: JournalReader, keyring: Keyring, tree: LogTree, reached: Callable[[int], None]
) -> None:
    salts = SaltStream(keyring.get(journal.header.salt_key))
    for batch in journal.read():
        skip = max(0, tree.size - batch.first)
        bodies = batch.bodies[skip:]
        if bodies:
            heads = [head_of(body) for body in bodies]
            tree.append(leaves_of(bodies, heads, salts.salts(tree.size, len(bodies))))
            reached(tree.size)


def log_signed(content: bytes, origin: str, keyring: Keyring, where: str) -> Checkpoint:
    """The head of a checkpoint that the log itself signed, with a full pair of its keys.

    A checkpoint from before a rotation of the keys counts too. Raises `Damaged` otherwise.
    """
    try:
        head, _ = parse_head(parse(content).text)
        keys = LogKeys(origin, keyring).verifier_keys()
        valid = {result.key.kind for result in check(content, keys) if result.valid}
    except ProofError as error:
        raise Damaged(f"{where}: {error.message}") from error
    if head.origin != origin:
        raise Damaged(f"{where}: a checkpoint of the log {head.origin!r}, not of {origin!r}")
    if valid != {key.kind for key in keys}:
        raise Damaged(f"{where}: not signed by both keys of this log")
    return head
