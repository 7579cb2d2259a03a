"""Faults that are put in on purpose, in place of a node's own call: to rehearse what its policies do."""

from __future__ import annotations

import builtins
from dataclasses import dataclass

from kailash_studio import errors
from kailash_studio.errors import ParameterError


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens instead of, or before, a call.

    Attributes:
        error: Name of the error class that is raised; empty: none.
        delay: Seconds before anything else happens.
        times: How many calls it meets; further ones are real.
        text: What the error says.
    """

    error: str = "ConnectionError"
    delay: float = 0.0
    times: int = 1
    text: str = "a fault was put in on purpose"

    def make(self) -> Exception | None:
        """The error, or None when there is none to raise.

        Raises:
            ParameterError: There is no such error class.
        """
        if not self.error:
            return None
        found = getattr(builtins, self.error, None) or getattr(errors, self.error, None)
        if not isinstance(found, type) or not issubclass(found, Exception):
            raise ParameterError(f"{self.error!r} is no error class: name one of Python's or of this program's.")
        return found(self.text)
