"""What the outside answered to the nodes of a run: recorded while it goes on, and given again without the outside.

Both stand inside the policies of a node, at its own call: so retries, breakers and fallbacks really act again on what
is given. Pure nodes are not recorded; they really run, and sandboxed code draws and sees the time as it did.
"""

from __future__ import annotations

import asyncio
import builtins
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol

from kailash_studio import errors
from kailash_studio.errors import NoAnswerError, NodeError, describe
from kailash_studio.resilience.breaker import BreakerSnapshot
from kailash_studio.resilience.clock import Clock
from kailash_studio.resilience.guard import GivenUpError
from kailash_studio.resilience.retry import chain
from kailash_studio.runtime.journal import contents
from kailash_studio.runtime.limit_answers import LimitAnswers, Said, SaidLimits, WrittenLimits
from kailash_studio.runtime.played_clock import PlayedClock
from kailash_studio.services.credentials.redaction import Redactor
from kailash_studio.spec.context import Drawn, Outputs, RunContext
from kailash_studio.spec.node import Effect, Node

Call = Callable[[RunContext], Any]
Looks = Mapping[str, Sequence[Sequence[float]]]
_PLAIN = (str, int, float, bool, type(None))
_GIVEN_UP = "given_up"
_MOST_LOOKS = 10_000  # at the clock that are kept of one call
_MOST_TABLE = 2**31  # bytes in memory of a table from a capsule, which may be somebody else's
_TICK = 0.001  # seconds between two looks of which nothing is recorded


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


@dataclass(frozen=True, slots=True)
class Callee:
    """A node whose calls are recorded or played.

    Attributes:
        node_id: The node.
        node_type: Its type.
        parameters: Its parameters, references resolved; secrets by their names.
        effect: What a call does outside.
        does: The same in words.
        runs_code: It runs code of the document that may do anything.
        limit: Seconds that a call may take, or None.
        hedged: A second call may be made beside a slow one.
    """

    node_id: str
    node_type: type[Node]
    parameters: Mapping[str, Any]
    effect: Effect
    does: str
    runs_code: bool = False
    limit: float | None = None
    hedged: bool = False


class Answers(Protocol):
    """Stands between a node's policies and its call."""

    @property
    def limits(self) -> LimitAnswers:
        """Stands between a node's policies and what they share with other nodes and runs."""

    def begin(self, redactor: Redactor, clock: Clock) -> None:
        """A run begins."""

    def around(self, callee: Callee, call: Call, waits: bool) -> Call:
        """The call to make instead, a coroutine function."""

    def drawn(self, node_id: str) -> Drawn:
        """What the next call of a node's sandboxed code draws, and sees of the time.

        Conditions ask too: by their node, with a space and what they decide behind it.
        """


def question_of(
    node_type: type[Node], parameters: Mapping[str, Any], inputs: Mapping[str, Any], redactor: Redactor
) -> str:
    """What identifies a call, in whatever order its parameters stand; secrets count by their places and names."""
    asked = {"type": node_type.type_name(), "parameters": _in_order(parameters), "inputs": dict(sorted(inputs.items()))}
    data = contents.encode(asked, redactor)
    return hashlib.sha256(data).hexdigest()[:32] if data is not None else ""


def _in_order(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _in_order(value[key]) for key in sorted(value, key=str)}
    return [_in_order(item) for item in value] if isinstance(value, list | tuple) else value


class Recording:
    """Records the answers of a run.

    Attributes:
        answers: In the order in which they came.
        seed: What the jitter of retries, and sandboxed code, draw from, so that it is the same when it is played.
        looks: What each call of sandboxed code saw when it looked at the clock, by node.
        breakers: The state of each breaker when the run began, by key.
        limits: What rate limits, retry budgets and places said.
    """

    def __init__(self, seed: int) -> None:
        self.answers: list[Answer] = []
        self.seed = seed
        self.looks: dict[str, list[list[float]]] = {}
        self.breakers: dict[str, BreakerSnapshot] = {}
        self.limits = WrittenLimits()

    def begin(self, redactor: Redactor, clock: Clock) -> None:
        """A run begins."""
        self._redactor, self._clock = redactor, clock

    def drawn(self, node_id: str) -> Drawn:
        """Real time, which is written down."""
        calls = self.looks.setdefault(node_id, [])
        calls.append([])
        return _Written(_seed_of(self.seed, node_id, len(calls)), self._clock, calls[-1])

    def around(self, callee: Callee, call: Call, waits: bool) -> Call:
        """The real call, and a record of what it gave."""
        if callee.effect == "pure":
            return call if waits else _waiting(call)
        node_id = callee.node_id

        async def recorded(context: RunContext) -> Outputs:
            question = question_of(callee.node_type, callee.parameters, context.inputs, self._redactor)
            began = self._clock.now()
            try:
                outputs: Outputs = await call(context) if waits else call(context)
            except asyncio.CancelledError:
                told = {"class": "TimeoutError", "text": "the call was given up on", _GIVEN_UP: True}
                self._add(node_id, question, began, error=told)
                raise
            except Exception as error:
                self._add(node_id, question, began, error=told_of(error, self._redactor))
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
    """Gives recorded answers, in the order in which they came, to those who ask the same again.

    Attributes:
        clock: The run's time.
        seed: What the jitter of retries, and sandboxed code, draw from.
        breakers: The state of each breaker when the run began, by key.
        limits: Say again what rate limits, retry budgets and places said.
        unanswered: Why nodes that were asked to had no answer to give.
        left_out: Those among them that were left out as what they do outside is not done.
    """

    def __init__(
        self,
        answers: Sequence[Answer],
        seed: int,
        clock: PlayedClock,
        *,
        looks: Looks | None = None,
        breakers: Mapping[str, BreakerSnapshot] | None = None,
        limits: Said | None = None,
        allow_code: bool = False,
    ) -> None:
        """Prepare for one run.

        Args:
            answers: In the order in which they came.
            seed: What the jitter of retries, and sandboxed code, draw from.
            clock: The run's time.
            looks: What sandboxed code saw of the time.
            breakers: The state of each breaker when the run began, by key.
            limits: What rate limits, retry budgets and places said.
            allow_code: Really call nodes that run code with full access, where there is no answer.
        """
        self.clock, self.seed = clock, seed
        self.breakers = breakers or {}
        self.limits = SaidLimits(limits or {})
        self.unanswered: dict[str, str] = {}
        self.left_out: set[str] = set()
        self._looks, self._called = looks or {}, dict[str, int]()
        self._allow_code = allow_code
        self._left: dict[str, list[Answer]] = {}
        for answer in answers:
            self._left.setdefault(answer.node, []).append(answer)

    def begin(self, redactor: Redactor, clock: Clock) -> None:
        """A run begins."""
        self._redactor = redactor

    def drawn(self, node_id: str) -> Drawn:
        """What the same call drew and saw when it was recorded."""
        number = self._called[node_id] = self._called.get(node_id, 0) + 1
        calls = self._looks.get(node_id, ())
        looks = calls[number - 1] if number <= len(calls) else ()
        return _Read(_seed_of(self.seed, node_id, number), looks, self.clock.wall())

    def around(self, callee: Callee, call: Call, waits: bool) -> Call:
        """No call of anything outside; a pure node's own."""
        if callee.effect == "pure":
            return self._really(callee, call, waits)
        really = self._really(callee, call, waits) if callee.runs_code and self._allow_code else None

        async def played(context: RunContext) -> Outputs:
            found = self._answer_to(callee, context)
            if found is None:
                if really is None:
                    raise self._no_answer(callee)
                outputs: Outputs = await really(context)
                return outputs
            await self.clock.sleep(found.seconds)
            if found.error:
                raise error_of(found.error)
            return {name: _value(context.node_id, name, data) for name, data in found.outputs.items()}

        return played

    def _answer_to(self, callee: Callee, context: RunContext) -> Answer | None:
        question = question_of(callee.node_type, callee.parameters, context.inputs, self._redactor)
        left = self._left.get(callee.node_id, [])
        same = [answer for answer in left if answer.question == question]
        if callee.hedged:  # of two calls beside each other the slower one was given up on
            same.sort(key=lambda answer: bool(answer.error.get(_GIVEN_UP)))
        if same:
            left.remove(same[0])
        return same[0] if same else None

    def _no_answer(self, callee: Callee) -> Exception:
        from kailash_studio.runtime.plan import NotCalled

        node = callee.node_id
        if callee.runs_code:
            why = (
                f"{node}: its code, or what it is given, is not what was recorded, and full Python may do anything: "
                "let it run (--allow-code, or Allow code in the window), or give its output at a breakpoint."
            )
        elif callee.effect == "reads":
            why = (
                f"{node}: the capsule has no answer to this question: give an output at a breakpoint, "
                "or run the workflow against the real thing."
            )
        else:
            does = callee.does or "changes something outside"
            self.unanswered[node] = why = f"a capsule calls nothing outside; it {does}"
            self.left_out.add(node)
            return NotCalled(why)
        self.unanswered[node] = why
        return NoAnswerError(why)

    def _really(self, callee: Callee, call: Call, waits: bool) -> Call:
        """The node's own call, alone when it takes time, so that what happens comes in one order each time."""

        async def called(context: RunContext) -> Outputs:
            outputs: Outputs
            if not waits:
                self.clock.touch()
                outputs = call(context)
                return outputs
            async with self.clock.turn():
                try:
                    async with asyncio.timeout(callee.limit) as limit:
                        outputs = await call(context)
                        return outputs
                except TimeoutError:
                    if limit.expired():
                        raise GivenUpError("the call took longer than its limit") from None
                    raise

        return called


class _Written:
    """Real time, written down."""

    waits = True

    def __init__(self, seed: int, clock: Clock, looks: list[float]) -> None:
        self.seed, self._clock, self._looks = seed, clock, looks

    def now(self) -> float:
        seen = self._clock.wall()
        if len(self._looks) < _MOST_LOOKS:
            self._looks.append(seen)
        return seen


class _Read:
    """The time that was written down; after it, each look is a little later."""

    waits = False

    def __init__(self, seed: int, looks: Sequence[float], wall: float) -> None:
        self.seed, self._looks = seed, iter(looks)
        self._last = wall - _TICK

    def now(self) -> float:
        self._last = next(self._looks, self._last + _TICK)
        return self._last


def _seed_of(seed: int, node_id: str, number: int) -> int:
    return Random(f"{seed}/{node_id}/{number}").getrandbits(31)  # noqa: S311 - it is to be the same again, no secret


def masked_secret(name: str) -> str:
    """What stands for a secret in a run that is played: nobody outside is told it."""
    return f"<the secret {name}>"


def named_secret(name: str) -> str:
    """What stands for a secret in a question: the same when it is recorded and when it is played."""
    return f"$secret {name}"


def told_of(error: Exception, redactor: Redactor) -> Mapping[str, Any]:
    """An error in plain words, its secrets hidden: class, text, plain attributes, and the classes a policy may name."""
    hidden = redactor.error(error)
    kept = {name: value for name, value in vars(hidden).items() if isinstance(value, _PLAIN)}
    names = [
        f"{cls.__module__}.{cls.__qualname__}"
        for link in chain(hidden)
        for cls in type(link).__mro__
        if cls not in {object, BaseException, Exception}
    ]
    told: dict[str, Any] = {"class": type(hidden).__name__, "text": redactor.text(str(hidden)), "attributes": kept}
    told |= {"args": [part if isinstance(part, _PLAIN) else str(part) for part in hidden.args]}
    told["classes"] = list(dict.fromkeys(names))
    clean: Mapping[str, Any] = redactor.value(told)
    return clean


def error_of(told: Mapping[str, Any]) -> Exception:
    """An error like the one that was recorded, as policies and people see it."""
    if told.get(_GIVEN_UP):
        return GivenUpError(str(told["text"]))
    named = [str(name) for name in told.get("classes") or ()]
    kind = _known(str(told["class"]))
    if kind is None:  # a driver's own: of the same name, and of the nearest class that is known here
        above = next((found for name in named if (found := _known(name.rpartition(".")[2]))), Exception)
        kind = _like(next(iter(named), str(told["class"])), above)
    text = str(told["text"])
    made = _made(kind, *(told.get("args") or [text]))
    if str(made) != text:
        made.args = (text,)
    for name, value in dict(told.get("attributes") or {}).items():
        setattr(made, str(name), value)
    own = {f"{cls.__module__}.{cls.__qualname__}" for cls in kind.__mro__}
    last: BaseException = made
    for name in named:  # retry_on may name a cause, or a class of it
        if name not in own:
            cause = _made(_like(name, _known(name.rpartition(".")[2]) or Exception))
            last.__cause__, last = cause, cause
    return made


def _made(kind: type[Exception], *parts: Any) -> Exception:
    made = kind.__new__(kind)  # its constructor may want more
    made.args = parts
    return made


def _known(name: str) -> type[Exception] | None:
    found = getattr(errors, name, None) or getattr(builtins, name, None)
    return found if isinstance(found, type) and issubclass(found, Exception) else None


def _like(name: str, above: type[Exception]) -> type[Exception]:
    module, _, short = name.rpartition(".")
    return type(short, (above,), {"__module__": module or "builtins", "__doc__": "As it was recorded."})


def _waiting(call: Call) -> Call:
    async def called(context: RunContext) -> Outputs:
        outputs: Outputs = call(context)
        return outputs

    return called


def _value(node_id: str, name: str, data: bytes | None) -> Any:
    if data is None:
        raise NodeError(f"{node_id}: the capsule has not kept {name}: it was too large, or no data.")
    try:
        return contents.decode(data, most_table=_MOST_TABLE)
    except Exception as error:  # noqa: BLE001 - the bytes come from a file; whatever is wrong with them is said
        raise NodeError(f"{node_id}: the capsule's {name} cannot be read ({describe(error)}).") from None
