"""Declared classes: a class body of parameters, from which model, form, schema and messages are derived.

Node types are declared this way, and so are policies and settings.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from kailash_studio.errors import ParameterError, SpecError
from kailash_studio.spec.parameter import MISSING, ParameterDeclaration, reference

if TYPE_CHECKING:
    from pydantic import BaseModel

_WORDS = {  # pydantic's that are Python's, in those of JSON
    "should be a valid dictionary": 'should be an object, such as {"name": 1}',
    "should be a valid list": "should be a list, such as [1, 2]",
    "should be a valid string": "should be a text",
    "should be a valid boolean": "should be true or false",
}


class Declared:
    """A class whose annotated ``Parameter(...)`` attributes are its declaration.

    An instance holds one set of valid values as attributes, and what was given as ``given``.
    """

    declarations: ClassVar[Mapping[str, ParameterDeclaration]] = {}
    _model: ClassVar[Any] = None
    _inside: ClassVar[Any] = None

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        body = vars(cls)
        declared = {name: value for name, value in body.items() if isinstance(value, ParameterDeclaration)}
        for name in declared:
            if name not in body.get("__annotations__", {}):
                raise SpecError(f"{cls.__name__}.{name} has no type: annotate it, for example `{name}: str = ...`.")
            if any(hasattr(base, name) and name not in cls.declarations for base in cls.__mro__[1:]) or name in {
                "given",
                "name",
            }:
                raise SpecError(f"{cls.__name__}.{name} is a name of the base class: choose another.")
        cls.declarations = {**cls.declarations, **declared}

    def __init__(self, **values: Any) -> None:
        self.given: dict[str, Any] = values
        self.__dict__.update(self.validate(values))

    @classmethod
    def model(cls) -> type[BaseModel]:
        """The pydantic model of the parameters, built on first use."""
        built: type[BaseModel] | None = cls.__dict__.get("_model")
        if built is None:
            built = cls._model = _build_model(cls)
        return built

    @classmethod
    def validate(cls, values: Mapping[str, Any], where: str = "") -> dict[str, Any]:
        """All parameter values, defaults filled in and converted.

        Raises:
            ParameterError: With one sentence for each value that does not fit.
        """
        from pydantic import ValidationError

        try:
            model = cls.model().model_validate(dict(values))
        except ValidationError as error:
            prefix = f"{where}: " if where else ""
            sentences = [sentence for _, sentence in parameter_problems(cls, error)]
            raise ParameterError(prefix + " ".join(sentences)) from None
        return {name: getattr(model, name) for name in cls.declarations}

    @classmethod
    def declared_inside(cls, name: str) -> type[Declared] | None:
        """The declared class that a parameter holds (``retry: RetryPolicy | None``), or None."""
        known: dict[str, type[Declared]] | None = cls.__dict__.get("_inside")
        if known is None:
            known = cls._inside = {}
            for key, hint in typing.get_type_hints(cls).items():
                arms = (hint, *typing.get_args(hint)) if key in cls.declarations else ()
                found = [arm for arm in arms if isinstance(arm, type) and issubclass(arm, Declared)]
                known.update({key: found[0]} if found else {})
        return known.get(name)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """Lets a declared class be the type of a parameter of another one; its value in a file is an object."""
        from pydantic_core import core_schema

        def made(model: BaseModel) -> Declared:
            instance = cls.__new__(cls)
            instance.given = model.model_dump(exclude_unset=True)
            instance.__dict__.update({name: getattr(model, name) for name in cls.declarations})
            return instance

        return core_schema.no_info_after_validator_function(made, handler(cls.model()))

    @classmethod
    def problems_of(cls, parameters: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Further (parameter, sentence) problems that the types alone do not show."""
        return []


def _build_model(cls: type[Declared]) -> type[BaseModel]:
    from pydantic import ConfigDict, Field, create_model

    hints = typing.get_type_hints(cls, include_extras=True)
    fields: dict[str, Any] = {}
    for name, declaration in cls.declarations.items():
        default = ... if declaration.default is MISSING else declaration.default
        extra: dict[str, Any] = {
            key: value for key, value in (("x-unit", declaration.unit), ("x-secret", declaration.secret)) if value
        }
        fields[name] = (
            hints[name],
            Field(
                default,
                description=declaration.doc,
                json_schema_extra=extra or None,
                validate_default=True,
                **declaration.constraints,
            ),
        )
    config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
    return typing.cast("type[BaseModel]", create_model(cls.__name__, __config__=config, **fields))


def parameter_problems(cls: type[Declared], error: Any) -> list[tuple[str, str]]:
    """The (parameter, sentence) pairs of a pydantic ValidationError, in words for the user.

    A parameter inside a declared class inside is named with its way there: ``retry/max_retries``.
    """
    problems = []
    for item in error.errors(include_url=False):
        owner, way, rest = cls, [str(item["loc"][0])] if item["loc"] else [""], list(item["loc"][1:])
        while rest and (inside := owner.declared_inside(way[-1])) is not None:
            owner, way = inside, [*way, str(rest.pop(0))]
        inner = ".".join(str(part) for part in rest if isinstance(part, int) or part in owner.declarations)
        label = ".".join(way) + (f"[{inner}]" if inner else "")
        match item["type"]:
            case "missing":
                sentence = f"{label} is not set: give it a value."
            case "extra_forbidden":
                known = ", ".join(owner.declarations) or "none"
                sentence = f"{owner.__name__} has no parameter {way[-1]!r}; it has {known}."
            case _:
                given = repr(item["input"])
                given = given if len(given) <= 60 else given[:57] + "..."
                message = item["msg"][0].lower() + item["msg"][1:]
                message = message.removeprefix("input ").removeprefix("value error, ")
                message = _WORDS.get(message, message)
                sentence = f"{label} {message}, not {given}."
        problems.append(("/".join(way), sentence))
    return problems


def check_parameters(cls: type[Declared], parameters: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The (parameter, sentence) problems of raw parameters from a document; references count as given.

    A reference stands for a value that only the run knows, so a parameter that is or contains one is not judged.
    """
    from pydantic import ValidationError

    known = {name: value for name, value in parameters.items() if not contains_reference(value)}
    referred = {name for name, value in parameters.items() if contains_reference(value)}
    try:
        cls.model().model_validate(known)
    except ValidationError as error:
        problems = parameter_problems(cls, error)
    else:
        problems = []
    return [p for p in problems if p[0].split("/")[0] not in referred] + _further(cls, parameters)


def _further(cls: type[Declared], values: Mapping[str, Any]) -> list[tuple[str, str]]:
    problems = cls.problems_of(values)
    for name, value in values.items():
        inside = cls.declared_inside(name) if isinstance(value, dict) else None
        if inside is not None:
            problems += [(f"{name}/{inner}", sentence) for inner, sentence in _further(inside, value)]
    return problems


def contains_reference(value: Any) -> bool:
    """Whether a parameter value is, or holds somewhere inside, a reference."""
    if reference(value) is not None:
        return True
    if isinstance(value, dict):
        return any(contains_reference(item) for item in value.values())
    if isinstance(value, list):
        return any(contains_reference(item) for item in value)
    return False
