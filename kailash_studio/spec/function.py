"""A plain typed Python function becomes a node type."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar, get_args, get_origin

from kailash_studio.errors import SpecError
from kailash_studio.spec.context import Outputs, RunContext
from kailash_studio.spec.node import Execution, Node
from kailash_studio.spec.parameter import Parameter
from kailash_studio.spec.port import DataType, Input, Output

F = TypeVar("F", bound=Callable[..., Any])


def node(
    *,
    category: str = "Other",
    icon: str = "code",
    name: str = "",
    outputs: Mapping[str, DataType] | None = None,
    blocking: bool = False,
) -> Callable[[F], F]:
    """Make a node type of a function; the function itself stays callable.

    Arguments without a default become input ports, those with one become parameters that may also be connected. The
    docstring is the reference page. Without ``outputs`` there is one, ``result``, typed by the return annotation;
    with them, the function returns a dict with these keys.

    Args:
        category: Group in the palette.
        icon: Lucide icon name.
        name: Name of the node type; by default the function's in CamelCase with ``Node`` behind it.
        outputs: Names and types of several outputs.
        blocking: It waits or computes for long, so it is run in a thread.

    Raises:
        SpecError: The function cannot be a node type.
    """

    def decorate(function: F) -> F:
        function.node_type = _node_type(function, category, icon, name, outputs, blocking)  # type: ignore[attr-defined]
        return function

    return decorate


def _node_type(
    function: Callable[..., Any],
    category: str,
    icon: str,
    name: str,
    outputs: Mapping[str, DataType] | None,
    blocking: bool,
) -> type[Node]:
    type_name = name or "".join(part.capitalize() for part in function.__name__.split("_")) + "Node"
    if not function.__doc__:
        raise SpecError(f"{function.__name__} has no docstring: write one, it is the node type's reference page.")
    signature = inspect.signature(function)
    hints = typing.get_type_hints(function)
    body: dict[str, Any] = {
        "__doc__": function.__doc__,
        "__module__": function.__module__,
        "__annotations__": {},
        "category": category,
        "icon": icon,
    }
    inputs, parameters = [], []
    for argument in signature.parameters.values():
        if argument.kind in (argument.VAR_POSITIONAL, argument.VAR_KEYWORD, argument.POSITIONAL_ONLY):
            raise SpecError(f"{function.__name__}: {argument} cannot be a port; name each argument.")
        hint = hints.get(argument.name, Any)
        if argument.default is argument.empty:
            inputs.append(argument.name)
            body[argument.name] = Input(data_type(hint), f"Argument {argument.name}.")
        else:
            parameters.append(argument.name)
            body["__annotations__"][argument.name] = hint
            body[argument.name] = Parameter(argument.default, doc=f"Argument {argument.name}.", port=True)
    declared = dict(outputs or {"result": data_type(hints.get("return", Any))})
    for output, kind in declared.items():
        body[output] = Output(kind, "What the function returns." if outputs is None else f"Returned as {output}.")
    body["run"] = _runner(function, inputs, parameters, several=outputs is not None)
    execution: Execution = "thread" if blocking else "inline"
    body["execution"] = execution
    return type(type_name, (Node,), body)


def _runner(function: Callable[..., Any], inputs: list[str], parameters: list[str], *, several: bool) -> Any:
    def arguments(self: Node, context: RunContext) -> Mapping[str, Any]:
        if not parameters:
            return context.inputs  # the ports are the arguments
        values = {name: getattr(self, name) for name in parameters}
        values.update({name: context.inputs[name] for name in inputs})
        return values

    if inspect.iscoroutinefunction(function):

        async def run_async(self: Node, context: RunContext) -> Outputs:
            value = await typing.cast(Awaitable[Any], function(**arguments(self, context)))
            return typing.cast(Outputs, value) if several else {"result": value}

        return run_async

    if several or parameters:

        def run(self: Node, context: RunContext) -> Outputs:
            value = function(**arguments(self, context))
            return typing.cast(Outputs, value) if several else {"result": value}

        return run

    def run_plain(self: Node, context: RunContext) -> Outputs:
        return {"result": function(**context.inputs)}

    return run_plain


def data_type(hint: Any) -> DataType:
    """The port type of a Python annotation; what says nothing is ``ANY``."""
    origin = get_origin(hint) or hint
    if origin in (typing.Union, types.UnionType):
        kinds = {data_type(arm) for arm in get_args(hint) if arm is not type(None)}
        return kinds.pop() if len(kinds) == 1 else DataType.ANY
    if origin is list:
        items = get_args(hint)
        return DataType.TABLE if items and (get_origin(items[0]) or items[0]) is dict else DataType.LIST
    return _TYPES.get(origin, DataType.ANY) if isinstance(origin, type) else DataType.ANY


_TYPES: dict[type, DataType] = {
    bool: DataType.BOOLEAN,
    int: DataType.NUMBER,
    float: DataType.NUMBER,
    str: DataType.TEXT,
    dict: DataType.RECORD,
    tuple: DataType.LIST,
    bytes: DataType.BYTES,
}
