"""Parameters by which a node says what database server it uses: which connection they mean, and where it leads.

Each node type declares them itself; a saved connection is looked up by ``services.connections``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from kailash_studio.spec.context import Resources

OWN = frozenset({"host", "database", "connection_string", "user"})  # what describes a server of one's own
_UNNAMED = {
    "pool": "pool is not set: give the name of a WorkflowConnectionPool node.",
    "saved": "saved is not set: give the name of a saved connection.",
}


class Described(Protocol):
    """The parameters that describe a PostgreSQL server."""

    host: str
    port: int
    database: str
    user: str
    password: str
    connection_string: str


def implied(parameters: Mapping[str, Any], *named: str) -> str:
    """The connection that parameters mean which name none.

    Args:
        parameters: Raw, perhaps incomplete.
        named: The kinds of connection that have a name, ``pool`` and ``saved``, as far as the node type knows them.
    """
    if OWN & parameters.keys():
        return "details"
    return next((kind for kind in named if parameters.get(kind)), "embedded")


def database_of(parameters: Mapping[str, Any], *named: str) -> str:
    """Which database raw parameters mean, for people: before anything runs, so that they can say whether it may.

    Args:
        parameters: Raw, perhaps incomplete.
        named: As for ``implied``.
    """
    match parameters.get("connection") or implied(parameters, *named):
        case "pool":
            return "the pool's database"
        case "saved":
            return f"the saved connection {_named(parameters.get('saved', ''))}"
        case "embedded":
            return "the embedded database"
        case "details" if parameters.get("connection_string"):
            return f"the server of the address {_named(parameters['connection_string'])}"
        case "details":
            return f"{_named(parameters.get('host', 'localhost'))}/{_named(parameters.get('database', ''))}"
    return f"the database that {_named(parameters['connection'])} chooses"


def _named(value: Any) -> str:
    """A raw value for people; a reference by what it refers to, and of an address that stands there, nothing."""
    if isinstance(value, Mapping):
        return " ".join(f"{key.removeprefix('$')} {name}" for key, name in value.items())
    return "that is given" if "://" in str(value) else str(value)


def with_connection(values: Mapping[str, Any], *named: str) -> dict[str, Any]:
    """Values given in Python, with the connection that they mean where they name none; ``named`` as for ``implied``."""
    kind = implied(values, *named)
    return dict(values) if "connection" in values or kind == "embedded" else {**values, "connection": kind}


def unnamed(parameters: Mapping[str, Any], *named: str) -> list[tuple[str, str]]:
    """What has to be named for the connection that was chosen, as problems of a node; ``named`` as for ``implied``."""
    chosen = parameters.get("connection")
    fed = {"pool": "elsewhere"}  # the name of a pool may come through a port
    return [
        (kind, _UNNAMED[kind]) for kind in named if chosen == kind and parameters.get(kind, fed.get(kind, "")) == ""
    ]


async def embedded_target(resources: Resources) -> dict[str, Any]:
    """The arguments that reach the embedded server, which a run holds from now on.

    Raises:
        EmbeddedServerError: It cannot be started.
    """
    from kailash_studio.services.embedded_database import EmbeddedDatabase

    embedded = await resources.get(EmbeddedDatabase, EmbeddedDatabase.open)
    return await embedded.target()


def described_target(described: Described) -> dict[str, Any]:
    """The arguments that reach the server that is described."""
    if described.connection_string:
        return {"dsn": described.connection_string}
    return {
        "host": described.host,
        "port": described.port,
        "database": described.database or None,
        "user": described.user or None,
        "password": described.password or None,
    }
