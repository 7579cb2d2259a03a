"""Whether Qt's loop was held up: gaps between the beats of a timer in it, told apart from a busy machine's."""

from __future__ import annotations

import itertools
import threading
import time

from PySide6.QtCore import QObject, QTimer

_BEAT_MS = 5


class StallMeter:
    """Beats in Qt's loop and in a thread beside it.

    A gap counts when this thread itself computed for that long, or slept while the thread beside it went on: then
    something in the loop waited. When both stand still, the machine was busy with others.
    """

    def __init__(self, parent: QObject) -> None:
        self.gaps: list[float] = []
        self.computed = 0.0  # the longest that this thread itself computed between two beats
        self.beats = 0
        self._beside: list[float] = [time.monotonic()]
        self._ended = threading.Event()
        self._last, self._cpu = time.monotonic(), time.thread_time()
        self._timer = QTimer(parent, interval=_BEAT_MS)
        self._timer.timeout.connect(self._beat)
        self._thread = threading.Thread(target=self._go_beside, name="beside", daemon=True)

    def __enter__(self) -> StallMeter:
        self._last, self._cpu = time.monotonic(), time.thread_time()
        self._thread.start()
        self._timer.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._beat()
        self._timer.stop()
        self._timer.deleteLater()
        self._ended.set()
        self._thread.join()

    def _go_beside(self) -> None:
        while not self._ended.wait(_BEAT_MS / 1000):
            self._beside.append(time.monotonic())

    def _beat(self) -> None:
        now, cpu = time.monotonic(), time.thread_time()
        began, computed = self._last, cpu - self._cpu
        self._last, self._cpu = now, cpu
        self.beats += 1
        inside = [began, *(at for at in self._beside if began < at < now), now]
        del self._beside[:-1]
        beside = max(after - before for before, after in itertools.pairwise(inside))
        waited = now - began - beside  # what the thread beside did not stand still for
        self.gaps.append(max(computed, waited))
        self.computed = max(self.computed, computed)

    @property
    def longest(self) -> float:
        """Seconds of the longest stall."""
        return max(self.gaps, default=0.0)
