"""The base class of node types: the class body declares, one method runs."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Mapping
from typing import Any, ClassVar, Literal

from kailash_studio.errors import SpecError
from kailash_studio.spec.context import Outputs, Resources, RunContext, RunScope
from kailash_studio.spec.declared import Declared
from kailash_studio.spec.port import DataType, Input, Output, Ports

Execution = Literal["inline", "async", "thread"]

# What a call does outside, and so whether it may be repeated. pure: nothing, and the same inputs give the same outputs;
# reads: it looks and changes nothing; idempotent: once or twice is the same; keyed: it sends RunContext.key, by which
# the other side knows a repetition; unsafe: each call counts.
Effect = Literal["pure", "reads", "idempotent", "keyed", "unsafe"]


class Node(Declared):
    """A node type.

    Subclasses declare parameters (annotated, ``= Parameter(...)``), ports (``= Input(...)``, ``= Output(...)``) and a
    docstring, which is the reference page, and implement ``run`` as a coroutine or as a plain method. Nothing else is
    written anywhere for a node type: palette, form, schema, help and validation are derived.

    An instance keeps no state of a run.
    """

    category: ClassVar[str] = "Other"
    icon: ClassVar[str] = "box"
    title: ClassVar[str] = ""
    keywords: ClassVar[tuple[str, ...]] = ()
    type_version: ClassVar[int] = 1
    # A plain run() is called inline on the engine's loop; a type that blocks says "thread".
    execution: ClassVar[Execution] = "inline"
    # A type that says nothing is taken to be one whose calls count. Pure ones are previewed while they are edited.
    effect: ClassVar[Effect] = "unsafe"
    # What a statement in an SQL parameter runs on: a database that the parameters name, or the tables and files that
    # are connected and named.
    sql_runs_on: ClassVar[Literal["database", "tables"]] = "database"
    # The type whose nodes bring one of these along; nobody else places one.
    placed_by: ClassVar[str] = ""

    inputs: ClassVar[Mapping[str, Input]] = {}
    outputs: ClassVar[Mapping[str, Output]] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        body = vars(cls)
        if not cls.__doc__:
            raise SpecError(f"{cls.__name__} has no docstring: write one, it is the node type's reference page.")
        ports_by_parameter = {
            name: Input(DataType.ANY, declaration.doc, required=False)
            for name, declaration in cls.declarations.items()
            if declaration.port and name in body
        }
        cls.inputs = {
            **cls.inputs,
            **{name: value for name, value in body.items() if isinstance(value, Input)},
            **ports_by_parameter,
        }
        cls.outputs = {**cls.outputs, **{name: value for name, value in body.items() if isinstance(value, Output)}}
        if inspect.iscoroutinefunction(cls.run):
            cls.execution = "async"
        if "title" not in body:
            words = re.sub(r"Node$", "", cls.__name__)
            cls.title = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", words)

    def __init__(self, name: str = "", **values: Any) -> None:
        self.name = name
        self.given = values
        self.__dict__.update(self.validate(values, where=name or type(self).__name__))

    # ------------------------------------------------------------------ the declaration, derived
    @classmethod
    def type_name(cls) -> str:
        """The name by which a workflow file refers to the type."""
        return cls.__name__

    @classmethod
    def ports_of(cls, parameters: Mapping[str, Any]) -> Ports:
        """The ports of a node with these (raw, perhaps incomplete) parameters; it must run none of them."""
        return Ports(cls.inputs, cls.outputs)

    @classmethod
    def has_fixed_ports(cls) -> bool:
        """Whether no parameter changes the ports."""
        return cls.ports_of.__func__ is Node.ports_of.__func__  # type: ignore[attr-defined]

    @classmethod
    def effects_of(cls, parameters: Mapping[str, Any]) -> list[str]:
        """What running such a node touches outside, as short phrases: files, hosts, databases, code."""
        return []

    @classmethod
    def effect_of(cls, parameters: Mapping[str, Any]) -> Effect:
        """What a call with these (raw, perhaps incomplete) parameters does outside, where it depends on them."""
        return cls.effect

    @classmethod
    def runs_code(cls, parameters: Mapping[str, Any]) -> bool:
        """Whether a call runs code of the document that may do whatever the user may."""
        return False

    @classmethod
    def clear_secrets_of(cls, parameters: Mapping[str, Any]) -> list[tuple[str, str]]:
        """(place, value) of what these (raw) parameters hold in clear and looks like a credential.

        Parameters that are declared secret are not among them: validation refuses those.
        """
        return []

    # ------------------------------------------------------------------ running
    def run(self, context: RunContext) -> Outputs | Awaitable[Outputs]:
        """Do the work and give one value for each output; a conditional output may be left out."""
        raise SpecError(f"{type(self).__name__} does not say how it runs: implement run().")

    def first_rows(self, context: RunContext, most: int) -> Outputs:
        """For a preview while a node is edited: the first rows that it would read, or write, without writing them.

        Types that have it are previewed by it instead of by ``run``. One whose effect is ``reads`` may look at what
        ``effects_of`` names, and reads little; any other touches nothing outside.
        """
        raise SpecError(f"{type(self).__name__} shows no first rows: implement first_rows().")

    def with_values(self, values: Mapping[str, Any]) -> Node:
        """A node like this one with some parameters changed.

        Raises:
            ParameterError: A value does not fit.
        """
        return type(self)(self.name, **{**self.given, **values})

    async def async_run(self, **values: Any) -> Outputs:
        """Run this node alone, outside any workflow.

        Args:
            values: Parameters to change for this call, and values for input ports.

        Returns:
            The outputs, by name.
        """
        inputs = {name: value for name, value in values.items() if name not in self.declarations}
        node = self.with_values({name: value for name, value in values.items() if name in self.declarations})
        resources = Resources()
        try:
            scope = RunScope("", resources=resources)
            result = node.run(RunContext(scope, self.name or type(self).__name__, inputs))
            return await result if isinstance(result, Awaitable) else result
        finally:
            await resources.aclose()

    async def execute_async(self, **values: Any) -> Outputs:
        """The same as ``async_run``."""
        return await self.async_run(**values)
