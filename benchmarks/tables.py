"""A million rows as a table and as records: ``python benchmarks/tables.py [--quick]``.

One workflow (fetch from the embedded PostgreSQL, filter, group) runs with the journal on, then pages of the filtered
rows are asked for as the window does. Each candidate has a process of its own. Memory is the peak of the resident set,
files that are mapped included, above the idle engine: ``warm`` above the same engine after a workflow of 25,000 rows,
as an engine that is kept is; ``cold`` above one that has never loaded Arrow. The longest stall is that of the engine's
loop, which also answers the window. ``mapped`` has five times the rows and a cap of 8 MiB for each table, so that
they lie in files: ``anon`` is the part of the peak that the system cannot take back. Exit status 1 when a goal
is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

GOAL_MB = 150.0
GOAL_STALL_MS = 50.0
PAGES, PAGE = 200, 100
WARM_ROWS = 25_000  # just enough to come as a table
QUERY = """
SELECT i AS id, i % 5000 AS client_id, 'region ' || i % 7 AS region, (i % 100000 / 100.0)::numeric(10, 2) AS price,
       i % 900 AS quantity, date '2020-01-01' + i % 1500 AS traded_on
FROM generate_series(1, {rows}) AS i
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="100,000 rows")
    parser.add_argument(
        "--as", dest="candidate", choices=["table", "mapped", "records"], help="one candidate, in this process"
    )
    chosen = parser.parse_args()
    rows = 100_000 if chosen.quick else 1_000_000
    if chosen.candidate:
        times = 5 if chosen.candidate == "mapped" else 1
        print(json.dumps(asyncio.run(measured(chosen.candidate, rows * times))))
        return 0
    found = {}
    with tempfile.TemporaryDirectory() as home:
        for candidate in ("table", "mapped", "records"):
            words = [sys.executable, __file__, "--as", candidate, *(["--quick"] if chosen.quick else [])]
            variables = {**os.environ, "KAILASH_STUDIO_HOME": home}
            if candidate == "mapped":
                variables["KAILASH_STUDIO_TABLE_MEMORY"] = "8"
            done = subprocess.run(words, env=variables, stdout=subprocess.PIPE, encoding="utf-8", check=True)
            found[candidate] = json.loads(done.stdout)
    heads = ["warm_mb", "cold_mb", "anon_mb", "fetch_s", "filter_s", "group_s", "page_ms", "stall_ms"]
    print(f"{rows} rows{'':<10}" + "".join(f"{head:>12}" for head in heads))
    for name, figures in found.items():
        print(f"{name:<20}" + "".join(f"{figures[head]:>12.2f}" for head in heads))
    assert found["table"]["groups"] == found["records"]["groups"], "both must compute the same"
    ours = found["table"]
    good = ours["warm_mb"] <= GOAL_MB and found["mapped"]["anon_mb"] <= GOAL_MB
    good &= max(found[name]["stall_ms"] for name in ("table", "mapped")) <= GOAL_STALL_MS
    print(
        f"goal: at most {GOAL_MB:g} MB above the idle engine (warm; mapped: anon), no stall over {GOAL_STALL_MS:g} ms: "
        f"{'met' if good else 'MISSED'}"
    )
    return 0 if good else 1


class NoPandas:
    """pyarrow takes pandas along where it is installed, as on a developer's machine; the program's users have none."""

    def find_spec(self, name: str, *more: Any) -> None:
        if name.partition(".")[0] == "pandas":
            raise ModuleNotFoundError(name)


async def measured(candidate: str, rows: int) -> dict[str, Any]:
    """Run one candidate in this process."""
    sys.meta_path.insert(0, NoPandas())
    from kailash_studio.runtime.async_local import AsyncLocalRuntime
    from kailash_studio.runtime.journal.journal import Journal
    from kailash_studio.runtime.pages import page_of
    from kailash_studio.services.embedded_database import EmbeddedDatabase

    database = await EmbeddedDatabase.open()
    target = await database.target()
    await records_of(target, "SELECT 1")
    journal = Journal()
    async with AsyncLocalRuntime(journal=journal) as runtime:
        warm, _ = await runtime.run(workflow(candidate, target, WARM_ROWS))
        assert warm.state == "succeeded", warm.failures
        idle = resident() if candidate == "records" else idle_of_engine()
        loaded = resident()
        reset_peak()
        anonymous = Anonymous()
        stalls = asyncio.ensure_future(longest_stall())
        outcome, _ = await runtime.run(workflow(candidate, target, rows))
        assert outcome.state == "succeeded", outcome.failures
        kept = outcome.results["filter"][OUTPUT[candidate]]
        began = time.perf_counter()
        for number in range(PAGES):
            page = page_of(kept, number * (len(kept) // PAGES), PAGE)
            assert len(page["rows"]) == PAGE
            await asyncio.sleep(0)
        page_ms = (time.perf_counter() - began) / PAGES * 1e3
        stalls.cancel()
        stall = (await asyncio.gather(stalls, return_exceptions=True), STALL[0])[1]
        peak, anon_mb = peak_resident(), anonymous.stop()
    journal.close()
    await database.aclose()
    groups = [list(row.values()) for row in outcome.results["group"][OUTPUT[candidate]]]
    return {
        "warm_mb": peak - loaded, "cold_mb": peak - idle, "anon_mb": anon_mb, "page_ms": page_ms,
        "stall_ms": stall * 1e3,
        "groups": json.loads(json.dumps(sorted(groups), default=str)), **{f"{k}_s": v for k, v in SECONDS.items()},
    }  # fmt: skip


# ---------------------------------------------------------------------------------------------- the two workflows
OUTPUT = {"table": "data", "mapped": "data", "records": "result"}
SECONDS: dict[str, float] = {}


async def records_of(target: dict[str, Any], query: str) -> list[dict[str, Any]]:
    """The rows as SQL nodes give them when they are few."""
    from kailash_studio.services.postgres.pool import Pool
    from kailash_studio.services.postgres.rows import as_rows

    async with Pool(target) as pool, await pool.acquire() as lease:
        rows: list[dict[str, Any]] = as_rows(await lease.run(query))["data"]
        return rows


def workflow(candidate: str, target: dict[str, Any], rows: int) -> Any:
    """Fetch, filter, group; the same three steps for both."""
    from kailash_studio import WorkflowBuilder
    from kailash_studio.nodes.code import PythonCodeNode

    builder = WorkflowBuilder(candidate)
    query = QUERY.format(rows=rows)

    async def fetch() -> Any:
        return await records_of(target, query)

    def keep(rows: list[dict[str, Any]]) -> Any:
        return [row for row in rows if row["price"] > 100 and row["region"] != "region 3"]

    def group(rows: list[dict[str, Any]]) -> Any:
        groups: dict[str, dict[str, Any]] = {}
        for row in rows:
            one = groups.setdefault(row["region"], {"region": row["region"], "n": 0, "total": 0})
            one["n"] += 1
            one["total"] += row["price"]
        return list(groups.values())

    if candidate != "records":
        registry = builder.registry
        builder.add_node("fetch", timed("fetch", registry.get("AsyncSQLDatabaseNode")("fetch", query=query)))
        condition = "price > 100 and region != 'region 3'"
        filtering = registry.get("FilterRowsNode")("filter", by="expression", expression=condition)
        grouping = registry.get("AggregateNode")(
            "group", group_by=["region"], measures=["n = count()", "total = sum(price)"]
        )
        builder.add_node("filter", timed("filter", filtering))
        builder.add_node("group", timed("group", grouping))
    else:
        builder.add_node("fetch", timed("fetch", PythonCodeNode.from_function(fetch)))
        builder.add_node("filter", timed("filter", PythonCodeNode.from_function(keep)))
        builder.add_node("group", timed("group", PythonCodeNode.from_function(group)))
    builder.add_connection("fetch", OUTPUT[candidate], "filter", "rows")
    builder.add_connection("filter", OUTPUT[candidate], "group", "rows")
    return builder


def timed(name: str, node: Any) -> Any:
    """The node, with its wall time noted."""
    run: Callable[..., Any] = node.run

    def plain(context: Any) -> Any:
        began = time.perf_counter()
        try:
            return run(context)
        finally:
            SECONDS[name] = time.perf_counter() - began

    async def waiting(context: Any) -> Any:
        began = time.perf_counter()
        try:
            return await run(context)
        finally:
            SECONDS[name] = time.perf_counter() - began

    node.run = waiting if asyncio.iscoroutinefunction(run) else plain
    return node


# ---------------------------------------------------------------------------------------------- measuring
STALL = [0.0]
TICK = 0.002


async def longest_stall() -> None:
    """Note how late the loop comes back, at worst."""
    while True:
        began = time.perf_counter()
        await asyncio.sleep(TICK)
        STALL[0] = max(STALL[0], time.perf_counter() - began - TICK)


class Anonymous:
    """The highest anonymous memory above where it began; the system keeps no peak of it, so a thread looks often."""

    def __init__(self) -> None:
        self._begin = self._most = status("RssAnon")
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._ended.wait(0.005):
            self._most = max(self._most, status("RssAnon"))

    def stop(self) -> float:
        self._ended.set()
        self._thread.join()
        return self._most - self._begin


def idle_of_engine() -> float:
    """The resident set of the same process with another candidate's last step: an engine that never saw a table."""
    code = f"import asyncio, sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import tables; "
    code += "print(asyncio.run(tables.idle()))"
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, encoding="utf-8", check=True)
    return float(done.stdout)


async def idle() -> float:
    """An engine with an open database that has run a workflow of records."""
    sys.meta_path.insert(0, NoPandas())
    from kailash_studio.runtime.async_local import AsyncLocalRuntime
    from kailash_studio.runtime.journal.journal import Journal
    from kailash_studio.services.embedded_database import EmbeddedDatabase

    database = await EmbeddedDatabase.open()
    journal = Journal()
    async with AsyncLocalRuntime(journal=journal) as runtime:
        await runtime.run(workflow("records", await database.target(), 10))
        found = resident()
    journal.close()
    await database.aclose()
    return found


def resident() -> float:
    return status("VmRSS")


def peak_resident() -> float:
    return status("VmHWM")


def status(name: str) -> float:
    """A line of the process's status, in MB."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1e3 * 1.024 for line in lines if line.startswith(name))


def reset_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


if __name__ == "__main__":
    sys.exit(main())
