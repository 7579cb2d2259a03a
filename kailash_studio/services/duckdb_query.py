"""SQL by DuckDB over tables in memory and files that are named beforehand; nothing else is within its reach."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from kailash_studio.errors import DatabaseError, NodeError
from kailash_studio.folders import user_data
from kailash_studio.services.sql_words import identifier
from kailash_studio.services.stoppable import in_thread
from kailash_studio.tables.store import BATCH_ROWS, TableWriter
from kailash_studio.tables.table import Table
from kailash_studio.tables.types import plain, plain_schema

READERS = {".csv": "read_csv", ".tsv": "read_csv", ".parquet": "read_parquet"}
_FAULTS = {
    "ParserException": "42601",
    "CatalogException": "42P01",
    "BinderException": "42703",
    "PermissionException": "42501",
}
_DATA = {"ConversionException", "OutOfRangeException", "InvalidInputException", "ConstraintException"}
_LINE = re.compile(r"\nLINE (\d+):")


async def query_duckdb(
    statement: str, params: Sequence[Any], tables: Mapping[str, Table], files: Mapping[str, Path], *, memory: int
) -> Table:
    """Run a statement in a database of its own, in a thread; cancelling interrupts it.

    Args:
        statement: SQL of DuckDB, with ``$1``, ``$2``, ... for the values.
        params: The values.
        tables: Tables by the names that the statement has for them; they are read where they lie.
        files: CSV and Parquet files by their names. The statement can open no others, and no network.
        memory: Limit in MiB; above it DuckDB works on the disk.

    Raises:
        NodeError: DuckDB is not installed, or a file is of no kind that it reads.
        DatabaseError: It refuses the statement.
    """
    try:
        import duckdb
    except ImportError:
        raise NodeError("DuckDB is not installed: install the extra kailash-studio[duckdb].") from None
    connection = duckdb.connect(":memory:")
    return await in_thread(
        lambda _: _run(connection, statement, list(params), tables, files, memory), interrupt=connection.interrupt
    )


def _run(
    connection: Any,
    statement: str,
    params: list[Any],
    tables: Mapping[str, Table],
    files: Mapping[str, Path],
    memory: int,
) -> Table:
    import duckdb

    try:
        prepare(connection, tables, files, memory)
        relation = connection.sql(statement, params=params or None)
        if relation is None:
            raise DatabaseError("The statement gives no rows: end it with a SELECT.", sqlstate="42601")
        return table_of(relation)
    except duckdb.Error as error:
        raise translated(error) from None
    finally:
        with suppress(duckdb.Error):  # an interrupted one may refuse even that
            connection.close()


def table_of(relation: Any, *, skip: int = 0, limit: int = 0) -> Table:
    """The rows of a relation, computed as they are taken.

    Everything that DuckDB gives comes this way, by Arrow, so that a value is of one type however many rows are asked.

    Args:
        relation: What DuckDB's ``sql`` gave.
        skip: How many rows are left out before the first.
        limit: How many rows are taken at most; 0: all.
    """
    end, at = skip + limit if limit else None, 0
    reader = relation.to_arrow_reader(min(BATCH_ROWS, end or BATCH_ROWS))
    with TableWriter(plain_schema(reader.schema)) as writer:
        for batch in reader:
            first, at = max(0, skip - at), at + batch.num_rows
            last = batch.num_rows if end is None else batch.num_rows - max(0, at - end)
            if first < last:
                writer.write(plain(batch.slice(first, last - first)))
            if end is not None and at >= end:
                break
        reader.close()
        return writer.finish()


def prepare(connection: Any, tables: Mapping[str, Table], files: Mapping[str, Path], memory: int) -> None:
    """Give a new database in memory its tables and files, and close it in; see ``query_duckdb``.

    Raises:
        NodeError: A file is not there, or of no kind that is read.
        duckdb.Error: A file cannot be read as what it seems to be.
    """
    spill = user_data() / "tables"
    spill.mkdir(mode=0o700, exist_ok=True)
    connection.execute(f"SET memory_limit = '{int(memory)}MiB'")
    connection.execute(f"SET temp_directory = {_text(str(spill))}")
    connection.execute("SET python_enable_replacements = false")  # else a name may mean a variable of this program
    connection.execute(f"SET allowed_paths = [{', '.join(_text(str(path)) for path in files.values())}]")
    for name, path in files.items():
        reader = READERS.get(path.suffix.lower())
        if reader is None:
            raise NodeError(
                f"{path.name} ends in none of {', '.join(READERS)}: convert it, or read it with its own node."
            )
        if not path.is_file():
            raise NodeError(f"{path} cannot be read: there is no such file.")
        view = f"CREATE TEMP VIEW {identifier(name)} AS SELECT * FROM {reader}({_text(str(path))})"  # noqa: S608 - quoted
        connection.execute(view)
    for name, table in tables.items():
        connection.register(name, table.arrow)
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _text(value: str) -> str:
    doubled = value.replace("'", "''")
    return f"'{doubled}'"


def translated(error: Exception, reaches: str = "connected tables and the files that the node names") -> DatabaseError:
    """DuckDB's error as one of our own.

    Args:
        error: It.
        reaches: What a statement may touch.
    """
    kind = type(error).__name__
    text = str(error)
    said = text.partition("\n\n")[0].replace("\n", " ").rstrip(".")
    said = re.sub(r"^[A-Za-z ]+ Error: ", "", said)
    line = _LINE.search(text)
    place = f" (line {line[1]})" if line else ""
    if kind == "PermissionException":
        said += f"; a statement reaches only {reaches}"
    state = _FAULTS.get(kind, "22000" if kind in _DATA else "")
    return DatabaseError(f"DuckDB says: {said}{place}.", sqlstate=state)
