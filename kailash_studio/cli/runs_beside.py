"""What ``kailash-studio runs`` shows of a run over time, and of two runs side by side."""

from __future__ import annotations

import shutil
from dataclasses import asdict

from kailash_studio.cli.exit_status import ExitStatus
from kailash_studio.cli.output import print_json
from kailash_studio.errors import JournalError
from kailash_studio.runtime.journal.journal import Journal, RunRecord
from kailash_studio.runtime.run_diff import NodePair, RunDiff, diff
from kailash_studio.runtime.run_history import NodeEnd
from kailash_studio.runtime.timeline import Bar, Span, timeline
from kailash_studio.runtime.value_diff import value_changes
from kailash_studio.runtime.wording import duration

_NAME = 24
_LEAST = 20
_SIGNS = {"wait": ".", "held": ",", "stopped": "|", "acquire": "~", "fallback": "+"}
_RANKS = {"wait": 0, "fallback": 0, "attempt": 1}  # what is drawn over what: a short failure over a long wait
_LEGEND = (
    "= attempt   x failed attempt   . wait   , rate limit   ~ for a connection   | stopped   + fallback   - not run"
)
_CELLS = 10


def show_timeline(journal: Journal, run: RunRecord, *, as_json: bool) -> None:
    """Print a run over time, a line for each node."""
    bars = timeline(journal.events(run.run_id))
    if as_json:
        print_json([asdict(bar) for bar in bars])
        return
    total = max((bar.end for bar in bars), default=0.0)
    width = max(_LEAST, shutil.get_terminal_size().columns - _NAME - 26)
    print(f"{run.workflow or 'A workflow without a name'}: {run.state}, {duration(total)} from left to right")
    for bar in bars:
        name = bar.node if len(bar.node) <= _NAME else bar.node[: _NAME - 3] + "..."
        drawn = _drawn(bar, total, width)
        print(f"{name:<{_NAME}} {drawn} {bar.state:<10} {duration(bar.end - bar.start):>11}".rstrip())
    print(_LEGEND if bars else "No node was heard of.")


def _drawn(bar: Bar, total: float, width: int) -> str:
    """A bar as a line of signs; every piece has one at least."""
    line = [" "] * width
    scale = (width - 1) / total if total > 0 else 0.0

    def put(start: float, end: float, sign: str) -> None:
        first = round(start * scale)
        line[first : max(first, round(end * scale)) + 1] = sign * (max(first, round(end * scale)) + 1 - first)

    if not bar.spans:
        put(bar.start, bar.end, "-" if bar.state in {"skipped", "cancelled"} else "=")
    for span in sorted(bar.spans, key=lambda span: _RANKS.get(span.kind, 2)):
        put(span.start, span.end, _sign(span))
    return "".join(line)


def _sign(span: Span) -> str:
    if span.kind == "attempt":
        return "x" if span.state == "failed" else "="
    return _SIGNS[span.kind]


def show_diff(journal: Journal, before: RunRecord, after: RunRecord, *, as_json: bool) -> int:
    """Print how two runs differ; the exit status says whether they do."""
    found = diff(journal, before, after)
    if as_json:
        told = asdict(found)
        for side in ("before", "after"):
            told[side] = getattr(found, side).run_id
        print_json(told | {"same": found.same})
    else:
        _print_diff(journal, found)
    return ExitStatus.SUCCEEDED if found.same else ExitStatus.FAILED


def _print_diff(journal: Journal, found: RunDiff) -> None:
    runs = found.before, found.after
    print("  and  ".join(f"{run.run_id} ({run.state}, {duration(run.seconds)})" for run in runs))
    if found.same:
        print("They are the same but for their times.")
        return
    for sentence in found.general:
        print(f"  {sentence}")
    if found.first:
        print(f"They part at {found.first}.")
    for pair in found.nodes:
        if pair.reasons:
            print(f"\n{pair.node}  {_ended(pair.before)}  |  {_ended(pair.after)}")
            for reason in pair.reasons:
                print(f"  {reason}")
    first = next((pair for pair in found.nodes if pair.outputs), None)
    if first is not None:
        _print_values(journal, found, first)


def _ended(end: NodeEnd) -> str:
    if end.taken:
        return end.taken
    tries = f", {end.attempts} attempts" if end.attempts > 1 else ""
    return f"{end.state} in {duration(end.seconds)}{tries}" if end.seconds else end.state or "never begun"


def _print_values(journal: Journal, found: RunDiff, pair: NodePair) -> None:
    """The first cells that differ at the first node whose values do."""
    for output in pair.outputs:
        print(f"\n{pair.node}.{output}")
        try:
            sides = [journal.output(run.run_id, pair.node, output) for run in (found.before, found.after)]
        except JournalError as error:
            print(f"  {error}")
            continue
        told = value_changes(*sides, limit=_CELLS)
        for sentence in told["columns"]:
            print(f"  {sentence}")
        for where, column, old, new in told["cells"]:
            print(f"  {where} {column}".rstrip() + f": {_cell(old)}, now {_cell(new)}")
        if told["more"]:
            print("  and more")
        if told["same"]:
            print("  the values are equal; they are written differently")


def _cell(text: str | None) -> str:
    if text is None:
        return "nothing"
    return text if len(text) <= 60 else text[:59] + "…"
