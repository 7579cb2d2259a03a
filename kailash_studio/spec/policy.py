"""The policies that a user sets around a node, declared in the same vocabulary as a node type's parameters."""

from __future__ import annotations

from kailash_studio.spec.declared import Declared
from kailash_studio.spec.parameter import Parameter


class Resilience(Declared):
    """What surrounds each run of a node."""

    timeout: float | None = Parameter(
        None,
        gt=0,
        le=7 * 86_400,
        unit="s",
        doc="Longest time a run of the node may take; without one there is no limit.",
    )
