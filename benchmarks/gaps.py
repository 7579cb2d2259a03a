"""How long a window's loop stands still: the time between two turns of a timer without interval."""

from __future__ import annotations

import time


class Gaps:
    """The longest gap of the loop in each step."""

    def __init__(self) -> None:
        from PySide6.QtCore import QTimer

        self.longest: dict[str, float] = {}
        self._step, self._last = "", time.perf_counter()
        self._timer = QTimer(interval=0)
        self._timer.timeout.connect(self._turn)
        self._timer.start()

    def _turn(self) -> None:
        now = time.perf_counter()
        self.longest[self._step] = max(self.longest.get(self._step, 0.0), now - self._last)
        self._last = now

    def begin(self, step: str) -> None:
        """From here on the gaps belong to this step."""
        self._turn()
        self._step = step

    def stop(self) -> None:
        """Measure no more."""
        self._timer.stop()
        self.longest.pop("", None)
