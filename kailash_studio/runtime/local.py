"""The runtime for programs without asyncio."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from typing import Any

from kailash_studio.runtime.async_local import AsyncLocalRuntime, Buildable
from kailash_studio.spec.context import Outputs


class LocalRuntime(AsyncLocalRuntime):
    """Runs workflows and waits for them; takes the same arguments as ``AsyncLocalRuntime``."""

    def execute(  # type: ignore[override]
        self, workflow: Buildable, parameters: Mapping[str, Any] | None = None
    ) -> tuple[dict[str, Outputs], str]:
        """Run a workflow to its end; also from inside a running loop, as in a notebook (in a thread of its own then).

        Raises:
            WorkflowExecutionError: A node failed; carries results, run_id and failures.
            InvalidWorkflowError: It cannot run at all.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(self.execute_async(workflow, parameters))
        answer: list[Any] = []

        def work() -> None:
            try:
                answer.append((asyncio.run(self.execute_async(workflow, parameters)), None))
            except BaseException as error:  # noqa: BLE001 - carried over to the calling thread and raised there
                answer.append((None, error))

        thread = threading.Thread(target=work, name="kailash-studio-run")
        thread.start()
        thread.join()
        results, error = answer[0]
        if error is not None:
            raise error
        return results  # type: ignore[no-any-return]

    async def execute_async(
        self, workflow: Buildable, parameters: Mapping[str, Any] | None = None
    ) -> tuple[dict[str, Outputs], str]:
        """Run a workflow on the running loop; as ``AsyncLocalRuntime.execute``."""
        return await AsyncLocalRuntime.execute(self, workflow, parameters)
