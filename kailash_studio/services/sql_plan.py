"""Plans as trees that a person can read: PostgreSQL's JSON and SQLite's lines, in one form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# what of PostgreSQL's keys is worth a line, in this order (manual, EXPLAIN)
_DETAILS = (
    "Filter", "Index Cond", "Recheck Cond", "Hash Cond", "Merge Cond", "Join Filter", "Sort Key", "Group Key",
    "Sort Method", "Sort Space Used", "Rows Removed by Filter", "Rows Removed by Join Filter", "Heap Fetches",
    "Workers Planned", "CTE Name", "Subplan Name", "Hash Batches", "Peak Memory Usage",
)  # fmt: skip

_KILOBYTES = frozenset({"Sort Space Used", "Peak Memory Usage"})


@dataclass(frozen=True, slots=True)
class PlanStep:
    """One step of a plan.

    Attributes:
        title: What is done, and on what.
        details: Conditions and keys, a line each.
        cost: The planner's cost up to its end, with what stands below; None: not told.
        own_cost: Of that, its own.
        rows: Rows that the planner expects, for each loop.
        actual_rows: Rows that there were, for each loop; None: it was not measured.
        seconds: How long it took with what stands below, all loops; None: it was not measured.
        own_seconds: Of that, its own.
        loops: How often it ran.
        children: What it reads from.
    """

    title: str
    details: tuple[str, ...] = ()
    cost: float | None = None
    own_cost: float | None = None
    rows: float | None = None
    actual_rows: float | None = None
    seconds: float | None = None
    own_seconds: float | None = None
    loops: float | None = None
    children: tuple[PlanStep, ...] = field(default_factory=tuple)

    def to_plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "title": self.title,
            "details": list(self.details),
            "cost": self.cost,
            "own_cost": self.own_cost,
            "rows": self.rows,
            "actual_rows": self.actual_rows,
            "seconds": self.seconds,
            "own_seconds": self.own_seconds,
            "loops": self.loops,
            "children": [child.to_plain() for child in self.children],
        }


def from_postgresql(found: Mapping[str, Any]) -> PlanStep:
    """The tree of ``EXPLAIN (FORMAT JSON)``; planning and execution time are the root's details."""
    step = _step(found["Plan"])
    times = [f"{key}: {found[key]:,.3f} ms" for key in ("Planning Time", "Execution Time") if key in found]
    if not times:
        return step
    return PlanStep(
        step.title, (*step.details, *times), step.cost, step.own_cost, step.rows, step.actual_rows, step.seconds,
        step.own_seconds, step.loops, step.children,
    )  # fmt: skip


def _step(node: Mapping[str, Any]) -> PlanStep:
    children = tuple(_step(child) for child in node.get("Plans", ()))
    cost = float(node["Total Cost"])
    loops = float(node["Actual Loops"]) if "Actual Loops" in node else None
    # times are averages of one loop, in ms (manual, 14.1.2)
    seconds = node["Actual Total Time"] * loops / 1000 if loops is not None and "Actual Total Time" in node else None
    below = sum(child.seconds or 0.0 for child in children)
    return PlanStep(
        title=_title(node),
        details=tuple(f"{key}: {_text(key, node[key])}" for key in _DETAILS if node.get(key) not in (None, "", [], 0)),
        cost=cost,
        own_cost=max(0.0, cost - sum(child.cost or 0.0 for child in children)),
        rows=float(node["Plan Rows"]),
        actual_rows=float(node["Actual Rows"]) if "Actual Rows" in node else None,
        seconds=seconds,
        own_seconds=max(0.0, seconds - below) if seconds is not None else None,
        loops=loops,
        children=children,
    )


def _title(node: Mapping[str, Any]) -> str:
    kind = node["Node Type"]
    if kind == "ModifyTable":
        kind = node.get("Operation", kind)
    elif node.get("Strategy") in {"Hashed", "Sorted", "Mixed"} and kind == "Aggregate":
        kind = f"{node['Strategy']} aggregate"
    elif node.get("Join Type") not in (None, "Inner"):
        kind = kind.replace(" Join", "") + f" {node['Join Type'].lower()} join"
    if node.get("Index Name"):
        kind += f" using {node['Index Name']}"
    relation, alias = node.get("Relation Name") or node.get("CTE Name") or node.get("Function Name"), node.get("Alias")
    if relation:
        kind += f" on {relation}" + (f" {alias}" if alias and alias != relation else "")
    return str(kind)


def _text(key: str, value: Any) -> str:
    if key in _KILOBYTES:
        return f"{value:,} kB"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def from_sqlite(rows: Sequence[tuple[Any, ...]]) -> PlanStep:
    """The tree of ``EXPLAIN QUERY PLAN``: rows of id, parent, unused, text; it knows no costs."""
    below: dict[int, list[tuple[int, str]]] = {}
    for step_id, parent, _, text in rows:
        below.setdefault(parent, []).append((step_id, text))

    def steps(parent: int) -> tuple[PlanStep, ...]:
        return tuple(
            PlanStep(f"{text[:1]}{text[1:].lower() if text.isupper() else text[1:]}", children=steps(step_id))
            for step_id, text in below.get(parent, ())
        )

    return PlanStep("Query plan", children=steps(0))
