"""What commands write: JSON that every stream can hold, and events as lines."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from kailash_studio.errors import ParameterError
from kailash_studio.runtime.events import Event
from kailash_studio.spec.values import to_plain


def json_text(value: Any, encoding: str | None = "utf-8", *, indent: int | None = 2) -> str:
    """JSON that reads well, with escapes where the encoding has no such letter.

    Args:
        value: What ``json`` can write.
        encoding: Of the stream that it goes to. Values from file names and web services may hold half of a surrogate
            pair, which not even UTF-8 has.
        indent: Spaces a level; None: all on one line.
    """
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    try:
        text.encode(encoding or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(value, indent=indent, ensure_ascii=True)
    return text


def print_json(value: Any) -> None:
    """Print a value as an indented JSON document."""
    print(json_text(value, sys.stdout.encoding))


def check_can_hold(path: Path, what: str) -> None:
    """See to it that a long run is not started when its results have no place to go.

    Raises:
        ParameterError: There can be no such file.
    """
    if path.is_dir():
        raise ParameterError(f"{what} cannot be written to {path}: it is a folder, name a file in it.")
    if not path.parent.is_dir():
        raise ParameterError(f"{what} cannot be written to {path}: make the folder {path.parent} first.")


class EventLines:
    """Writes events as JSON lines; a reader that goes away and a disk that is full do not stop the run.

    Attributes:
        problem: Why events are missing, as a sentence; empty when all were written.
    """

    def __init__(self, name: str) -> None:
        """Open a file, or the standard output for ``-``.

        Raises:
            ParameterError: It cannot be opened.
        """
        self.problem = ""
        self._name = name
        self._stream: TextIO = sys.stdout
        if name != "-":
            try:
                self._stream = Path(name).open("w", encoding="utf-8")  # noqa: SIM115 - closed by close
            except OSError as error:
                raise ParameterError(f"The events cannot be written to {name}: {error.strerror or error}.") from None

    def show(self, batch: Sequence[Event]) -> None:
        """Take a batch of events."""
        if self.problem:
            return
        lines = [json_text(to_plain(event._asdict()), self._stream.encoding, indent=None) + "\n" for event in batch]
        try:
            self._stream.writelines(lines)
            self._stream.flush()
        except OSError as error:
            place = "the standard output" if self._name == "-" else self._name
            self.problem = f"Not all events were written to {place}: {error.strerror or error}."

    def close(self) -> None:
        """Close the file."""
        if self._stream is not sys.stdout:
            with contextlib.suppress(OSError):  # tells again what ``problem`` says
                self._stream.close()
