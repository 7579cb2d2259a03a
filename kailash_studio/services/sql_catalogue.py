"""What a database holds: schemas, tables, columns with their types; read in bounded time, for completion and lint."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

MOST_COLUMNS = 200_000  # of a catalogue; what is over is left out and said so
_PIECE = 2_500  # columns that are handed over at once

_FOLDING = frozenset({"sqlite", "duckdb", "mysql"})
# columns that PostgreSQL has of every table, SQLite and DuckDB of most; they are in no list
HIDDEN_COLUMNS = {
    "postgresql": frozenset({"ctid", "oid", "tableoid", "xmin", "xmax", "cmin", "cmax"}),
    "sqlite": frozenset({"rowid", "oid", "_rowid_"}),
    "duckdb": frozenset({"rowid"}),
    "mysql": frozenset({"_rowid"}),
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column, with its type as the database writes it."""

    name: str
    type: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Relation:
    """A table or a view.

    Attributes:
        schema: Where it is; of MySQL the database.
        name: Its name.
        kind: "table" or "view".
        columns: In their order.
        system: It belongs to the database itself.
    """

    schema: str
    name: str
    kind: str
    columns: tuple[Column, ...]
    system: bool = False

    def column(self, name: str) -> Column | None:
        """A column by its exact name."""
        return next((c for c in self.columns if c.name == name), None)


@dataclass(frozen=True)
class Catalogue:
    """A database's relations.

    Attributes:
        dialect: "postgresql", "sqlite", "duckdb" or "mysql".
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

    @property
    def folds(self) -> bool:
        """Whether capitals in a name make no difference."""
        return self.dialect in _FOLDING

    def _folded(self, name: str) -> str:
        return name.lower() if self.folds else name

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


def relations_in(rows: Iterable[Sequence[Any]], system: Collection[str] = ()) -> tuple[Relation, ...]:
    """The relations of a listing of columns.

    Args:
        rows: Schema, relation, its kind, column, its type, whether it is required.
        system: The schemas that belong to the database itself.
    """
    columns: dict[tuple[str, str, str], list[Column]] = {}
    for schema, name, kind, column, kind_of_column, required in rows:
        columns.setdefault((schema, name, kind), []).append(Column(column, kind_of_column, bool(required)))
    return tuple(Relation(*key, tuple(found), key[0] in system) for key, found in columns.items())
