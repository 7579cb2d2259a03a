"""The embedded PostgreSQL as a resource of a run: started on first use, with the sample data in a schema of its own."""

from __future__ import annotations

from typing import Any

from kailash_studio.services.embedded_postgres import EmbeddedPostgres
from kailash_studio.services.sample_data import load_sample_data


class EmbeddedDatabase:
    """A hold on the embedded server; while one is held anywhere, the server runs."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self._server = server
        self._loaded = False

    @classmethod
    async def open(cls) -> EmbeddedDatabase:
        """Start the server, or join the one that is running."""
        database = cls(EmbeddedPostgres())
        await database.target()
        return database

    async def target(self) -> dict[str, Any]:
        """Arguments for ``asyncpg.connect``; the server is brought back first if it has died.

        The sample tables are in the schema ``sample``, behind ``public`` on the search path: a table of the user's own
        with the same name comes first.

        Raises:
            EmbeddedServerError: It cannot be started.
        """
        address = await self._server.start()
        if not self._loaded:
            await load_sample_data(address, schema="sample")
            self._loaded = True
        return {
            "host": address.host,
            "port": address.port,
            "user": address.user,
            "password": address.password,
            "database": address.database,
        }

    async def aclose(self) -> None:
        """Let go; the server stops when nobody holds it."""
        await self._server.close()
