"""The pool: hands connections out in the order in which they are asked for.

Acquiring an idle connection and releasing a clean one are plain calls with no round trip. Whatever has to wait for the
server is a task of the stock's, so a caller that is cancelled loses nothing, and a connection reaches the first in the
queue by one way only, ``_ready``.
"""

from __future__ import annotations

import asyncio
import copy
import random
import uuid
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Self

from kailash_studio.errors import PoolClosedError, PoolTimeoutError
from kailash_studio.resilience.clock import Clock, SystemClock
from kailash_studio.services.postgres.connection import NEVER, Connection
from kailash_studio.services.postgres.errors import place_of
from kailash_studio.services.postgres.large import RowCounts
from kailash_studio.services.postgres.lease import Lease
from kailash_studio.services.postgres.options import PoolOptions
from kailash_studio.services.postgres.queue import Queue, Waiter
from kailash_studio.services.postgres.statistics import Holder, Owner, Statistics, listed
from kailash_studio.services.postgres.stock import Stock
from kailash_studio.services.postgres.transaction import Fate

_NOBODY = Owner()
_DRAINED = "is drained"
_TICK_SECONDS = 5.0
_STATISTICS_SECONDS = 60.0
_REPLACE_SECONDS = 5.0  # between replacing all sessions, so that a server that only reads by intention costs little


class Pool:
    """A pool of connections to one address, on one asyncio loop.

    Attributes:
        id: Tells it from others of its name.
        name: For people.
        place: The address, for people.
        workflows: Whose nodes asked for it, by name.
        options: How it behaves.
        target: The address, as it was given; with the password.
        statistics: What it has counted.
        warmed: How many connections were opened before they were asked for, and why; empty for none.
        row_counts: How many rows statements gave.
        now: Its clock.
        watched_until: When the running statements are looked at next.
    """

    def __init__(
        self,
        target: Mapping[str, Any],
        options: PoolOptions | None = None,
        *,
        name: str = "",
        clock: Clock | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Prepare; nothing is connected before the first acquire or ``warm``.

        Args:
            target: Arguments of ``asyncpg.connect``: ``dsn``, or host, port, user, password, database.
            options: How it behaves.
            name: For people; by default the address.
            clock: Time.
            chance: Gives numbers from 0 to 1, which spread the ends of connections.
        """
        clock = clock or SystemClock()
        self.target = dict(target)
        self.options = options or PoolOptions()
        self.place = place_of(target)
        self.name = name or self.place
        self.id, self.workflows = uuid.uuid4().hex, set[str]()
        self.now = clock.now
        self.statistics = Statistics()
        self.warmed = ""
        self.row_counts = RowCounts()
        self._queue = Queue(self.options.max_per_workflow, clock.now, self._too_late)
        stock = self._stock = Stock(dict(target), self.options, self.statistics, clock, chance)
        stock.on_ready, stock.on_refused, stock.on_left = self._ready, self._queue.refuse, self._left
        self._paused, self._ended = False, ""
        self._emptied: asyncio.Event | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._rotated = self.now()
        self._replaced = -_REPLACE_SECONDS
        self._watch: asyncio.TimerHandle | None = None
        self.watched_until = NEVER

    # ------------------------------------------------------------------ acquire and release
    async def acquire(self, owner: Owner = _NOBODY, *, seconds: float | None = None) -> Lease:
        """A connection, in the order of asking: ``async with await pool.acquire(owner) as lease: ...``.

        Args:
            owner: Who will use it; shown while it does.
            seconds: How long to wait, instead of the pool's ``acquire_timeout``.

        Raises:
            PoolTimeoutError: None came free in time; the sentence names who holds them.
            PoolClosedError: The pool is closed.
            DatabaseError: No connection can be made at all.
        """
        statistics, now = self.statistics, self.now()
        connection = self._take(owner, now)
        if connection is None:
            began = now
            try:
                connection = await self._wait(owner, self.options.acquire_timeout if seconds is None else seconds)
            finally:
                now = self.now()
                if owner.acquired is not None:
                    owner.acquired(self.name, now - began, connection is not None)
            statistics.acquire.add(now - began)
        else:
            statistics.acquire.add_none()
            if owner.acquired is not None:
                owner.acquired(self.name, 0.0, True)
        lease = connection.lease = Lease(self, connection, owner, now)
        in_use = self._in_use()
        if in_use > statistics.peak:  # noqa: PLR1730 - max() costs more than all of the rest here
            statistics.peak = in_use
        return lease

    def _in_use(self) -> int:
        stock = self._stock
        return len(stock.all) - len(stock.idle) - len(stock.resting)

    def _take(self, owner: Owner, now: float) -> Connection | None:
        """An idle connection that can be used at once."""
        if self._ended:
            raise PoolClosedError(f"The pool {self.name} {self._ended}: make a new one.")
        queue, stock = self._queue, self._stock
        if queue.waiters or self._paused or (queue.limited and not queue.may_use(owner)):
            return None
        if stock.idle:
            stock.wake(now)
        while stock.idle:
            connection = stock.idle.pop()
            if connection.broken or not connection.connected():
                stock.lose(connection)
            elif stock.is_doubtful(connection, now):
                stock.check(connection)
                return None  # it comes to the first in the queue once the server has answered
            else:
                if queue.limited:
                    queue.count(owner, 1)
                return connection
        return None

    async def _wait(self, owner: Owner, seconds: float) -> Connection:
        waiter = self._queue.join(owner, seconds)
        if self._stock.idle:
            self._serve()
        if len(self._stock.all) + self._stock.opening < self.options.max_connections:
            self._grow()
        try:
            return await waiter.future
        except asyncio.CancelledError:
            if waiter.future.cancelled():
                self._queue.leave(waiter)
            elif waiter.future.exception() is None:  # given at the very moment of the cancellation
                self._queue.count(owner, -1)
                self._ready(waiter.future.result())
            raise

    def take_back(self, connection: Connection) -> None:
        """A lease has ended; called by ``Lease`` alone."""
        lease, connection.lease = connection.lease, None
        if lease is not None and self._queue.limited:
            self._queue.count(lease.owner, -1)
            self._put_back(connection)
            if self._queue.waiters and self._stock.idle:
                self._serve()  # what came back may be lost or resting, and another is idle
        else:
            self._put_back(connection)

    def _put_back(self, connection: Connection) -> None:
        stock = self._stock
        if connection not in stock.all:
            return
        if connection.broken or not connection.connected():
            stock.lose(connection)
        elif self._ended:
            stock.close(connection)  # the server rolls back what is open
        elif connection.spoiled:
            stock.retire(connection)
        elif connection.unclean or connection.raw.is_in_transaction():
            stock.clean(connection)
        else:
            connection.used = connection.answered = self.now()
            self._ready(connection)

    def _ready(self, connection: Connection) -> None:
        """A connection can be used: by the first in the queue, or it becomes idle."""
        stock = self._stock
        if self._ended or stock.is_worn(connection):
            stock.retire(connection)
            return
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_TICK_SECONDS, self._tick)
        if self._queue.waiters and not self._paused:
            waiter = self._queue.first()
            if waiter is not None:
                self._queue.count(waiter.owner, 1)
                waiter.future.set_result(connection)
                return
        stock.idle.append(connection)

    def _serve(self) -> None:
        """Give idle connections to those that wait and may have one."""
        stock, queue = self._stock, self._queue
        while stock.idle and not self._paused and (wanted := queue.wanted()):
            connection = stock.idle.pop()
            if not connection.usable:
                stock.lose(connection)
            elif not stock.is_doubtful(connection, self.now()):
                self._ready(connection)
            elif wanted > len(stock.resting):
                stock.check(connection)
            else:
                stock.idle.append(connection)
                return  # as many as are waited for are being asked

    def _grow(self) -> None:
        """Open as many connections as are waited for, and as the minimum wants."""
        if self._ended:
            return
        stock = self._stock
        waited_for = 0 if self._paused else self._queue.wanted() - stock.opening - len(stock.resting)
        stock.open(max(waited_for, self.options.min_connections - len(stock.all) - stock.opening))

    def _left(self) -> None:
        if self._emptied is not None and not self._stock.all:
            self._emptied.set()
        self._grow()

    def watch(self, at: float) -> None:
        """Look at the running statements then; one timer for all, since a driver's timer for each costs a fifth."""
        if self._watch is not None:
            self._watch.cancel()
        self.watched_until = at
        self._watch = None
        if at != NEVER:
            self._watch = asyncio.get_running_loop().call_later(max(0.0, at - self.now()), self._look)

    def _look(self) -> None:
        now = self.now()
        for connection in self._stock.all:
            if connection.deadline <= now:
                connection.give_up()
        self.watch(min((connection.deadline for connection in self._stock.all if connection.usable), default=NEVER))

    def fault(self) -> None:
        """A connection broke in use: idle ones are checked before they are used."""
        self._stock.suspect()

    def read_only(self) -> None:
        """The server has refused a change since it only reads now, as after a failover: no session stays with it."""
        if self.now() - self._replaced > _REPLACE_SECONDS:
            self._replaced = self.now()
            self.evict()

    def _too_late(self, waiter: Waiter) -> PoolTimeoutError:
        self.statistics.timeouts += 1
        return PoolTimeoutError(
            f"No connection of {self.name} came free within {waiter.seconds:g} s: {self._why(waiter)}"
        )

    def _why(self, waiter: Waiter) -> str:
        if self._paused:
            return "the pool is paused; resume it."
        holders = self.holders()
        failure = str(self._stock.last_failure or "")
        if not holders:
            return failure or f"{self.place} has not answered yet; see whether it is reachable."
        limit = self.options.max_per_workflow
        own = [holder for holder in holders if holder.owner.workflow == waiter.owner.workflow]
        if limit and len(own) >= limit:
            return f"{waiter.owner.workflow or 'its workflow'} uses all {limit} that it may: {listed(own)}."
        more = f" More cannot be opened: {failure}" if failure else " Raise max_connections, or see why they are held."
        return f"{len(holders)} of {self.options.max_connections} are in use: {listed(holders)}.{more}"

    # ------------------------------------------------------------------ care
    def _tick(self) -> None:
        self._timer = None
        self.maintain()
        if self._timer is None and (self._stock.all or self._stock.opening) and not self._ended:
            self._timer = asyncio.get_running_loop().call_later(_TICK_SECONDS, self._tick)

    def maintain(self) -> None:
        """Look after idle connections and statistics; called every few seconds while there are connections."""
        now = self.now()
        if now - self._rotated > _STATISTICS_SECONDS:
            self._rotated = now
            self.statistics.acquire.rotate()
            self.statistics.query.rotate()
        self._stock.maintain()
        self._grow()

    async def warm(self, count: int | None = None, *, at_least: int = 0) -> None:
        """Open connections before they are needed.

        Args:
            count: How many are to be open; None: ``min_connections``, or as many as were ever used at once.
            at_least: Without a count, how many will be asked for at once; no more than there may be.

        Raises:
            DatabaseError: None can be made.
        """
        stock, least = self._stock, max(self.options.min_connections, self.statistics.peak)
        wanted = max(least, min(at_least, self.options.max_connections)) if count is None else count
        stock.open(wanted - len(stock.all) - stock.opening)
        await stock.settled()
        if wanted and not stock.all and stock.last_failure is not None:
            raise copy.copy(stock.last_failure)

    # ------------------------------------------------------------------ operation
    @property
    def is_ended(self) -> bool:
        """It is closed or drained: it hands nothing out any more."""
        return bool(self._ended)

    @property
    def state(self) -> str:
        """``open``, ``paused``, ``draining`` while some are in use still, ``drained`` or ``closed``."""
        if not self._ended:
            return "paused" if self._paused else "open"
        return "draining" if self.is_draining else self._ended.removeprefix("is ")

    @property
    def is_draining(self) -> bool:
        """It hands nothing out any more, and waits for what is in use."""
        return self._ended == _DRAINED and bool(self._stock.all)

    def is_as(self, target: Mapping[str, Any], options: PoolOptions) -> bool:
        """It serves, and leads there and behaves so."""
        return not self._ended and self.target == dict(target) and self.options == options

    def settle(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something that the end of the pool waits for."""
        self._stock.spawn(work)

    def pause(self) -> None:
        """Hand nothing out until ``resume``; what is in use goes on."""
        self._paused = True

    def resume(self) -> None:
        """Hand out again, first to those that waited."""
        self._paused = False
        for connection in self._stock.take_idle():
            self._ready(connection)
        self._grow()

    def evict(self) -> int:
        """Replace all connections: idle ones now, those in use when they are given back.

        Returns:
            How many.
        """
        count = len(self._stock.all)
        self._stock.generation += 1
        for connection in self._stock.take_idle():
            self._stock.retire(connection)
        return count

    def run_ended(self, run: str) -> list[Holder]:
        """Take back what a run has not given back.

        Returns:
            Who had forgotten it.
        """
        now = self.now()
        leases = [connection.lease for connection in self._stock.all if connection.lease is not None]
        forgotten = [lease for lease in leases if lease.owner.run == run]
        holders = [lease.holder(now) for lease in forgotten]
        for lease, holder in zip(forgotten, holders, strict=True):
            self.statistics.leaks += 1
            lease.reclaim(f"was taken back when run {run} ended")
            if lease.owner.warned is not None:
                last = f" (its last statement: {holder.short})" if holder.statement else ""
                lease.owner.warned(
                    f"{lease.owner.node} had not released its connection of the pool {self.name} when the run "
                    f"ended{last}: it was taken back, and what was not committed is rolled back."
                )
        return holders

    async def drain(self, seconds: float = 30.0) -> bool:
        """Hand nothing out any more, wait for what is in use, and close.

        Args:
            seconds: How long to wait; what is in use then is cut off.

        Returns:
            Whether everything had been given back.
        """
        self._end(_DRAINED)
        emptied = self._emptied = asyncio.Event()
        given_back = True
        if self._stock.all:
            try:
                await asyncio.wait_for(emptied.wait(), seconds)
            except TimeoutError:
                given_back = False
        await self.aclose()
        return given_back

    async def aclose(self) -> None:
        """Close; connections in use are cut off."""
        if not self._ended:
            self._end("is closed")
        for connection in [*self._stock.all]:
            if connection.lease is not None:
                connection.lease.reclaim("was cut off when the pool was closed")
        self._stock.stop_opening()
        await self._stock.settled()

    def _end(self, how: str) -> None:
        self._ended = how
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.watch(NEVER)
        self._queue.refuse(PoolClosedError(f"The pool {self.name} {how}: make a new one."))
        for connection in self._stock.take_idle():
            self._stock.close(connection)

    async def fate_of(self, transaction_id: str) -> Fate:
        """What became of a transaction whose COMMIT had no answer.

        Args:
            transaction_id: From ``OutcomeUnknownError``.

        Raises:
            DatabaseError: The server cannot be asked.
        """
        async with await self.acquire() as lease:
            told = await lease.run("SELECT pg_xact_status($1::text::xid8)", [transaction_id], limit=1)
        fate: Fate = told.records[0][0] or "unknown"
        return fate

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()

    # ------------------------------------------------------------------ what a panel shows
    def holders(self) -> list[Holder]:
        """Who uses connections, the longest first."""
        now = self.now()
        leases = [connection.lease for connection in self._stock.all if connection.lease is not None]
        return sorted((lease.holder(now) for lease in leases), key=lambda holder: -holder.seconds)

    def snapshot(self) -> dict[str, Any]:
        """Everything that a panel shows, as plain data."""
        stock, counted = self._stock, self.statistics
        scores = [connection.health.score for connection in stock.all]
        return {
            "id": self.id,
            "name": self.name,
            "address": self.place,
            "workflows": sorted(self.workflows),
            "warmed": self.warmed,
            "state": self.state,
            **counted.snapshot(),
            "connections": {
                "created": counted.created,
                "recycled": counted.recycled,
                "lost": counted.lost,
                "active": self._in_use(),
                "idle": len(stock.idle),
                "resting": len(stock.resting),
                "opening": stock.opening,
                "size": len(stock.all),
                "max": self.options.max_connections,
                "peak": counted.peak,
            },
            "health": {"average": sum(scores) / len(scores) if scores else 100.0, "lowest": min(scores, default=100.0)},
            "waiting": len(self._queue.waiters),
            "last_failure": str(stock.last_failure or ""),
            "holders": [{**holder._asdict(), "owner": holder.owner.names()} for holder in self.holders()],
        }
