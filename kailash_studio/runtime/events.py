"""What a run tells: frozen records with a cause and two times, read alike by panels, logs, command line and tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

RUN_STARTED = "run_started"
RUN_FINISHED = "run_finished"
NODE_STARTED = "node_started"
NODE_SUCCEEDED = "node_succeeded"
NODE_FAILED = "node_failed"
NODE_SKIPPED = "node_skipped"
NODE_CANCELLED = "node_cancelled"
NODE_RECOVERED = "node_recovered"
FALLBACK_STARTED = "fallback_started"
RUN_PAUSED = "run_paused"
RUN_CONTINUED = "run_continued"
INPUTS_EDITED = "inputs_edited"
OUTPUTS_EDITED = "outputs_edited"
PARAMETERS_EDITED = "parameters_edited"
NODE_STOPPED = "node_stopped"
NODE_CONTINUED = "node_continued"
LOG_WRITTEN = "log_written"

NODE_ENDED = frozenset({NODE_SUCCEEDED, NODE_FAILED, NODE_SKIPPED, NODE_CANCELLED, NODE_RECOVERED})


class Event(NamedTuple):
    """One thing that happened.

    Attributes:
        sequence: Position in the run, from 0.
        kind: One of the names above.
        run_id: The run.
        node: The node, or an empty text for the run itself.
        time: Monotonic seconds since the run started.
        wall: Seconds since 1970 in UTC.
        cause: Sequence of the event that led to this one, or -1.
        details: By kind. Succeeded: ``outputs`` given, ``rows`` by output, ``seconds`` that
            its calls took, with attempts and waits and without standing still; of one that was not called ``pinned``
            or ``reused``, and then ``by``, where a fallback had given it in the earlier run. Failed: ``error``,
            ``code``, ``seconds``. Recovered: as succeeded, with ``by`` (the fallback) and ``error``.
            Skipped, cancelled, run paused: ``reason``; skipped because of a failure: ``of``, the node that failed;
            because a branch was not taken: ``untaken``. Edited: the names of what was given by hand, and of parameters
            ``made_with``, all that were given to the node so far with their values. Node stopped: ``stop`` (its
            number), ``when``, ``reason``; continued: ``stop``, ``do``. Log: ``level``, ``text``. Run finished:
            ``state``, ``seconds``, counts of nodes; of those that succeeded also how many were ``reused`` or
            ``pinned``. The kinds that a guard tells of are in ``resilience.guard``: attempts carry ``attempt`` and,
            failed, ``error``, ``code``, ``seconds``, ``wait`` until the next one or None, ``why``. Acquire ended (of
            ``services.postgres.statistics``): ``pool``, ``seconds``, and ``got``, whether there was a connection.
    """

    sequence: int
    kind: str
    run_id: str
    node: str
    time: float
    wall: float
    cause: int
    details: Mapping[str, Any]


Sink = Callable[[Sequence[Event]], None]
