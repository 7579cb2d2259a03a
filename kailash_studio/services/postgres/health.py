"""How well a connection is, from 0 to 100: by faults, failed checks and latency, never by what users' SQL does."""

from __future__ import annotations

FULL = 100.0
_FAILED_CHECK = 40.0
_REGAINED = 10.0  # for each check that was answered in time
_SLOW_FACTOR = 10.0  # a check that takes ten times the usual ...
_SLOW_SECONDS = 0.05  # ... and is noticeable at all, is slow
_MOST_FOR_LATENCY = 50.0


class Health:
    """The score of one connection.

    Attributes:
        score: 0 (broken) to 100.
        latency: Seconds that the server takes to answer a check, smoothed; 0 before the first.
    """

    __slots__ = ("_base", "latency", "score")

    def __init__(self) -> None:
        self.score = FULL
        self.latency = 0.0
        self._base = FULL

    def fault(self) -> None:
        """The connection broke."""
        self.score = self._base = 0.0

    def failed_check(self) -> None:
        """A check was not answered, or late."""
        self._base = max(0.0, self._base - _FAILED_CHECK)
        self.score = min(self.score, self._base)

    def answered(self, seconds: float, usual: float) -> None:
        """A check was answered.

        Args:
            seconds: How long it took.
            usual: How long it takes on this pool; 0: not known yet.
        """
        self.latency = seconds if not self.latency else 0.7 * self.latency + 0.3 * seconds
        self._base = min(FULL, self._base + _REGAINED)
        limit = max(_SLOW_SECONDS, _SLOW_FACTOR * usual)
        over = self.latency / limit - 1
        self.score = max(0.0, self._base - min(_MOST_FOR_LATENCY, over * _MOST_FOR_LATENCY if over > 0 else 0.0))
