"""The words of an SQL text and where they stand. Nothing here parses: it works on half-typed text, and on any of it.

The lexical rules are PostgreSQL's (manual, chapter 4.1), with SQLite's names in backticks besides; those of MySQL
(reference manual, chapter "Language Structure") are its own: backslashes, texts in double quotes, comments after #, and
SQL between ``/*!`` and ``*/``, which it runs.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from kailash_studio.errors import DatabaseError

Kind = Literal["word", "name", "number", "text", "comment", "value", "symbol"]

_TOKEN = re.compile(
    r"""
      (?P<comment>--[^\n]* | /\*)
    | (?P<text>[eEbBxXnN]?'(?:[^']|'')*'? | \$(?P<tag>[A-Za-z_]\w*)?\$)
    | (?P<value>\$\d+ | :[A-Za-z_]\w* | \?\d*)
    | (?P<name>"(?:[^"]|"")*"? | `[^`]*`?)
    | (?P<number>\d+(?:_\d+)*(?:\.\d*)?(?:[eE][+-]?\d+)? | \.\d+(?:[eE][+-]?\d+)?)
    | (?P<word>[^\W\d]\w*\$?)
    | (?P<symbol>:: | := | [<>=!~+\-*/%^|&@\#]+ | \S)
    """,
    re.VERBOSE,
)
_MYSQL_TOKEN = re.compile(
    r"""
      (?P<comment>\#[^\n]* | --(?=\s|\Z)[^\n]* | /\*(?!M?!).*?(?P<c>\*/|\Z))
    | (?P<text>[bBxXnN]?'(?:[^'\\]|''|\\.)*(?P<q1>'?) | "(?:[^"\\]|""|\\.)*(?P<q2>"?))
    | (?P<value>\$\d+ | :[A-Za-z_]\w*)
    | (?P<name>`(?:[^`]|``)*(?P<q3>`?))
    | (?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)? | \.\d+(?:[eE][+-]?\d+)?)
    | (?P<word>[^\W\d][\w$]*)
    | (?P<symbol>/\*M?!\d* | \*/ | := | [<>=!~+\-*/%^|&@]+? | \S)
    """,
    re.VERBOSE | re.DOTALL,
)
_KINDS: tuple[Kind, ...] = ("comment", "text", "value", "name", "number", "word", "symbol")
_ESCAPED = re.compile(r"[eE]'(?:[^'\\]|''|\\.)*'?", re.DOTALL)
_IN_BLOCK = re.compile(r"/\*|\*/")
_OPERATORS = set("<>=!~+-*/%^|&@#")


@dataclass(frozen=True, slots=True)
class Token:
    """One word of a text.

    Attributes:
        kind: ``value`` is a placeholder (``$1``, ``:name``), ``name`` a name in quotes.
        start: Where it begins, counted from 0.
        end: Behind its last character.
        text: Itself.
        closed: A text, a name or a comment that is not closed goes on to the end.
    """

    kind: Kind
    start: int
    end: int
    text: str
    closed: bool = True

    @property
    def lower(self) -> str:
        """It in lower case, for keywords."""
        return self.text.lower()

    @property
    def named(self) -> str:
        """The name that it stands for: lower case as the database reads it, or exactly what the quotes hold."""
        if self.kind != "name":
            return self.text.lower()
        mark = self.text[0]
        return self.text[1:].removesuffix(mark).replace(mark * 2, mark)


def tokens(text: str, dialect: str = "postgresql") -> Iterator[Token]:
    """The tokens in their order, comments among them."""
    if dialect == "mysql":
        yield from _mysql_tokens(text)
        return
    at = 0
    while True:
        found = _TOKEN.search(text, at)
        if found is None:
            return
        kind: Kind = found.lastgroup if found.lastgroup != "tag" else "text"  # type: ignore[assignment]
        start, end, closed = found.start(), found.end(), True
        if kind == "comment" and text.startswith("/*", start):
            end, closed = _end_of_block(text, start)
        elif kind == "text":
            end, closed = _end_of_text(text, found)
        elif kind == "name":
            closed = end - start > 1 and text[end - 1] == text[start]
        elif kind == "symbol":
            end = _end_of_operator(text, start, end)
        elif (
            kind == "value" and text[start] == ":" and start and (text[start - 1].isalnum() or text[start - 1] in "_]")
        ):
            kind, end = "symbol", start + 1  # a slice of an array: a[1:n]
        elif kind == "value" and text[start] == "?":
            kind, end = "symbol", start + 1 if end == start + 1 else end
        yield Token(kind, start, end, text[start:end], closed)
        at = end


def _mysql_tokens(text: str) -> Iterator[Token]:
    for found in _MYSQL_TOKEN.finditer(text):
        kind = next(kind for kind in _KINDS if found[kind])
        word, closed = found[0], True
        if kind == "comment":
            closed = not word.startswith("/*") or bool(found["c"])
        elif kind == "text":
            closed = bool(found["q1"] or found["q2"])
        elif kind == "name":
            closed = bool(found["q3"])
        yield Token(kind, found.start(), found.end(), word, closed)


def _end_of_operator(text: str, start: int, end: int) -> int:
    """An operator ends where a comment begins in it (manual, 4.1.3)."""
    if text[start] not in _OPERATORS:
        return end
    cuts = [at for at in (text.find("--", start, end), text.find("/*", start, end)) if at > start]
    return min(cuts, default=end)


def _end_of_block(text: str, start: int) -> tuple[int, bool]:
    """Comments nest."""
    depth, at = 0, start
    for mark in _IN_BLOCK.finditer(text, start):
        depth += 1 if mark.group() == "/*" else -1
        at = mark.end()
        if depth == 0:
            return at, True
    return len(text), False


def _end_of_text(text: str, found: re.Match[str]) -> tuple[int, bool]:
    start, word = found.start(), found.group()
    if word.startswith("$"):
        stop = text.find(word, found.end())
        return (len(text), False) if stop < 0 else (stop + len(word), True)
    if word[0] in "eE":
        escaped = _ESCAPED.match(text, start)
        word = escaped.group() if escaped else word
    inside = word[word.index("'") + 1 :]
    closed = inside.endswith("'") and (len(inside) - len(inside.rstrip("'"))) % 2 == 1
    return start + len(word), closed


@dataclass(frozen=True, slots=True)
class Place:
    """A place for people: line and column, counted from 1."""

    line: int
    column: int


class Lines:
    """Finds the line and column of a place in a text."""

    def __init__(self, text: str) -> None:
        self._starts = [0, *(found.end() for found in re.finditer("\n", text))]

    def start(self, line: int) -> int:
        """Where a line begins; the first is 1."""
        return self._starts[line - 1]

    def place(self, at: int) -> Place:
        """The line and column of a place."""
        line = bisect_right(self._starts, at)
        return Place(line, at - self._starts[line - 1] + 1)


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A value that the statement asks for, and where it does."""

    name: str
    spans: tuple[tuple[int, int], ...]

    @property
    def number(self) -> int:
        """The number of ``$3``; 0 for a name."""
        return int(self.name[1:]) if self.name.startswith("$") else 0


def placeholders(text: str, dialect: str = "postgresql") -> list[Placeholder]:
    """What a statement asks for: ``$1``, ``$2`` by number, then ``:name`` as they first come."""
    found: dict[str, list[tuple[int, int]]] = {}
    for token in tokens(text, dialect):
        if token.kind == "value":
            found.setdefault(token.text, []).append((token.start, token.end))
    made = [Placeholder(name, tuple(spans)) for name, spans in found.items()]
    return sorted(made, key=lambda p: (not p.number, p.number))


def statements(text: str, dialect: str = "postgresql") -> list[tuple[int, int]]:
    """Where each statement begins and ends; empty ones are left out."""
    found: list[tuple[int, int]] = []
    first: Token | None = None
    last: Token | None = None
    for token in tokens(text, dialect):
        if token.kind == "comment":
            continue
        if token.text == ";" and token.kind == "symbol":
            if first is not None and last is not None:
                found.append((first.start, last.end))
            first = last = None
            continue
        first, last = first or token, token
    if first is not None and last is not None:
        found.append((first.start, last.end))
    return found


def first_word(text: str, dialect: str = "postgresql") -> str:
    """The word that a statement begins with, in lower case; empty when there is none."""
    return next((t.lower for t in tokens(text, dialect) if t.kind != "comment" and t.text != "("), "")


def bare(text: str) -> str:
    """A statement up to its end, without what closes it or comes behind."""
    return text[: max((end for _, end in statements(text)), default=len(text))]


def page(statement: str, *, offset: int, limit: int) -> str:
    """The part of a query's rows from ``offset`` on; its lines keep their numbers."""
    return f"SELECT * FROM ({bare(statement)}\n) AS page LIMIT {int(limit)} OFFSET {int(offset)}"  # noqa: S608 - the user's own


_READING = frozenset({"select", "values", "table", "show", "explain", "with", "describe", "desc", "pragma"})
_WRITING = frozenset(
    {
        "insert",
        "update",
        "delete",
        "merge",
        "into",
        "create",
        "alter",
        "drop",
        "truncate",
        "call",
        "do",
        "copy",
        "analyze",
    }
)


def only_reads(text: str, dialect: str = "postgresql") -> bool:
    """Whether a statement plainly only reads; a function that it calls is taken at its word.

    One word of writing outside of quotes and comments is enough for a no, so a column of such a name makes one too.
    ``FOR UPDATE`` locks rows and changes none.
    """
    words = [token.lower for token in tokens(text, dialect) if token.kind not in {"comment", "text", "name"}]
    told = " ".join(words).replace("for update", "").replace("for no key update", "").split()
    return bool(words) and first_word(text, dialect) in _READING and not _WRITING & set(told) and "=" not in told[:3]


@dataclass(frozen=True, slots=True)
class Given:
    """The values of a statement: a list for ``$1``, ``$2``, and those for ``:name`` by name; one may have both."""

    listed: Sequence[Any] = field(default_factory=list)
    named: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, values: Given | Sequence[Any] | Mapping[str, Any]) -> Given:
        """Of a list, or of an object of names."""
        if isinstance(values, Given):
            return values
        return cls(named=values) if isinstance(values, Mapping) else cls(listed=values)

    @classmethod
    def nothing(cls, asked: Sequence[Placeholder]) -> Given:
        """Null for all that a statement asks for."""
        highest = max((p.number for p in asked), default=0)
        return cls([None] * highest, {p.name[1:]: None for p in asked if not p.number})

    @property
    def placeholders(self) -> dict[str, Any]:
        """The values by placeholder."""
        numbered = {f"${number}": value for number, value in enumerate(self.listed, 1)}
        return numbered | {f":{name}": value for name, value in self.named.items()}


@dataclass(frozen=True, slots=True)
class Sent:
    """A statement as a server gets it that knows ``$1`` alone.

    Attributes:
        text: With a number for each name.
        values: In the order of the numbers.
        cuts: Where its pieces begin, and where they do in the person's text.
        names: The name that a number stands for.
    """

    text: str
    values: list[Any]
    cuts: tuple[tuple[int, int], ...] = ((0, 0),)
    names: Mapping[str, str] = field(default_factory=dict)

    def origin(self, at: int) -> int:
        """Where a place of it is in the person's text; -1 stays what it is."""
        if at < 0:
            return at
        index = bisect_right(self.cuts, at, key=lambda cut: cut[0]) - 1
        start, origin = self.cuts[index]
        behind = self.cuts[index + 1][1] if index + 1 < len(self.cuts) else at - start + origin
        return min(origin + at - start, behind)

    def told(self, sentence: str) -> str:
        """A server's sentence with the person's names in place of our numbers."""
        return re.sub(r"\$\d+", lambda found: self.names.get(found[0], found[0]), sentence)


def positional(text: str, given: Given, dialect: str = "postgresql") -> Sent:
    """A statement with numbers for ``:name``, for a server that knows only these; they follow those that it has.

    Everything else of the text stays as it is; one that has no names comes back unchanged.

    Raises:
        DatabaseError: It asks for a value that is not given.
    """
    asked = placeholders(text, dialect)
    names = [p.name for p in asked if not p.number]
    if not names:
        return Sent(text, list(given.listed))
    values = list(given.listed)
    missing = next((p.name for p in asked if p.name not in given.placeholders), "")
    if missing:
        known = ", ".join(given.placeholders) or "none"
        raise DatabaseError(f"The statement wants a value for {missing}, which is not given (given: {known}).")
    numbers = {name: f"${len(values) + index}" for index, name in enumerate(names, 1)}
    parts, cuts, at, length = [], [(0, 0)], 0, 0
    for start, end, name in sorted((*span, p.name) for p in asked if not p.number for span in p.spans):
        length += start - at
        cuts.append((length, start))
        parts += [text[at:start], numbers[name]]
        at, length = end, length + len(numbers[name])
        cuts.append((length, end))
    told = {number: name for name, number in numbers.items()}
    values += [given.named[name[1:]] for name in names]
    return Sent("".join([*parts, text[at:]]), values, tuple(cuts), told)
