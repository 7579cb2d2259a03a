"""The one way from a secret's name to its value: the providers in order, and why one of them cannot be used.

By default: environment, files, system keyring, encrypted file. What is set from outside comes first, so that a server
can override what a user has stored, and so that a run that finds all there imports nothing.
``KAILASH_SECRETS_CHAIN`` gives another order, or fewer.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from kailash_studio.errors import CredentialError
from kailash_studio.services.credentials.environment import EnvironmentProvider, variable
from kailash_studio.services.credentials.files import NOT_SET_UP, FilesProvider
from kailash_studio.services.credentials.provider import Provider, check, is_name

_DEFAULT = "environment,files,keyring,encrypted"


@dataclass(frozen=True, slots=True)
class Place:
    """What one provider says of a name.

    Attributes:
        provider: Its name.
        title: What it is.
        found: The name has a value here.
        used: It is the first such place, so its value counts.
        problem: Why it cannot say, as a sentence, or empty.
    """

    provider: str
    title: str
    found: bool
    used: bool
    problem: str


@dataclass(frozen=True, slots=True)
class Tested:
    """What one provider can do.

    Attributes:
        place: Its name.
        title: What it is.
        writable: It can store and remove.
        problem: Why it cannot be used, as a sentence, or empty.
    """

    place: str
    title: str
    writable: bool
    problem: str


class Chain:
    """Providers in order; call ``secret`` to get a value."""

    def __init__(self, providers: Sequence[Provider]) -> None:
        self.providers = tuple(providers)

    def secret(self, name: str) -> str:
        """The value of a name, from the first provider that has it.

        Raises:
            CredentialError: None has it; the sentence names the mend, and the providers that could not be asked.
        """
        unasked = []
        for provider in self.providers:
            value, problem = _asked(provider, name)
            if value is not None:
                return value
            if problem and problem != NOT_SET_UP:
                unasked.append(problem)
        raise CredentialError(" ".join([_missing(name), *(f"Not asked: {problem}" for problem in unasked)]))

    def where(self, name: str) -> list[Place]:
        """What each provider says of a name."""
        places: list[Place] = []
        for provider in self.providers:
            value, problem = _asked(provider, name)
            used = value is not None and not any(place.found for place in places)
            places.append(Place(provider.name, provider.title, value is not None, used, problem))
        return places

    def names(self) -> dict[str, list[str]]:
        """The providers of each name, the one that counts first; names that only a broken place knows are left out."""
        found: dict[str, list[str]] = {}
        for provider in self.providers:
            if provider.problem():
                continue  # `secrets check` tells
            for name in provider.names():
                found.setdefault(name, []).append(provider.name)
        return dict(sorted(found.items()))

    def set(self, name: str, value: str, *, into: str = "") -> Provider:
        """Store a secret; gives the provider that has it now.

        Args:
            name: Its name.
            value: Its value.
            into: Name of the provider; by default the first that can be written.

        Raises:
            CredentialError: It was not stored.
        """
        check(name, value)
        provider = self._writable(into)
        provider.set(name, value)
        return provider

    def remove(self, name: str) -> list[str]:
        """Remove a secret from all places that can be written; gives their names.

        Raises:
            CredentialError: It could not be removed from a place that has it, or that cannot say; it is gone from the
                others.
        """
        removed, left = [], []
        for provider in self.providers:
            if not provider.writable:
                continue
            problem = provider.problem()
            if problem:
                left += [f"{provider.title} may have it still: {problem}"] if _may_have(provider, name) else []
            elif provider.remove(name):
                removed += [provider.name]
        if left:
            done = f"{name} is removed from {', '.join(removed)}, but " if removed else f"{name} is not removed: "
            raise CredentialError(done + " ".join(left))
        return removed

    def tested(self) -> list[Tested]:
        """Every place, and why it cannot be used; the first call tests them, which takes seconds where one hangs."""
        return [Tested(one.name, one.title, one.writable, one.problem()) for one in self.providers]

    def _writable(self, into: str) -> Provider:
        if into:
            chosen = next((provider for provider in self.providers if provider.name == into), None)
            if chosen is None:
                known = ", ".join(provider.name for provider in self.providers)
                raise CredentialError(f"There is no place {into!r} for secrets here: there are {known}.")
            problem = chosen.problem()
            if problem:
                raise CredentialError(problem)
            return chosen
        problems = []
        for provider in self.providers:
            if provider.writable:
                problem = provider.problem()
                if not problem:
                    return provider
                problems.append(problem)
        raise CredentialError(" ".join(["There is no place to store a secret in.", *problems]))


def default_chain() -> Chain:
    """The chain that the environment asks for.

    Raises:
        CredentialError: ``KAILASH_SECRETS_CHAIN`` names a provider that there is not.
    """
    words = os.environ.get("KAILASH_SECRETS_CHAIN", "") or _DEFAULT
    return Chain([_made(word.strip()) for word in words.split(",") if word.strip()])


def _made(name: str) -> Provider:
    match name:
        case "environment":
            return EnvironmentProvider()
        case "files":
            return FilesProvider()
        case "keyring":
            from kailash_studio.services.credentials.system_keyring import KeyringProvider

            return KeyringProvider()
        case "encrypted":
            from kailash_studio.services.credentials.encrypted_file import EncryptedFileProvider

            return EncryptedFileProvider()
        case _:
            raise CredentialError(f"KAILASH_SECRETS_CHAIN names {name!r}: it takes words of {_DEFAULT}.")


class StoredSecrets:
    """The default chain, made when the first secret is asked for: most runs need none. Call it with a name."""

    def __init__(self) -> None:
        self._made: Chain | None = None
        self._guard = threading.Lock()

    def __call__(self, name: str) -> str:
        """The value of a name; see ``Chain.secret``."""
        return self._chain().secret(name)

    def where(self, name: str) -> list[Place]:
        """See ``Chain.where``; a place that is not set up is left out."""
        return [place for place in self._chain().where(name) if place.problem != NOT_SET_UP]

    def tested(self) -> list[Tested]:
        """See ``Chain.tested``."""
        return self._chain().tested()

    def test(self) -> None:
        """Test the places in a thread that nobody waits for, so that the first who needs a secret need not."""

        def work() -> None:
            with contextlib.suppress(CredentialError):  # a chain that cannot be made says so to whoever asks for it
                self.tested()

        threading.Thread(target=work, name="secrets", daemon=True).start()

    def _chain(self) -> Chain:
        with self._guard:
            if self._made is None:
                self._made = default_chain()
            return self._made


def _asked(provider: Provider, name: str) -> tuple[str | None, str]:
    """A provider's value of a name, and why it could not say."""
    problem = provider.problem()
    if problem:
        return None, problem
    try:
        return provider.get(name), ""
    except CredentialError as error:
        return None, str(error)


def _may_have(provider: Provider, name: str) -> bool:
    """Whether a place that cannot be used may hold a name."""
    try:
        return name in provider.names()
    except (CredentialError, ImportError):
        return True


def _missing(name: str) -> str:
    command = os.environ.get("KAILASH_STUDIO_COMMAND", "kailash-studio")
    if not is_name(name):
        return f"The secret {name!r} is not set: put it into the variable {variable(name)}."
    return (
        f"The secret {name!r} is not set: store it with `{command} secrets set {name}`, "
        f"or put it into the variable {variable(name)}."
    )
