"""What the window asks while a node is edited: the first rows that it would give; see ``runtime.preview``.

The newest question counts: one that has not begun when another comes is answered with ``{"dropped": true}``.

===============  ===========================  ==================================================================
do               with                         ok
===============  ===========================  ==================================================================
preview          ``workflow``, ``node``;      ``outputs``: pages, ``more``: those with more rows, ``whole``:
                 ``run_id``: what it was      made of all rows of its inputs, ``kind``; or ``problem``; and
                 given, or empty;             ``columns``: the names at each input that is a table
                 ``names``: those that nodes
                 had in that run, by those
                 of now, where they differ
preview_reading  the same, of a node that     the same
                 reads a file; ``folder``
===============  ===========================  ==================================================================
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from kailash_studio.errors import StudioError, describe
from kailash_studio.runtime.dropping import unless_dropped
from kailash_studio.runtime.preview import preview_page, resolved
from kailash_studio.runtime.updates import Answer
from kailash_studio.spec.context import Outputs
from kailash_studio.spec.registry import Registry
from kailash_studio.spec.values import step_into
from kailash_studio.tables.table import Table
from kailash_studio.workflow.reader import read

_LOOK = 100  # records

Find = Callable[[str, str], Outputs | None]
Clean = Callable[[str, Answer], Answer]


class PreviewRequests:
    """Answers the strip under a form; the work is done in a thread of its own."""

    def __init__(self, registry: Registry, find: Find, clean: Clean) -> None:
        """Prepare.

        Args:
            registry: Knows the node types.
            find: Gives the outputs of a node by run and node, None where there are none.
            clean: Takes a run's secrets out of an answer.
        """
        self._registry, self._find, self._clean = registry, find, clean
        self._thread = ThreadPoolExecutor(1, "previews")
        self._newest: asyncio.Future[Answer] | None = None

    def handlers(self) -> dict[str, Callable[[Mapping[str, Any]], Answer | asyncio.Future[Answer]]]:
        """The requests, by name."""
        return {
            "preview": lambda request: self._preview(request, None),
            "preview_reading": lambda request: self._preview(request, Path(request["folder"])),
        }

    def close(self) -> None:
        """Begin nothing more; what is under way ends by itself."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _preview(self, request: Mapping[str, Any], folder: Path | None) -> asyncio.Future[Answer]:
        workflow, node, run_id = read(request["workflow"]).workflow, request["node"], request["run_id"]
        placed, names = workflow.node(node), request.get("names", {})
        inputs: dict[str, list[Any]] = {}
        for connection in workflow.incoming(node):
            outputs = self._find(run_id, names.get(connection.source, connection.source)) if run_id else None
            if outputs is not None and connection.output in outputs:
                start = f"{connection.source}.{connection.output}"
                value = step_into(outputs[connection.output], connection.path, start)
                inputs.setdefault(connection.input, []).append(value)
        node_type = self._registry.get(placed.type)
        many = {name for name, port in node_type.ports_of(placed.parameters).inputs.items() if port.many}
        given = {name: values if name in many else values[0] for name, values in inputs.items()}

        columns = {name: names for name, value in given.items() if (names := _columns(value))}

        async def work() -> Answer:
            try:
                parameters = resolved(workflow, node)
            except StudioError as error:
                return {"problem": describe(error), "columns": columns}
            told = await preview_page(node_type, parameters, given, folder=folder, executor=self._thread)
            return self._clean(run_id, {**told, "columns": columns})

        if self._newest is not None:
            self._newest.cancel()
        self._newest = asyncio.ensure_future(work())
        return unless_dropped(self._newest)


def _columns(value: Any) -> list[str]:
    """The names of a table's columns; of a list of records, those of the first ones."""
    if isinstance(value, Table):
        return list(value.column_names)
    first = value[:_LOOK] if isinstance(value, list) else []
    return list(dict.fromkeys(name for record in first if isinstance(record, dict) for name in record))
