"""Plans as trees that a person can read: each database's own answer, in one form."""

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


_DUCKDB_TITLES = {"SEQ_SCAN": "Scan", "TABLE_SCAN": "Scan", "PYTHON_ARROW_SCAN": "Scan of a connected table"}
_DUCKDB_SILENT = frozenset({"Estimated Cardinality", "Table", "Type", "Text"})


def from_duckdb(found: Any) -> PlanStep:
    """The tree of ``EXPLAIN (FORMAT json)``; measured, a step's time is its own, and rows are all that it gave."""
    steps = found.get("operator") or found.get("children") or [found] if isinstance(found, dict) else found
    made = [_duckdb_step(step) for step in steps]
    root = made[0] if len(made) == 1 else PlanStep("Query plan", children=tuple(made))
    while root.title in {"Result collector", "Explain analyze"} and len(root.children) == 1:
        root = root.children[0]
    return root


def _duckdb_step(node: Mapping[str, Any]) -> PlanStep:
    told: Mapping[str, Any] = node.get("extra_info") or {}
    children = tuple(_duckdb_step(child) for child in node.get("children", ()))
    kind = str(node.get("name") or node.get("type") or "?").strip()
    title = _DUCKDB_TITLES.get(kind, kind.replace("_", " ").capitalize())
    if told.get("Table"):
        title += f" on {str(told['Table']).split('.', 1)[-1].removeprefix('main.')}"
    own = float(node["timing"]) if "timing" in node else None
    expected = str(told.get("Estimated Cardinality", ""))
    return PlanStep(
        title=title,
        details=tuple(
            f"{key}: {_text(key, value)}" for key, value in told.items() if value and key not in _DUCKDB_SILENT
        ),
        rows=float(expected) if expected.isdigit() else None,
        actual_rows=float(node["intermediate_rows"]) if "intermediate_rows" in node else None,
        seconds=own + sum(child.seconds or 0.0 for child in children) if own is not None else None,
        own_seconds=own,
        children=children,
    )


_MYSQL_ACCESS = {
    "ALL": "Full scan",
    "index": "Full index scan",
    "range": "Range scan",
    "ref": "Index lookup",
    "eq_ref": "Unique index lookup",
    "const": "Single row",
    "system": "Single row",
    "fulltext": "Fulltext search",
}


def from_mysql(rows: Sequence[Mapping[str, Any]]) -> PlanStep:
    """The rows of ``EXPLAIN``, or of MariaDB's ``ANALYZE``: those of one ``id`` are joined in their order."""
    selects: dict[Any, list[Mapping[str, Any]]] = {}
    for row in rows:
        selects.setdefault(row.get("id"), []).append(row)
    groups = [
        (str(steps[0].get("select_type") or "").capitalize() or "Result", tuple(_mysql_step(row) for row in steps))
        for steps in selects.values()
    ]
    if len(groups) == 1:
        return PlanStep("Query plan", children=groups[0][1])
    return PlanStep("Query plan", children=tuple(PlanStep(title, children=steps) for title, steps in groups))


def _mysql_step(row: Mapping[str, Any]) -> PlanStep:
    access = str(row.get("type") or "")
    title = _MYSQL_ACCESS.get(access, access.replace("_", " ").capitalize() or "No table")
    if row.get("table"):
        title += f" on {row['table']}"
    if row.get("key"):
        title += f" using {row['key']}"
    details = [str(row["Extra"])] if row.get("Extra") else []
    details += [f"Compared with: {row['ref']}"] if row.get("ref") else []
    details += [f"Rows kept by the condition: {float(row['filtered']):g} %"] if row.get("filtered") else []
    expected, measured = row.get("rows"), row.get("r_rows")
    return PlanStep(
        title,
        tuple(details),
        rows=float(expected) if expected is not None else None,
        actual_rows=float(measured) if measured is not None else None,
    )


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
