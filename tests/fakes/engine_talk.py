"""Speaks with an engine in this process, over its protocol."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from kailash_studio.runtime import protocol
from kailash_studio.runtime.host import Host

Ask = Callable[..., Awaitable[dict[str, Any]]]
Fits = Callable[[dict[str, Any]], Any]
Until = Callable[[Fits], Awaitable[dict[str, Any]]]


def talk(conversation: Callable[[Ask, Until], Awaitable[None]]) -> None:
    """Hold a conversation: it asks and gets the answers, and waits until the engine has told something."""

    async def work() -> None:
        sent: list[dict[str, Any]] = []
        requests: asyncio.Queue[bytes | None] = asyncio.Queue()
        heard = asyncio.Event()

        def send(message: dict[str, Any]) -> None:
            sent.append(json.loads(protocol.encode(message)))
            heard.set()

        async def until(fits: Fits) -> dict[str, Any]:
            async with asyncio.timeout(30):
                while True:
                    found = next((message for message in sent if fits(message)), None)
                    if found is not None:
                        return found
                    heard.clear()
                    await heard.wait()

        number = 0

        async def ask(do: str, **words: Any) -> dict[str, Any]:
            nonlocal number
            number += 1
            mine = number
            requests.put_nowait(protocol.encode({"id": mine, "do": do, **words}))
            answer = await until(lambda message: message.get("id") == mine)
            return answer.get("ok", answer)  # type: ignore[no-any-return]

        serving = asyncio.create_task(Host(send).serve(requests))
        await conversation(ask, until)
        requests.put_nowait(None)
        await serving

    asyncio.run(work())
