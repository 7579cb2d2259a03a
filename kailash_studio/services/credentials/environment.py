"""Secrets in variables of the environment: ``KAILASH_SECRET_`` and the name in capitals."""

from __future__ import annotations

import os

from kailash_studio.services.credentials.provider import refused

_PREFIX = "KAILASH_SECRET_"


def variable(name: str) -> str:
    """The variable of a name: all but letters and digits becomes ``_``."""
    return _PREFIX + "".join(c if c.isalnum() else "_" for c in name.upper())


class EnvironmentProvider:
    """See the module."""

    name = "environment"
    title = "the environment"
    writable = False

    def problem(self) -> str:
        """None, ever."""
        return ""

    def get(self, name: str) -> str | None:
        """The value of its variable."""
        return os.environ.get(variable(name))

    def set(self, name: str, value: str) -> None:
        """Refused: a variable would end with this process."""
        raise refused(self)

    def remove(self, name: str) -> bool:
        """Refused, as ``set``."""
        raise refused(self)

    def names(self) -> list[str]:
        """The names of the variables, in small letters: which of them were capitals cannot be told."""
        return sorted(key.removeprefix(_PREFIX).lower() for key in os.environ if key.startswith(_PREFIX))
