"""What could stand at a place of a half-typed statement: tables, columns of what FROM names, aliases, keywords.

It reads tokens, no grammar, so it works on text that no parser takes, and fast enough for each key.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from kailash_studio.services.sql_catalogue import Catalogue, Column
from kailash_studio.services.sql_text import Token, tokens
from kailash_studio.services.sql_words import FUNCTIONS, KEYWORDS, PHRASES, RESERVED, quoted

Offered = Literal["column", "alias", "table", "view", "schema", "function", "keyword"]
_ORDER: dict[str, int] = {"column": 0, "alias": 1, "table": 2, "view": 2, "schema": 3, "function": 4, "keyword": 5}
_BEFORE_TABLES = frozenset({"from", "join", "into", "update", "table", "only", "using"})
_NO_TABLE = (_BEFORE_TABLES - {"using"}) | {"lateral", "select"}
_ENDS_FROM = frozenset({"select", "where", "group", "order", "having", "set", "values", "returning", "by"})
_ENDS_ALIAS = KEYWORDS | RESERVED
_MOST = 200


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One thing that could stand there.

    Attributes:
        text: What is inserted.
        kind: What it is.
        detail: Its type, or where it comes from.
    """

    text: str
    kind: Offered
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Suggestions:
    """What could stand at a place.

    Attributes:
        start: Where what is typed of it begins; it is replaced from there.
        typed: What is typed of it.
        items: The best first.
    """

    start: int
    typed: str
    items: tuple[Suggestion, ...] = ()


@dataclass(frozen=True, slots=True)
class _Named:
    """Something that FROM names, and inside which brackets it does."""

    group: int
    name: str
    alias: str
    schema: str = ""
    columns: tuple[str, ...] = ()


def suggest(text: str, at: int, catalogue: Catalogue | None) -> Suggestions:
    """What could stand at a place, counted from 0."""
    found = [t for t in tokens(text, _dialect(catalogue)) if t.kind != "comment" or t.start < at <= t.end]
    inside = next((t for t in found if t.start < at <= t.end), None)
    if inside is not None and (inside.kind in {"comment", "number", "value"} or _in_text(inside, at)):
        return Suggestions(at, "")
    if inside is not None and inside.kind not in {"word", "name"}:
        inside = None
    start = inside.start if inside is not None else at
    typed = text[start:at].lstrip('"`')
    found = [t for t in found if t is not inside and t.kind != "comment"]  # what is being typed names nothing yet
    before = [t for t in found if t.end <= start]
    if before and before[-1].text == ".":
        items = _after_dot(before, found, start, catalogue)
    else:
        items = _anywhere(text, before, found, start, catalogue)
    return Suggestions(start, typed, tuple(_ranked(items, typed)[:_MOST]))


def _dialect(catalogue: Catalogue | None) -> str:
    return catalogue.dialect if catalogue is not None else "postgresql"


def _written(catalogue: Catalogue | None, name: str) -> str:
    return quoted(name, _dialect(catalogue))


def _in_text(token: Token, at: int) -> bool:
    return token.kind == "text" and (at < token.end or not token.closed)


def _ranked(items: Iterable[Suggestion], typed: str) -> list[Suggestion]:
    wanted = typed.lower()
    ranked = []
    for index, item in enumerate(items):
        name = item.text.lower().strip('"`')
        if item.kind == "column":
            name = name.rpartition(".")[2].strip('"`')
        if name.startswith(wanted):
            points = 0
        elif f"_{wanted}" in name or f" {wanted}" in name:
            points = 1
        elif len(wanted) > 1 and wanted in name and item.kind != "keyword":
            points = 2
        else:
            continue
        ranked.append(((points * 3 + _ORDER[item.kind], index), item))
    distinct = dict.fromkeys(item for _, item in sorted(ranked, key=lambda each: each[0]))
    return list(distinct)


# ---------------------------------------------------------------------- what is offered
def _after_dot(
    before: Sequence[Token], found: Sequence[Token], at: int, catalogue: Catalogue | None
) -> list[Suggestion]:
    if len(before) < 2:
        return []
    qualifier = before[-2].named
    for source in _visible(found, at):
        if qualifier == (source.alias or source.name):
            return _columns_of(source, catalogue)
    if catalogue is None:
        return []
    return [
        Suggestion(_written(catalogue, r.name), "view" if r.kind == "view" else "table", f"{len(r.columns)} columns")
        for r in catalogue.relations
        if r.schema == qualifier
    ]


def _anywhere(
    text: str, before: Sequence[Token], found: Sequence[Token], at: int, catalogue: Catalogue | None
) -> list[Suggestion]:
    tables = _tables(found, catalogue)
    keywords = _keywords(text, _dialect(catalogue))
    if _wants_table(before):
        return [*tables, *(k for k in keywords if k.text.upper() in {"SELECT", "LATERAL", "ONLY"})]
    sources = _visible(found, at)
    items = _columns_of_all(sources, catalogue)
    items += [Suggestion(_written(catalogue, s.alias or s.name), "alias", s.name) for s in sources if s.alias or s.name]
    items += tables if not sources else ()
    items += [Suggestion(name, "function", detail) for name, detail in FUNCTIONS.items()]
    return items + keywords


def _columns_of_all(sources: Sequence[_Named], catalogue: Catalogue | None) -> list[Suggestion]:
    """The columns of all sources, the innermost first; with their table where the bare name would mean another."""
    columns = [(source, column) for source in sources for column in _columns_of(source, catalogue)]
    times = Counter((source.group, column.text) for source, column in columns)
    meant: dict[str, int] = {}
    items = []
    for source, column in columns:
        inner = meant.setdefault(column.text, source.group)
        title = source.alias or source.name
        if title and (times[source.group, column.text] > 1 or inner != source.group):
            items.append(Suggestion(f"{_written(catalogue, title)}.{column.text}", "column", column.detail))
        else:
            items.append(column)
    return items


def _keywords(text: str, dialect: str) -> list[Suggestion]:
    """In lower case where the text has them so."""
    written = [t.text for t in tokens(text, dialect) if t.kind == "word" and t.lower in RESERVED]
    lower = bool(written) and sum(word.islower() for word in written) * 2 > len(written)
    words = (*PHRASES, *(word.upper() for word in sorted(KEYWORDS)))
    return [Suggestion(word.lower() if lower else word, "keyword") for word in words]


def _wants_table(before: Sequence[Token]) -> bool:
    """Whether a table is to come."""
    return _places_of_tables(before)[-1:] == [len(before)]


def _tables(found: Sequence[Token], catalogue: Catalogue | None) -> list[Suggestion]:
    items = [Suggestion(_written(catalogue, cte.alias), "table", "WITH") for cte in _ctes(found)]
    if catalogue is None:
        return items
    for relation in catalogue.relations:
        near = catalogue.find(relation.name) is relation
        name = (
            _written(catalogue, relation.name)
            if near
            else f"{_written(catalogue, relation.schema)}.{_written(catalogue, relation.name)}"
        )
        items.append(Suggestion(name, "view" if relation.kind == "view" else "table", relation.schema))
    return items + [Suggestion(_written(catalogue, schema), "schema", "schema") for schema in catalogue.schemas()]


def _columns_of(source: _Named, catalogue: Catalogue | None) -> list[Suggestion]:
    title = source.alias or source.name
    columns: Sequence[Column] = [Column(name, "") for name in source.columns]
    if not columns and catalogue is not None:
        relation = catalogue.find(source.name, source.schema)
        columns = relation.columns if relation is not None else ()
    return [
        Suggestion(_written(catalogue, c.name), "column", " · ".join(filter(None, (c.type, title)))) for c in columns
    ]


# ---------------------------------------------------------------------- what FROM names
def _visible(found: Sequence[Token], at: int) -> list[_Named]:
    """The sources that a name at a place may mean: of its own brackets first, then of those around."""
    statement = _statement_at(found, at)
    groups = _groups(statement)
    here = _chain(statement, groups, at)
    ctes = {cte.alias: cte for cte in _ctes(statement)}
    sources = []
    for source in _sources(statement, groups):
        if source.group in here:
            cte = ctes.get(source.name) if not source.schema else None
            known = _Named(source.group, source.name, source.alias, "", cte.columns) if cte is not None else source
            sources.append(known)
    return sorted(sources, key=lambda s: -here.index(s.group))


def _statement_at(found: Sequence[Token], at: int) -> list[Token]:
    current: list[Token] = []
    for token in found:
        if token.text == ";" and token.kind == "symbol":
            if token.end > at:
                return current
            current = []
        elif token.kind != "comment":
            current.append(token)
    return current


def _groups(found: Sequence[Token]) -> list[tuple[int, ...]]:
    """For each token the brackets around it, as places of the opening ones, the outermost (-1) first."""
    stack: list[int] = [-1]
    groups = []
    for index, token in enumerate(found):
        if token.text == ")" and len(stack) > 1:
            stack.pop()
        groups.append(tuple(stack))
        if token.text == "(":
            stack.append(index)
    return groups


def _chain(found: Sequence[Token], groups: Sequence[tuple[int, ...]], at: int) -> list[int]:
    last = max((i for i, t in enumerate(found) if t.end <= at), default=-1)
    if last < 0:
        return [-1]
    around = list(groups[last])
    return [*around, last] if found[last].text == "(" else around


def _sources(found: Sequence[Token], groups: Sequence[tuple[int, ...]]) -> list[_Named]:
    return [_source(found, index, groups) for index in _places_of_tables(found) if index < len(found)]


def _places_of_tables(found: Sequence[Token]) -> list[int]:
    """Which tokens begin something that FROM and its like name; one behind the last: a table may come next.

    A comma goes on with the FROM of its own brackets.
    """
    places, in_from, wanted = [], [False], False
    for index, token in enumerate(found):
        word = token.lower if token.kind == "word" else ""
        if wanted and word not in _NO_TABLE and token.kind in {"word", "name", "symbol"}:
            places.append(index)
            wanted = False
        if token.text == "(":
            in_from.append(False)
        elif token.text == ")" and len(in_from) > 1:
            in_from.pop()
        elif word in _BEFORE_TABLES:
            wanted, in_from[-1] = True, in_from[-1] or word == "from"
        elif word in _ENDS_FROM:
            wanted = in_from[-1] = False
        elif token.text == ",":
            wanted = in_from[-1]
    return [*places, len(found)] if wanted else places


def _source(found: Sequence[Token], index: int, groups: Sequence[tuple[int, ...]]) -> _Named:
    group, schema, name, after = groups[index][-1], "", "", index + 1
    columns: tuple[str, ...] = ()
    if found[index].text == "(":
        close = _closing(found, index)
        columns, after = _listed(found[index + 1 : close]), close + 1
    else:
        name = found[index].named
        if index + 1 < len(found) and found[index + 1].text == ".":
            whole = index + 2 < len(found) and found[index + 2].lower not in RESERVED
            schema, name, after = name, found[index + 2].named if whole else "", index + 3
    if after < len(found) and found[after].lower == "as":
        after += 1
    alias = ""
    if after < len(found) and (
        found[after].kind == "name" or (found[after].kind == "word" and found[after].lower not in _ENDS_ALIAS)
    ):
        alias = found[after].named
    return _Named(group, name, alias, schema, columns)


def _closing(found: Sequence[Token], index: int) -> int:
    depth = 0
    for at in range(index, len(found)):
        depth += {"(": 1, ")": -1}.get(found[at].text, 0)
        if depth == 0:
            return at
    return len(found)


def _ctes(found: Sequence[Token]) -> list[_Named]:
    """The names after WITH, with the columns that they say or select."""
    made = []
    for index, token in enumerate(found[:-1]):
        if token.lower not in {"as", "materialized"} or found[index + 1].text != "(" or not index:
            continue
        at = index - 1
        columns: tuple[str, ...] = ()
        while at > 0 and found[at].lower in {"as", "not", "materialized"}:
            at -= 1
        if found[at].text == ")":
            opening = next((i for i in range(at, -1, -1) if found[i].text == "("), 0)
            columns, at = tuple(t.named for t in found[opening + 1 : at] if t.kind in {"word", "name"}), opening - 1
        if at < 1 or found[at].kind not in {"word", "name"} or found[at - 1].lower not in {"with", "recursive", ","}:
            continue
        inner = found[index + 2 : _closing(found, index + 1)]
        made.append(_Named(-1, "", found[at].named, "", columns or _listed(inner)))
    return made


def _listed(inner: Sequence[Token]) -> tuple[str, ...]:
    """The names of a select list: each item's last word."""
    if not inner or inner[0].lower != "select":
        return ()
    names: list[str] = []
    depth, last = 0, None
    for token in (*inner[1:], Token("word", 0, 0, "from")):
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0 and (token.text == "," or token.lower == "from"):
            if last is not None and last.kind in {"word", "name"}:
                names.append(last.named)
            if token.lower == "from":
                break
            last = None
        else:
            last = token
    return tuple(names)
