"""How much TLS a saved connection to PostgreSQL asks for is what it gets, by all ways that lead to the server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from fakes.certificates import certified
from fakes.tls_front import TlsFront, tls_before

from kailash_studio.errors import DatabaseError
from kailash_studio.services.arrow_fetch import fetch_arrow
from kailash_studio.services.connections import SavedConnection, tried
from kailash_studio.services.postgres.pool import Pool
from kailash_studio.services.sql_sessions.postgres import PostgresSession
from kailash_studio.services.tls import MODES, TlsMode

NOT_TRUSTED, NOT_OFFERED = "is not trusted: self-signed certificate", "offers no TLS"


def saved(target: dict[str, Any], tls: TlsMode) -> SavedConnection:
    where = {name: target[name] for name in ("host", "port", "database", "user")}
    return SavedConnection("books", **where, secret="its_password", tls=tls)


def before(
    target: dict[str, Any], certificate: Path, body: Callable[[TlsFront, dict[str, Any]], Awaitable[None]]
) -> None:
    async def run() -> None:
        async with tls_before(target, certificate) as (front, through):
            await body(front, through)

    asyncio.run(asyncio.wait_for(run(), 60))


@pytest.mark.parametrize(
    ("tls", "told"),
    [("preferred", "by TLS"), ("off", "without TLS"), ("required", "by TLS"), ("verified", NOT_TRUSTED)],
)
def test_a_server_with_tls_is_reached_as_the_connection_asks(
    postgres_target: dict[str, Any], tmp_path: Path, tls: TlsMode, told: str
) -> None:
    async def body(front: TlsFront, through: dict[str, Any]) -> None:
        connection = saved(through, tls)
        password = str(through["password"])
        if told == NOT_TRUSTED:
            for ask in (tried(connection, lambda _: password), _pooled(connection.target(lambda _: password))):
                with pytest.raises(DatabaseError, match=told) as raised:
                    await ask
                assert raised.value.permanent
            with pytest.raises(DatabaseError, match=told):
                await PostgresSession(connection.target(lambda _: password)).catalogue()
            return
        assert told in await tried(connection, lambda _: password)
        target = connection.target(lambda _: password)
        await _pooled(target)
        await PostgresSession(target).catalogue()
        assert len(await fetch_arrow(target, "SELECT generate_series(1, 3) AS n")) == 3
        assert set(front.met) == {told == "by TLS"}
        assert len(front.met) >= 4

    before(postgres_target, certified(tmp_path), body)


async def _pooled(target: dict[str, Any]) -> None:
    async with Pool(target) as pool, await pool.acquire() as lease:
        await lease.run("SELECT 1")


def test_a_certificate_that_is_trusted_lets_through(
    postgres_target: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = certified(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

    async def body(front: TlsFront, through: dict[str, Any]) -> None:
        connection, password = saved(through, "verified"), str(through["password"])
        assert "by TLS" in await tried(connection, lambda _: password)
        target = connection.target(lambda _: password)
        assert len(await fetch_arrow(target, "SELECT generate_series(1, 3) AS n")) == 3
        assert front.met and all(front.met)
        with pytest.raises(DatabaseError, match=r"certificate .* is not valid for 'localhost'"):
            await tried(saved({**through, "host": "localhost"}, "verified"), lambda _: password)

    before(postgres_target, certificate, body)


@pytest.mark.parametrize("tls", MODES)
def test_a_server_without_tls_gets_no_password_where_tls_is_required(
    postgres_target: dict[str, Any], tls: TlsMode
) -> None:
    connection, password = saved(postgres_target, tls), str(postgres_target["password"])
    if tls in {"preferred", "off"}:
        assert "without TLS" in asyncio.run(tried(connection, lambda _: password))
        return
    target = connection.target(lambda _: password)
    for ask in (tried(connection, lambda _: password), PostgresSession(target).catalogue()):
        with pytest.raises(DatabaseError, match=NOT_OFFERED) as raised:
            asyncio.run(ask)
        assert raised.value.permanent
