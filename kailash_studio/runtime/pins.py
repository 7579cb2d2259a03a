"""Pins: outputs of nodes, kept beside the workflow's file, that runs from the desktop take instead of calling nodes.

They are no part of the document: an export, a copy, or a run elsewhere has none of them.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kailash_studio.errors import DocumentError, EngineError
from kailash_studio.folders import write_whole
from kailash_studio.runtime.journal import contents
from kailash_studio.services.credentials.redaction import Redactor
from kailash_studio.spec.context import Outputs
from kailash_studio.workflow.workflow import SUFFIX

_FORMAT = "kailash-studio/pins"
_VERSION = 1
_MOST_BYTES = 512 * 2**20


class Pins:
    """The pins of one workflow file.

    Attributes:
        path: Where they are kept: beside ``orders.kailash.json`` in ``orders.kailash.pins``.
    """

    def __init__(self, file: Path) -> None:
        """Name the workflow file; nothing is read yet."""
        self.path = file.with_name(file.name.removesuffix(SUFFIX).removesuffix(".json") + ".kailash.pins")

    def names(self) -> list[str]:
        """The pinned nodes.

        Raises:
            DocumentError: The file is there and cannot be understood.
        """
        return sorted(self._read())

    def outputs(self) -> dict[str, Outputs]:
        """The pinned outputs of each node.

        Raises:
            DocumentError: As in ``names``.
        """
        return {
            node: {name: self._value(node, name, text) for name, text in own.items()}
            for node, own in self._read().items()
        }

    def pin(self, node: str, outputs: Outputs, redactor: Redactor) -> None:
        """Keep the outputs of a node.

        Args:
            node: The node.
            outputs: All of its outputs.
            redactor: Knows the secrets of the run that gave them.

        Raises:
            EngineError: A value holds a secret, or cannot be kept.
            DocumentError: As in ``names``.
        """
        own = {}
        for name, value in outputs.items():
            data = contents.encode(value, redactor)
            if data is None:
                raise EngineError(
                    f"{node}.{name} cannot be pinned: it is too large, or no data that can be written down."
                )
            try:
                contents.decode(data, masked=False)
            except contents.MaskedError:
                raise EngineError(f"{node}.{name} cannot be pinned: it holds a secret, which no file may.") from None
            own[name] = base64.b64encode(data).decode("ascii")
        self._write({**self._read(), node: own})

    def unpin(self, *nodes: str) -> None:
        """Let nodes be called again.

        Raises:
            DocumentError: As in ``names``.
        """
        self._write({node: own for node, own in self._read().items() if node not in nodes})

    def rename(self, names: Mapping[str, str]) -> None:
        """Nodes have other ids now: new ones by old ones.

        Raises:
            DocumentError: As in ``names``.
        """
        self._write({names.get(node, node): own for node, own in self._read().items()})

    def _value(self, node: str, name: str, text: str) -> Any:
        try:
            return contents.decode(base64.b64decode(text, validate=True), masked=False)
        except Exception as error:  # noqa: BLE001 - the bytes may come from anywhere; whatever is wrong with them is said
            raise self._unread(f"{node}.{name}: {type(error).__name__}") from None

    def _read(self) -> dict[str, dict[str, str]]:
        try:
            if self.path.stat().st_size > _MOST_BYTES:
                raise self._unread("it is too large")
            read = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as error:
            raise self._unread(str(error)) from None
        if not isinstance(read, dict) or read.get("format") != _FORMAT or read.get("version") != _VERSION:
            raise self._unread("it is of another format or version")
        nodes = read.get("nodes")
        if not isinstance(nodes, dict) or not all(_is_texts(own) for own in nodes.values()):
            raise self._unread("its nodes are not outputs by name")
        return nodes

    def _write(self, nodes: Mapping[str, Mapping[str, str]]) -> None:
        if not nodes:
            self.path.unlink(missing_ok=True)
            return
        text = json.dumps({"format": _FORMAT, "version": _VERSION, "nodes": nodes}, indent=1, sort_keys=True)
        try:
            write_whole(self.path, text.encode("ascii"))
        except OSError as error:
            raise EngineError(f"{self.path.name} cannot be written: {error.strerror or error}.") from None

    def _unread(self, why: str) -> DocumentError:
        return DocumentError(f"The pins in {self.path.name} cannot be read ({why}): delete the file to be rid of them.")


def _is_texts(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())
