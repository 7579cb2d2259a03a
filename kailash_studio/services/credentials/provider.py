"""What a place that keeps secrets can do, and which names it takes."""

from __future__ import annotations

import re
from typing import Protocol

from kailash_studio.errors import CredentialError

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,127}")
MOST_BYTES = 64 * 1024


class Provider(Protocol):
    """One place that keeps secrets.

    Attributes:
        name: One word, by which it is chosen.
        title: What it is, as a phrase.
        writable: It can store and remove.
    """

    name: str
    title: str
    writable: bool

    def problem(self) -> str:
        """Why it cannot be used here, as a sentence; empty when it can. The first call tests it, if need be."""

    def get(self, name: str) -> str | None:
        """The value of a name, or None when it is not here.

        Raises:
            CredentialError: It cannot be said: the place is damaged or does not answer.
        """

    def set(self, name: str, value: str) -> None:
        """Store a value.

        Raises:
            CredentialError: It was not stored.
        """

    def remove(self, name: str) -> bool:
        """Remove a name; whether it was there.

        Raises:
            CredentialError: It could not be removed.
        """

    def names(self) -> list[str]:
        """The names that are here, as far as the place can list them."""


def is_name(name: str) -> bool:
    """Whether a secret may be stored under this name; other names can still come from the environment."""
    return _NAME.fullmatch(name) is not None


def check(name: str, value: str) -> None:
    """See to it that a secret can be stored anywhere.

    Raises:
        CredentialError: The name or the value is not one that every place takes; the value is not in the sentence.
    """
    if not is_name(name):
        raise CredentialError(
            f"{name!r} cannot be the name of a secret: use up to 128 letters, digits, _, - and ., and no . or - first."
        )
    if not value:
        raise CredentialError(f"The secret {name!r} would be empty: give it a value, or remove it.")
    try:
        size = len(value.encode("utf-8"))
    except UnicodeEncodeError:
        raise CredentialError(f"The secret {name!r} is not text in UTF-8: encode it, for example as base64.") from None
    if size > MOST_BYTES:
        raise CredentialError(f"The secret {name!r} has {size:,} bytes, more than {MOST_BYTES:,}: shorten it.")


def refused(provider: Provider) -> CredentialError:
    """What a place says that only reads."""
    return CredentialError(f"{provider.title[0].upper()}{provider.title[1:]} is only read: change it where it is set.")
