"""What a database holds: schemas, tables, columns with their types; read in bounded time, for completion and lint."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kailash_studio.services.sql_session import PostgresSession, SqliteSession

_MOST_COLUMNS = 200_000  # of a catalogue; what is over is left out and said so
_PIECE = 2_500  # columns that are handed over at once

_POSTGRESQL = """
SELECT n.nspname, c.relname, c.relkind::text, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'v', 'm', 'f', 'p')
  AND n.nspname NOT LIKE 'pg\\_toast%' AND n.nspname NOT LIKE 'pg\\_temp\\_%'
ORDER BY n.nspname IN ('pg_catalog', 'information_schema'), n.nspname, c.relname, a.attnum
LIMIT $1
"""
_SQLITE = """
SELECT m.name, m.type, x.name, x.type, x."notnull"
FROM sqlite_master m, pragma_table_xinfo(m.name) x
WHERE m.type IN ('table', 'view') AND x.hidden <> 1
ORDER BY m.name, x.cid
LIMIT ?1
"""
_KINDS = {"r": "table", "p": "table", "f": "table", "v": "view", "m": "view"}
_SYSTEM = frozenset({"pg_catalog", "information_schema"})
# columns that PostgreSQL has of every table and SQLite of most; they are in no list
HIDDEN_COLUMNS = {
    "postgresql": frozenset({"ctid", "oid", "tableoid", "xmin", "xmax", "cmin", "cmax"}),
    "sqlite": frozenset({"rowid", "oid", "_rowid_"}),
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column, with its type as the database writes it."""

    name: str
    type: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Relation:
    """A table or a view."""

    schema: str
    name: str
    kind: str
    columns: tuple[Column, ...]

    def column(self, name: str) -> Column | None:
        """A column by its exact name."""
        return next((c for c in self.columns if c.name == name), None)

    @property
    def system(self) -> bool:
        """It belongs to the database itself."""
        return self.schema in _SYSTEM


@dataclass(frozen=True)
class Catalogue:
    """A database's relations.

    Attributes:
        dialect: "postgresql" or "sqlite".
        relations: In the order that people look for them: the user's own first.
        search_path: Schemas in which a bare name is looked up, in their order.
        whole: False when the database has more than is kept here; what is missing may exist then.
    """

    dialect: str
    relations: tuple[Relation, ...]
    search_path: tuple[str, ...]
    whole: bool = True
    _by_name: dict[tuple[str, str], Relation] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._by_name.update(((r.schema, self._folded(r.name)), r) for r in self.relations)

    def _folded(self, name: str) -> str:
        return name.lower() if self.dialect == "sqlite" else name

    def find(self, name: str, schema: str = "") -> Relation | None:
        """The relation that a name means: of the schema, or the first on the search path."""
        for where in (schema,) if schema else (*self.search_path, "pg_catalog"):
            found = self._by_name.get((where, self._folded(name)))
            if found is not None:
                return found
        return None

    def schemas(self) -> list[str]:
        """The schemas that hold anything."""
        return list(dict.fromkeys(r.schema for r in self.relations))

    def to_plain(self, offset: int = 0) -> dict[str, Any]:
        """A piece as JSON has it, so small that nobody who reads it is held up; ``next`` is where the next begins.

        The database's own tables are left out: nobody types them by heart, and there are many.
        """
        relations = [r for r in self.relations if not r.system]
        behind, columns = offset, 0
        while behind < len(relations) and columns < _PIECE:
            columns += len(relations[behind].columns)
            behind += 1
        return {
            "dialect": self.dialect,
            "search_path": list(self.search_path),
            "whole": self.whole,
            "relations": [
                [r.schema, r.name, r.kind, [[c.name, c.type, c.required] for c in r.columns]]
                for r in relations[offset:behind]
            ],
            "next": behind if behind < len(relations) else None,
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any], before: Iterable[Relation] = ()) -> Catalogue:
        """The catalogue of a piece and of what came before it."""
        return cls(plain["dialect"], (*before, *relations_of(plain)), tuple(plain["search_path"]), bool(plain["whole"]))


def relations_of(plain: Mapping[str, Any]) -> list[Relation]:
    """The relations of a piece."""
    return [
        Relation(schema, name, kind, tuple(Column(*column) for column in columns))
        for schema, name, kind, columns in plain["relations"]
    ]


async def read_catalogue(session: PostgresSession | SqliteSession) -> Catalogue:
    """Read what a database holds.

    Raises:
        DatabaseError: It cannot be reached, refuses, or takes longer than the session's time.
    """
    limit = _MOST_COLUMNS + 1
    if isinstance(session, SqliteSession):
        found = await session.read(_SQLITE, [limit])
        relations = _relations(("main", *row) for row in found)
        return Catalogue("sqlite", relations, ("main", "temp"), len(found) < limit)
    async with session.reading() as connection:
        path = await connection.fetchval("SELECT current_schemas(false)")
        found = await connection.fetch(_POSTGRESQL, limit)
    relations = _relations((s, n, _KINDS.get(k, "table"), c, t, r) for s, n, k, c, t, r in found)
    return Catalogue("postgresql", relations, tuple(path), len(found) < limit)


def _relations(rows: Iterable[tuple[Any, ...]]) -> tuple[Relation, ...]:
    columns: dict[tuple[str, str, str], list[Column]] = {}
    for schema, name, kind, column, kind_of_column, required in rows:
        columns.setdefault((schema, name, kind), []).append(Column(column, kind_of_column, bool(required)))
    return tuple(Relation(*key, tuple(found)) for key, found in columns.items())
