"""A PostgreSQL cluster of its own, where Debian's server is installed."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

from support.served import free_port

BIN = max(Path("/usr/lib/postgresql").glob("*/bin"), default=Path("/usr/lib/postgresql"))
USER, PASSWORD = "indelible", "let me in"
needs_postgres = pytest.mark.skipif(
    not (BIN / "initdb").exists(), reason="postgresql-15 is not installed"
)


class Postgres:
    """A cluster in a folder of its own, as a context; it listens on the loopback only."""

    def __init__(self, **settings: str) -> None:
        self.port = free_port()
        self.settings = {
            "wal_level": "logical", "max_slot_wal_keep_size": "4GB", "fsync": "off",
            "listen_addresses": "127.0.0.1", "port": str(self.port), **settings,
        }
        self._account = pwd.getpwnam("postgres") if os.geteuid() == 0 else None

    def __enter__(self) -> Postgres:
        self.folder = Path(tempfile.mkdtemp(prefix="indelible-pg-"))
        if self._account is not None:
            os.chown(self.folder, self._account.pw_uid, self._account.pw_gid)
        secret = self.folder / "secret"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        try:
            self._run(
                "initdb", "-D", "data", "-U", "postgres", "-A", "scram-sha-256", "-E", "UTF8",
                "--locale=C.UTF-8", "--no-sync", f"--pwfile={secret}",
            )
            self.configure(unix_socket_directories=str(self.folder), **self.settings)
            self.start()
            self.sql(f"CREATE ROLE {USER} LOGIN REPLICATION PASSWORD '{PASSWORD}'")
        except BaseException:
            shutil.rmtree(self.folder)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._run("pg_ctl", "-D", "data", "-m", "immediate", "stop", check=False)
        shutil.rmtree(self.folder)

    def _run(self, program: str, *arguments: str, check: bool = True) -> None:
        who = {} if self._account is None else {"user": "postgres", "group": "postgres"}
        done = subprocess.run(
            [str(BIN / program), *arguments], cwd=self.folder, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, timeout=120, **who,  # type: ignore[call-overload]
        )
        assert not check or done.returncode == 0, done.stderr

    def configure(self, **settings: str) -> None:
        """Add settings; they count from the next start on."""
        with (self.folder / "data" / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())

    def file(self, name: str, content: bytes) -> None:
        """Put a file into the cluster's folder that only the server can read."""
        path = self.folder / name
        path.write_bytes(content)
        path.chmod(0o600)
        if self._account is not None:
            os.chown(path, self._account.pw_uid, self._account.pw_gid)

    def start(self) -> None:
        """Start, and wait until it answers."""
        self._run("pg_ctl", "-D", "data", "-l", "log", "-w", "start")

    def stop(self, how: str = "fast") -> None:
        """Stop: `fast` as an administrator does, `immediate` as a crash does."""
        self._run("pg_ctl", "-D", "data", "-m", how, "-w", "stop")

    def kill(self) -> None:
        """kill -9 of the server's first process; the others end when they notice."""
        pid = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
        while Path(f"/proc/{pid}").exists():
            time.sleep(0.01)

    def connect(self, user: str = "postgres", dbname: str = "postgres") -> Any:
        """A session that commits each statement."""
        import psycopg

        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=user, password=PASSWORD, dbname=dbname,
            autocommit=True,
        )

    def sql(self, *statements: str, dbname: str = "postgres") -> list[tuple[Any, ...]]:
        """Run statements, each a transaction; the rows of the last."""
        rows: list[tuple[Any, ...]] = []
        with self.connect(dbname=dbname) as connection:
            for statement in statements:
                cursor = connection.execute(statement)
                rows = cursor.fetchall() if cursor.description else []
        return rows

    def dsn(self, dbname: str = "postgres") -> str:
        """What a source is configured with."""
        return f"host=127.0.0.1 port={self.port} dbname={dbname} user={USER}"
