"""The embedded server, for real: every way of dying is tried on real processes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
from fakes.waiting import until

from kailash_studio.errors import EmbeddedServerError
from kailash_studio.services.embedded_postgres import EmbeddedAddress, EmbeddedPostgres
from kailash_studio.services.sample_data import load_sample_data

LINGER = 0.6


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("embedded") / "postgres"


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[tuple[EmbeddedPostgres, EmbeddedAddress]]:
    server = EmbeddedPostgres(folder, linger=LINGER)
    try:
        yield server, await server.start()
    finally:
        await server.close()


async def fetch(address: EmbeddedAddress, statement: str) -> object:
    connection = await asyncpg.connect(address.dsn)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def postmaster(folder: Path) -> int:
    return int((folder / "data" / "postmaster.pid").read_text().split()[0])


def supervisor(folder: Path) -> int:
    return int(json.loads((folder / "state.json").read_text())["pid"])


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_first_start_gives_a_database_with_pgvector(folder: Path) -> None:
    async def check() -> None:
        async with running(folder) as (_, address):
            assert await fetch(address, "SELECT extversion FROM pg_extension WHERE extname = 'vector'")
            assert await fetch(address, "SELECT '[1,2]'::vector <-> '[1,3]'::vector") == 1.0
            assert await fetch(address, "SELECT current_database()") == "studio"
            assert await fetch(address, "SELECT upper('é')") == "É"

    asyncio.run(check())


def test_the_password_is_asked_for_and_loopback_is_all_that_is_served(folder: Path) -> None:
    async def check() -> None:
        async with running(folder) as (_, address):
            with pytest.raises(asyncpg.InvalidPasswordError):
                await asyncpg.connect(
                    host=address.host, port=address.port, user="studio", password="x", database="studio"
                )
            assert await fetch(address, "SHOW listen_addresses") == "127.0.0.1"
            assert address.password not in repr(address)
            for name in ("password", "state.json"):
                assert (folder / name).stat().st_mode & 0o077 == 0

    asyncio.run(check())


def test_a_second_user_joins_the_same_server(folder: Path) -> None:
    async def check() -> None:
        async with running(folder) as (_, first), running(folder) as (_, second):
            assert first == second
            code = (
                "import asyncio, sys; from pathlib import Path\n"
                "from kailash_studio.services.embedded_postgres import EmbeddedPostgres\n"
                "async def main():\n"
                "    server = EmbeddedPostgres(Path(sys.argv[1])); print((await server.start()).port)\n"
                "    await server.close()\n"
                "asyncio.run(main())\n"
            )
            shown = subprocess.run(
                [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True
            )
            assert int(shown.stdout) == first.port

    asyncio.run(check())


def test_killed_server_comes_back_with_its_data(folder: Path) -> None:
    async def check() -> None:
        async with running(folder) as (server, address):
            connection = await asyncpg.connect(address.dsn)
            await connection.execute("CREATE TABLE kept AS SELECT 7 AS x")
            await connection.close()
            os.kill(postmaster(folder), signal.SIGKILL)
            again = await server.start()
            assert await fetch(again, "SELECT x FROM kept") == 7

    asyncio.run(check())


def test_killed_supervisor_takes_the_server_along_and_the_next_start_works(folder: Path) -> None:
    async def check() -> None:
        async with running(folder) as (server, _):
            old = postmaster(folder)
            os.kill(supervisor(folder), signal.SIGKILL)
            again = await server.start()
            assert not is_running(old)
            assert await fetch(again, "SELECT x FROM kept") == 7

    asyncio.run(check())


def test_nothing_is_left_when_the_only_user_is_killed(folder: Path) -> None:
    code = (
        "import asyncio, sys; from pathlib import Path\n"
        "from kailash_studio.services.embedded_postgres import EmbeddedPostgres\n"
        "async def main():\n"
        "    server = EmbeddedPostgres(Path(sys.argv[1]), linger=0.6); await server.start()\n"
        "    print('up', flush=True); await asyncio.sleep(600)\n"
        "asyncio.run(main())\n"
    )

    async def check() -> None:
        user = subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE)
        assert user.stdout is not None
        assert user.stdout.readline() == b"up\n"
        pids = postmaster(folder), supervisor(folder)
        user.kill()
        user.wait()
        user.stdout.close()
        await until(lambda: not any(is_running(pid) for pid in pids))
        async with running(folder) as (_, address):
            assert await fetch(address, "SELECT x FROM kept") == 7

    asyncio.run(check())


@pytest.mark.parametrize("lie", ["", "not a number\n", f"{os.getpid()}\n/elsewhere\n"])
def test_a_pid_file_that_lies_is_no_obstacle(folder: Path, lie: str) -> None:
    async def check() -> None:
        async with running(folder):
            pids = postmaster(folder), supervisor(folder)
        await until(lambda: not any(is_running(pid) for pid in pids))
        (folder / "data" / "postmaster.pid").write_text(lie)
        async with running(folder) as (_, address):
            assert await fetch(address, "SELECT 1") == 1

    asyncio.run(check())


def test_two_first_starts_at_once_share_one_server(tmp_path: Path) -> None:
    async def check() -> None:
        servers = [EmbeddedPostgres(tmp_path / "postgres", linger=LINGER) for _ in range(3)]
        addresses = await asyncio.gather(*(server.start() for server in servers))
        assert len(set(addresses)) == 1
        assert await fetch(addresses[0], "SELECT 1") == 1
        for server in servers:
            await server.close()

    asyncio.run(check())


def test_a_wrong_token_gets_nothing(folder: Path) -> None:
    async def check() -> None:
        async with running(folder):
            port = json.loads((folder / "state.json").read_text())["control_port"]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"guess\naddress\n")
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()

    asyncio.run(check())


def test_what_keeps_it_from_starting_is_said(tmp_path: Path) -> None:
    async def check() -> None:
        folder = tmp_path / "postgres"
        (folder / "data").mkdir(parents=True)
        (folder / "data" / "PG_VERSION").write_text("18\n")  # looks like a database, and is none
        server = EmbeddedPostgres(folder, linger=LINGER)
        with pytest.raises(EmbeddedServerError, match="cannot start: the server ended at once"):
            await server.start()
        await server.close()

    asyncio.run(check())


def test_the_sample_data_are_loaded_once(folder: Path) -> None:
    async def check() -> None:
        async with running(folder) as (_, address):
            first = await load_sample_data(address, schema="sample")
            assert first.loaded
            assert first.rows["positions"] > 2000
            second = await load_sample_data(address, schema="sample")
            assert not second.loaded
            assert second.rows == first.rows
            wrong = await fetch(
                address,
                """
                SELECT count(*) FROM sample.portfolios p WHERE total_value <> cash + (
                    SELECT sum(quantity * close_price) FROM sample.positions JOIN sample.market_prices USING (symbol)
                    WHERE portfolio_id = p.portfolio_id AND price_date = '2010-03-01'
                )
                """,
            )
            assert wrong == 0

    asyncio.run(check())
