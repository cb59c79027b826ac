"""Where a ledger's files lie inside the data folder. Names never hold an equals sign."""

from __future__ import annotations

from pathlib import Path

from indelible.base.files import make_folder


class LedgerPaths:
    """The folders of one ledger."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.lock = data / "lock"
        self.sealing = data / "sealing"
        self.root = data / "ledger"
        self.journal = self.root / "journal"
        self.evidence = self.root / "evidence"
        self.columns = self.root / "columns"
        self.tiles = self.root / "tiles"
        self.ids = self.root / "ids"
        self.checkpoints = self.root / "checkpoints"
        self.quarantine = self.root / "quarantine"
        self.checkpoint = self.root / "checkpoint"
        self.manifest = self.root / "manifest.sqlite"
        self.meta = data / "meta.sqlite"

    def folders(self) -> tuple[Path, ...]:
        """Every folder that holds files."""
        return (
            self.root, self.journal, self.evidence, self.columns, self.tiles, self.ids,
            self.checkpoints, self.quarantine,
        )

    def make(self) -> None:
        """Create what is missing, mode 0700."""
        for folder in (self.data, *self.folders()):
            make_folder(folder)
