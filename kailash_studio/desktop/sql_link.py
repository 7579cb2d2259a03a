"""Connects the large SQL editors with the document and the engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from PySide6.QtCore import QObject
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMessageBox, QWidget

from kailash_studio.desktop.editors.sql_workbench import SqlWorkbench
from kailash_studio.desktop.engine import Engine
from kailash_studio.desktop.icons import Icons
from kailash_studio.desktop.inspector import Inspector
from kailash_studio.desktop.session import Session
from kailash_studio.desktop.theme import Theme
from kailash_studio.errors import EngineError
from kailash_studio.services.sql_catalogue import Catalogue, Relation, relations_of
from kailash_studio.services.sql_text import Given
from kailash_studio.spec.form import form_rows
from kailash_studio.spec.parameter import reference

T = TypeVar("T")

_VALUE_FIELDS = ("params", "parameters")
_NAMES_FIELD = "values"
_DATABASES = {"postgresql": "PostgreSQL", "sqlite": "SQLite", "duckdb": "DuckDB", "mysql": "MySQL"}
_HOW = "A text, a number, null, JSON, or @name for a workflow parameter. Delete takes a value away."
_NO_VALUES = "This node has no place for values: write them into the statement, or use another node type."


@dataclass(eq=False)
class _Open:
    """An open editor: of which node and field, and what it waits for; not ``live`` when its document is gone."""

    bench: SqlWorkbench
    key: str
    node: str
    name: str
    tests: list[Any] = field(default_factory=list)
    reads: bool = True
    live: bool = True
    database: tuple[Any, ...] = ()
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)


class SqlLink(QObject):
    """Opens SQL editors, brings their edits into the document, and asks the engine for them.

    Nothing is waited for in the window's thread: each question is a request to the engine process, and a newer one
    calls its older one off.
    """

    def __init__(
        self,
        session: Session,
        engine: Engine,
        inspector: Inspector,
        theme: Theme,
        icons: Icons,
        say: Callable[[str], None],
        run_id: Callable[[], str],
        actions: Sequence[QAction],
        window: QWidget,
    ) -> None:
        """Link them.

        Args:
            session: The open workflow.
            engine: Answers.
            inspector: Has small editors of the same statements.
            theme: Colours.
            icons: Icons.
            say: Shows a sentence for a while.
            run_id: The run whose tables are looked at, or empty.
            actions: Those of the window whose keys hold in an editor too.
            window: Parent of the editors.
        """
        super().__init__(window)
        self._run_id, self._seen_run, self._actions = run_id, "", list(actions)
        self._session, self._engine, self._inspector, self._say = session, engine, inspector, say
        self._theme, self._icons, self._window = theme, icons, window
        self._open: dict[tuple[str, str], _Open] = {}
        self._may_ask = False
        self._number = 0
        session.changed.connect(lambda _: self._show_all())
        session.opened.connect(self._another_document)
        session.settling.connect(self._commit_all)
        engine.state_changed.connect(self._engine_changed)
        inspector.large_asked.connect(self.open)

    # ------------------------------------------------------------------ opening and closing
    def open(self, node_id: str, name: str) -> SqlWorkbench:
        """Open the editor of a node's statement, or bring it to the front."""
        known = self._open.get((node_id, name))
        if known is not None:
            known.bench.raise_()
            known.bench.activateWindow()
            return known.bench
        self._number += 1
        bench = SqlWorkbench(self._theme, self._icons, node_id, name.replace("_", " "), self._window)
        opened = _Open(bench, f"sql-{self._number}", node_id, name)
        self._open[node_id, name] = opened
        bench.addActions(self._actions)
        bench.committed.connect(lambda text: self._set(opened, name, text))
        bench.values_changed.connect(lambda given: self._values_changed(opened, given))
        bench.check_wanted.connect(lambda: self._check(opened))
        bench.run_wanted.connect(lambda limit: self._allowed(opened, lambda: self._try(opened, limit)))
        bench.explain_wanted.connect(lambda analyze: self._allowed(opened, lambda: self._explain(opened, analyze)))
        bench.cancel_wanted.connect(lambda: self._cancel(opened))
        bench.catalogue_wanted.connect(
            lambda: self._allowed(opened, lambda: self._read_catalogue(opened, refresh=True))
        )
        bench.closed.connect(lambda: self._closed(opened))
        self._show(opened)
        bench.show()
        self._read_catalogue(opened)
        return bench

    def open_chosen(self, node_ids: Sequence[str]) -> None:
        """Open the editor of the selected node's statement, or say why there is none."""
        placed = self._session.workflow.nodes.get(node_ids[0]) if len(node_ids) == 1 else None
        node_type = self._session.registry.find(placed.type) if placed is not None else None
        rows = form_rows(node_type) if node_type is not None else []
        name = next((row.name for row in rows if row.kind == "sql"), "")
        if placed is None or not name:
            self._say("Select one node that has an SQL statement, then edit it.")
        elif reference(placed.parameters.get(name)) is not None:
            self._say(f"{node_ids[0]}: {name} is a reference; reset it in the inspector to write a statement.")
        else:
            self.open(node_ids[0], name)

    @property
    def _trusted(self) -> bool:
        return self._session.trusted or self._may_ask

    def _allowed(self, opened: _Open, then: Callable[[], None]) -> None:
        """Go on at once; for a workflow from elsewhere, once the person allows to ask the database that it names."""
        if self._trusted:
            then()
            return
        placed = self._session.workflow.nodes[opened.node]
        node_type = self._session.registry.find(placed.type)
        effects = node_type.effects_of(placed.parameters) if node_type is not None else []
        box = QMessageBox(opened.bench)
        box.setIcon(QMessageBox.Icon.Warning)
        box.setObjectName("trust_database")
        box.setWindowTitle("A workflow from elsewhere")
        box.setText("This workflow was not made here. Looking into its database connects to where it says, as it says:")
        box.setInformativeText("\n".join(f"•  {opened.node} {phrase}" for phrase in effects))
        allow = box.addButton("Connect", QMessageBox.ButtonRole.AcceptRole)
        box.addButton(QMessageBox.StandardButton.Cancel)

        def answered(_: object) -> None:
            if box.clickedButton() is allow:
                self._may_ask = True
                then()
                self._read_catalogue(opened)

        box.buttonClicked.connect(answered)
        box.finished.connect(box.deleteLater)
        box.open()

    def run_ended(self) -> None:
        """The tables of a run are there: what is written over tables is looked at anew."""
        if self._run_id() != self._seen_run:
            self._seen_run = self._run_id()
            for opened in list(self._open.values()):
                # a run is forgotten when another workflow is opened, which is heard of here before that
                if opened.node in self._session.workflow.nodes and self._tables(opened) is not None:
                    self._read_catalogue(opened)

    def benches(self) -> list[SqlWorkbench]:
        """The editors that are open."""
        return [opened.bench for opened in self._open.values()]

    def _commit_all(self) -> None:
        for opened in list(self._open.values()):
            opened.bench.settle()

    def close(self) -> None:
        """Close all editors; what is typed in them is committed first."""
        for opened in list(self._open.values()):
            opened.bench.close()

    def _another_document(self) -> None:
        for opened in self._open.values():
            opened.live = False  # what is typed belongs to the document that is gone
        self.close()
        self._may_ask = False

    def _closed(self, opened: _Open) -> None:
        self._open.pop((opened.node, opened.name), None)
        for task in opened.tasks.values():
            task.cancel()
        if self._engine.state == "ready":
            self._engine.tell("sql_cancel", editor=opened.key)

    # ------------------------------------------------------------------ the document
    def _show_all(self) -> None:
        for opened in list(self._open.values()):
            if opened.node in self._session.workflow.nodes:
                self._show(opened)
            else:
                opened.bench.close()

    def _show(self, opened: _Open) -> None:
        placed = self._session.workflow.nodes[opened.node]
        given, note, fixed = self._values_of(opened)
        database = (self._given(opened), self._tables(opened))
        if opened.database and opened.database != database:
            self._read_catalogue(opened)
        opened.database = database
        text = placed.parameters.get(opened.name)
        opened.bench.show_document(
            text if isinstance(text, str) else "",
            given,
            self._session.workflow.parameters,
            note,
            fixed=fixed,
        )

    def _values_of(self, opened: _Open) -> tuple[Given, str, set[str]]:
        """The values as the document holds them, a sentence about them, and which cannot be changed here."""
        by_number, by_name = self._values_fields(opened)
        source = self._source(opened)
        listed: list[Any] = []
        named: dict[str, Any] = {}
        notes: list[str] = []
        fixed: set[str] = set()
        if not by_number and not by_name:
            notes.append(_NO_VALUES)
        if source:
            notes.append(f"Those with numbers come from {source}; values written here for them are for tests alone.")
            listed = opened.tests
        elif by_number:
            listed, referred = self._held(opened, by_number, list)
            if referred:
                notes.append(f"Those with numbers are the workflow parameter {referred}; here its default is shown.")
                fixed.add("$")
        else:
            fixed.add("$")
        if by_name:
            named, referred = self._held(opened, by_name, dict)
            if referred:
                notes.append(f"Those with names are the workflow parameter {referred}; here its default is shown.")
                fixed.add(":")
        else:
            fixed.add(":")
        return Given(listed, named), " ".join(notes) or _HOW, fixed

    def _held(self, opened: _Open, name: str, kind: type[T]) -> tuple[T, str]:
        """What a parameter of the node holds, and the workflow parameter that it refers to, whose default it is."""
        value = self._session.workflow.nodes[opened.node].parameters.get(name)
        referred = reference(value)
        if referred is not None:
            value = self._session.workflow.parameters.get(referred[1], {}).get("default")
        return (value if isinstance(value, kind) else kind()), referred[1] if referred is not None else ""

    def _values_fields(self, opened: _Open) -> tuple[str, str]:
        """The parameters of the node that hold the values of its statement: by number, and by name."""
        node_type = self._session.registry.find(self._session.workflow.nodes[opened.node].type)
        names = {row.name for row in form_rows(node_type)} if node_type is not None else set()
        by_number = next((name for name in _VALUE_FIELDS if name in names), "")
        return by_number, _NAMES_FIELD if _NAMES_FIELD in names else ""

    def _source(self, opened: _Open) -> str:
        """What the values are connected to; empty when the document holds them."""
        name, _ = self._values_fields(opened)
        return next((c.start for c in self._session.workflow.incoming(opened.node) if c.input == name), "")

    def _set(self, opened: _Open, name: str, value: Any) -> None:
        placed = self._session.workflow.nodes.get(opened.node)
        if opened.live and placed is not None and placed.parameters.get(name) != value:
            self._session.set_parameter(opened.node, name, value)

    def _values_changed(self, opened: _Open, given: Given) -> None:
        by_number, by_name = self._values_fields(opened)
        held, _, fixed = self._values_of(opened)
        if given.listed != held.listed and "$" not in fixed:
            if self._source(opened):
                opened.tests = list(given.listed)
            else:
                self._set(opened, by_number, list(given.listed))
        if given.named != held.named and ":" not in fixed:
            self._set(opened, by_name, dict(given.named))

    # ------------------------------------------------------------------ the engine
    def _given(self, opened: _Open) -> dict[str, Any]:
        """The node's parameters without statement and values: what says which database it is."""
        placed = self._session.workflow.nodes[opened.node]
        without = {opened.name, *_VALUE_FIELDS, _NAMES_FIELD}
        return {name: value for name, value in placed.parameters.items() if name not in without}

    def _words(self, opened: _Open) -> dict[str, Any]:
        return {
            "editor": opened.key,
            "given": self._given(opened),
            "declared": self._session.workflow.parameters,
            "folder": str(self._session.folder),
            "text": opened.bench.text(),
            "values": list(opened.bench.given.listed),
            "names": dict(opened.bench.given.named) if self._values_fields(opened)[1] else None,
            "tables": self._tables(opened),
            "run_id": self._run_id(),
        }

    def _tables(self, opened: _Open) -> dict[str, tuple[str, str, tuple[str, ...]] | None] | None:
        """Which output each table of the statement is; None for a statement that runs on a database."""
        placed = self._session.workflow.nodes[opened.node]
        node_type = self._session.registry.find(placed.type)
        if node_type is None or node_type.sql_runs_on == "database":
            return None
        from_of = {c.input: (c.source, c.output, c.path) for c in self._session.workflow.incoming(opened.node)}
        names = [name for name in node_type.ports_of(placed.parameters).inputs if name not in node_type.declarations]
        return {name: from_of.get(name) for name in names}

    def _spawn(self, opened: _Open, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Begin a question; the one of the same name that is under way is given up."""
        before = opened.tasks.pop(name, None)
        if before is not None:
            before.cancel()
        if self._engine.state != "ready":
            work.close()
            if name == "work":
                opened.bench.show_failure(
                    "The engine is not ready: wait a moment, or restart it with Run > Restart engine."
                )
            return
        opened.tasks[name] = asyncio.ensure_future(work)

    def _check(self, opened: _Open) -> None:
        self._spawn(opened, "check", self._checked(opened))

    async def _checked(self, opened: _Open) -> None:
        words = self._words(opened)
        if self._source(opened):
            words["values"] = words["values"] or None  # what a connection will give is not known
        try:
            for ask in (False, True) if opened.reads and self._trusted else (False,):
                found = await self._engine.request("sql_check", **words, ask=ask)
                if found.get("called_off"):
                    return
                opened.bench.show_check(found)
                if found["unreached"]:
                    self._unreached(opened, found["unreached"])
        except EngineError as error:
            opened.bench.show_where("red", str(error))

    def _read_catalogue(self, opened: _Open, *, refresh: bool = False) -> None:
        if not self._trusted:
            opened.bench.show_where("amber", "Not asked: this workflow was not made here. Test run asks you first.")
            self._check(opened)
            return
        opened.bench.show_where("text3", "Looking at the database …")
        self._spawn(opened, "catalogue", self._catalogue_read(opened, refresh))

    async def _catalogue_read(self, opened: _Open, refresh: bool) -> None:
        relations: list[Relation] = []
        words, offset = self._words(opened), 0
        while True:  # piece by piece: the window goes on between them
            try:
                found = await self._engine.request("sql_catalogue", **words, refresh=refresh, offset=offset)
            except EngineError as error:
                self._unreached(opened, str(error))
                self._check(opened)
                return
            if found.get("called_off"):
                return
            if found["catalogue"]["next"] is None:
                break
            relations += relations_of(found["catalogue"])
            offset, refresh = found["catalogue"]["next"], False
        opened.reads = True
        catalogue = Catalogue.from_plain(found["catalogue"], relations)
        count = len(catalogue.relations)
        name = _DATABASES[catalogue.dialect]
        place = "over" if self._tables(opened) is not None else "at"
        opened.bench.show_where("text3", f"{name} {place} {found['where']} · {count:,} table{'s' * (count != 1)}")
        opened.bench.show_catalogue(catalogue)
        self._inspector.set_catalogue(opened.node, opened.name, catalogue)
        self._check(opened)

    def _unreached(self, opened: _Open, sentence: str) -> None:
        opened.reads = False  # until it is asked for by hand, or a test run went well: typing must not knock each time
        opened.bench.show_where("red", sentence)

    def _try(self, opened: _Open, limit: int) -> None:
        opened.bench.show_busy("Running")
        self._spawn(opened, "work", self._worked(opened, "sql_try", opened.bench.show_result, limit=limit))

    def _explain(self, opened: _Open, analyze: bool) -> None:
        opened.bench.show_busy("Measuring" if analyze else "Planning")
        self._spawn(opened, "work", self._worked(opened, "sql_explain", opened.bench.show_plan, analyze=analyze))

    async def _worked(self, opened: _Open, do: str, show: Callable[[dict[str, Any]], None], **words: Any) -> None:
        try:
            found = await self._engine.request(do, **self._words(opened), **words)
        except EngineError as error:
            opened.bench.show_failure(str(error))
            return
        if found.get("called_off"):
            opened.bench.show_cancelled()
            return
        show(found)
        if not opened.reads:
            self._read_catalogue(opened)

    def _cancel(self, opened: _Open) -> None:
        """Nobody waits for the database, nor for the engine: it is over here at once."""
        task = opened.tasks.pop("work", None)
        if task is not None:
            task.cancel()  # one that has not begun yet is never sent
        opened.bench.show_cancelled()
        for what in ("sql_try", "sql_explain"):
            self._engine.tell("sql_cancel", editor=opened.key, what=what)

    def _engine_changed(self, state: str, why: str) -> None:
        for opened in list(self._open.values()):
            if state == "ready":
                self._read_catalogue(opened)
            else:
                opened.bench.show_where("amber" if state == "starting" else "red", why)
