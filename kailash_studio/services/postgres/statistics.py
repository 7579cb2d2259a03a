"""Counters and latencies of a pool, cheap enough to be always on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

ACQUIRE_ENDED = "acquire_ended"
"""The event that tells how long a node waited for a connection, and whether it got one."""

_BUCKETS = 160  # four for each doubling of a microsecond: up to half an hour and beyond, each within 19 % of the truth


Acquired = Callable[[str, float, bool], None]
Warned = Callable[[str], None]


class Owner(NamedTuple):
    """Who uses a connection.

    Attributes:
        workflow: Name of the workflow.
        run: The run.
        node: The node.
        acquired: Told of each acquire: the pool's name, the seconds that it took, whether it gave a connection.
        warned: Told in a sentence what it should not have done.
    """

    workflow: str = ""
    run: str = ""
    node: str = ""
    acquired: Acquired | None = None
    warned: Warned | None = None

    def names(self) -> dict[str, str]:
        """Workflow, run and node, as plain data."""
        return {"workflow": self.workflow, "run": self.run, "node": self.node}

    def __str__(self) -> str:
        return "/".join(part for part in self[:3] if part) or "someone"


class Holder(NamedTuple):
    """A connection in use: by whom, with which statement, since how many seconds."""

    owner: Owner
    statement: str
    seconds: float

    def __str__(self) -> str:
        what = f": {self.short}" if self.statement else ""
        return f"{self.owner} for {self.seconds:.1f} s{what}"

    @property
    def short(self) -> str:
        """The beginning of its statement, in one line."""
        return " ".join(self.statement.split())[:60]


def listed(holders: Sequence[Holder]) -> str:
    """The first five of them, for a sentence."""
    shown = "; ".join(str(holder) for holder in holders[:5])
    return shown + (f"; and {len(holders) - 5} more" if len(holders) > 5 else "")


class Histogram:
    """Durations in fixed buckets; what is shown covers the last one to two periods between calls of ``rotate``."""

    __slots__ = ("_before", "_now")

    def __init__(self) -> None:
        self._now = [0] * _BUCKETS
        self._before = [0] * _BUCKETS

    def add(self, seconds: float) -> None:
        """Count a duration."""
        micro = int(seconds * 1_000_000)
        power = micro.bit_length()
        at = power * 4 + (micro >> (power - 3) & 3) if power > 2 else micro
        self._now[at if at < _BUCKETS else _BUCKETS - 1] += 1

    def add_none(self) -> None:
        """Count a duration of nothing."""
        self._now[0] += 1

    def rotate(self) -> None:
        """Begin a new period: what is older than the last one is no longer shown."""
        self._before, self._now = self._now, [0] * _BUCKETS

    def percentile(self, share: float) -> float:
        """Seconds that this share of the durations stayed below; 0 when there were none."""
        both = [a + b for a, b in zip(self._now, self._before, strict=True)]
        wanted = share * sum(both)
        seen = 0
        for at, number in enumerate(both):
            seen += number
            if number and seen >= wanted:
                return _middle(at)
        return 0.0

    def snapshot_ms(self) -> dict[str, float]:
        """Milliseconds as a panel shows them."""
        shares = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
        return {name: round(self.percentile(share) * 1000, 3) for name, share in shares}


def _middle(at: int) -> float:
    if at < 12:
        return at / 1_000_000
    power, quarter = divmod(at, 4)
    return (4 + quarter + 0.5) * (1 << (power - 3)) / 1_000_000


@dataclass(slots=True)
class Statistics:
    """What a pool has counted since it was made.

    Attributes:
        executed: Statements that gave a result.
        errors: Statements that failed, for whatever reason.
        created: Connections made.
        recycled: Connections replaced on purpose: unhealthy, too old, evicted.
        lost: Connections that broke.
        failed_connects: Attempts at connecting that failed.
        resets: Sessions that had to be cleaned.
        leaks: Connections that were taken back because their run had ended.
        timeouts: Acquires that gave up.
        peak: The most connections that were in use at once.
        acquire: Waits for a connection.
        query: Durations of statements.
    """

    executed: int = 0
    errors: int = 0
    created: int = 0
    recycled: int = 0
    lost: int = 0
    failed_connects: int = 0
    resets: int = 0
    leaks: int = 0
    timeouts: int = 0
    peak: int = 0
    acquire: Histogram = field(default_factory=Histogram)
    query: Histogram = field(default_factory=Histogram)

    def snapshot(self) -> dict[str, Any]:
        """The counters as plain data."""
        every = self.executed + self.errors
        rate = self.errors / every if every else 0.0
        return {
            "queries": {"executed": self.executed, "errors": self.errors, "error_rate": rate},
            "acquire_ms": self.acquire.snapshot_ms(),
            "query_ms": self.query.snapshot_ms(),
            "resets": self.resets,
            "leaks": self.leaks,
            "timeouts": self.timeouts,
            "failed_connects": self.failed_connects,
        }
