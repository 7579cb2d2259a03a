"""The failure capsule: one file with all that is needed to run a failed run again, without the outside.

A zip of ``capsule.json``, the workflow, and the recorded answers as encoded values. Reading one runs nothing.
"""

from __future__ import annotations

import io
import json
import platform
import zipfile
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

from kailash_studio import __version__
from kailash_studio.errors import DocumentError, describe
from kailash_studio.folders import write_whole
from kailash_studio.resilience.breaker import BreakerSnapshot
from kailash_studio.resilience.faults import Scenario
from kailash_studio.runtime.answers import Answer, Looks, Playing, Recording
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.runtime.limit_answers import Said
from kailash_studio.runtime.outcome import Outcome
from kailash_studio.runtime.played_clock import PlayedClock
from kailash_studio.spec.registry import Registry
from kailash_studio.spec.values import to_plain
from kailash_studio.workflow.graph import descendants
from kailash_studio.workflow.reader import read
from kailash_studio.workflow.workflow import Workflow

SUFFIX = ".kailash-capsule"
FORMAT = "kailash-studio/capsule"
VERSION = 1
_MOST_BYTES = 512 * 2**20
_MOST_ENTRIES = 200_000
_WORKFLOW, _TOLD = "workflow.kailash.json", "capsule.json"


@dataclass(frozen=True, slots=True)
class Capsule:
    """A failed run, or a test made of one.

    Attributes:
        workflow: The document's text.
        run_id: The run.
        started: When it began, seconds since 1970.
        seed: What jitter is drawn from.
        given: Values that the caller gave, secrets hidden.
        state: How it ended.
        states: How each node ended.
        errors: Why nodes failed.
        versions: Of the program, Python, and each node type.
        answers: What the outside answered.
        expected: Of a test: ``state``, ``states`` of nodes, all ``results``, and ``errors`` of those that should fail.
        looks: What sandboxed code saw of the time, by node and call.
        breakers: How circuit breakers stood when the run began, by key.
        limits: What rate limits, retry budgets and places said, by node and policy.
        faults: The faults that were put in, as ``Scenario`` writes them; empty when it was no test run.
    """

    workflow: str
    run_id: str
    started: float
    seed: int
    given: Mapping[str, Any]
    state: str
    states: Mapping[str, str]
    errors: Mapping[str, str]
    versions: Mapping[str, Any]
    answers: tuple[Answer, ...] = ()
    expected: Mapping[str, Any] = field(default_factory=dict)
    looks: Looks = field(default_factory=dict)
    breakers: Mapping[str, Any] = field(default_factory=dict)
    limits: Said = field(default_factory=dict)
    faults: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        workflow: Workflow,
        run_id: str,
        started: float,
        given: Mapping[str, Any],
        recording: Recording,
        outcome: Outcome,
        scenario: Scenario | None = None,
    ) -> Capsule:
        """The capsule of a run that has just ended; ``scenario``: the faults that were put in."""
        registry_versions = {placed.type: placed.type_version for placed in workflow.nodes.values()}
        return cls(
            workflow=workflow.to_json(),
            run_id=run_id,
            started=started,
            seed=recording.seed,
            given=outcome.redactor.value(to_plain(given)),
            state=outcome.state,
            states=states_of(outcome),
            errors={node: outcome.redactor.text(describe(error)) for node, error in outcome.failures.items()},
            versions={"program": __version__, "python": platform.python_version(), "nodes": registry_versions},
            answers=tuple(recording.answers),
            looks={node: calls for node, calls in recording.looks.items() if any(calls)},
            breakers={key: outcome.redactor.value(asdict(kept)) for key, kept in recording.breakers.items()},
            limits={node: limits for node, own in recording.limits.said.items() if (limits := _not_empty(own))},
            faults=scenario.to_plain() if scenario is not None else {},
        )

    def write(self, path: Path) -> None:
        """Write the file, whole and for its owner alone: it holds data.

        Raises:
            DocumentError: It cannot be written.
        """
        told: dict[str, Any] = {
            "format": FORMAT, "version": VERSION, "run_id": self.run_id, "started": self.started, "seed": self.seed,
            "given": self.given, "state": self.state, "states": self.states, "errors": self.errors,
            "versions": self.versions, "expected": self.expected, "looks": self.looks, "breakers": self.breakers,
            "limits": self.limits, "faults": self.faults,
        }  # fmt: skip
        files: dict[str, bytes] = {_WORKFLOW: self.workflow.encode("utf-8")}
        listed = []
        for number, answer in enumerate(self.answers):
            named: dict[str, str | None] = {}
            for place, (name, data) in enumerate(answer.outputs.items()):
                named[name] = None if data is None else f"answers/{number}-{place}"
                if data is not None:
                    files[f"answers/{number}-{place}"] = data
            listed.append([answer.node, answer.question, answer.seconds, named, dict(answer.error)])
        told["answers"] = listed
        files[_TOLD] = json.dumps(told, ensure_ascii=False, indent=1, default=str).encode("utf-8")
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in sorted(files.items()):
                archive.writestr(zipfile.ZipInfo(name), data)  # without a time: the same run, the same bytes
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, stream.getvalue(), private=True)
        except OSError as error:
            raise DocumentError(f"The capsule {path} cannot be written: {error.strerror or error}.") from None

    @classmethod
    def read(cls, path: Path) -> Capsule:
        """Read a file; nothing of it is run.

        Raises:
            DocumentError: It is no capsule, or of another version, or larger than any should be.
        """
        try:
            with zipfile.ZipFile(path) as archive:
                entries = archive.infolist()
                if len(entries) > _MOST_ENTRIES or sum(entry.file_size for entry in entries) > _MOST_BYTES:
                    raise DocumentError(f"{path.name} is larger than a capsule may be.")
                told = json.loads(archive.read(_TOLD))
                if told.get("format") != FORMAT or told.get("version") != VERSION:
                    raise DocumentError(f"{path.name} is of another format or version: use the program that made it.")
                answers = tuple(_answer(archive, entry) for entry in told["answers"])
                made = cls(
                    workflow=archive.read(_WORKFLOW).decode("utf-8"),
                    run_id=str(told["run_id"]), started=float(told["started"]), seed=int(told["seed"]),
                    given=dict(told["given"]), state=str(told["state"]), states=dict(told["states"]),
                    errors=dict(told["errors"]), versions=dict(told["versions"]), answers=answers,
                    expected=dict(told["expected"]), looks=_looks(told.get("looks", {})),
                    breakers=dict(told.get("breakers", {})), limits=_limits(told.get("limits", {})),
                    faults=dict(told.get("faults", {})),
                )  # fmt: skip
                made.scenario(made.states)
                made.answers_again()
                _check_expected(path.name, made.expected)
        except DocumentError:
            raise
        except FileNotFoundError:
            raise DocumentError(f"There is no capsule {path}.") from None
        except OSError as error:
            raise DocumentError(f"The capsule {path} cannot be read: {error.strerror or error}.") from None
        except Exception as error:  # noqa: BLE001 - a hostile file may trip any part of the reader; it is said which file
            raise DocumentError(f"{path.name} is no capsule of a run: {type(error).__name__}: {error}.") from None
        read(made.workflow, name=f"The workflow of {path.name}")  # its own sentence says what is wrong with it
        return made

    async def play(
        self,
        *,
        registry: Registry | None = None,
        workflow: Workflow | None = None,
        answers: Playing | None = None,
        **further: Any,
    ) -> Outcome:
        """Run it again without the outside.

        Args:
            registry: Node types; by default the installed ones.
            workflow: A document that was mended since.
            answers: Those of ``answers_again``, where the caller wants to know which were lacking.
            further: Words for ``AsyncLocalRuntime.run``: a sink, a debugger.
        """
        document = workflow or read(self.workflow).workflow
        runtime = AsyncLocalRuntime(registry=registry)
        answers = answers or self.answers_again()
        scenario = self.scenario(document.nodes)
        outcome, _ = await runtime.run(document, self.given, answers=answers, scenario=scenario, **further)
        return outcome

    def answers_again(self, *, allow_code: bool = False) -> Playing:
        """The recorded answers, for one run; ``allow_code``: full Python that has no answer really runs."""
        return Playing(
            self.answers,
            self.seed,
            PlayedClock(self.started),
            looks=self.looks,
            breakers={str(key): BreakerSnapshot(**dict(kept)) for key, kept in self.breakers.items()},
            limits=self.limits,
            allow_code=allow_code,
        )

    def scenario(self, nodes: Collection[str]) -> Scenario | None:
        """The faults that were put in, those of nodes that are still there."""
        if not self.faults:
            return None
        given = Scenario.from_plain(self.faults)
        return replace(given, faults={node: fault for node, fault in given.faults.items() if node in nodes})

    def as_test(self, workflow: Workflow, outcome: Outcome) -> Capsule:
        """A regression test: this run's answers, a mended document, and what has to come of them."""
        return replace(self, workflow=workflow.to_json(), expected=expectation(outcome))


def expectation(outcome: Outcome) -> dict[str, Any]:
    """What a test compares: the end of the run and of each node, all results, and why nodes failed."""
    results = {node: to_plain(dict(outputs)) for node, outputs in outcome.results.items()}
    return {
        "state": outcome.state,
        "states": states_of(outcome),
        "results": json.loads(json.dumps(results, default=str)),
        "errors": {node: outcome.redactor.text(describe(error)) for node, error in outcome.failures.items()},
    }


def differences(expected: Mapping[str, Any], outcome: Outcome) -> list[str]:
    """What differs from what is expected, the first nodes first; empty when all is as it should be."""
    now = expectation(outcome)
    found = []
    for node, state in now["states"].items():
        wanted = expected["states"].get(node)
        if wanted != state:
            why = describe(outcome.failures[node]) if node in outcome.failures else outcome.reasons.get(node, "")
            found.append(f"{node} {state} where it should have {wanted}" + (f": {why}" if why else ""))
        elif node in expected.get("errors", {}) and expected["errors"][node] != now["errors"].get(node):
            found.append(f"{node} failed with {now['errors'].get(node)!r} instead of {expected['errors'][node]!r}")
        elif expected["results"].get(node) != now["results"].get(node):
            found.append(
                f"{node} gave {_short(now['results'].get(node))} instead of {_short(expected['results'].get(node))}"
            )
    found += [f"{node} is not in the workflow any more" for node in expected["states"] if node not in now["states"]]
    if expected["state"] != now["state"]:
        found.append(f"the run has {now['state']} where it should have {expected['state']}")
    return found


def lacking(workflow: Workflow, answers: Playing) -> tuple[dict[str, str], dict[str, str]]:
    """The nodes of a run that the capsule had no answer for, each with the reason.

    Returns:
        Those without which a test would pass over something: that failed for it, or feed others. And those whose call
        alone is left out: what they were given is still compared.
    """
    ends = {node for node in answers.left_out if not descendants(workflow, node)}
    told = answers.unanswered
    return {n: why for n, why in told.items() if n not in ends}, {n: why for n, why in told.items() if n in ends}


def refuse_lacking(workflow: Workflow, answers: Playing) -> None:
    """Refuse to make a test of what would pass over something.

    Raises:
        DocumentError: Nodes lacked an answer; it names them.
    """
    found, _ = lacking(workflow, answers)
    if found:
        first = next(iter(found))
        names = ", ".join(found)
        raise DocumentError(f"The test would pass over {names}, and what follows. {first}: {found[first]}")


def states_of(outcome: Outcome) -> dict[str, str]:
    """How each node ended."""
    states = {node: "recovered" if node in outcome.recovered else "succeeded" for node in outcome.results}
    states |= dict.fromkeys(outcome.reasons, "skipped")
    return states | dict.fromkeys(outcome.failures, "failed")


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 200 else text[:200] + "…"


def _check_expected(name: str, expected: Mapping[str, Any]) -> None:
    kinds = {"state": str, "states": dict, "results": dict, "errors": dict}
    wrong = [key for key, kind in kinds.items() if not isinstance(expected.get(key, kind()), kind)]
    wrong += [key for key in ("state", "states", "results") if key not in expected]
    if expected and wrong:
        raise DocumentError(
            f"{name} says what to expect without {wrong[0]}: kailash-studio capsule save makes it anew."
        )


def _looks(given: Any) -> dict[str, list[list[float]]]:
    return {str(node): [[float(look) for look in call] for call in calls] for node, calls in dict(given).items()}


def _limits(given: Any) -> dict[str, dict[str, list[float]]]:
    return {
        str(node): {str(name): [float(one) for one in said] for name, said in dict(own).items()}
        for node, own in dict(given).items()
    }


def _not_empty(own: Mapping[str, list[float]]) -> dict[str, list[float]]:
    return {name: said for name, said in own.items() if said}


def _answer(archive: zipfile.ZipFile, entry: Any) -> Answer:
    node, question, seconds, named, error = entry
    outputs = {str(name): None if place is None else archive.read(str(place)) for name, place in dict(named).items()}
    return Answer(str(node), str(question), float(seconds), outputs, dict(error))


def fresh_seed() -> int:
    """A seed for a run that is recorded."""
    return Random().randrange(2**31)  # noqa: S311 - it is written into the capsule, and no secret
