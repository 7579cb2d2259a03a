"""Work for the window that can be called off before it has begun: its answer then says ``{"dropped": true}``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from kailash_studio.runtime.updates import Answer


def unless_dropped(
    working: asyncio.Future[Answer], clean: Callable[[Answer], Answer] = lambda answer: answer
) -> asyncio.Future[Answer]:
    """What a work answers, cleaned of what must not be told; one that was cancelled says so."""
    answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    def done(ended: asyncio.Future[Answer]) -> None:
        if answer.done():
            return
        if ended.cancelled():
            answer.set_result({"dropped": True})
        elif (error := ended.exception()) is not None:
            answer.set_exception(error)
        else:
            answer.set_result(clean(ended.result()))

    working.add_done_callback(done)
    return answer
