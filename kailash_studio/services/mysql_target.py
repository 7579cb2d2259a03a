"""Where a server of MySQL or MariaDB is, read from an address or from fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from kailash_studio.errors import ParameterError
from kailash_studio.services.tls import TlsMode

PORT = 3306
_POSTGRESQL = 5432
# the spellings of MySQL's own client, of JDBC, and of Python's drivers
_TLS = frozenset({"ssl", "tls", "sslmode", "usessl", "requiressl"})
_ON = frozenset({"true", "1", "yes", "on", "required", "require", "verifyca", "verifyidentity", "verifyfull"})
_OFF = frozenset({"false", "0", "no", "off", "disabled", "disable"})


@dataclass(frozen=True, slots=True)
class MySQLTarget:
    """Where a server is, and who asks.

    Attributes:
        host: Server.
        port: Its port.
        database: Name of the database; empty for none.
        user: User of the database.
        password: The password; not shown.
        tls: How much TLS is asked for.
    """

    host: str = "localhost"
    port: int = PORT
    database: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    tls: TlsMode = "off"

    @property
    def place(self) -> str:
        """Where it leads, for people."""
        return f"{self.host}:{self.port}/{self.database}"

    @classmethod
    def of(cls, address: str) -> MySQLTarget:
        """The target of ``mysql://user:password@host:port/database?ssl=true``.

        Raises:
            ParameterError: It is no such address, or asks for something that is not known.
        """
        try:
            parts = urlsplit(address)
            port = parts.port or PORT
        except ValueError:
            parts, port = urlsplit(""), 0
        if parts.scheme not in {"mysql", "mariadb"} or not parts.hostname:
            raise ParameterError("connection_string is no address: write mysql://user:password@host:port/database.")
        return cls(
            parts.hostname,
            port,
            unquote(parts.path.lstrip("/")),
            unquote(parts.username or ""),
            unquote(parts.password or ""),
            _tls_of(parts.query),
        )


def _tls_of(query: str) -> TlsMode:
    """What stands behind the ``?`` asks for; nothing of it is passed over, and all TLS looks at the certificate."""
    tls: TlsMode = "off"
    for name, value in parse_qsl(query, keep_blank_values=True):
        key, wanted = (text.lower().replace("-", "").replace("_", "") for text in (name, value))
        if key == "charset" and wanted in {"utf8", "utf8mb4"}:
            continue  # it always is
        if key not in _TLS:
            raise ParameterError(f"connection_string asks for {name}, which is not known here: ssl=true alone is.")
        if wanted not in _ON | _OFF:
            raise ParameterError(f"connection_string has {name}={value}: write {name}=true or {name}=false.")
        tls = "verified" if wanted in _ON else "off"
    return tls


def target_of(given: Mapping[str, Any]) -> MySQLTarget:
    """The target that host, port, database, user, password and tls mean; PostgreSQL's port stands for MySQL's own."""
    port = int(given.get("port") or PORT)
    return MySQLTarget(
        str(given.get("host") or "localhost"),
        PORT if port == _POSTGRESQL else port,
        str(given.get("database") or ""),
        str(given.get("user") or ""),
        str(given.get("password") or ""),
        given.get("tls") or "off",
    )
