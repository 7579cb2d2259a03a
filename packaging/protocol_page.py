"""Writes ``docs/protocol.md`` out of the tables in the docstrings: ``python packaging/protocol_page.py``."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "protocol.md"
MODULES = {
    "server": "Attaching",
    "protocol": "Runs",
    "debug_requests": "Debugging",
    "rerun_requests": "Running a part again, and pins",
    "history_requests": "Past runs",
    "table_requests": "Values",
    "preview_requests": "Previews while a node is edited",
    "operations": "Dead letters and breakers",
    "database_requests": "Databases",
    "sql_requests": "SQL",
}
_RULE = re.compile(r"^=+(\s+=+)+\s*$")
_HEAD = """# The engine's protocol, version {version}

What a window and an engine say to each other, over the standard streams of the window's own process, or over a socket
on this machine (`kailash-studio run --debug`, `kailash-studio serve`). One JSON object a line.

A request has an `id`, a `do` and the words below; it is answered by an object with the same `id` and either `ok` or
`error` (`code`, `sentence`). Between answers the engine sends `update` objects, at most 30 a second: the newest state
of each node, new lines of the log, how the run ended. In them the newest state wins; nothing is lost in the journal.
An older window and a newer engine refuse each other by the version rather than misunderstand each other; a recorded
conversation (`tests/contract/protocol_v1.jsonl`) is held again by each test run.

Over the socket the first message is `attach`, with the token that a file below `attach` in the user's data holds for
the user alone. Whoever has no token gets nothing. One who looks on may ask only what changes nothing; one in control
may debug; on a server, start runs too.
"""


def rows_of(document: str) -> list[list[str]]:
    """The cells of the tables in a docstring; a row may go on over several lines."""
    lines = document.split("\n")
    rules = [number for number, line in enumerate(lines) if _RULE.match(line)]
    rows: list[list[str]] = []
    for top, head, end in zip(rules[0::3], rules[1::3], rules[2::3], strict=True):
        starts = [found.start() for found in re.finditer("=+", lines[top])]
        for line in lines[head + 1 : end]:
            cells = [line[a:b].strip() for a, b in zip(starts, [*starts[1:], None], strict=True)]
            if cells[0]:
                rows.append(cells)
            else:
                rows[-1] = [f"{before} {more}".strip() for before, more in zip(rows[-1], cells, strict=True)]
    return rows


def page() -> str:
    """The page as it should be."""
    protocol = importlib.import_module("kailash_studio.runtime.protocol")
    parts = [_HEAD.format(version=protocol.VERSION)]
    known: set[str] = set()
    for name, title in MODULES.items():
        document = importlib.import_module(f"kailash_studio.runtime.{name}").__doc__ or ""
        parts.append(f"\n## {title}\n\n| do | with | ok |\n| --- | --- | --- |\n")
        for do, words, ok in rows_of(document):
            if do not in known:
                known.add(do)
                cells = (cell.replace("``", "`").replace("|", "\\|") for cell in (words, ok))
                parts.append(f"| `{do}` | {' | '.join('' if cell == '--' else cell for cell in cells)} |\n")
    return "".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
