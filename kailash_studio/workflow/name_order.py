"""Names with which inputs that take several connections go on taking them in their order.

Such an input takes its values in the order of the ends that they come from, as written in the file. So when nodes get
other names, or connections go on from other nodes, their names have to be chosen for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from kailash_studio.workflow.graph import topological_order
from kailash_studio.workflow.sub_workflows import inner_id, name_of, parent_of
from kailash_studio.workflow.workflow import LONGEST, NODE_ID, Connection

Follow = Callable[[Connection], Connection | None]


@dataclass(frozen=True, slots=True)
class Taken:
    """What one input takes from now on, in the order that is to stay.

    Attributes:
        end: The input, as it was called.
        connections: The connections, with new names of nodes where they are not to be chosen.
    """

    end: str
    connections: Sequence[Connection]


def several(connections: Iterable[Connection], follow: Follow) -> list[Taken]:
    """What each input that takes several connections takes from now on.

    Args:
        connections: All that there are.
        follow: What a connection goes on as; None where it ends with nothing.
    """
    found: dict[str, list[Connection]] = {}
    for connection in sorted(connections, key=lambda c: c.key):
        found.setdefault(connection.end, []).append(connection)
    return [
        Taken(end, [after for c in group if (after := follow(c)) is not None])
        for end, group in found.items()
        if len(group) > 1
    ]


def disorder(taken: Iterable[Taken], names: Mapping[str, str]) -> tuple[Taken, Connection, Connection] | None:
    """The first input that would take two of its values the other way round, or one of them only once; None for none.

    Args:
        taken: What inputs take.
        names: New ids of nodes.
    """
    for one in taken:
        for first, second in pairwise(one.connections):
            if _start(first, names) >= _start(second, names):
                return one, first, second
    return None


def in_order(taken: Iterable[Taken], names: Mapping[str, str], used: Iterable[str]) -> dict[str, str]:
    """Names for the same nodes with which the order stays, if there are some; the usual one where it can be.

    Args:
        taken: What inputs take.
        names: The usual new ids of nodes that stand side by side, by the old ones.
        used: The ids of other nodes.
    """
    before: dict[str, set[str]] = {}
    after: dict[str, set[str]] = {}
    for one in taken:
        for first, second in pairwise(one.connections):
            if first.source != second.source:
                after.setdefault(first.source, set()).add(second.source)
                before.setdefault(second.source, set()).add(first.source)
    order, _ = topological_order({node: sorted(after.get(node, ())) for node in sorted(before.keys() | after.keys())})
    most = _least_after(order, after, names)
    found = dict(names)
    others = {*used, *names.values()}
    for node in order:
        if node in names:
            least = max((found.get(other, other) for other in before.get(node, ())), key=_sorted_by, default="")
            others.discard(names[node])
            found[node] = _between(least, names[node], most.get(node, ""), others)
            others.add(found[node])
    return found


def _least_after(order: Sequence[str], after: Mapping[str, set[str]], names: Mapping[str, str]) -> dict[str, str]:
    """By node, the least of the names below which it has to stay and that are not to be chosen."""
    found: dict[str, str] = {}
    for node in reversed(order):
        known = [found.get(other, "") if other in names else other for other in after.get(node, ())]
        if any(known):
            found[node] = min(filter(None, known), key=_sorted_by)
    return found


def _between(least: str, usual: str, most: str, used: set[str]) -> str:
    """The usual id, or one like it, that sorts behind one id and before another one; the usual one if there is none.

    ``-`` sorts before the point that follows an id in a connection, ``_`` behind it: so what begins with the one id or
    the other is close behind or before it.
    """
    for wanted in _like(least, usual, most):
        behind = not least or _sorted_by(least) < _sorted_by(wanted)
        before = not most or _sorted_by(wanted) < _sorted_by(most)
        if behind and before and wanted not in used and NODE_ID.match(wanted):
            return wanted
    return usual


def _like(least: str, usual: str, most: str) -> Iterator[str]:
    parent, name = parent_of(usual), name_of(usual)
    yield usual
    for number in range(1, 10):
        ending = f"_{number}" if number > 1 else ""
        for begin in ([f"{name_of(least)}_"] if least else []) + ([f"{name_of(most)}-"] if most else []):
            yield inner_id(parent, begin + name[: LONGEST - len(begin) - len(ending)] + ending)


def _start(connection: Connection, names: Mapping[str, str]) -> str:
    return ".".join((names.get(connection.source, connection.source), connection.output, *connection.path)) + ">"


def _sorted_by(node_id: str) -> str:
    return f"{node_id}."
