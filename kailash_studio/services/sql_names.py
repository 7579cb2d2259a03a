"""Whether the names in a statement are there: tables, columns and aliases against a catalogue.

In doubt it says nothing: a table function, a wildcard over something unknown, or a construct that is not known here
makes the names around it unknown, not wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from kailash_studio.services.sql_catalogue import HIDDEN_COLUMNS, Catalogue

if TYPE_CHECKING:
    from kailash_studio.services.sql_analysis import Findings

_DML = (exp.Update, exp.Delete, exp.Insert)
# words that are read as columns where the grammar has them as values
_WORDS = frozenset({"default", "user", "current_catalog", "current_schema", "session_user", "all"})


@dataclass(slots=True)
class _Source:
    """What a FROM holds under one alias; ``columns`` is None when they are not known."""

    title: str
    columns: frozenset[str] | None
    order: tuple[str, ...] = ()


@dataclass(slots=True)
class _Scope:
    """What a name can mean in one query: its sources, its own output names, and what surrounds it."""

    outer: _Scope | None
    sources: dict[str, _Source] = field(default_factory=dict)
    ctes: dict[str, _Source] = field(default_factory=dict)
    outputs: set[str] = field(default_factory=set)
    merged: set[str] = field(default_factory=set)

    def chain(self) -> Iterator[_Scope]:
        scope: _Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.outer


def check_names(tree: Any, catalogue: Catalogue, findings: Findings) -> None:
    """Note the tables and columns of a statement that the catalogue does not have."""
    if isinstance(tree, exp.Query | exp.Update | exp.Delete | exp.Insert):
        _Names(catalogue, findings).query(tree, None)


class _Names:
    def __init__(self, catalogue: Catalogue, findings: Findings) -> None:
        self._catalogue, self._findings = catalogue, findings
        self._hidden = HIDDEN_COLUMNS.get(catalogue.dialect, frozenset())
        self._folds = catalogue.folds

    # ------------------------------------------------------------------ queries
    def query(self, node: Any, outer: _Scope | None) -> _Source:
        """Check a query or a change; what it gives is returned."""
        if isinstance(node, exp.Subquery):
            return self.query(node.this, outer)
        scope = _Scope(outer)
        self._read_ctes(node, scope)
        if isinstance(node, exp.SetOperation):
            given = self.query(node.left, scope)
            self.query(node.right, scope)
            scope.sources[""] = given
            for key in ("order", "limit", "offset"):
                self._walk(node.args.get(key), scope)
            return given
        self._read_sources(node, scope)
        for each in node.expressions if isinstance(node, exp.Select) else ():
            if isinstance(each, exp.Alias):
                scope.outputs.add(self._fold(each.args["alias"]))
        for key, value in node.args.items():
            if key not in {"with", "with_", "from", "from_", "joins", "laterals", "using"}:
                self._walk(value, scope)
        for join in node.args.get("joins") or ():
            self._walk(join.args.get("on"), scope)
        return self._given(node, scope)

    def _read_ctes(self, node: Any, scope: _Scope) -> None:
        found = node.args.get("with_") or node.args.get("with")
        if found is None:
            return
        for cte in found.expressions:
            name = self._fold(cte.args["alias"].this)
            named = tuple(self._fold(c) for c in cte.args["alias"].columns)
            if found.args.get("recursive"):
                scope.ctes[name] = _Source(name, frozenset(named) if named else None, named)
            given = self.query(cte.this, scope) if _is_query(cte.this) else _Source(name, None)
            columns = (*named, *given.order[len(named) :])
            known = given.columns is not None or bool(named)
            scope.ctes[name] = _Source(name, frozenset(columns) if known else None, columns)

    def _read_sources(self, node: Any, scope: _Scope) -> None:
        if isinstance(node, _DML):
            target = node.this.this if isinstance(node.this, exp.Schema) else node.this
            if isinstance(target, exp.Table):
                source = self._add(target, scope)
                if isinstance(node, exp.Insert):
                    scope.sources.setdefault("excluded", source)
                for word in ("old", "new"):
                    scope.sources.setdefault(word, _Source(word, None)) if node.args.get("returning") else None
                if isinstance(node.this, exp.Schema):
                    self._check_list(node.this.expressions, source)
        for key in ("from_", "from", "using"):
            for found in _listed(node.args.get(key)):
                self._add_all(found, scope)
        for join in node.args.get("joins") or ():
            self._add_all(join.this, scope)
            if join.args.get("method") == "NATURAL":
                scope.merged.add("*")
            scope.merged.update(self._fold(using) for using in join.args.get("using") or ())
        for lateral in node.args.get("laterals") or ():
            self._add_all(lateral, scope)

    def _add_all(self, node: Any, scope: _Scope) -> None:
        """Take what stands in a FROM, with what is joined inside it."""
        if isinstance(node, exp.From):
            self._add_all(node.this, scope)
            return
        self._add(node, scope)
        for join in node.args.get("joins") or ():
            self._add_all(join.this, scope)
            scope.merged.update(self._fold(using) for using in join.args.get("using") or ())
            self._walk(join.args.get("on"), scope)

    def _add(self, node: Any, scope: _Scope) -> _Source:
        alias = node.args.get("alias")
        given = self._source(node, scope)
        columns = tuple(self._fold(c) for c in alias.columns) if isinstance(alias, exp.TableAlias) else ()
        if columns and given.columns is not None:
            order = (*columns, *given.order[len(columns) :])
            given = _Source(given.title, frozenset(order), order)
        name = self._fold(alias.this) if alias is not None and alias.this is not None else given.title
        if name in scope.sources and name:
            name = f"{name}\0{len(scope.sources)}"  # a fault that the server names; nothing is lost here
        scope.sources[name or f"\0{len(scope.sources)}"] = given
        return given

    def _source(self, node: Any, scope: _Scope) -> _Source:
        if isinstance(node, exp.Lateral):
            node = node.this
        if isinstance(node, exp.Subquery) or _is_query(node):
            if isinstance(node, exp.Subquery) and not _is_query(node.this):
                self._add_all(node.this, scope)  # brackets around a join
                return _Source("", None if node.args.get("alias") else frozenset())
            return self.query(node, scope)
        if not isinstance(node, exp.Table) or not isinstance(node.this, exp.Identifier):
            self._walk(node.args.get("this"), scope)
            return _Source("", None)  # a function: what it gives is its own affair
        return self._table(node, scope)

    def _table(self, node: Any, scope: _Scope) -> _Source:
        name = self._fold(node.this)
        schema = self._fold(node.args["db"]) if node.args.get("db") else ""
        if node.args.get("catalog"):
            return _Source(name, None)
        if not schema:
            for each in scope.chain():
                if name in each.ctes:
                    return each.ctes[name]
        found = self._catalogue.find(name, schema)
        if found is not None:
            order = tuple(c.name.lower() if self._folds else c.name for c in found.columns)
            return _Source(name, frozenset(order), order)
        if self._catalogue.whole and not (self._folds and name.startswith(("sqlite_", "pragma_"))):
            self._say_no_table(node, name, schema, scope)
        return _Source(name, None)

    def _say_no_table(self, node: Any, name: str, schema: str, scope: _Scope) -> None:
        relations = [r for r in self._catalogue.relations if not r.system]
        schemas = self._catalogue.schemas()
        if schema and schema not in schemas:
            if self._catalogue.dialect != "duckdb":  # there it may be the name of the database
                self._say(node.args["db"], "unknown_table", f"There is no schema {schema}{_near(schema, schemas)}")
            return
        elsewhere = [r.schema for r in relations if r.name == name]
        if elsewhere and not schema:
            self._say(
                node.this, "unknown_table", f"{name} is in the schema {elsewhere[0]}: write {elsewhere[0]}.{name}."
            )
            return
        known = [r.name for r in relations if not schema or r.schema == schema]
        known += [cte for each in scope.chain() for cte in each.ctes]
        whole = f"{schema}.{name}" if schema else name
        self._say(node.this, "unknown_table", f"There is no table {whole}{_near(name, known)}")

    def _given(self, node: Any, scope: _Scope) -> _Source:
        """The columns that a query gives."""
        returning = node.args.get("returning")
        listed = node.expressions if isinstance(node, exp.Select) else returning.expressions if returning else []
        order: list[str] = []
        for each in listed:
            if isinstance(each, exp.Star) or (isinstance(each, exp.Column) and isinstance(each.this, exp.Star)):
                wanted = self._fold(each.args["table"]) if each.args.get("table") else ""
                sources = [s for alias, s in scope.sources.items() if not wanted or alias == wanted]
                if any(source.columns is None for source in sources):
                    return _Source("", None)
                order += [column for source in sources for column in source.order]
            else:
                named = each.args.get("alias") if isinstance(each, exp.Alias) else getattr(each, "this", None)
                while isinstance(named, exp.Column | exp.Dot | exp.Cast | exp.Paren):
                    named = named.expression if isinstance(named, exp.Dot) else named.this
                if not isinstance(named, exp.Identifier):
                    return _Source("", None)  # the database makes up a name
                order.append(self._fold(named))
        return _Source("", frozenset(order), tuple(order))

    # ------------------------------------------------------------------ columns
    def _walk(self, node: Any, scope: _Scope) -> None:
        if isinstance(node, list):
            for each in node:
                self._walk(each, scope)
        elif isinstance(node, exp.Column):
            self._column(node, scope)
        elif _is_query(node):
            self.query(node, scope)
        elif isinstance(node, exp.Expression) and not isinstance(node, exp.Lock | exp.Table | exp.Schema | exp.Into):
            for value in node.args.values():
                self._walk(value, scope)

    def _column(self, node: Any, scope: _Scope) -> None:
        qualifier = node.args.get("table")
        if node.args.get("db"):
            return  # schema.table.column, or a field of a composite: the server knows
        if qualifier is None:
            if isinstance(node.this, exp.Identifier) and not (self._folds and node.this.args.get("quoted")):
                self._bare(node.this, scope)
            return
        alias = self._fold(qualifier)
        found = next((each.sources[alias] for each in scope.chain() if alias in each.sources), None)
        if found is None:
            if not any(self._fold_has(each, alias) for each in scope.chain()):
                known = [a for each in scope.chain() for a in each.sources if "\0" not in a]
                self._say(qualifier, "unknown_table", f"{alias} is no table of this FROM{_near(alias, known)}")
            return
        if isinstance(node.this, exp.Identifier):
            self._check_column(node.this, found)

    @staticmethod
    def _fold_has(scope: _Scope, name: str) -> bool:
        """Whether a name is a column there: ``a.b`` may be a field of the composite column a."""
        return any(source.columns is None or name in source.columns for source in scope.sources.values())

    def _check_list(self, names: Sequence[Any], source: _Source) -> None:
        for name in names:
            if isinstance(name, exp.Identifier):
                self._check_column(name, source)

    def _check_column(self, identifier: Any, source: _Source) -> None:
        name = self._fold(identifier)
        if source.columns is not None and name not in source.columns and name not in self._hidden:
            title = source.title or "The inner query"
            self._say(identifier, "unknown_column", f"{title} has no column {name}{_near(name, source.order)}")

    def _bare(self, identifier: Any, scope: _Scope) -> None:
        name = self._fold(identifier)
        if name in self._hidden or name in _WORDS:
            return
        known: list[str] = []
        for each in scope.chain():
            holders = [source for source in each.sources.values() if source.columns and name in source.columns]
            if name in each.outputs or name in each.sources:
                return
            distinct = {source.title for source in holders}
            if len(holders) > 1 and not ({name, "*"} & each.merged) and "excluded" not in each.sources:
                words = " and ".join(sorted(a for a, s in each.sources.items() if s in holders and "\0" not in a))
                self._say(
                    identifier,
                    "ambiguous_column",
                    f"{name} is in {words}: write which, such as {words.split()[0]}.{name}.",
                )
                return
            if distinct or any(source.columns is None for source in each.sources.values()):
                return
            known += [column for source in each.sources.values() for column in source.order]
        if any(each.sources for each in scope.chain()):
            self._say(identifier, "unknown_column", f"No table here has a column {name}{_near(name, known)}")

    # ------------------------------------------------------------------ small things
    def _fold(self, identifier: Any) -> str:
        """A name as the database reads it: without quotes in lower case."""
        if not isinstance(identifier, exp.Identifier):
            return str(identifier or "").lower()
        name = str(identifier.this)
        return name if identifier.args.get("quoted") and not self._folds else name.lower()

    def _say(self, identifier: Any, code: str, sentence: str) -> None:
        start = identifier.meta.get("start")
        if start is not None:
            self._findings.add("error", code, start, identifier.meta["end"] + 1, sentence)


def _is_query(node: Any) -> bool:
    return isinstance(node, exp.Query | exp.Update | exp.Delete | exp.Insert) and not isinstance(node, exp.Table)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value] if isinstance(value, exp.Expression) else []


def _near(name: str, known: Sequence[str]) -> str:
    close = get_close_matches(name, sorted(set(known)), n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else "."
