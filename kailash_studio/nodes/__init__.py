"""The node types that ship with the program: one file a node type, found by the registry.

``from kailash_studio.nodes.data import CSVReaderNode`` works for programs too; nothing in the program itself names a
node type's module.
"""

from __future__ import annotations

from typing import Any


def exported(package: str, name: str) -> Any:
    """The node type ``name`` of a package of node types, found by walking it.

    Raises:
        AttributeError: There is none.
    """
    import importlib
    import pkgutil

    root = importlib.import_module(package)
    if not name.startswith("_"):
        for info in pkgutil.iter_modules(root.__path__, f"{package}."):
            found = vars(importlib.import_module(info.name)).get(name)
            if found is not None and getattr(found, "__module__", "") == info.name:
                return found
    raise AttributeError(f"module {package!r} has no node type {name!r}")
