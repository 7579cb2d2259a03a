"""The shipped sample data in a PostgreSQL database."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from kailash_studio.folders import resources
from kailash_studio.services.embedded_postgres import EmbeddedAddress

# in an order that satisfies the foreign keys
TABLES = ("clients", "portfolios", "market_prices", "positions", "documents")
_LOCK = 6_204_553_187  # any number; two processes that load at once must use the same


@dataclass(frozen=True, slots=True)
class SampleCounts:
    """Rows of each table, and whether this call loaded them."""

    rows: dict[str, int]
    loaded: bool


def _folder() -> Path:
    return resources() / "sample_data"


def _fingerprint(schema: str) -> str:
    found = hashlib.sha256(schema.encode("utf-8"))
    for name in ("schema.sql", *(f"{table}.csv" for table in TABLES)):
        found.update((_folder() / name).read_bytes())
    return found.hexdigest()


async def load_sample_data(address: EmbeddedAddress, *, schema: str = "public") -> SampleCounts:
    """Load the sample tables into a schema, unless these very data are there already, and put it on the search path.

    Tables of a former version of the samples are replaced; tables that this function did not make are never touched.

    Raises:
        OSError: The database cannot be reached.
        asyncpg.PostgresError: The schema holds a table of a sample's name that is not a sample.
    """
    import asyncpg

    fingerprint = _fingerprint(schema)
    connection = await asyncpg.connect(
        host=address.host, port=address.port, user=address.user, password=address.password, database=address.database
    )
    try:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
            await connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
            await connection.execute(f'SET LOCAL search_path = "{schema}"')
            await connection.execute("CREATE TABLE IF NOT EXISTS sample_data_loaded (fingerprint text PRIMARY KEY)")
            known = await connection.fetchval("SELECT fingerprint FROM sample_data_loaded")
            if known != fingerprint:
                if known is not None:
                    await connection.execute(f"DROP TABLE IF EXISTS {', '.join(reversed(TABLES))}")
                await connection.execute((_folder() / "schema.sql").read_text(encoding="utf-8"))
                for table in TABLES:
                    await connection.copy_to_table(
                        table, schema_name=schema, source=_folder() / f"{table}.csv", format="csv", header=True
                    )
                await connection.execute("DELETE FROM sample_data_loaded")
                await connection.execute("INSERT INTO sample_data_loaded VALUES ($1)", fingerprint)
                if schema != "public":  # behind it, for every connection: a user's own table of a name comes first
                    await connection.execute(
                        f'ALTER DATABASE "{address.database}" SET search_path = public, "{schema}"'
                    )
            counts = {table: await connection.fetchval(f"SELECT count(*) FROM {table}") for table in TABLES}  # noqa: S608
    finally:
        await connection.close()
    return SampleCounts(counts, known != fingerprint)
