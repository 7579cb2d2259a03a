"""A chain of nodes with an effect each, ``python slow_chain.py JOURNAL EFFECTS RESUMED``: run, or resume a run."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from kailash_studio import WorkflowBuilder
from kailash_studio.nodes.code import PythonCodeNode
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.runtime.journal.journal import Journal

COUNT = 25


def chain(effects: Path) -> WorkflowBuilder:
    builder = WorkflowBuilder("chain")
    for number in range(COUNT):

        async def step(x: int = 0, number: int = number) -> int:
            with effects.open("a", encoding="utf-8") as stream:
                stream.write(f"n{number}\n")
            await asyncio.sleep(0.01)
            return x + number

        builder.add_node(f"n{number}", PythonCodeNode.from_function(step, name=f"n{number}"))
        if number:
            builder.add_connection(f"n{number - 1}", "result", f"n{number}", "x")
    return builder


async def main() -> None:
    journal, effects, resumed = Journal(Path(sys.argv[1])), Path(sys.argv[2]), sys.argv[3]
    before = journal.run(resumed) if resumed else None
    known: dict[str, Any] = dict(journal.finished_in_all(before.root)) if before else {}
    outcome, _ = await AsyncLocalRuntime(journal=journal).run(
        chain(effects), known=known, before=before, run_id="" if resumed else "first"
    )
    print(outcome.results[f"n{COUNT - 1}"]["result"])
    journal.close()


if __name__ == "__main__":
    asyncio.run(main())
