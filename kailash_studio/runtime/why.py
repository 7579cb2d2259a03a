"""Why a node did not run, or how it ended, as one sentence that names the first cause."""

from __future__ import annotations

from collections.abc import Sequence

from kailash_studio.resilience import guard
from kailash_studio.runtime import events
from kailash_studio.runtime.events import Event
from kailash_studio.runtime.wording import duration
from kailash_studio.workflow.graph import ancestors
from kailash_studio.workflow.workflow import Workflow

_RAN = frozenset({events.NODE_SUCCEEDED, events.NODE_RECOVERED})


class Causes:
    """What the events of one run say about each of its nodes."""

    def __init__(self, told: Sequence[Event], workflow: Workflow | None = None) -> None:
        """Sort the events.

        Args:
            told: All events of the run.
            workflow: What ran; it tells what a node that never began was waiting for.
        """
        self._workflow = workflow
        self._by_node: dict[str, list[Event]] = {}
        for event in told:
            self._by_node.setdefault(event.node, []).append(event)

    def not_run(self) -> list[str]:
        """The nodes that gave nothing of their own accord: failed, skipped, cancelled, or never begun."""
        known = self._workflow.nodes if self._workflow is not None else self._by_node
        ends = {node: self._last(node, events.NODE_ENDED) for node in known if node}
        return [node for node, end in ends.items() if end is None or end.kind not in _RAN]

    def why(self, node: str) -> str:
        """The sentence for one node."""
        end = self._last(node, events.NODE_ENDED)
        if end is None:
            return self._open(node)
        details = end.details
        match end.kind:
            case events.NODE_SUCCEEDED if details.get("pinned"):
                return f"{node} was not called: it is pinned."
            case events.NODE_SUCCEEDED if details.get("reused"):
                by = f" It came from {details['by']}, which stood in for it." if details.get("by") else ""
                return f"{node} was not called: what an earlier run gave was taken over.{by}"
            case events.NODE_SUCCEEDED:
                failed = self._attempts(node)
                tries = f", at attempt {failed + 1}" if failed else ""
                return f"{node} ran: it succeeded in {duration(details['seconds'])}{tries}."
            case events.NODE_RECOVERED:
                error = _sentence(node, details["error"])
                return f"{self._failed(node)}, so {details['by']} stood in for it: {error}"
            case events.NODE_FAILED:
                return f"{self._failed(node)}: {_sentence(node, details['error'])}"
            case events.NODE_SKIPPED:
                return f"{node} was skipped: {self._first_cause(details['reason'], details.get('of', ''))}"
            case _:
                return f"{node} was cancelled: {_sentence(node, details['reason'])}"

    def _last(self, node: str, kinds: frozenset[str]) -> Event | None:
        return next((event for event in reversed(self._by_node.get(node, ())) if event.kind in kinds), None)

    def _attempts(self, node: str) -> int:
        return sum(event.kind == guard.ATTEMPT_FAILED for event in self._by_node.get(node, ()))

    def _failed(self, node: str) -> str:
        """``fetch failed after 4 attempts``, or that it was not called."""
        failed = self._attempts(node)
        refused = self._last(node, frozenset({guard.CALL_REFUSED})) is not None
        if refused and not failed:
            return f"{node} was not called"
        return f"{node} failed" + (f" after {failed} attempts" if failed > 1 else "")

    def _first_cause(self, reason: str, root: str) -> str:
        """The reason of a skip; where it goes back to a failure, that with its error."""
        failure = self._last(root, frozenset({events.NODE_FAILED})) if root else None
        if failure is None:
            return _sentence("", reason)
        return f"{self._failed(root)}: {_sentence(root, failure.details['error'])}"

    def _open(self, node: str) -> str:
        """The sentence for a node without an end: the run goes on, is paused, or was killed."""
        workflow = self._workflow
        if self._begun(node):
            return f"{node} has begun and not ended: it is running, or was when the run was killed."
        if workflow is not None and node not in workflow.nodes:
            return f"{node} is not in the workflow of this run."
        pause = self._last("", frozenset({events.RUN_PAUSED, events.RUN_CONTINUED}))
        if pause is not None and pause.kind == events.RUN_PAUSED:
            return f"{node} has not begun: the run is paused. {_sentence('', pause.details['reason'])}"
        above = ancestors(workflow, node) if workflow is not None else set()
        waits = sorted(other for other in above if self._last(other, events.NODE_ENDED) is None)
        first = [other for other in waits if self._begun(other)] or waits
        return f"{node} has not begun" + (f": it waits for {', '.join(first)}." if first else ".")

    def _begun(self, node: str) -> bool:
        return self._last(node, frozenset({events.NODE_STARTED})) is not None


def _sentence(node: str, text: str) -> str:
    """A text that ends as a sentence, without the node's name before it."""
    text = text.removeprefix(f"{node}: ").removeprefix(f"{node} failed: ")
    return text if text.endswith((".", "!", "?")) else f"{text}."
