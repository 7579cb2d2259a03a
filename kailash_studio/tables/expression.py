"""Expressions over the columns of a table: Python's own syntax, read into a tree; ``evaluation`` computes it.

Only what is listed here is understood: columns, literals, arithmetic, comparisons, and/or/not, ``in``, a choice
(``a if c else b``) and calls of the functions in ``functions``. Nothing is ever given to Python to evaluate.
"""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kailash_studio.errors import TableError

MOST_CHARACTERS = 4_000
MOST_DEPTH = 60

_QUOTED = re.compile(r"""'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`([^`\n]+)`""")
_WORDS = {"true": True, "false": False, "null": None}
_ALLOWED = (
    ast.Expression, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Call, ast.Name, ast.Constant,
    ast.Tuple, ast.List, ast.Load, ast.operator, ast.unaryop, ast.boolop, ast.cmpop,
)  # fmt: skip
_NOT_ALLOWED = (ast.MatMult, ast.LShift, ast.RShift, ast.BitAnd, ast.BitOr, ast.BitXor, ast.Invert)
_HABITS = (
    (re.compile(r"(?<![=!<>])=(?!=)"), "write == to compare"),
    (re.compile(r"<>"), "write != for not equal"),
    (re.compile(r"&&|\|\|"), "write and, or"),
    (re.compile(r"\b(AND|OR|NOT|IN|IS)\b"), "write and, or, not, in, is in small letters"),
)


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression that was understood.

    Attributes:
        text: As it was written.
        tree: Its syntax, of allowed parts alone.
        quoted: Names of columns by their stand-ins in the tree.
        columns: The columns that it reads.
    """

    text: str
    tree: ast.expr
    quoted: Mapping[str, str]
    columns: tuple[str, ...]

    def name(self, node: ast.Name) -> str:
        """The column that a name in the tree means."""
        return self.quoted.get(node.id, node.id)


def parse(text: str) -> Expression:
    """Read an expression.

    Raises:
        TableError: It is none; the sentence has the place and, where it can, the mend.
    """
    if not text.strip():
        raise TableError("The expression is empty: write one, such as price * quantity.")
    if len(text) > MOST_CHARACTERS:
        raise TableError(f"The expression has {len(text)} characters: make several nodes of it.")
    quoted: dict[str, str] = {}
    plain = _QUOTED.sub(lambda found: _stand_in(found, quoted), text.strip())
    try:
        tree = ast.parse(plain, mode="eval").body
    except SyntaxError as error:
        raise TableError(f"The expression cannot be read{_place(error)}: {_mend(plain, error)}.") from None
    except (ValueError, RecursionError, MemoryError):
        raise TableError("The expression cannot be read: it is nested too deeply or holds odd characters.") from None
    columns: dict[str, None] = {}
    _check(tree, text, quoted, columns)
    return Expression(text, tree, quoted, tuple(columns))


def _stand_in(found: re.Match[str], quoted: dict[str, str]) -> str:
    if found[1] is None:
        return found[0]
    name = f"_column_{len(quoted)}_"
    quoted[name] = found[1]
    return name


def _place(error: SyntaxError) -> str:
    return f" at character {error.offset}" if error.offset else ""


def _mend(text: str, error: SyntaxError) -> str:
    bare = _QUOTED.sub("''", text)
    for habit, mend in _HABITS:
        if habit.search(bare):
            return mend
    if re.search(r"\w \w", bare):
        return f"{error.msg}; a column with a space in its name stands in backticks, `unit price`"
    return error.msg


def _check(tree: ast.expr, text: str, quoted: Mapping[str, str], columns: dict[str, None]) -> None:
    from kailash_studio.tables.functions import FUNCTIONS

    level: list[ast.AST] = [tree]
    for _ in range(MOST_DEPTH):
        below: list[ast.AST] = []
        for node in level:
            if not isinstance(node, _ALLOWED) or isinstance(node, _NOT_ALLOWED):
                raise TableError(f"{_source(node, text)} is not part of an expression: {_INSTEAD}.")
            if isinstance(node, ast.Name):
                if node.id.lower() not in _WORDS or node.id in quoted:
                    columns[quoted.get(node.id, node.id)] = None
            elif isinstance(node, ast.Constant):
                if not isinstance(node.value, str | int | float | bool | None) or isinstance(node.value, bytes):
                    raise TableError(f"{_source(node, text)} is not part of an expression: {_INSTEAD}.")
            elif isinstance(node, ast.Call):
                _check_call(node, text, FUNCTIONS)
                below += node.args
                continue
            below += ast.iter_child_nodes(node)
        if not below:
            return
        level = below
    raise TableError("The expression is nested too deeply: make several nodes of it.")


_INSTEAD = "it has columns, texts, numbers, + - * / // % **, comparisons, and, or, not, in, if else, and functions"


def _check_call(node: ast.Call, text: str, functions: Mapping[str, object]) -> None:
    name = node.func.id if isinstance(node.func, ast.Name) else _source(node.func, text)
    if name not in functions:
        near = difflib.get_close_matches(name.lower(), functions, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(functions))}."
        raise TableError(f"There is no function {name}: {hint}")
    if node.keywords or any(isinstance(argument, ast.Starred) for argument in node.args):
        raise TableError(f"{name} takes its values in order: write {name}(a, b).")


def _source(node: ast.AST, text: str) -> str:
    start, end = getattr(node, "col_offset", None), getattr(node, "end_col_offset", None)
    piece = text.strip()[start:end] if start is not None and "`" not in text else ""
    return repr(piece[:60]) if piece else type(node).__name__


def word_of(node: ast.Name) -> tuple[bool, bool | None]:
    """Whether a name is a word of the language (true, false, null), and its value."""
    known = node.id.lower() in _WORDS
    return known, _WORDS.get(node.id.lower())


def no_column(name: str, names: Iterable[str], what: str = "") -> TableError:
    """The error of a column that a table does not have."""
    names = list(names)
    near = difflib.get_close_matches(name, names, n=1) or [n for n in names if n.lower() == name.lower()]
    shown = ", ".join(names[:12]) + (" and more" if len(names) > 12 else "")
    has = f"the columns are {shown}" if names else "there are no columns"
    hint = f"did you mean {near[0]}? " if near else ""
    return TableError(f"There is no column {name!r}{what}: {hint}{has[0].upper() if hint else has[0]}{has[1:]}.")
