"""What the window's table view asks: pages under a sort and a filter, profiles, whole cells; all work in threads.

Every request names ``run_id``, ``node`` and ``output``, and may say how the table is looked at: ``sort``
(``[[column, descends], ...]``) and ``filter`` (``[[column, operator, [value, ...]], ...]``, see ``tables.order``).
One that carries a ``ticket`` can be dropped before its work begins; it is then answered with ``{"dropped": true}``.

=============  ===========================  ====================================================================
do             with                         ok
=============  ===========================  ====================================================================
page           ``offset``, ``limit``        see ``runtime.pages``; ``total`` counts the rows that the filter left,
                                            ``all`` every row
table_profile  --                           ``rows``, ``columns`` (see ``tables.profile``) of the filtered rows
table_cell     ``row``, ``column``          ``type``, ``text`` (None for null, JSON of a nested value), ``tree`` (see
                                            ``runtime.pages``), ``cut``: the text is not whole
table_copy     ``offset``, ``limit``,       ``text``: lines for a clipboard, ``rows``: how many they are, ``cut``: how
               ``columns``                  many cells are not whole; see ``runtime.table_copy``
table_drop     ``tickets``                  ``dropped``: how many
=============  ===========================  ====================================================================
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from kailash_studio.errors import EngineError
from kailash_studio.runtime.dropping import unless_dropped
from kailash_studio.runtime.pages import page_of, rows_of, tree_of, type_name, whole_text
from kailash_studio.runtime.table_copy import MAX_CELL, copied
from kailash_studio.runtime.updates import Answer
from kailash_studio.tables.order import Look, rows_in_order
from kailash_studio.tables.profile import profile_of
from kailash_studio.tables.records import arrow_of_records
from kailash_studio.tables.table import Table

KEPT_TABLES = 6
KEPT_ORDERS = 4

Port = tuple[str, str, str]
Find = Callable[[str, str, str], Any]
Clean = Callable[[str, Answer], Answer]


class _Known:
    """What was worked out of one value; it belongs to the value that it was made of."""

    def __init__(self, value: Any) -> None:
        self.value = value
        self.lock = threading.RLock()  # pages and profiles have threads of their own
        self._arrow: Any = None
        self._orders: OrderedDict[Look, Any] = OrderedDict()
        self._profiles: OrderedDict[Look, list[dict[str, Any]]] = OrderedDict()

    def arrow(self) -> Any:
        """The value as a ``pyarrow.Table``; a list of records is turned into one once."""
        with self.lock:
            if self._arrow is None:
                rows = rows_of(self.value)
                if rows is None:
                    raise EngineError("This value is no table: it has no rows to sort, filter or profile.")
                self._arrow = rows.arrow if isinstance(rows, Table) else arrow_of_records(rows, mixed_as_text=True)
            return self._arrow

    def order(self, look: Look) -> Any:
        """Row numbers under a look, or None for all of them as they are."""
        if not look.sort and not look.conditions:
            return None
        with self.lock:
            found = self._orders.get(look)
            if found is None:
                found = self._orders[look] = rows_in_order(self.arrow(), look)
                while len(self._orders) > KEPT_ORDERS:
                    self._orders.popitem(last=False)
            else:
                self._orders.move_to_end(look)
            return found

    def profile(self, conditions: Look) -> list[dict[str, Any]]:
        """The profile of the rows that fit."""
        found = self._profiles.get(conditions)
        if found is None:
            table = self.arrow()
            if conditions.conditions:
                table = table.take(self.order(conditions))
            found = self._profiles[conditions] = profile_of(table)
            while len(self._profiles) > KEPT_ORDERS:
                self._profiles.popitem(last=False)
        return found


class TableRequests:
    """Answers the table views of a window; one belongs to each engine process.

    Pages have a thread of their own, profiles another: a profile of a long table does not hold up scrolling.
    """

    def __init__(self, find: Find, clean: Clean) -> None:
        """Prepare.

        Args:
            find: Gives the value of an output by run, node and output, or raises a ``StudioError``; called in a
                thread, since a value of a past run is read from the disk.
            clean: Takes a run's secrets out of an answer.
        """
        self._find, self._clean = find, clean
        self._pages = ThreadPoolExecutor(1, "table-pages")
        self._profiles = ThreadPoolExecutor(1, "table-profiles")
        self._known: OrderedDict[Port, _Known] = OrderedDict()
        self._lock = threading.Lock()
        self._tickets: dict[str, asyncio.Future[Answer]] = {}

    def handlers(self) -> dict[str, Callable[[Mapping[str, Any]], Answer | asyncio.Future[Answer]]]:
        """The requests, by name."""
        return {
            "page": lambda request: self._begin(self._pages, _page, request),
            "table_cell": lambda request: self._begin(self._pages, _cell, request),
            "table_copy": lambda request: self._begin(self._pages, _copy, request),
            "table_profile": lambda request: self._begin(self._profiles, _profile, request),
            "table_drop": self._drop,
        }

    def forget(self, run_id: str) -> None:
        """Let go of what was worked out of a run's values."""
        with self._lock:
            for port in [port for port in self._known if port[0] == run_id]:
                del self._known[port]

    def close(self) -> None:
        """Begin nothing more; what is under way ends by itself."""
        for executor in (self._pages, self._profiles):
            executor.shutdown(wait=False, cancel_futures=True)

    def _begin(
        self,
        executor: ThreadPoolExecutor,
        work: Callable[[_Known, Look, Mapping[str, Any]], Answer],
        request: Mapping[str, Any],
    ) -> asyncio.Future[Answer]:
        port = request["run_id"], request["node"], request["output"]
        look = Look.from_plain(request.get("sort"), request.get("filter"))
        working = asyncio.get_running_loop().run_in_executor(
            executor, lambda: work(self._known_of(port), look, request)
        )
        ticket = request.get("ticket")
        if ticket is not None:
            self._tickets[ticket] = working
            working.add_done_callback(lambda _: self._tickets.pop(ticket, None))
        return unless_dropped(working, lambda answer: self._clean(request["run_id"], answer))

    def _known_of(self, port: Port) -> _Known:
        value = self._find(*port)
        with self._lock:
            known = self._known.get(port)
            if known is None or known.value is not value:
                known = self._known[port] = _Known(value)
            self._known.move_to_end(port)
            while len(self._known) > KEPT_TABLES:
                self._known.popitem(last=False)
            return known

    def _drop(self, request: Mapping[str, Any]) -> Answer:
        found = [self._tickets[ticket] for ticket in request["tickets"] if ticket in self._tickets]
        return {"dropped": sum(future.cancel() for future in found)}


def _page(known: _Known, look: Look, request: Mapping[str, Any]) -> Answer:
    return page_of(known.value, int(request.get("offset", 0)), int(request.get("limit", 200)), known.order(look))


def _profile(known: _Known, look: Look, request: Mapping[str, Any]) -> Answer:
    look = Look((), look.conditions)
    columns = known.profile(look)
    order = known.order(look) if look.conditions else None
    return {"rows": known.arrow().num_rows if order is None else len(order), "columns": columns}


def _cell(known: _Known, look: Look, request: Mapping[str, Any]) -> Answer:
    rows, number, column = rows_of(known.value), int(request["row"]), str(request["column"])
    order = known.order(look)
    if rows is None or not 0 <= number < len(rows if order is None else order):
        raise EngineError(f"There is no row {number + 1:,} any more: run the workflow again.")
    row = rows[number if order is None else order[number].as_py()]
    value = next((cell for name, cell in row.items() if str(name) == column), None)
    text = None if value is None else whole_text(value)
    cut = text is not None and len(text) > MAX_CELL
    return {
        "type": type_name(value),
        "text": text[: MAX_CELL - 1] + "…" if text is not None and cut else text,
        "tree": tree_of(value),
        "cut": cut,
    }


def _copy(known: _Known, look: Look, request: Mapping[str, Any]) -> Answer:
    rows = rows_of(known.value)
    if rows is None:
        raise EngineError("This value is no table any more: run the workflow again.")
    wanted = [str(name) for name in request["columns"]]
    return copied(rows, known.order(look), int(request["offset"]), int(request["limit"]), wanted)
