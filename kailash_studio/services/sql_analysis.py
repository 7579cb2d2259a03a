"""Lint of SQL: what is wrong with a text, with its place, found without asking a database.

The database is the better judge where it can be asked: ``agreed`` takes its word over a guess made here.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from kailash_studio.services.sql_catalogue import Catalogue
from kailash_studio.services.sql_sessions.session import Fault
from kailash_studio.services.sql_text import Lines, Placeholder, Token, placeholders, statements, tokens

Severity = Literal["error", "warning"]

# findings that the database can prove wrong, by taking the statement
GUESSES = frozenset({"syntax", "unknown_table", "unknown_column", "ambiguous_column"})
_PAIRS = {")": "(", "]": "["}
_QUALIFIER = re.compile(r'(?:(?:\w+|"[^"]*")\s*\.\s*)+')
_LONGEST = 200_000  # characters; sqlglot needs some 10 us for each


@dataclass(frozen=True, slots=True)
class SqlFinding:
    """Something that is wrong, or likely to be.

    Attributes:
        start: Where it begins, counted from 0.
        end: Behind it; the same as ``start`` where it has no extent.
        line: The line, counted from 1.
        column: The column, counted from 1.
        severity: An "error" makes the statement fail; a "warning" may be meant.
        code: Stable word for its kind.
        sentence: What is wrong and how to mend it.
    """

    start: int
    end: int
    line: int
    column: int
    severity: Severity
    code: str
    sentence: str

    def to_plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return {name: getattr(self, name) for name in self.__slots__}


class Findings:
    """Collects findings of one text."""

    def __init__(self, text: str) -> None:
        self._lines = Lines(text)
        self.found: list[SqlFinding] = []

    def add(self, severity: Severity, code: str, start: int, end: int, sentence: str) -> None:
        """Note one, unless its place has one of the same kind."""
        if any(f.start == start and f.code == code for f in self.found):
            return
        place = self._lines.place(start)
        self.found.append(SqlFinding(start, end, place.line, place.column, severity, code, sentence))

    def in_order(self) -> list[SqlFinding]:
        """As they stand in the text."""
        return sorted(self.found, key=lambda f: (f.start, f.severity))


def lint(
    text: str,
    dialect: str = "postgresql",
    *,
    catalogue: Catalogue | None = None,
    values: Collection[str] | None = None,
    named: bool = True,
    connected: bool = False,
) -> list[SqlFinding]:
    """What is wrong with a text.

    Args:
        text: One statement, as a node has it.
        dialect: "postgresql", "sqlite", "duckdb" or "mysql".
        catalogue: What the database holds; without it names are not looked up.
        named: The node takes values by name; else by number alone.
        values: The placeholders that have a value (``$1``, ``:name``); None: not known.
        connected: A connection gives those with numbers: which ones is not known.
    """
    findings = Findings(text)
    if not statements(text, dialect):
        findings.add("error", "empty", 0, 0, "There is no statement: write one, such as SELECT 1.")
        return findings.found
    whole = _check_pairs(text, dialect, findings)
    _check_count(text, dialect, findings)
    _check_values(placeholders(text, dialect), values, named, connected, findings)
    if whole and len(text) <= _LONGEST:
        for start, end in statements(text, dialect):
            _check_statement(text, start, end, dialect, catalogue, findings)
    return findings.in_order()


def agreed(
    text: str, findings: Sequence[SqlFinding], fault: Fault | None, dialect: str = "postgresql"
) -> list[SqlFinding]:
    """The findings after the database has seen the statement too.

    Args:
        text: The statement.
        findings: What ``lint`` found.
        fault: Why the database refuses it; None: it takes it.
        dialect: See ``lint``.
    """
    if fault is None:
        return [f for f in findings if f.code not in GUESSES]
    known = [f for f in findings if f.severity == "error" and f.code != "value_missing"]
    same = [f for f in known if _same_place(text, f, fault.position)]
    if same or (fault.position < 0 and known):
        return list(findings)  # ours says it with a suggestion, or with a place
    at = max(fault.position, 0)
    end = next((t.end for t in tokens(text, dialect) if t.start <= at < t.end), at) if fault.position >= 0 else at
    collected = Findings(text)
    collected.found = [f for f in findings if f.code != "syntax"]
    collected.add("error", "refused", at, end, fault.sentence)
    return collected.in_order()


def _same_place(text: str, finding: SqlFinding, position: int) -> bool:
    """Whether a database means the words of a finding: of ``a.b`` it names the beginning, where ours names ``b``."""
    before = text[position : finding.start] if 0 <= position < finding.start else ""
    return finding.start <= position < max(finding.end, finding.start + 1) or bool(_QUALIFIER.fullmatch(before))


def _check_pairs(text: str, dialect: str, findings: Findings) -> bool:
    """Whether texts, names and brackets are closed; what is not makes all that follows meaningless."""
    open_ones: list[Token] = []
    for token in tokens(text, dialect):
        if not token.closed:
            word = {"comment": "comment", "name": "name in quotes"}.get(token.kind, "text in quotes")
            findings.add("error", "syntax", token.start, token.start + 1, f"This {word} is not closed.")
            return False
        if token.kind != "symbol":
            continue
        if token.text in _PAIRS.values():
            open_ones.append(token)
        elif token.text in _PAIRS:
            if not open_ones or open_ones[-1].text != _PAIRS[token.text]:
                sentence = f"This {token.text} closes nothing: take it away, or open one before it."
                findings.add("error", "syntax", token.start, token.end, sentence)
                return False
            open_ones.pop()
    if open_ones:
        last = open_ones[-1]
        findings.add("error", "syntax", last.start, last.end, f"This {last.text} is not closed.")
        return False
    return True


def _check_count(text: str, dialect: str, findings: Findings) -> None:
    found = statements(text, dialect)
    if len(found) > 1:
        start, end = found[1]
        sentence = "A node runs one statement: put this one into a node of its own."
        findings.add("error", "several_statements", start, end, sentence)


def _check_values(
    asked: Sequence[Placeholder], values: Collection[str] | None, named: bool, connected: bool, findings: Findings
) -> None:
    names = [p for p in asked if not p.number]
    if names and not named:
        for number, placeholder in enumerate(names, 1 + max(p.number for p in asked)):
            start, end = placeholder.spans[0]
            sentence = f"This node takes a list of values, which have numbers and no names: write ${number}."
            findings.add("error", "mixed_values", start, end, sentence)
        return
    if values is None:
        return
    if connected:
        asked, values = names, {value for value in values if not value.startswith("$")}
    for placeholder in asked:
        if placeholder.name not in values:
            for start, end in placeholder.spans:
                sentence = f"{placeholder.name} has no value: give it one among the parameters."
                findings.add("error", "value_missing", start, end, sentence)
    _check_spare(asked, values, findings)


def _check_spare(asked: Sequence[Placeholder], values: Collection[str], findings: Findings) -> None:
    names = {p.name for p in asked}
    highest = max((p.number for p in asked), default=0)
    spare = [v for v in values if v not in names and not (v.startswith("$") and int(v[1:]) < highest)]
    spare.sort(key=lambda v: (int(v[1:]) if v.startswith("$") else 0, v))
    gaps = [f"${n}" for n in range(1, highest) if f"${n}" not in names]
    if spare:
        words = ", ".join(spare)
        one = len(spare) == 1
        sentence = f"{words} {'has a value' if one else 'have values'} and the statement does not ask for "
        sentence += "it: use it, or take the value away." if one else "them: use them, or take the values away."
        findings.add("error", "value_unused", 0, 0, sentence)
    if gaps:
        sentence = f"{', '.join(gaps)} is left out: a server cannot tell the type of a value that is not used."
        start, end = next(p for p in asked if p.number == highest).spans[0]
        findings.add("error", "value_unused", start, end, sentence)


def _check_statement(
    text: str, start: int, end: int, dialect: str, catalogue: Catalogue | None, findings: Findings
) -> None:
    from kailash_studio.services.sql_dialect import parse
    from kailash_studio.services.sql_names import check_names

    # what stands before it is blanked, so that all places are those of the whole text
    piece = re.sub(r"[^\n]", " ", text[:start]) + text[start:end]
    tree, wrong = parse(piece, dialect)
    if wrong is not None:
        at, behind, sentence = wrong
        findings.add("error", "syntax", at, behind, sentence)
        return
    if tree is None:
        return
    for node in _changing_all(tree):
        word = type(node).__name__.upper()
        at = next(_keywords(piece, dialect, word.lower()), start)
        sentence = f"This {word} has no WHERE and changes every row: say which, or write WHERE true if all are meant."
        findings.add("warning", "changes_all", at, at + len(word), sentence)
    if catalogue is not None:
        check_names(tree, catalogue, findings)


def _changing_all(tree: Any) -> Iterator[Any]:
    from sqlglot import exp

    for node in tree.find_all(exp.Update, exp.Delete):
        if node.args.get("where") is None and not node.find_ancestor(exp.OnConflict, exp.Merge):
            yield node


def _keywords(text: str, dialect: str, word: str) -> Iterator[int]:
    return (t.start for t in tokens(text, dialect) if t.kind == "word" and t.lower == word)
