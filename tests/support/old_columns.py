"""Column files as version 1 had them: without hashes of targets, with a filter on their ids."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import pyarrow as pa

from indelible.store import column_file
from indelible.store.column_file import BLOOM_COLUMNS, FORMAT_1, ColumnFile, write_column_file
from indelible.store.columns import SCHEMA, TARGET_HASH


def write_first_version(
    table: pa.Table, path: Path, *, key: bytes, file_id: str, origin: str
) -> ColumnFile:
    """As `write_column_file`, in the format of before."""
    schema = SCHEMA.remove(SCHEMA.get_field_index(TARGET_HASH))
    blooms = ("target_id", *(name for name in BLOOM_COLUMNS if name != TARGET_HASH))
    with mock.patch.multiple(column_file, SCHEMA=schema, FORMAT=FORMAT_1, BLOOM_COLUMNS=blooms):
        return write_column_file(
            table.drop_columns([TARGET_HASH]), path, key=key, file_id=file_id, origin=origin
        )
