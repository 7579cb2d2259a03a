"""Node types by name, found by walking packages: a new file is a new node type."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from importlib.metadata import entry_points
from types import ModuleType

from kailash_studio.errors import SpecError, UnknownNodeTypeError
from kailash_studio.spec.finding import Finding
from kailash_studio.spec.node import Node

ENTRY_POINT_GROUP = "kailash_studio.nodes"


class Registry:
    """The node types that one application or run knows.

    Attributes:
        findings: Modules and plugins that could not be loaded, with the reason. They stop nothing.
    """

    def __init__(self) -> None:
        self._types: dict[str, type[Node]] = {}
        self.findings: list[Finding] = []

    def register(self, node_type: type[Node]) -> None:
        """Make a node type known.

        Raises:
            SpecError: Another type has that name.
        """
        known = self._types.setdefault(node_type.type_name(), node_type)
        if known is not node_type:
            raise SpecError(
                f"Two node types are named {node_type.type_name()}: one in {known.__module__}, "
                f"one in {node_type.__module__}; rename one."
            )

    def discover(self, package: str) -> None:
        """Register the node types of a package and all below it; what fails to load becomes a finding."""
        root = self._import(package)
        if root is None:
            return
        self._register_all(root)
        for info in pkgutil.walk_packages(getattr(root, "__path__", []), f"{package}.", onerror=lambda name: None):
            module = self._import(info.name)
            if module is not None:
                self._register_all(module)

    def discover_plugins(self) -> None:
        """Register the packages and modules that installed distributions name in the entry point group."""
        for point in entry_points(group=ENTRY_POINT_GROUP):
            self.discover(point.value)

    def _import(self, name: str) -> ModuleType | None:
        try:
            return importlib.import_module(name)
        except Exception as error:  # noqa: BLE001 - foreign code; a broken plugin must not stop the program
            self._note(name, error)
            return None

    def _register_all(self, module: ModuleType) -> None:
        for member in vars(module).values():
            node_type = getattr(member, "node_type", member)
            if (
                inspect.isclass(node_type)
                and issubclass(node_type, Node)
                and node_type.__module__ == module.__name__
                and node_type.run is not Node.run
                and not node_type.__name__.startswith("_")
            ):
                try:
                    self.register(node_type)
                except SpecError as error:
                    self._note(module.__name__, error)

    def _note(self, name: str, error: Exception) -> None:
        reason = str(error) if isinstance(error, SpecError) else f"{type(error).__name__}: {error}"
        self.findings.append(
            Finding("warning", "KS-1101", f"plugins/{name}", f"The node types of {name} are not loaded: {reason}")
        )

    def get(self, name: str) -> type[Node]:
        """The node type of that name.

        Raises:
            UnknownNodeTypeError: There is none.
        """
        try:
            return self._types[name]
        except KeyError:
            import difflib

            near = difflib.get_close_matches(name, self._types, n=1)
            hint = f"; did you mean {near[0]}?" if near else ": install the package that brings it."
            raise UnknownNodeTypeError(f"There is no node type {name!r}{hint}") from None

    def find(self, name: str) -> type[Node] | None:
        """The node type of that name, or None."""
        return self._types.get(name)

    def __iter__(self) -> Iterator[type[Node]]:
        return iter(sorted(self._types.values(), key=lambda t: (t.category, t.title)))

    def __len__(self) -> int:
        return len(self._types)


def installed_node_types() -> Registry:
    """A registry of the node types that ship with the program and those of installed plugins."""
    registry = Registry()
    registry.discover("kailash_studio.nodes")
    registry.discover_plugins()
    return registry
