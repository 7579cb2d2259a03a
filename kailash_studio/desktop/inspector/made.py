"""Which editor a row of the form gets."""

from __future__ import annotations

from typing import Any

from kailash_studio.desktop.icons import Icons
from kailash_studio.desktop.inspector.field import Field
from kailash_studio.desktop.inspector.fields import (
    ChoiceField,
    CodeField,
    LinesField,
    ReferenceField,
    SwitchField,
    TextField,
)
from kailash_studio.desktop.inspector.json_field import JsonField
from kailash_studio.desktop.inspector.number_field import NumberField
from kailash_studio.desktop.inspector.ports_field import PortsField
from kailash_studio.desktop.theme import Theme
from kailash_studio.spec.form import FormRow
from kailash_studio.spec.parameter import reference


def make_field(row: FormRow, value: Any, theme: Theme, icons: Icons) -> Field:
    """The editor of a row; a value that is a reference gets one of its own."""
    if reference(value) is not None and row.kind != "secret":
        return ReferenceField(row)
    match row.kind:
        case "sql" | "python":
            return CodeField(row, theme)
        case "multiline":
            return LinesField(row)
        case "integer" | "number":
            return NumberField(row)
        case "boolean":
            return SwitchField(row, theme)
        case "choice":
            return ChoiceField(row)
        case "ports":
            return PortsField(row, icons)
        case "list" | "object" | "any":
            return JsonField(row)
        case _:
            return TextField(row, icons)


def is_tall(row: FormRow) -> bool:
    """Whether a row's editor stands below its label instead of beside it."""
    return row.kind in {"sql", "python", "multiline", "list", "object", "ports"}
