"""Connections that a user has saved under names: where a database is, and the name of the secret with its password.

They are one versioned JSON file in the user's configuration, for its owner alone. Graphs hold the name of a connection,
and neither graphs nor this file hold a password.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from kailash_studio.errors import DatabaseError, ParameterError
from kailash_studio.folders import user_configuration
from kailash_studio.resilience.clock import SystemClock
from kailash_studio.services.credentials.provider import is_name
from kailash_studio.services.private_file import locked, write_private
from kailash_studio.services.tls import MODES, TlsMode

VERSION = 2  # 1 had no tls, and MySQL none
KINDS = ("postgresql", "sqlite", "duckdb", "mysql")
FILES = {"sqlite": "SQLite", "duckdb": "DuckDB"}  # kinds that are a file
_TEST_SECONDS = 10.0
_POSTGRESQL_TLS: dict[TlsMode, str | bool] = {"off": "disable", "required": "require", "verified": True}  # asyncpg's


@dataclass(frozen=True, slots=True)
class SavedConnection:
    """One connection.

    Attributes:
        name: What graphs call it.
        kind: ``postgresql``, ``sqlite``, ``duckdb`` or ``mysql``.
        host: Server.
        port: Its port; for MySQL, 5432 stands for 3306.
        database: Name of the database, or path of the file.
        user: User of the database.
        secret: Name of the secret with the password; empty where none is needed.
        tls: How much TLS a server is asked for: ``preferred``, ``off``, ``required`` or ``verified``.
    """

    name: str
    kind: str = "postgresql"
    host: str = "localhost"
    port: int = 5432
    database: str = ""
    user: str = ""
    secret: str = ""
    tls: TlsMode = "preferred"

    def __post_init__(self) -> None:
        if not is_name(self.name):
            raise ParameterError(f"{self.name!r} cannot name a connection: use letters, digits, _, - and . alone.")
        if self.kind not in KINDS:
            raise ParameterError(
                f"The connection {self.name} is of kind {self.kind!r}: it can be {' or '.join(KINDS)}."
            )
        if not 1 <= self.port <= 65_535:
            raise ParameterError(f"The connection {self.name} has port {self.port}: ports go from 1 to 65535.")
        if self.tls not in MODES:
            raise ParameterError(f"The connection {self.name} has tls {self.tls!r}: it can be {' or '.join(MODES)}.")
        if self.kind in FILES and not self.database:
            named = FILES[self.kind]
            raise ParameterError(f"The connection {self.name} names no {named} file: give its path as the database.")

    def target(self, secret: Callable[[str], str]) -> dict[str, Any]:
        """The arguments that reach a server: those of ``asyncpg.connect``, or of ``mysql_target.target_of``.

        Args:
            secret: Gives the value of a named secret.

        Raises:
            CredentialError: The password is not stored.
        """
        target = {
            "host": self.host,
            "port": self.port,
            "database": self.database or None,
            "user": self.user or None,
            "password": secret(self.secret) if self.secret else None,
        }
        if self.kind == "mysql":
            return {**target, "tls": self.tls}
        return {**target, "ssl": _POSTGRESQL_TLS[self.tls]} if self.tls in _POSTGRESQL_TLS else target

    @property
    def place(self) -> str:
        """Where it leads, for people."""
        return self.database if self.kind in FILES else f"{self.host}:{self.port}/{self.database}"


class Connections:
    """The connections of this user."""

    def __init__(self, path: Path | None = None) -> None:
        """Nothing is read yet.

        Args:
            path: The file; by default in the user's configuration.
        """
        self._path = path

    @property
    def path(self) -> Path:
        """The file."""
        return self._path or user_configuration() / "connections.json"

    def all(self) -> list[SavedConnection]:
        """All of them, by name.

        Raises:
            ParameterError: The file is damaged, or a newer program wrote it.
        """
        return sorted(self._read().values(), key=lambda saved: saved.name)

    def get(self, name: str) -> SavedConnection:
        """The connection of a name.

        Raises:
            ParameterError: There is none.
        """
        known = self._read()
        if name not in known:
            listed = ", ".join(sorted(known)) or "none is saved yet"
            raise ParameterError(
                f"There is no connection {name!r} ({listed}): save it with `kailash-studio connections add {name} ...`."
            )
        return known[name]

    def put(self, saved: SavedConnection, *, instead_of: str = "") -> None:
        """Save one, new or changed; ``instead_of``: its former name, when it is renamed.

        Raises:
            ParameterError: Another one has the new name.
        """
        with locked(self.path):
            known = self._read()
            if saved.name in known and instead_of and saved.name != instead_of:
                raise ParameterError(f"There is a connection {saved.name} already: choose another name.")
            known.pop(instead_of, None)
            known[saved.name] = saved
            self._write(known)

    def remove(self, name: str) -> None:
        """Forget one; its secret stays in the store of secrets.

        Raises:
            ParameterError: There is none of that name.
        """
        self.get(name)
        with locked(self.path):
            known = self._read()
            known.pop(name, None)
            self._write(known)

    def _read(self) -> dict[str, SavedConnection]:
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return {}
        try:
            read = json.loads(text)
            if read["version"] > VERSION:
                raise ParameterError(f"{self.path} was written by a newer version: update Kailash Studio.")
            return {name: _connection(name, entry, read["version"]) for name, entry in read["connections"].items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ParameterError(f"{self.path} is damaged ({error}): mend it, or delete it and save anew.") from None

    def _write(self, known: Mapping[str, SavedConnection]) -> None:
        entries = {name: {k: v for k, v in asdict(known[name]).items() if k != "name"} for name in sorted(known)}
        text = json.dumps({"version": VERSION, "connections": entries}, indent=2, ensure_ascii=False) + "\n"
        write_private(self.path, text.encode("utf-8"))


def _connection(name: str, entry: Mapping[str, Any], version: int) -> SavedConnection:
    known = {field.name for field in fields(SavedConnection)} - {"name"}
    if version < 2 and entry.get("kind") == "mysql":
        entry = {**entry, "tls": "off"}  # as it was made
    return SavedConnection(name, **{key: value for key, value in entry.items() if key in known})


def _existing(name: str, kind: str) -> Path:
    path = Path(name).expanduser()
    if not path.is_file():
        raise DatabaseError(f"There is no file {path}: give the path of a {FILES[kind]} file that is there.")
    return path


async def postgresql_target(name: str, secret: Callable[[str], str]) -> dict[str, Any]:
    """The arguments that reach the server of a saved connection, which must be a PostgreSQL.

    Raises:
        ParameterError: There is none of that name, or it leads to another kind of database.
        CredentialError: The password is not stored.
    """
    saved = await asyncio.to_thread(Connections().get, name)
    if saved.kind != "postgresql":
        raise ParameterError(f"The connection {name} is of kind {saved.kind}: this node needs one of kind postgresql.")
    return await asyncio.to_thread(saved.target, secret)


async def tried(saved: SavedConnection, secret: Callable[[str], str]) -> str:
    """Connect and ask the server what it is: a sentence that says so, with the time that it took.

    Raises:
        DatabaseError: It cannot be reached, or does not let the user in.
        CredentialError: The password is not stored.
    """
    began = time.monotonic()
    if saved.kind == "sqlite":
        path = await asyncio.to_thread(_existing, saved.database, saved.kind)
        from kailash_studio.services.sql import query_sqlite

        found = await query_sqlite(path, "SELECT sqlite_version() AS v, count(*) AS n FROM sqlite_master", [], limit=1)
        row = found.rows[0]
        return f"SQLite {row['v']}, {row['n']} tables and indexes."
    if saved.kind == "duckdb":
        return await _tried_duckdb(await asyncio.to_thread(_existing, saved.database, saved.kind))
    if saved.kind == "mysql":
        from kailash_studio.services.mysql import MySQLServers
        from kailash_studio.services.mysql_target import target_of

        servers = MySQLServers()
        try:
            mysql = target_of(await asyncio.to_thread(saved.target, secret))
            version = await servers.version(mysql, seconds=_TEST_SECONDS)
        finally:
            await servers.aclose()
        return f"{version}, in {time.monotonic() - began:.2f} s."
    from kailash_studio.services.postgres.connection import Connection

    target = await asyncio.to_thread(saved.target, secret)
    connection = await Connection.open(
        target, connect_seconds=_TEST_SECONDS, statement_seconds=_TEST_SECONDS, clock=SystemClock()
    )
    try:
        version = await connection.raw.fetchval("SHOW server_version", timeout=_TEST_SECONDS)
        how = "by TLS" if connection.is_encrypted else "without TLS"
    finally:
        await connection.close()
    return f"PostgreSQL {str(version).split()[0]} at {saved.place} {how}, in {time.monotonic() - began:.2f} s."


async def _tried_duckdb(path: Path) -> str:
    from kailash_studio.services.duckdb_file import DuckDBFiles

    files = DuckDBFiles()
    try:
        asked = "SELECT version() AS v, (SELECT count(*) FROM duckdb_tables()) AS n"
        (row,) = (await files.query(path, asked, [], limit=1, seconds=_TEST_SECONDS)).rows
    finally:
        await files.aclose()
    return f"DuckDB {str(row['v']).removeprefix('v')}, {row['n']} tables."
