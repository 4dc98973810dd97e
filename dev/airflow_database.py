"""The metadata database of a test Airflow: an SQLite file in its home, or a separate PostgreSQL database.

PostgreSQL where the environment variable ``STARVIDEOS_TEST_POSTGRES`` names a server, as a libpq URL of a user who may
create databases: ``postgresql://user:password@host:5432/postgres``. It needs psycopg2 (``psycopg2-binary``) and asyncpg
in the environment, which are in no list of dependencies: most who run the tests have no such server.
"""

import contextlib
import os
import secrets
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit, urlunsplit

VARIABLE = "STARVIDEOS_TEST_POSTGRES"


class Reader(Protocol):
    """What tests need of a connection: rows with values by index and by name."""

    def execute(self, statement: str, values: Sequence[object] = ()) -> Any:
        """Run a statement with ``?`` instead of values; return a cursor."""


class Sqlite:
    """A file that all components share."""

    takes_nul = True

    def __init__(self, home: Path) -> None:
        self._file = home / "airflow.db"
        # Wait for a lock rather than fail.
        self.url = f"sqlite:///{self._file}?timeout=60"

    @contextlib.contextmanager
    def open(self) -> Iterator[Reader]:
        """Open it for reading."""
        connection = sqlite3.connect(f"file:{self._file}?mode=ro", uri=True, timeout=60)
        connection.row_factory = sqlite3.Row
        with contextlib.closing(connection):
            yield connection

    def tables(self) -> list[str]:
        """Return the names of all tables."""
        if not self._file.exists():
            return []
        with self.open() as db:
            return [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]

    def keep(self, file: Path) -> Path | None:
        """Keep a copy for others, while nothing writes. Return where it is. A migration takes some seconds of CPU."""
        return Path(shutil.copy(self._file, file))

    def copy(self, kept: Path | None) -> bool:
        """Begin with a copy that another one has kept. Return whether it was there."""
        if kept is None or not kept.exists():
            return False
        shutil.copy(kept, self._file)
        return True

    def drop(self) -> None:
        """Leave the file: it goes with its folder."""


class Postgres:
    """A separate database on a server, from here to `drop`."""

    takes_nul = False

    def __init__(self, server: str) -> None:
        self._server, self._name = server, f"airflow_test_{secrets.token_hex(6)}"
        self._own = urlunsplit(urlsplit(server)._replace(path=f"/{self._name}"))
        self.url = urlunsplit(urlsplit(self._own)._replace(scheme="postgresql+psycopg2"))
        self._on_server(f'CREATE DATABASE "{self._name}"')

    @contextlib.contextmanager
    def open(self) -> Iterator[Reader]:
        """Open it for reading."""
        psycopg2, extras = import_module("psycopg2"), import_module("psycopg2.extras")
        connection = psycopg2.connect(self._own, cursor_factory=extras.DictCursor, options="-c timezone=UTC")
        connection.set_session(readonly=True, autocommit=True)
        # As SQLite gives them: JSON as its text, blobs as bytes.
        extras.register_default_json(connection, loads=str)
        extras.register_default_jsonb(connection, loads=str)
        psycopg2.extensions.register_type(_bytes_type(psycopg2), connection)
        with contextlib.closing(connection):
            yield _Postgres(connection)

    def tables(self) -> list[str]:
        """Return the names of all tables."""
        with self.open() as db:
            query = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
            return [row[0] for row in db.execute(query)]

    def keep(self, file: Path) -> Path | None:
        """Nothing is kept: each is migrated by itself."""

    def copy(self, kept: Path | None) -> bool:
        """Nothing is copied."""
        return False

    def drop(self) -> None:
        """Delete it; the processes that used it were killed, and the server may not have noticed yet."""
        self._on_server(f'DROP DATABASE IF EXISTS "{self._name}" WITH (FORCE)')

    def _on_server(self, statement: str) -> None:
        connection = import_module("psycopg2").connect(self._server)
        connection.autocommit = True
        with contextlib.closing(connection), connection.cursor() as cursor:
            cursor.execute(statement)


class _Postgres:
    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def execute(self, statement: str, values: Sequence[object] = ()) -> Any:
        cursor = self._connection.cursor()
        cursor.execute(statement.replace("%", "%%").replace("?", "%s"), tuple(values))
        return cursor


def _bytes_type(psycopg2: Any) -> Any:
    def read(value: Any, cursor: Any) -> bytes | None:
        return None if value is None else bytes(psycopg2.BINARY(value, cursor))

    return psycopg2.extensions.new_type(psycopg2.BINARY.values, "BYTES", read)


def database(home: Path) -> Sqlite | Postgres:
    """Return a new database for the Airflow at ``home``; the same file again if there is one."""
    server = os.environ.get(VARIABLE)
    return Postgres(server) if server else Sqlite(home)
