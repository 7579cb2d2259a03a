"""What a node sees of the run that it is in, and the resources that outlive one node run."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Hashable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

from kailash_studio.errors import CredentialError

Outputs = Mapping[str, Any]


class Closable(Protocol):
    """Something that a run opens once and closes at the end."""

    async def aclose(self) -> None:
        """Let go of what it holds."""


T = TypeVar("T", bound=Closable)


class Resources:
    """Lazily opened things that several node runs share: servers, pools, worker processes.

    One belongs to each runtime. They are opened by whoever asks first and closed in reverse order.
    """

    def __init__(self) -> None:
        self._opened: dict[Hashable, asyncio.Future[Closable]] = {}

    async def get(self, key: Hashable, make: Callable[[], Awaitable[T]]) -> T:
        """The resource of this key, made on first use; a failure to make it is not remembered."""
        while True:
            known = self._opened.get(key)
            if known is None:
                break
            try:
                return cast(T, await asyncio.shield(known))
            except asyncio.CancelledError:
                if not known.cancelled():
                    raise  # this caller was cancelled, not the one that opens
        future: asyncio.Future[Closable] = asyncio.get_running_loop().create_future()
        self._opened[key] = future
        try:
            made = await make()
        except BaseException as error:
            del self._opened[key]
            if isinstance(error, Exception):
                future.set_exception(error)
                future.exception()  # retrieved: the caller below raises it too
            else:
                future.cancel()
            raise
        future.set_result(made)
        return made

    def discard(self, key: Hashable) -> None:
        """Forget a resource that turned out to be broken; the next ``get`` makes a new one."""
        self._opened.pop(key, None)

    def opened(self, key: Hashable) -> Closable | None:
        """What is open under this key, for those who only want to look at it."""
        future = self._opened.get(key)
        is_open = future is not None and future.done() and not future.cancelled() and future.exception() is None
        return future.result() if future is not None and is_open else None

    def run_ended(self, run_id: str) -> None:
        """Tell what is open that a run has ended; what lends something out (``run_ended``) takes it back."""
        for key in [*self._opened]:
            tell = getattr(self.opened(key), "run_ended", None)
            if tell is not None:
                tell(run_id)

    async def aclose(self) -> None:
        """Close everything, the last opened first; the first error is raised after all were closed."""
        first: Exception | None = None
        while self._opened:
            _, future = self._opened.popitem()
            if not future.done() or future.cancelled() or future.exception():
                continue
            try:
                await future.result().aclose()
            except Exception as error:  # noqa: BLE001 - the others must be closed too; raised below
                first = first or error
        if first:
            raise first


def environment_secret(name: str) -> str:
    """A secret from the environment: ``KAILASH_SECRET_`` and the name in capitals.

    Raises:
        CredentialError: Nothing of that name is set.
    """
    variable = "KAILASH_SECRET_" + "".join(c if c.isalnum() else "_" for c in name.upper())
    try:
        return os.environ[variable]
    except KeyError:
        raise CredentialError(f"The secret {name!r} is not set: put it into the variable {variable}.") from None


class Drawn(Protocol):
    """What one call of sandboxed code draws, and sees of the time, where it has to be the same again.

    Attributes:
        seed: What its random numbers are drawn from.
        waits: Whether sleeping takes time.
    """

    seed: int
    waits: bool

    def now(self) -> float:
        """Seconds since 1970, at one more look at the clock."""


class RunScope:
    """What all node runs of one run share.

    Attributes:
        run_id: The run.
        workflow: The workflow's name.
        root: The run that this one goes on from, at the beginning of the chain; itself when it goes on from none.
        folder: What relative paths in parameters are relative to: the workflow file's folder.
        resources: See ``Resources``.
        secret: Gives the value of a named secret.
        log: Takes a level name, a node id and a sentence.
        note: Takes the kind, node id and details of an event that happens around a node's call.
        ready_at_once: Says how many nodes below a node can be ready at once; for a pool that opens connections before
            they are asked for.
        drawn: Says, by node, what its next call of sandboxed code draws; None: it draws by itself, and sees real time.
        retrying: Awaited with the context and the error before a node waits for another attempt; None: nobody asks.
    """

    __slots__ = (
        "drawn",
        "folder",
        "log",
        "note",
        "ready_at_once",
        "resources",
        "retrying",
        "root",
        "run_id",
        "secret",
        "workflow",
    )

    def __init__(
        self,
        run_id: str = "",
        *,
        resources: Resources,
        folder: Path | None = None,
        secret: Callable[[str], str] = environment_secret,
        log: Callable[[str, str, str], None] | None = None,
        root: str = "",
    ) -> None:
        self.run_id = run_id
        self.workflow = ""
        self.root = root or run_id
        self.folder = folder or Path.cwd()
        self.resources = resources
        self.secret = secret
        self.log = log or (lambda level, node_id, text: None)
        self.note: Callable[[str, str, Mapping[str, Any]], None] = lambda kind, node_id, details: None
        self.ready_at_once: Callable[[str], int] = lambda node_id: 0
        self.drawn: Callable[[str], Drawn] | None = None
        self.retrying: Callable[[RunContext, str], Awaitable[None]] | None = None


class RunContext:
    """What one node run sees.

    Attributes:
        scope: What it shares with the other node runs of its run.
        node_id: The node's id in the workflow.
        inputs: Values of the input ports that have one.
    """

    __slots__ = ("inputs", "node_id", "scope")

    def __init__(self, scope: RunScope, node_id: str, inputs: Mapping[str, Any]) -> None:
        self.scope = scope
        self.node_id = node_id
        self.inputs = inputs

    @property
    def key(self) -> str:
        """Idempotency key: the same for this work in each attempt, resumption and replay, and for no other."""
        return f"{self.scope.root}/{self.node_id}"

    def path(self, text: str | Path) -> Path:
        """A path from a parameter, made absolute against the workflow's folder."""
        return self.scope.folder / Path(text).expanduser()

    def log(self, text: str, level: str = "info") -> None:
        """Add a line to the run's log."""
        self.scope.log(level, self.node_id, text)
