"""What the window's SQL editor asks: catalogue, lint, test run, plan. Each in bounded time, each can be called off.

Every request says who asks (``editor``), the node's own parameters (``given``, references unresolved), those of the
workflow (``declared``) and its ``folder``; ``text`` is the statement as it is being typed, ``values`` the list for
``$1``, or null when a connection will give it, ``names`` the object for ``:name``, or null when the node takes none.
A newer request of one editor calls off its older one of the same name, which is answered with ``{"called_off": true}``;
``sql_cancel`` does so without a newer one. A statement that runs over tables of the workflow says which (``tables``: an
output of a node for each name, or null) and of which run (``run_id``).

=============  =============================  ======================================================================
do             with                           ok
=============  =============================  ======================================================================
sql_catalogue  ``refresh``, ``offset``        ``catalogue`` (``Catalogue.to_plain``), ``where``, ``read`` (wall time)
sql_check      ``ask``: the database, too     ``findings``, ``parameters`` (name, type), ``columns`` (name, type),
                                              ``asked``: the database was asked, ``unreached``: why it could not be
sql_try        ``limit``                      ``columns``, ``types``, ``numeric``, ``rows`` of texts, ``more``,
                                              ``seconds``
sql_explain    ``analyze``                    ``plan`` (``PlanStep.to_plain``), ``seconds``
sql_cancel     ``what``: one of the above     ``called_off``: whether there was one
=============  =============================  ======================================================================
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from kailash_studio.errors import DatabaseError, EngineError, ParameterError, ServiceError, StudioError
from kailash_studio.runtime.pages import text_of
from kailash_studio.runtime.parameters import resolve
from kailash_studio.services.connections import FILES, Connections
from kailash_studio.services.credentials.redaction import Redactor
from kailash_studio.services.embedded_database import EmbeddedDatabase
from kailash_studio.services.mysql_target import MySQLTarget, target_of
from kailash_studio.services.server_parameters import implied
from kailash_studio.services.sql_analysis import agreed, lint
from kailash_studio.services.sql_catalogue import Catalogue
from kailash_studio.services.sql_sessions.duckdb import DuckDBSession, DuckDBTablesSession
from kailash_studio.services.sql_sessions.mysql import MySQLSession
from kailash_studio.services.sql_sessions.postgres import PostgresSession
from kailash_studio.services.sql_sessions.session import Description, Session
from kailash_studio.services.sql_sessions.sqlite import SqliteSession
from kailash_studio.services.sql_text import Given, placeholders
from kailash_studio.spec.context import Resources
from kailash_studio.spec.parameter import reference
from kailash_studio.spec.values import step_into
from kailash_studio.tables.table import Table
from kailash_studio.workflow.workflow import Workflow

_SECONDS = 30.0  # for a test run or a plan, unless the request says otherwise
_LOOK_SECONDS = 10.0  # for what is asked while typing
_MEMORY = 1024  # MiB, for statements over tables
_MOST_CHARACTERS = 1_000_000  # of the rows of a test run
_KEPT_CATALOGUES = 8
_CATALOGUE_AGE = 300.0  # seconds after which one is read anew

_FILE_SESSIONS: dict[str, type[SqliteSession | DuckDBSession]] = {"sqlite": SqliteSession, "duckdb": DuckDBSession}

Answer = dict[str, Any]
Secret = Callable[[str], str]
Work = Callable[[Mapping[str, Any], Redactor], Coroutine[Any, Any, Answer]]


@dataclass(frozen=True, slots=True)
class _Kept:
    catalogue: Catalogue
    read: float


class SqlRequests:
    """Answers the SQL editors of a window; one belongs to each engine process."""

    def __init__(
        self, secret: Secret, find: Callable[[str, str, str], Any], redactor: Callable[[str], Redactor]
    ) -> None:
        """Prepare; nothing is opened before the first request.

        Args:
            secret: Gives the value of a named secret; called in a thread.
            find: Gives the value of an output by run, node and output, or raises a ``StudioError``; called in a
                thread.
            redactor: What hides the secrets of a run.
        """
        self._secret, self._find, self._redactor = secret, find, redactor
        self._resources = Resources()
        self._catalogues: dict[str, _Kept] = {}
        self._under_way: dict[tuple[str, str], tuple[asyncio.Task[None], asyncio.Future[Answer]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def handlers(self) -> dict[str, Callable[[Mapping[str, Any]], Answer | asyncio.Future[Answer]]]:
        """The requests, by name."""

        def later(name: str, work: Work) -> Callable[[Mapping[str, Any]], asyncio.Future[Answer]]:
            return lambda request: self._begin(name, work, request)

        works = {
            "sql_catalogue": self._catalogue,
            "sql_check": self._check,
            "sql_try": self._try,
            "sql_explain": self._explain,
        }
        return {**{name: later(name, work) for name, work in works.items()}, "sql_cancel": self._cancel}

    async def aclose(self) -> None:
        """Call everything off and let go of the embedded server."""
        for editor, name in list(self._under_way):
            self._call_off(editor, name)
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._resources.aclose()

    # ------------------------------------------------------------------ one at a time
    def _begin(self, name: str, work: Work, request: Mapping[str, Any]) -> asyncio.Future[Answer]:
        editor = str(request["editor"])
        self._call_off(editor, name)
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(self._answered(work, request, answer))
        self._tasks.add(task)
        self._under_way[editor, name] = (task, answer)

        def ended(done: asyncio.Task[None]) -> None:
            self._tasks.discard(done)
            if self._under_way.get((editor, name), (None,))[0] is done:
                del self._under_way[editor, name]

        task.add_done_callback(ended)
        return answer

    async def _answered(self, work: Work, request: Mapping[str, Any], answer: asyncio.Future[Answer]) -> None:
        """Do the work; what is answered, a refusal too, is without the secrets that this request has resolved."""
        redactor = Redactor(self._secret)
        try:
            found = await work(request, redactor)
        except Exception as error:  # noqa: BLE001 - handed over: whoever asked hears it
            told: BaseException = error
            for one in self._redactors(request, redactor):
                told = one.error(told)  # a database quotes values that it does not take
            if not answer.done():
                answer.set_exception(told)
        else:
            if not answer.done():
                answer.set_result(self._hidden(request, redactor, found))

    def _redactors(self, request: Mapping[str, Any], own: Redactor) -> list[Redactor]:
        """What hides a request's own secrets, and those of the run whose tables it is over."""
        return [own, self._redactor(str(request.get("run_id") or ""))] if request.get("tables") is not None else [own]

    def _hidden(self, request: Mapping[str, Any], own: Redactor, value: Any) -> Any:
        for redactor in self._redactors(request, own):
            value = redactor.value(value)
        return value

    def _call_off(self, editor: str, name: str) -> bool:
        """Answer at once; the task ends when the database lets it go."""
        task, answer = self._under_way.pop((editor, name), (None, None))
        if task is None or answer is None or answer.done():
            return False
        answer.set_result({"called_off": True})
        task.cancel()
        return True

    def _cancel(self, request: Mapping[str, Any]) -> Answer:
        editor, what = str(request["editor"]), request.get("what")
        names = [what] if what else [name for asker, name in list(self._under_way) if asker == editor]
        return {"called_off": sum(self._call_off(editor, name) for name in names) > 0}

    # ------------------------------------------------------------------ the requests
    async def _catalogue(self, request: Mapping[str, Any], redactor: Redactor) -> Answer:
        kept = await self._kept(request, redactor.secret, refresh=bool(request.get("refresh")))
        session = await self._session(request, redactor.secret, _LOOK_SECONDS)
        return {
            "catalogue": kept.catalogue.to_plain(int(request.get("offset") or 0)),
            "where": session.where,
            "read": kept.read,
        }

    async def _check(self, request: Mapping[str, Any], redactor: Redactor) -> Answer:
        text, given = str(request["text"]), _given(request)
        known = self._catalogues.get(_key(request))
        dialect = (
            known.catalogue.dialect
            if known is not None
            else await asyncio.to_thread(_dialect, request, redactor.secret)
        )
        found = await asyncio.to_thread(
            lint,
            text,
            dialect,
            catalogue=known.catalogue if known else None,
            values=set(given.placeholders),
            named=request.get("names", {}) is not None,
            connected=request.get("values", []) is None,
        )
        description, unreached = Description({}, []), ""
        if request.get("ask") and not any(f.code == "empty" for f in found):
            try:
                session = await self._session(request, redactor.secret, _LOOK_SECONDS)
                description = await session.describe(text)
                found = agreed(text, found, description.fault, dialect)
            except (ServiceError, ParameterError) as error:
                unreached = str(error)  # lint alone is an answer too; the reason is shown beside it
        return {
            "findings": [finding.to_plain() for finding in found],
            "parameters": [[p.name, description.parameters.get(p.name, "")] for p in placeholders(text, dialect)],
            "columns": [list(column) for column in description.columns],
            "asked": bool(request.get("ask")) and not unreached,
            "unreached": unreached,
        }

    async def _try(self, request: Mapping[str, Any], redactor: Redactor) -> Answer:
        session = await self._session(request, redactor.secret, float(request.get("seconds") or _SECONDS))
        values = await _values(request, redactor.secret)
        began = time.monotonic()
        found = await session.first_rows(str(request["text"]), values, limit=int(request.get("limit") or 200))
        numeric = [
            any(isinstance(row[i], int | float | Decimal) for row in found.rows) for i in range(len(found.columns))
        ]
        # before they are texts too: a long one is cut, and bytes are written in hexadecimal
        cells = [[self._hidden(request, redactor, value) for value in row] for row in found.rows]
        rows = _bounded([[text_of(value) for value in row] for row in cells])
        return {
            "columns": [name for name, _ in found.columns],
            "types": [kind for _, kind in found.columns],
            "numeric": numeric,
            "rows": rows,
            "more": found.more or len(rows) < len(found.rows),
            "seconds": time.monotonic() - began,
        }

    async def _explain(self, request: Mapping[str, Any], redactor: Redactor) -> Answer:
        session = await self._session(request, redactor.secret, float(request.get("seconds") or _SECONDS))
        values = await _values(request, redactor.secret)
        began = time.monotonic()
        plan = await session.explain(str(request["text"]), values, analyze=bool(request.get("analyze")))
        return {"plan": plan.to_plain(), "seconds": time.monotonic() - began}

    # ------------------------------------------------------------------ what they need
    async def _kept(self, request: Mapping[str, Any], secret: Secret, *, refresh: bool) -> _Kept:
        key = _key(request)
        known = self._catalogues.get(key)
        if known is None or refresh or time.time() - known.read > _CATALOGUE_AGE:
            session = await self._session(request, secret, _LOOK_SECONDS)
            known = _Kept(await session.catalogue(), time.time())
            self._catalogues.pop(key, None)
            self._catalogues[key] = known
            while len(self._catalogues) > _KEPT_CATALOGUES:
                del self._catalogues[next(iter(self._catalogues))]
        return known

    async def _session(self, request: Mapping[str, Any], secret: Secret, seconds: float) -> Session:
        """The database that the node's parameters mean; the same rules as the node's own."""
        given = request["given"]
        if request.get("tables") is not None:
            return await asyncio.to_thread(self._on_tables, request, secret, seconds)
        kind = given.get("database_type", "postgresql")
        connection = _connection(given)
        if connection == "embedded":
            embedded = await self._resources.get(EmbeddedDatabase, EmbeddedDatabase.open)
            return PostgresSession(await embedded.target(), seconds=seconds)
        if connection not in {"details", "saved"}:
            raise DatabaseError(
                f"The editor cannot look into {connection!r}: it knows the embedded database, details and saved."
            )
        resolved = await asyncio.to_thread(_resolved, given, request, secret)
        if connection == "saved":
            saved = await asyncio.to_thread(Connections().get, str(resolved.get("saved") or ""))
            if saved.kind in _FILE_SESSIONS:
                return _FILE_SESSIONS[saved.kind](_file(request["folder"], saved.database), seconds=seconds)
            target = await asyncio.to_thread(saved.target, secret)
            if saved.kind == "mysql":
                return MySQLSession(target_of(target), seconds=seconds)
            return PostgresSession(target, seconds=seconds)
        if kind in _FILE_SESSIONS:
            if not resolved.get("database"):
                raise DatabaseError(f"The {FILES[kind]} file is not set: give its path under Database.")
            return _FILE_SESSIONS[kind](_file(request["folder"], resolved["database"]), seconds=seconds)
        address = resolved.get("connection_string")
        if kind == "mysql":
            return MySQLSession(MySQLTarget.of(address) if address else target_of(resolved), seconds=seconds)
        if address:
            return PostgresSession({"dsn": address}, seconds=seconds)
        target = {
            "host": resolved.get("host") or "localhost",
            "port": resolved.get("port") or 5432,
            "database": resolved.get("database") or None,
            "user": resolved.get("user") or None,
            "password": resolved.get("password") or None,
        }
        return PostgresSession(target, seconds=seconds)

    def _on_tables(self, request: Mapping[str, Any], secret: Secret, seconds: float) -> Session:
        """The tables that a run gave to the nodes above, and the files that the node names."""
        given = _resolved(request["given"], request, secret)
        tables = {}
        for name, start in request["tables"].items():
            if start is None:
                raise DatabaseError(f"The table {name} is not connected: connect it, or take it from the list.")
            node, output, path = start
            try:
                value = self._find(str(request["run_id"]), node, output)
                tables[name] = Table.of(step_into(value, path, f"{node}.{output}"))
            except StudioError:
                raise DatabaseError(
                    f"The table {name} has no rows yet: run the workflow once, so that {node} gives them."
                ) from None
        files = {name: _file(request["folder"], str(path)) for name, path in dict(given.get("files") or {}).items()}
        return DuckDBTablesSession(tables, files, memory=int(given.get("memory_limit") or _MEMORY), seconds=seconds)


def _dialect(request: Mapping[str, Any], secret: Secret) -> str:
    """The dialect of a database that was not looked at yet."""
    if request.get("tables") is not None:
        return "duckdb"
    given = request["given"]
    kind = given.get("database_type") if _connection(given) == "details" else None
    if _connection(given) == "saved":
        with contextlib.suppress(ParameterError):  # looking at the database says what is wrong with the name
            kind = Connections().get(str(_resolved({"saved": given.get("saved")}, request, secret)["saved"])).kind
    return kind if isinstance(kind, str) else "postgresql"


def _resolved(given: Mapping[str, Any], request: Mapping[str, Any], secret: Secret) -> dict[str, Any]:
    workflow = Workflow(parameters=dict(request.get("declared") or {}))
    for value in given.values():
        found = reference(value)
        if found is not None and found[0] == "$parameter" and found[1] not in workflow.parameters:
            raise ParameterError(f"There is no workflow parameter {found[1]!r}.")
    return resolve(given, workflow, {}, secret)


def _given(request: Mapping[str, Any]) -> Given:
    """The values as the document has them."""
    listed, named = request.get("values") or [], request.get("names") or {}
    if not isinstance(listed, list) or not isinstance(named, dict):
        raise EngineError("The values of a statement are a list, those by name an object.")
    return Given(listed, named)


async def _values(request: Mapping[str, Any], secret: Secret) -> Given:
    given = _given(request)
    found = await asyncio.to_thread(_resolved, given.placeholders, request, secret)
    count = len(given.listed)
    return Given(list(found.values())[:count], {name: found[f":{name}"] for name in given.named})


def _bounded(rows: list[list[str | None]]) -> list[list[str | None]]:
    """As many of the rows as a window takes in without being held up."""
    room = _MOST_CHARACTERS
    for index, row in enumerate(rows):
        room -= sum(len(text or "") + 4 for text in row)
        if room < 0:
            return rows[: max(index, 1)]
    return rows


def _connection(given: Mapping[str, Any]) -> str:
    """Which connection the parameters mean; as for the node itself, an address or a saved name alone means it."""
    return str(given.get("connection") or implied(given, "saved"))


def _file(folder: str, name: str) -> Path:
    return Path(folder) / Path(name).expanduser()


def _key(request: Mapping[str, Any]) -> str:
    """What tells one database from another; secrets stand in it by name."""
    given = request["given"]
    if request.get("tables") is not None:
        over = [
            request["tables"],
            request["run_id"],
            given.get("files"),
            request.get("declared"),
            str(request["folder"]),
        ]
        return json.dumps(over, sort_keys=True, default=str)
    if _connection(given) == "embedded":
        return "embedded"
    names = ("connection", "saved", "database_type", "host", "port", "database", "user", "connection_string")
    parts = {name: given[name] for name in names if name in given}
    return json.dumps([parts, request.get("declared"), str(request["folder"])], sort_keys=True, default=str)
