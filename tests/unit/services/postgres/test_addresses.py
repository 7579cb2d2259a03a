"""Where an address leads is told to people, and nothing of its password."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kailash_studio.errors import DatabaseError
from kailash_studio.services.postgres.errors import place_of
from kailash_studio.services.postgres.pool import Pool

UNTOLD = "the given address"


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("postgresql://u:geheim@db.example:5432/shop", "db.example:5432/shop"),
        ("postgresql://u:geheim@db.example:5432/shop?sslmode=require&password=geheim", "db.example:5432/shop"),
        ("postgresql://u:ge/heim@db.example:5432/shop", "db.example:5432/shop"),
        ("postgresql://u:ge@heim@db.example/shop", "db.example/shop"),
        ("postgresql://u:ge@he/im@db.example", "db.example"),
        ("postgresql://u:ge:heim@[::1]:5432/shop", "[::1]:5432/shop"),
        ("postgresql://a:5432,b:5433/shop", "a:5432,b:5433/shop"),
        ("mysql://u:geheim@db.example:3306/shop", "db.example:3306/shop"),
        ("postgresql://db.example", "db.example"),
        ("postgresql://u:geheim", UNTOLD),  # the host was forgotten
        ("postgresql://u:ge?he@db.example/shop", UNTOLD),
        ("postgresql://u@db.example/shop?password=ge@heim", UNTOLD),
        ("postgresql:///shop?password=geheim", UNTOLD),
        ("host=db.example user=u password=geheim", "db.example"),
        ("host=db.example port=5432 dbname=shop user=u password='ge host=heim'", "db.example:5432/shop"),
        ("dbname = shop host = db.example password = ge\\ heim", "db.example/shop"),
        ("host=db.example password='geheim", UNTOLD),
        ("host=db.example password=ge heim", UNTOLD),
        ("u:geheim@db.example", UNTOLD),
        ("", UNTOLD),
        ({"dsn": "postgresql://u:ge/heim@db.example/shop"}, "db.example/shop"),
        ({"host": "db.example", "port": 5432, "database": None, "password": "geheim"}, "db.example:5432/"),
    ],
)
def test_an_address_is_told_without_its_password(address: Any, place: str) -> None:
    assert place_of(address) == place


@pytest.mark.parametrize(
    "address",
    [
        "host=127.0.0.1 user=u password=xqzwvk",
        "postgresql://u:xqz/wvk@127.0.0.1:1/shop",
        "postgresql://u:xqz@wvk@127.0.0.1:1/shop",
        "postgresql://u:xqzwvk",
    ],
)
def test_no_part_of_the_password_is_in_an_error_or_the_panel(address: str) -> None:
    async def run() -> None:
        async with Pool({"dsn": address}) as pool:
            with pytest.raises(DatabaseError) as raised:
                await pool.acquire()
            for text in (str(raised.value), str(pool.snapshot()), pool.name):
                assert "xqz" not in text
                assert "wvk" not in text

    asyncio.run(run())
