"""The tables of the meta database, as numbered migrations whose text never changes.

A change is a new migration at the end: `store.meta` keeps the checksum of each one it applied and
refuses a file whose checksums are not these.
"""

from __future__ import annotations

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE token (
      id TEXT PRIMARY KEY,
      name TEXT NOT NULL,
      role TEXT NOT NULL,
      source TEXT NOT NULL DEFAULT '',
      tenant TEXT NOT NULL DEFAULT '',
      hash BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
      created_us INTEGER NOT NULL,
      revoked_us INTEGER
    ) STRICT;
    CREATE TABLE source (
      number INTEGER PRIMARY KEY,
      id TEXT NOT NULL UNIQUE,
      tenant TEXT NOT NULL DEFAULT ''
    ) STRICT;
    CREATE TABLE witness (
      name TEXT PRIMARY KEY,
      url TEXT NOT NULL,
      vkey TEXT NOT NULL,
      added_us INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE verification (
      id TEXT PRIMARY KEY,
      started_us INTEGER NOT NULL,
      finished_us INTEGER,
      cause TEXT NOT NULL,
      done INTEGER NOT NULL DEFAULT 0,
      total INTEGER NOT NULL DEFAULT 0,
      verdict TEXT NOT NULL DEFAULT '',
      ok INTEGER,
      report TEXT NOT NULL DEFAULT '{}'
    ) STRICT;
    CREATE TABLE value (
      key TEXT PRIMARY KEY,
      value BLOB NOT NULL
    ) STRICT;
    """,
    """
    CREATE TABLE named_source (
      number INTEGER PRIMARY KEY,
      id TEXT NOT NULL,
      tenant TEXT NOT NULL DEFAULT '',
      UNIQUE (id, tenant)
    ) STRICT;
    INSERT INTO named_source SELECT number, id, tenant FROM source;
    DROP TABLE source;
    ALTER TABLE named_source RENAME TO source;
    """,
    "ALTER TABLE token ADD COLUMN mac BLOB",
    """
    CREATE TABLE source_settings (
      id TEXT NOT NULL,
      tenant TEXT NOT NULL DEFAULT '',
      settings BLOB NOT NULL,
      secret BLOB NOT NULL,
      mac BLOB NOT NULL,
      PRIMARY KEY (id, tenant)
    ) STRICT;
    CREATE TABLE source_tally (
      number INTEGER PRIMARY KEY,
      tally BLOB NOT NULL
    ) STRICT;
    CREATE TABLE position (
      source TEXT NOT NULL,
      tenant TEXT NOT NULL,
      what TEXT NOT NULL,
      value BLOB NOT NULL,
      PRIMARY KEY (source, tenant, what)
    ) STRICT;
    """,
    """
    CREATE TABLE audit_policy (
      version INTEGER PRIMARY KEY,
      said BLOB NOT NULL,
      entry INTEGER
    ) STRICT;
    CREATE TABLE unstated (
      id TEXT PRIMARY KEY,
      state BLOB NOT NULL
    ) STRICT;
    CREATE TABLE rolled_ids (
      number INTEGER PRIMARY KEY,
      bytes INTEGER NOT NULL,
      ids BLOB NOT NULL
    ) STRICT;
    """,
)

TABLES = {"token", "source", "witness", "verification", "value"}
"""What every file has since the first migration."""
