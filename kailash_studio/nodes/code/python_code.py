"""PythonCodeNode."""

from __future__ import annotations

import ast
import asyncio
import builtins
import functools
import inspect
import textwrap
import typing
from collections.abc import Callable, Mapping
from typing import Any, Literal, Self

from kailash_studio.errors import ParameterError, PythonCodeError
from kailash_studio.services.python_code import FullPython, LightPython
from kailash_studio.spec.context import Outputs, RunContext
from kailash_studio.spec.function import data_type
from kailash_studio.spec.node import Effect, Node
from kailash_studio.spec.parameter import Parameter
from kailash_studio.spec.port import DataType, Input, Output, Ports
from kailash_studio.tables.table import holds_table, without_tables

_STARTER = '''def transform(rows):
    """Rows come in as a list of records; return what goes on."""
    return [row for row in rows]
'''


class PythonCodeNode(Node):
    """Run a Python function.

    The code holds a function; its last top-level one is called. Its arguments are the input ports (one with a default
    may stay unconnected), annotations such as ``list[dict]`` or ``float`` give the ports their types. What it returns
    is the output ``result``. With other outputs declared, it returns a dict with these keys.

    Light code runs in a sandboxed interpreter that has no files, network or packages and starts in milliseconds. Full
    Python runs in a process of its own with all installed packages; ``import`` finds modules in the workflow's folder.
    Both have a memory limit, and stopping the run stops the code. What the code prints goes to the run's log.

    Example::

        def calculate_metrics(portfolio_data):
            rows = portfolio_data["data"]
            return {"total": sum(row["current_value"] for row in rows)}

    Errors: what the function raises, with the line; values that cannot travel between processes, such as a DataFrame
    (return ``df.to_dict("records")``).
    """

    category = "Code"
    icon = "braces"
    keywords = ("python", "function", "script", "transform", "calculate")

    code: str = Parameter(_STARTER, doc="A Python function; its arguments are the inputs.", editor="python")
    output_names: list[str] = Parameter(
        ["result"], doc="Names of the outputs; with several, the function returns a dict with these keys."
    )
    sandbox: Literal["light", "full"] = Parameter(
        "light", doc="Light: sandboxed, no files, network or packages. Full: a process with all installed packages."
    )
    memory_limit: int = Parameter(1024, ge=64, le=262_144, unit="MiB", doc="Memory the code may use.")

    unwritable = ""  # why a node made from a function cannot be written to a file

    @classmethod
    def from_function(cls, func: Callable[..., Any], name: str = "", **values: Any) -> Self:
        """A node that calls a function of this program, in this process.

        The node can be written to a file when the function's source stands by itself, using nothing but its arguments,
        builtins and what it imports inside; it then runs as full Python there.

        Args:
            func: The function; its arguments become input ports.
            name: Name of the node.
            values: Further parameters, such as ``output_names``.
        """
        return _FunctionNode.made_of(func, name or getattr(func, "__name__", ""), values)  # type: ignore[return-value]

    @classmethod
    def ports_of(cls, parameters: Mapping[str, Any]) -> Ports:
        """The arguments of the function as inputs, read from the source without running it."""
        code = parameters.get("code", _STARTER)
        names = parameters.get("output_names", ["result"])
        found = _signature(code) if isinstance(code, str) else None
        outputs = [name for name in names if isinstance(name, str)] if isinstance(names, list) else ["result"]
        result = found.returns if found and len(outputs) == 1 else DataType.ANY
        return Ports(
            dict(found.inputs) if found else {},
            {name: Output(result, "What the function returns.") for name in outputs or ["result"]},
        )

    @classmethod
    def effect_of(cls, parameters: Mapping[str, Any]) -> Effect:
        """The light sandbox lets nothing out."""
        return "unsafe" if _is_full(parameters) else "pure"

    @classmethod
    def effects_of(cls, parameters: Mapping[str, Any]) -> list[str]:
        """Full Python can do anything that the user can."""
        return ["runs Python code with full access"] if _is_full(parameters) else []

    @classmethod
    def runs_code(cls, parameters: Mapping[str, Any]) -> bool:
        """Full Python does."""
        return _is_full(parameters)

    @classmethod
    def problems_of(cls, parameters: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Code that is not Python, or has no function."""
        code = parameters.get("code", _STARTER)
        if not isinstance(code, str):
            return []
        try:
            _function_of(code)
        except ParameterError as error:
            return [("code", str(error))]
        return []

    async def run(self, context: RunContext) -> Outputs:
        """Call the function where the sandbox parameter says."""
        function = _function_of(self.code).name
        inputs = dict(context.inputs)
        if holds_table(inputs):  # a sandbox and a process of its own know records, and many rows take their time
            inputs = await asyncio.to_thread(without_tables, inputs)
        resources = context.scope.resources
        try:
            if self.sandbox == "full":
                full = await resources.get(FullPython, FullPython.open)
                value = await full.call(
                    self.code,
                    function,
                    inputs,
                    memory=self.memory_limit,
                    folder=context.scope.folder,
                    printed=context.log,
                )
            else:
                light = await resources.get(LightPython, LightPython.open)
                drawn = context.scope.drawn
                value = await light.call(
                    self.code,
                    function,
                    inputs,
                    memory=self.memory_limit,
                    seconds=86_400,
                    printed=context.log,
                    drawn=drawn(context.node_id) if drawn is not None else None,
                )
        except PythonCodeError as error:
            raise PythonCodeError(f"{context.node_id}: {error}") from None
        return _outputs(value, self.output_names, context.node_id)


def _is_full(parameters: Mapping[str, Any]) -> bool:
    """Whether the code may do anything; a reference, to a workflow parameter for example, may stand for that."""
    return bool(parameters.get("sandbox", "light") != "light")


def _outputs(value: Any, names: list[str], node_id: str) -> Outputs:
    """A dict with just the declared outputs as keys gives those; else the value is the only output."""
    if isinstance(value, dict) and value.keys() == set(names):
        return value
    if len(names) == 1:
        return {names[0]: value}
    shown = f"keys {', '.join(map(str, value))}" if isinstance(value, dict) else f"a {type(value).__name__}"
    raise PythonCodeError(f"{node_id}: the function should return a dict with {', '.join(names)}; it returned {shown}.")


# ---------------------------------------------------------------------------------------------- reading the source
class _Signature:
    def __init__(self, inputs: Mapping[str, Input], returns: DataType) -> None:
        self.inputs = inputs
        self.returns = returns


@functools.lru_cache(maxsize=512)
def _signature(code: str) -> _Signature | None:
    try:
        function = _function_of(code)
    except ParameterError:
        return None
    arguments = [*function.args.posonlyargs, *function.args.args]
    first_default = len(arguments) - len(function.args.defaults)
    inputs = {
        a.arg: Input(_annotated(a.annotation), f"Argument {a.arg} of the function.", required=i < first_default)
        for i, a in enumerate(arguments)
    }
    for a, default in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True):
        inputs[a.arg] = Input(_annotated(a.annotation), f"Argument {a.arg} of the function.", required=default is None)
    return _Signature(inputs, _annotated(function.returns))


def _function_of(code: str) -> ast.FunctionDef:
    """The last top-level function of a source.

    Raises:
        ParameterError: It is not Python, or has no such function.
    """
    try:
        tree = ast.parse(code)
    except SyntaxError as error:
        raise ParameterError(f"line {error.lineno} of the code is not Python: {error.msg}.") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise ParameterError(f"the code cannot be read: {error}.") from None
    functions = [item for item in tree.body if isinstance(item, ast.FunctionDef)]
    if not functions:
        raise ParameterError("the code has no function: write `def transform(rows):` and what it returns.")
    function = functions[-1]
    if function.args.vararg or function.args.kwarg:
        raise ParameterError(f"{function.name} has * arguments: name each argument, they are the inputs.")
    return function


_NAMES: Mapping[str, Any] = {t.__name__: t for t in (int, float, str, bool, dict, tuple, bytes, list)}


def _annotated(annotation: ast.expr | None) -> DataType:
    """The port type of an annotation in source, by its outermost names; nothing is evaluated."""
    match annotation:
        case ast.Name(id=name) if name in _NAMES:
            return data_type(_NAMES[name])
        case (
            ast.Subscript(value=ast.Name(id="list"), slice=ast.Name(id="dict"))
            | ast.Subscript(value=ast.Name(id="list"), slice=ast.Subscript(value=ast.Name(id="dict")))
        ):
            return DataType.TABLE
        case ast.Subscript(value=ast.Name(id=name)) if name in _NAMES:
            return data_type(_NAMES[name])
        case _:
            return DataType.ANY


# ---------------------------------------------------------------------------------------------- functions as nodes
class _FunctionNode(PythonCodeNode):
    """A PythonCodeNode whose function is an object of this program; it is called inline."""

    _made: Callable[..., Any]

    @classmethod
    def type_name(cls) -> str:
        return "PythonCodeNode"

    @classmethod
    def made_of(cls, function: Callable[..., Any], name: str, values: dict[str, Any]) -> PythonCodeNode:
        """A node of a type of its own, so that its ports are the function's."""
        signature = inspect.signature(function)
        source, reason = _source_of(function)
        hints = _hints(function)
        inputs = {
            a.name: Input(data_type(hints.get(a.name, Any)), f"Argument {a.name}.", a.default is a.empty)
            for a in signature.parameters.values()
            if a.kind not in (a.VAR_POSITIONAL, a.VAR_KEYWORD)
        }
        execution = "async" if inspect.iscoroutinefunction(function) else "inline"
        body = {"__doc__": cls.__doc__, "__module__": cls.__module__, "_function_inputs": inputs}
        made: Any = type("_FunctionNode", (cls,), body)
        made.execution = execution
        made.run = _calling(function, list(values.get("output_names", ["result"])), execution)
        made.unwritable = reason
        node: PythonCodeNode = made(name, **{"sandbox": "full", **values, **({"code": source} if source else {})})
        return node

    @classmethod
    def ports_of(cls, parameters: Mapping[str, Any]) -> Ports:
        inputs: Mapping[str, Input] = getattr(cls, "_function_inputs", {})
        return Ports(inputs, super().ports_of(parameters).outputs)

    @classmethod
    def problems_of(cls, parameters: Mapping[str, Any]) -> list[tuple[str, str]]:
        return []


def _calling(function: Callable[..., Any], names: list[str], execution: str) -> Any:
    if execution == "async":

        async def run_async(self: Node, context: RunContext) -> Outputs:
            return _outputs(await function(**context.inputs), names, context.node_id)

        return run_async

    def run(self: Node, context: RunContext) -> Outputs:
        return _outputs(function(**context.inputs), names, context.node_id)

    return run


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function)
    except (NameError, TypeError):  # annotations that name what is not there say nothing
        return {}


def _source_of(function: Callable[..., Any]) -> tuple[str, str]:
    """The function's source, and why it would not run elsewhere ("" when it would)."""
    name = getattr(function, "__name__", "function")
    if name == "<lambda>":
        return "", "a lambda has no source of its own: write a def."
    try:
        source = textwrap.dedent(inspect.getsource(function))
        _function_of(source)
    except (OSError, TypeError, ParameterError):
        return "", f"the source of {name} is not at hand."
    code = getattr(function, "__code__", None)
    if code is None:
        return "", f"{name} is no plain function."
    outside = [*code.co_freevars, *(n for n in _global_names(code) if not hasattr(builtins, n))]
    if outside:
        return source, f"{name} uses {outside[0]} from around it: pass it as an argument or import it inside."
    return source, ""


def _global_names(code: Any) -> list[str]:
    import dis

    names = [i.argval for i in dis.get_instructions(code) if i.opname in {"LOAD_GLOBAL", "LOAD_NAME"}]
    for constant in code.co_consts:
        if inspect.iscode(constant):
            names += _global_names(constant)
    return names
