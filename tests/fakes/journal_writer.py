"""Writes a run into a journal as fast as it can, ``python journal_writer.py FILE RUN``; prints what is acknowledged."""

from __future__ import annotations

import sys
from pathlib import Path

from kailash_studio.runtime.events import Event
from kailash_studio.runtime.journal.journal import Journal


def main() -> None:
    journal, name = Journal(Path(sys.argv[1])), sys.argv[2]
    journal.start_run(name, "killed", "", 1.0).wait()
    number = 0
    while True:
        size = 1 + number % 7
        batch = [
            Event(
                number + i, "node_succeeded", name, f"n{number + i}", 0.0, 0.0, -1, {"outputs": ["result"], "rows": {}}
            )
            for i in range(size)
        ]
        journal.take(name, batch, lambda node: {"result": {"value": node, "padding": "x" * 300}}).wait()
        number += size
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
