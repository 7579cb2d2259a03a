"""Parameters: the values that a user sets on a node, declared once in the class body."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

Editor = Literal["", "text", "multiline", "sql", "python", "file", "save_file", "folder", "ports"]


class _Missing:
    """The default of a parameter that has none."""

    def __repr__(self) -> str:
        return "required"

    def __deepcopy__(self, memo: dict[int, Any]) -> _Missing:
        return self


MISSING: Final = _Missing()


@dataclass(frozen=True, slots=True)
class ParameterDeclaration:
    """What a class body says of one parameter; pydantic validates by it.

    Attributes:
        default: Value used when the document holds none, or ``MISSING``.
        doc: One sentence for tooltip, schema and reference page.
        unit: Unit as shown to the user (``s``, ``rows``).
        editor: How the inspector edits it, where the type alone does not say.
        port: It may also be fed by a connection, through an input port of the same name.
        secret: It holds a credential; a file may only name one (``{"$secret": "name"}``).
        shown_when: Another parameter and the values of it with which this one matters.
        advanced: Few people need it: the form shows it when asked for more.
        columns_of: It names columns of the table at this input; the form offers them.
        expression: The names stand inside of an expression.
        constraints: pydantic's own (``ge``, ``le``, ``pattern``, ``min_length``, ...).
    """

    default: Any
    doc: str
    unit: str
    editor: Editor
    port: bool
    secret: bool
    placeholder: str
    shown_when: tuple[str, tuple[Any, ...]] | None
    advanced: bool
    columns_of: str
    expression: bool
    constraints: dict[str, Any]


def Parameter(
    default: Any = MISSING,
    *,
    doc: str,
    unit: str = "",
    editor: Editor = "",
    port: bool = False,
    secret: bool = False,
    placeholder: str = "",
    shown_when: tuple[str, tuple[Any, ...]] | None = None,
    advanced: bool = False,
    columns_of: str = "",
    expression: bool = False,
    **constraints: Any,
) -> Any:
    """Declare a parameter in the body of a node type; see ``ParameterDeclaration`` for the words."""
    return ParameterDeclaration(
        default,
        doc,
        unit,
        editor,
        port,
        secret,
        placeholder,
        shown_when,
        advanced,
        columns_of,
        expression,
        constraints,
    )


# A value in a document may refer instead of say: {"$parameter": name} or {"$secret": name}.
REFERENCE_KEYS: Final = ("$parameter", "$secret")


def reference(value: Any) -> tuple[str, str] | None:
    """The kind and name of a reference, or None when the value is an ordinary one."""
    if isinstance(value, dict) and len(value) == 1:
        key, name = next(iter(value.items()))
        if key in REFERENCE_KEYS and isinstance(name, str):
            return key, name
    return None
