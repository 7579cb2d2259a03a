"""How node types name the file that they read or write, before it is known."""

from __future__ import annotations

from collections.abc import Mapping

_NAMED_BY = {"$parameter": "parameter", "$secret": "secret"}


def file_of(path: object, kind: str = "file") -> str:
    """What a path in a document names, as a part of a sentence.

    Args:
        path: What the parameter is set to: a path, a reference, or nothing where it comes by a connection.
        kind: What the file is called.
    """
    if isinstance(path, Mapping):
        by = next(((word, path[mark]) for mark, word in _NAMED_BY.items() if path.get(mark)), None)
        if by is not None:
            return f"the {kind} that {by[0]} {by[1]} names"
    return f"the {kind} {path}" if path and isinstance(path, str) else f"a {kind} whose path it is given"
