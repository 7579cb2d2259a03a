"""How a pool behaves."""

from __future__ import annotations

from dataclasses import dataclass

from kailash_studio.errors import ParameterError


@dataclass(frozen=True, slots=True)
class PoolOptions:
    """How a pool behaves; times are in seconds.

    Attributes:
        min_connections: Kept open even when nobody needs them.
        max_connections: The most that are open at once.
        max_per_workflow: The most that one workflow may use at once; 0: no limit of its own.
        acquire_timeout: How long an acquire waits.
        connect_timeout: How long connecting may take, a server that is just starting included.
        statement_timeout: How long a statement may take where it says nothing else.
        health_threshold: Connections below this score (0 to 100) are replaced.
        max_lifetime: How long a connection lives, less a random tenth, so that not all end at once.
        idle_timeout: How long a connection above the minimum stays when nobody needs it.
        validate_after: Idle for longer, a connection is checked before it is handed out, and kept alive meanwhile.
        check_timeout: How long a check may take.
    """

    min_connections: int = 0
    max_connections: int = 10
    max_per_workflow: int = 0
    acquire_timeout: float = 30.0
    connect_timeout: float = 15.0
    statement_timeout: float = 3600.0
    health_threshold: float = 70.0
    max_lifetime: float = 1800.0
    idle_timeout: float = 300.0
    validate_after: float = 30.0
    check_timeout: float = 2.0

    def __post_init__(self) -> None:
        if self.max_connections < 1 or not 0 <= self.min_connections <= self.max_connections:
            raise ParameterError(
                f"A pool needs at least 1 connection, and no more at least than at most: min_connections is "
                f"{self.min_connections}, max_connections is {self.max_connections}."
            )
