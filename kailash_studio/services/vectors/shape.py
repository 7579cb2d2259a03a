"""What a table of vectors looks like: its columns and indexes, as the database says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from kailash_studio.errors import DatabaseError
from kailash_studio.services.vectors.connection import VectorConnection
from kailash_studio.services.vectors.names import qualified, quoted

Metric = Literal["cosine", "l2", "inner_product"]
VectorType = Literal["vector", "halfvec"]

OPERATORS: Mapping[str, str] = {"cosine": "<=>", "l2": "<->", "inner_product": "<#>"}
OPERATOR_CLASSES: Mapping[str, str] = {"cosine": "cosine_ops", "l2": "l2_ops", "inner_product": "ip_ops"}


@dataclass(frozen=True, slots=True)
class Index:
    """An index on the vectors."""

    name: str
    method: Literal["hnsw", "ivfflat"]
    operator_class: str
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shape:
    """A table with vectors.

    Attributes:
        name: The table, quoted, with its schema.
        schema: Its schema.
        table: Its name.
        columns: Types of all columns, by name.
        vector_column: The column of vectors.
        vector_type: Its type.
        dimensions: Numbers in each vector; 0 where the column does not say.
        rows: About how many rows it has; -1 when nobody counted yet.
        indexes: Indexes on the vectors.
        extension: Schema in which pgvector is installed.
        version: pgvector's version.
    """

    name: str
    schema: str
    table: str
    columns: Mapping[str, str]
    vector_column: str
    vector_type: VectorType
    dimensions: int
    rows: int
    indexes: tuple[Index, ...]
    extension: str
    version: tuple[int, ...]

    @property
    def iterative(self) -> bool:
        """Whether pgvector can go on searching until enough rows pass a filter."""
        return self.version >= (0, 8)

    @property
    def vector(self) -> str:
        """The column of vectors, quoted."""
        return quoted(self.vector_column)

    @property
    def cast(self) -> str:
        """The type of vectors as it stands in a cast, wherever the search path leads."""
        return f"{quoted(self.extension)}.{self.vector_type}"

    def index_for(self, metric: Metric) -> Index | None:
        """An index that serves this distance, HNSW before IVFFlat."""
        wanted = f"{self.vector_type}_{OPERATOR_CLASSES[metric]}"
        found = [index for index in self.indexes if index.operator_class == wanted]
        return min(found, key=lambda index: index.method, default=None)  # hnsw sorts before ivfflat

    def operator(self, metric: Metric) -> str:
        """The operator of a distance, wherever the search path leads."""
        return f"OPERATOR({quoted(self.extension)}.{OPERATORS[metric]})"


_COLUMNS = """
SELECT n.nspname AS schema, c.relname AS table, c.reltuples::bigint AS rows, a.attname AS column,
       t.typname AS type, format_type(a.atttypid, a.atttypmod) AS full_type, a.atttypmod AS modifier,
       e.nspname AS type_schema, (SELECT extversion FROM pg_extension WHERE extname = 'vector') AS version
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid
JOIN pg_namespace e ON e.oid = t.typnamespace
WHERE c.oid = to_regclass($1) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
ORDER BY a.attnum
"""
_INDEXES = """
SELECT c.relname AS name, m.amname AS method, o.opcname AS operator_class, coalesce(c.reloptions, '{}') AS options
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_am m ON m.oid = c.relam
JOIN pg_opclass o ON o.oid = i.indclass[0]
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
WHERE i.indrelid = to_regclass($1) AND i.indisvalid AND i.indpred IS NULL
  AND m.amname IN ('hnsw', 'ivfflat') AND a.attname = $2
"""


async def shape_of(connection: VectorConnection, table: str) -> Shape:
    """Look a table up.

    Raises:
        DatabaseError: There is no such table, or none with exactly one column of vectors.
        ParameterError: ``table`` cannot be a table's name.
    """
    name = qualified(table)
    found = await connection.fetch(_COLUMNS, name)
    if not found:
        raise _permanent(f"There is no table {table}: make it with the operation create, or mend its name.")
    vectors = [row for row in found if row["type"] in {"vector", "halfvec"}]
    if len(vectors) > 1:
        vectors = [row for row in vectors if row["column"] == "embedding"] or vectors
    if len(vectors) != 1:
        has = f"{len(vectors)} columns of vectors and none is named embedding" if vectors else "no column of vectors"
        raise _permanent(f"The table {table} has {has}: a search needs one.")
    (vector,) = vectors
    indexes = await connection.fetch(_INDEXES, name, vector["column"])
    return Shape(
        f"{quoted(vector['schema'])}.{quoted(vector['table'])}",
        vector["schema"],
        vector["table"],
        {row["column"]: row["full_type"] for row in found},
        vector["column"],
        vector["type"],
        max(vector["modifier"], 0),
        vector["rows"],
        tuple(Index(row["name"], row["method"], row["operator_class"], tuple(row["options"])) for row in indexes),
        vector["type_schema"],
        tuple(int(part) for part in re.findall(r"[0-9]+", vector["version"] or "")),
    )


def _permanent(sentence: str) -> DatabaseError:
    error = DatabaseError(sentence)
    error.permanent = True
    return error
