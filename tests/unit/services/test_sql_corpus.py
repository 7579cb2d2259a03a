"""Lint against the server's own judgement: what it takes, lint leaves alone, but for what sqlglot cannot read."""

from __future__ import annotations

import asyncio
from pathlib import Path

from kailash_studio.services.embedded_database import EmbeddedDatabase
from kailash_studio.services.sql_analysis import agreed, lint
from kailash_studio.services.sql_sessions.postgres import PostgresSession

STATEMENTS = (Path(__file__).parent / "statements.sql").read_text(encoding="utf-8").splitlines()[1:]
# grammar that sqlglot 30 does not know: the alias of USING, and the operator @
NOT_READ = ("USING (client_id) AS j", "@ -5")


def test_what_the_server_takes_lint_leaves_alone(with_database: Path) -> None:
    async def work() -> None:
        database = await EmbeddedDatabase.open()
        try:
            session = PostgresSession(await database.target())
            catalogue = await session.catalogue()
            for text in STATEMENTS:
                description = await session.describe(text)
                assert description.fault is None, (text, description.fault)
                found = lint(text, catalogue=catalogue)
                wrong = [f.sentence for f in found if f.severity == "error"]
                assert bool(wrong) == any(words in text for words in NOT_READ), (text, wrong)
                assert not [f for f in agreed(text, found, None) if f.severity == "error"]
        finally:
            await database.aclose()

    assert len(STATEMENTS) > 60
    asyncio.run(work())
