"""The rows of the inspector form, derived from the declaration; no Qt here."""

from __future__ import annotations

import types
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from kailash_studio.spec.declared import Declared
from kailash_studio.spec.parameter import MISSING, ParameterDeclaration

RowKind = Literal[
    "text", "multiline", "sql", "python", "integer", "number", "boolean", "choice", "list", "object", "file",
    "save_file", "folder", "ports", "secret", "group", "any",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class FormRow:
    """One row of the form.

    Attributes:
        name: The parameter.
        title: Its label.
        kind: Which editor.
        doc: Tooltip.
        default: Default value; None with ``required`` set when there is none.
        required: Has no default.
        nullable: None is a value of its own ("not set").
        unit: Shown after the number.
        choices: The values of a ``choice``.
        minimum: Smallest value allowed, or None; ``exclusive_minimum`` says whether itself is out.
        maximum: Largest value allowed, or None.
        port: It can be fed by a connection.
        item: Kind of a list's items.
        placeholder: Grey text in an empty field.
        shown_when: Another parameter and the values of it with which this row matters; None: always.
        advanced: Shown only when asked for more, or when it has a value of its own.
        rows: The rows of a ``group``: a declared class inside.
        columns_of: It names columns of the table at this input; inside of an ``expression`` or by itself.
    """

    name: str
    title: str
    kind: RowKind
    doc: str
    default: Any = None
    required: bool = False
    nullable: bool = False
    unit: str = ""
    choices: tuple[Any, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    exclusive_minimum: bool = False
    port: bool = False
    item: RowKind = "any"
    placeholder: str = ""
    shown_when: tuple[str, tuple[Any, ...]] | None = None
    advanced: bool = False
    rows: tuple[FormRow, ...] = ()
    columns_of: str = ""
    expression: bool = False


def form_rows(declared_type: type[Declared]) -> list[FormRow]:
    """The form of a node type or policy, in the order of the declaration."""
    hints = typing.get_type_hints(declared_type, include_extras=True)
    return [_row(name, hints[name], declared) for name, declared in declared_type.declarations.items()]


def _row(name: str, hint: Any, declared: ParameterDeclaration) -> FormRow:
    hint, nullable = _without_none(hint)
    limits = declared.constraints
    minimum = limits.get("ge", limits.get("gt"))
    return FormRow(
        name=name,
        title=name.replace("_", " ").capitalize(),
        kind=_kind(hint, declared),
        doc=declared.doc,
        default=None if declared.default is MISSING else declared.default,
        required=declared.default is MISSING,
        nullable=nullable,
        unit=declared.unit,
        choices=get_args(hint) if get_origin(hint) is Literal else (),
        minimum=minimum,
        maximum=limits.get("le", limits.get("lt")),
        exclusive_minimum="gt" in limits,
        port=declared.port,
        item=_item_kind(hint),
        placeholder=declared.placeholder,
        shown_when=declared.shown_when,
        advanced=declared.advanced,
        columns_of=declared.columns_of,
        expression=declared.expression,
        rows=tuple(form_rows(hint)) if isinstance(hint, type) and issubclass(hint, Declared) else (),
    )


def _without_none(hint: Any) -> tuple[Any, bool]:
    if get_origin(hint) in (typing.Union, types.UnionType):
        arms = [arm for arm in get_args(hint) if arm is not type(None)]
        if len(arms) < len(get_args(hint)):
            return (arms[0] if len(arms) == 1 else Any), True
    return hint, False


def _item_kind(hint: Any) -> RowKind:
    arguments = get_args(hint)
    return _by_type(arguments[0]) if get_origin(hint) is list and arguments else "any"


def _kind(hint: Any, declared: ParameterDeclaration) -> RowKind:
    if declared.secret:
        return "secret"
    return declared.editor or _by_type(hint)


def _by_type(hint: Any) -> RowKind:
    origin = get_origin(hint) or hint
    if origin is Literal:
        return "choice"
    if origin is bool:
        return "boolean"
    if isinstance(origin, type):
        for base, kind in _KINDS:
            if issubclass(origin, base):
                return kind
    return "any"


_KINDS: tuple[tuple[type, RowKind], ...] = (
    (Declared, "group"),
    (int, "integer"),
    (float, "number"),
    (str, "text"),
    (Path, "file"),
    (list, "list"),
    (dict, "object"),
)
