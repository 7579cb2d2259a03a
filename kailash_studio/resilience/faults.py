"""Faults that are put in on purpose, in place of or before a node's own call: to rehearse what its policies do."""

from __future__ import annotations

import builtins
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from kailash_studio import errors
from kailash_studio.errors import DocumentError, ParameterError

FORMAT = "kailash-studio/faults"
VERSION = 1
_MOST_BYTES = 4 * 2**20


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens instead of, or before, a call.

    Attributes:
        error: Name of the error class that is raised; empty: none.
        delay: Seconds before anything else happens.
        times: How many calls it meets, further ones are real; 0: all.
        percent: How many of a hundred of these calls fail, drawn from the scenario's seed.
        text: What the error says.
        exhaust_pool: All connections of the run's pools are taken while the call is made.
        breaker: ``open`` forces the node's circuit breaker open for the run.
    """

    error: str = "ConnectionError"
    delay: float = 0.0
    times: int = 1
    percent: float = 100.0
    text: str = "a fault was put in on purpose"
    exhaust_pool: bool = False
    breaker: Literal["", "open"] = ""

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

    def sentence(self) -> str:
        """In a few words."""
        calls = (
            "each call" if not self.times else "the next call" if self.times == 1 else f"the next {self.times} calls"
        )
        does = []
        if self.delay:
            does.append(f"wait {self.delay:g} s")
        if self.exhaust_pool:
            does.append("find the pools exhausted")
        if self.error:
            does.append(f"fail with {self.error}" + (f" at {self.percent:g} %" if self.percent < 100 else ""))
        words = f"{calls} will {', '.join(does)}" if does else ""
        forced = "its breaker is forced open" if self.breaker else ""
        return "; ".join(part for part in (words, forced) if part) or "nothing"

    @classmethod
    def from_plain(cls, place: str, given: Any) -> Fault:
        """From an object of a file or a message.

        Raises:
            DocumentError: It cannot be understood; the sentence names the place.
        """
        kinds: dict[str, tuple[type, ...]] = {
            "error": (str,), "delay": (int, float), "times": (int,), "percent": (int, float), "text": (str,),
            "exhaust_pool": (bool,), "breaker": (str,),
        }  # fmt: skip
        if not isinstance(given, Mapping):
            raise DocumentError(f"The fault of {place} is no object of fields.")
        for name, value in given.items():
            if name not in kinds:
                raise DocumentError(f"The fault of {place} has a field {name!r}; there are {', '.join(kinds)}.")
            if not isinstance(value, kinds[name]) or (isinstance(value, bool) and bool not in kinds[name]):
                raise DocumentError(
                    f"{name} of the fault of {place} is {value!r}: that is no {kinds[name][0].__name__}."
                )
        made = cls(**given)
        if not (0 <= made.percent <= 100 and 0 <= made.delay < 86_400 and made.times >= 0):
            raise DocumentError(f"The fault of {place} needs a percent of 0 to 100, and no negative delay or times.")
        if made.breaker not in {"", "open"}:
            raise DocumentError(f"breaker of the fault of {place} is {made.breaker!r}: it can be open, or be left out.")
        try:
            made.make()
        except ParameterError as error:
            raise DocumentError(f"The fault of {place}: {error}") from None
        return made


@dataclass(frozen=True, slots=True)
class Scenario:
    """The faults of a test run.

    Attributes:
        faults: By node.
        seed: What percents, and the jitter of retries, are drawn from: the same seed, the same run.
    """

    faults: Mapping[str, Fault] = field(default_factory=dict)
    seed: int = 0

    @classmethod
    def from_plain(cls, given: Any) -> Scenario:
        """From an object of a file or a message.

        Raises:
            DocumentError: It cannot be understood.
        """
        if not isinstance(given, Mapping) or given.get("format") != FORMAT or given.get("version") != VERSION:
            raise DocumentError(f"The faults are not of the format {FORMAT}, version {VERSION}.")
        nodes, seed = given.get("nodes"), given.get("seed", 0)
        if not isinstance(nodes, Mapping) or not isinstance(seed, int) or isinstance(seed, bool):
            raise DocumentError("The faults need nodes, an object of faults by node, and a whole number as seed.")
        return cls({str(node): Fault.from_plain(str(node), fault) for node, fault in nodes.items()}, seed)

    def to_plain(self) -> dict[str, Any]:
        """As JSON has it; what is left at its default is left out."""
        usual = Fault()
        names = [declared.name for declared in fields(Fault)]
        nodes = {
            node: {name: getattr(fault, name) for name in names if getattr(fault, name) != getattr(usual, name)}
            for node, fault in sorted(self.faults.items())
        }
        return {"format": FORMAT, "version": VERSION, "seed": self.seed, "nodes": nodes}

    @classmethod
    def read(cls, path: Path) -> Scenario:
        """From a file.

        Raises:
            DocumentError: It cannot be read or understood.
        """
        try:
            if path.stat().st_size > _MOST_BYTES:
                raise DocumentError(f"{path} is too large for a file of faults.")
            given = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise DocumentError(f"There is no file of faults {path}.") from None
        except OSError as error:
            raise DocumentError(f"The faults {path} cannot be read: {error.strerror or error}.") from None
        except (ValueError, RecursionError) as error:
            raise DocumentError(f"{path} is no file of faults: {error}.") from None
        return cls.from_plain(given)
