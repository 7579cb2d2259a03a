"""The connections of a pool: opened, checked, cleaned and closed in tasks of the stock's own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from kailash_studio.errors import DatabaseError
from kailash_studio.resilience.clock import Clock
from kailash_studio.services.postgres.connection import Connection
from kailash_studio.services.postgres.options import PoolOptions
from kailash_studio.services.postgres.statistics import Statistics

_SPREAD = 0.1  # of max_lifetime
_AGAIN_SECONDS = 1.0  # between attempts at growing while other connections serve
_ASLEEP_SECONDS = 10.0  # by which the wall clock runs ahead of ours when the machine has slept


class Stock:
    """All connections of a pool; those that are neither idle nor resting are in somebody's hands.

    Attributes:
        all: Every connection.
        idle: Ready, the last used at the end: it is the first to be used again.
        resting: Being checked or cleaned.
        opening: How many are being opened.
        generation: Raised to have all of them replaced.
        last_failure: Why the last attempt at connecting failed; None after one that did not.
    """

    def __init__(
        self,
        target: Mapping[str, Any],
        options: PoolOptions,
        statistics: Statistics,
        clock: Clock,
        chance: Callable[[], float],
    ) -> None:
        self._target = target
        self._options = options
        self._statistics = statistics
        self._clock = clock
        self._now = clock.now
        self._wall_now = clock.wall
        self._chance = chance
        self.all: set[Connection] = set()
        self.idle: list[Connection] = []
        self.resting: set[Connection] = set()
        self.opening = 0
        self.generation = 0
        self.last_failure: DatabaseError | None = None
        self._grow_at = 0.0
        self._suspect = -1.0  # connections that the server was last heard on before this are checked first
        self._usual = 0.0  # seconds that a check takes
        self._wall = clock.wall() - clock.now()
        self._tasks: set[asyncio.Task[None]] = set()
        self._openings: set[asyncio.Task[None]] = set()
        # What the pool does with a connection that is ready, with the news that none can be had, after one has gone.
        self.on_ready: Callable[[Connection], None] = lambda connection: None
        self.on_refused: Callable[[DatabaseError], None] = lambda error: None
        self.on_left: Callable[[], None] = lambda: None

    # ------------------------------------------------------------------ opening
    def open(self, wanted: int) -> None:
        """Open some, as far as the most allows; while others serve, a failure is not repeated at once."""
        room = self._options.max_connections - len(self.all) - self.opening
        if self.all and self._now() < self._grow_at:
            return
        for _ in range(min(wanted, room)):
            self.opening += 1
            task = self.spawn(self._open())
            self._openings.add(task)
            task.add_done_callback(self._openings.discard)

    def stop_opening(self) -> None:
        """Give up what is being opened: nobody will need it."""
        for task in self._openings:
            task.cancel()

    async def _open(self) -> None:
        options, generation = self._options, self.generation
        try:
            connection = await Connection.open(
                self._target,
                connect_seconds=options.connect_timeout,
                statement_seconds=options.statement_timeout,
                clock=self._clock,
            )
        except DatabaseError as error:
            self.opening -= 1
            self._statistics.failed_connects += 1
            self.last_failure = error
            self._grow_at = self._now() + _AGAIN_SECONDS
            if error.permanent or not (self.all or self.opening):
                self.on_refused(error)
            return
        except BaseException:
            self.opening -= 1
            raise
        self.opening -= 1
        self.last_failure = None
        self._statistics.created += 1
        connection.generation = generation
        connection.expires = connection.created + options.max_lifetime * (1 - _SPREAD * self._chance())
        self.all.add(connection)
        self.on_ready(connection)

    # ------------------------------------------------------------------ judging
    def is_worn(self, connection: Connection) -> bool:
        """It is to be replaced: too old, unwell or evicted."""
        return (
            connection.generation != self.generation
            or connection.health.score < self._options.health_threshold
            or self._now() > connection.expires
        )

    def is_doubtful(self, connection: Connection, now: float) -> bool:
        """The server has to be asked before it is used."""
        return connection.answered <= self._suspect or now - connection.answered > self._options.validate_after

    def wake(self, now: float) -> None:
        """Where the machine has slept since this was last asked, nobody knows what became of the connections."""
        wall = self._wall_now() - now
        if wall - self._wall > _ASLEEP_SECONDS:
            self._wall = wall
            self.suspect()

    def suspect(self) -> None:
        """Something broke: the server is asked on all idle connections before they are used."""
        self._suspect = self._now()

    def check(self, connection: Connection) -> None:
        """Ask the server for a sign of life; the connection is ready after it."""
        self.resting.add(connection)
        self.spawn(self._check(connection))

    async def _check(self, connection: Connection) -> None:
        lives = False
        try:
            lives = await connection.check(self._options.check_timeout, self._clock, self._usual)
        finally:
            self.resting.discard(connection)
            if not lives:
                self.suspect()
                self.lose(connection)
        if lives:
            latency = connection.health.latency
            self._usual = latency if not self._usual else 0.9 * self._usual + 0.1 * latency
            self.on_ready(connection)

    def clean(self, connection: Connection) -> None:
        """Take away what was left in the session; the connection is ready after it."""
        self._statistics.resets += 1
        self.resting.add(connection)
        self.spawn(self._clean(connection))

    async def _clean(self, connection: Connection) -> None:
        clean = False
        try:
            clean = await connection.clean()
        finally:
            self.resting.discard(connection)
            if not clean:
                self.lose(connection)
        if clean:
            connection.used = connection.answered = self._now()
            self.on_ready(connection)

    # ------------------------------------------------------------------ ending
    def lose(self, connection: Connection) -> None:
        """A connection is broken: it makes room for another."""
        self.all.discard(connection)
        self._statistics.lost += 1
        connection.terminate()
        self.on_left()

    def retire(self, connection: Connection) -> None:
        """A connection is replaced on purpose."""
        self._statistics.recycled += 1
        self.close(connection)

    def close(self, connection: Connection) -> None:
        """A connection is not needed any more."""
        self.all.discard(connection)
        self.spawn(connection.close())
        self.on_left()

    def take_idle(self) -> list[Connection]:
        """All idle ones, the longest unused first; nobody has them for the moment."""
        idle, self.idle = self.idle, []
        return idle

    def maintain(self) -> None:
        """Look after the idle ones: old ones end, those long idle are checked."""
        now, options = self._now(), self._options
        self.wake(now)
        self._wall = self._clock.wall() - now
        for connection in self.take_idle():
            if not connection.usable:
                self.lose(connection)
            elif self.is_worn(connection):
                self.retire(connection)
            elif len(self.all) > options.min_connections and now - connection.used > options.idle_timeout:
                self.close(connection)
            elif self.is_doubtful(connection, now):
                self.check(connection)
            else:
                self.on_ready(connection)

    # ------------------------------------------------------------------ tasks
    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do something that waits for the server."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def settled(self) -> None:
        """Wait for everything that is under way."""
        while self._tasks:
            await asyncio.wait(self._tasks)
