"""What the outside answered to the nodes of a run: recorded while it goes on, and given again without the outside.

Both stand inside the policies of a node, at its own call: so retries, breakers and fallbacks really act again on what
is given. Pure nodes are not recorded; they really run.
"""

from __future__ import annotations

import asyncio
import builtins
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from kailash_studio import errors
from kailash_studio.errors import NodeError, describe
from kailash_studio.resilience.clock import Clock
from kailash_studio.runtime.journal import contents
from kailash_studio.services.credentials.redaction import Redactor
from kailash_studio.spec.context import Outputs, RunContext
from kailash_studio.spec.node import Node

Call = Callable[[RunContext], Any]
_PLAIN = (str, int, float, bool, type(None))


@dataclass(frozen=True, slots=True)
class Answer:
    """What one call gave.

    Attributes:
        node: The node.
        question: A hash of its type, parameters and inputs, by which a changed question is known.
        seconds: How long it took.
        outputs: The encoded outputs by name; None for one that could not be kept.
        error: Class, text and plain attributes of what it failed with; empty when it gave outputs.
    """

    node: str
    question: str
    seconds: float
    outputs: Mapping[str, bytes | None] = field(default_factory=dict)
    error: Mapping[str, Any] = field(default_factory=dict)


class Answers(Protocol):
    """Stands between a node's policies and its call."""

    def begin(self, redactor: Redactor, clock: Clock) -> None:
        """A run begins."""

    def around(
        self, node_id: str, node_type: type[Node], parameters: Mapping[str, Any], call: Call, waits: bool
    ) -> Call:
        """The call to make instead, a coroutine function."""


def question_of(
    node_type: type[Node], parameters: Mapping[str, Any], inputs: Mapping[str, Any], redactor: Redactor
) -> str:
    """What identifies a call; secrets count by their places, not by their values."""
    asked = {"type": node_type.type_name(), "parameters": dict(parameters), "inputs": dict(inputs)}
    data = contents.encode(asked, redactor)
    return hashlib.sha256(data).hexdigest()[:32] if data is not None else ""


class Recording:
    """Records the answers of a run.

    Attributes:
        answers: In the order in which they came.
        seed: What the jitter of retries is drawn from, so that it is the same when it is played.
    """

    def __init__(self, seed: int) -> None:
        self.answers: list[Answer] = []
        self.seed = seed

    def begin(self, redactor: Redactor, clock: Clock) -> None:
        """A run begins."""
        self._redactor, self._clock = redactor, clock

    def around(
        self, node_id: str, node_type: type[Node], parameters: Mapping[str, Any], call: Call, waits: bool
    ) -> Call:
        """The real call, and a record of what it gave."""
        if node_type.effect_of(parameters) == "pure":
            return call if waits else _waiting(call)

        async def recorded(context: RunContext) -> Outputs:
            question = question_of(node_type, parameters, context.inputs, self._redactor)
            began = self._clock.now()
            try:
                outputs: Outputs = await call(context) if waits else call(context)
            except asyncio.CancelledError:
                self._add(node_id, question, began, error={"class": "TimeoutError", "text": "the call was given up on"})
                raise
            except Exception as error:
                hidden = self._redactor.error(error)
                kept = {name: value for name, value in vars(hidden).items() if isinstance(value, _PLAIN)}
                told = {"class": type(hidden).__name__, "text": self._redactor.text(str(hidden)), "attributes": kept}
                self._add(node_id, question, began, error=self._redactor.value(told))
                raise
            self._add(node_id, question, began, outputs=outputs)
            return outputs

        return recorded

    def _add(
        self,
        node: str,
        question: str,
        began: float,
        *,
        outputs: Outputs | None = None,
        error: Mapping[str, Any] | None = None,
    ) -> None:
        kept = {name: contents.encode(value, self._redactor) for name, value in (outputs or {}).items()}
        self.answers.append(Answer(node, question, self._clock.now() - began, kept, error or {}))


class Playing:
    """Gives recorded answers, in the order in which they came, to those who ask the same again."""

    def __init__(self, answers: Sequence[Answer], seed: int, clock: PlayedClock) -> None:
        """Prepare for one run.

        Args:
            answers: In the order in which they came.
            seed: What the jitter of retries is drawn from.
            clock: The run's time.
        """
        self.clock = clock
        self._left: dict[str, list[Answer]] = {}
        for answer in answers:
            self._left.setdefault(answer.node, []).append(answer)
        self.seed = seed

    def begin(self, redactor: Redactor, clock: Clock) -> None:
        """A run begins."""
        self._redactor, self._clock = redactor, clock

    def around(
        self, node_id: str, node_type: type[Node], parameters: Mapping[str, Any], call: Call, waits: bool
    ) -> Call:
        """No call of anything outside; a pure node's own."""
        from kailash_studio.runtime.plan import NotCalled

        effect = node_type.effect_of(parameters)
        if effect == "pure":
            return call if waits else _waiting(call)

        async def played(context: RunContext) -> Outputs:
            question = question_of(node_type, parameters, context.inputs, self._redactor)
            left = self._left.get(node_id, [])
            found = next((answer for answer in left if answer.question == question), None)
            if found is None and effect != "reads":
                does = " and ".join(node_type.effects_of(parameters)) or "changes something outside"
                raise NotCalled(f"a capsule calls nothing outside; it {does}")
            if found is None:
                raise NodeError(
                    f"{context.node_id}: the capsule has no answer to this question: give an output at a breakpoint, "
                    "or run the workflow against the real thing."
                )
            left.remove(found)
            await self._clock.sleep(found.seconds)
            if found.error:
                raise error_of(found.error)
            return {name: _value(context.node_id, name, data) for name, data in found.outputs.items()}

        return played


class PlayedClock:
    """A clock of a run that is played: it begins when the run began, and waiting takes no time.

    Who waits longest is woken last, as by a real clock, so what happens comes in one order each time.
    """

    def __init__(self, wall: float) -> None:
        self._wall, self._now = wall, 0.0
        self._waiting: list[tuple[float, int, asyncio.Future[None]]] = []
        self._number = 0

    def now(self) -> float:
        """Seconds since the run began."""
        return self._now

    def wall(self) -> float:
        """Seconds since 1970, of the recorded run."""
        return self._wall + self._now

    async def sleep(self, seconds: float) -> None:
        """Let all who wait for an earlier time go first."""
        self._number += 1
        mine = (self._now + max(0.0, seconds), self._number, asyncio.get_running_loop().create_future())
        self._waiting.append(mine)
        try:
            for _ in range(_TURNS):  # whoever is ready now may begin to wait for an earlier time
                await asyncio.sleep(0)
            while not mine[2].done():
                first = min(self._waiting)
                if first is mine:
                    break
                await asyncio.sleep(0)
            self._now = max(self._now, mine[0])
        finally:
            self._waiting.remove(mine)


_TURNS = 20


def masked_secret(name: str) -> str:
    """What stands for a secret in a run that is played: nobody outside is told it."""
    return f"<the secret {name}>"


def error_of(told: Mapping[str, Any]) -> Exception:
    """An error like the one that was recorded, as policies and people see it."""
    found = getattr(errors, str(told["class"]), None) or getattr(builtins, str(told["class"]), None)
    kind = found if isinstance(found, type) and issubclass(found, Exception) else NodeError
    made = kind.__new__(kind)
    made.args = (str(told["text"]),)
    for name, value in dict(told.get("attributes") or {}).items():
        setattr(made, str(name), value)
    return made


def _waiting(call: Call) -> Call:
    async def called(context: RunContext) -> Outputs:
        outputs: Outputs = call(context)
        return outputs

    return called


def _value(node_id: str, name: str, data: bytes | None) -> Any:
    if data is None:
        raise NodeError(f"{node_id}: the capsule has not kept {name}: it was too large, or no data.")
    try:
        return contents.decode(data)
    except Exception as error:  # noqa: BLE001 - the bytes come from a file; whatever is wrong with them is said
        raise NodeError(f"{node_id}: the capsule's {name} cannot be read ({describe(error)}).") from None
