"""Side tasks that are owned, named and watched: none is lost to the garbage collector, and none dies unnoticed."""

import asyncio
from collections.abc import Coroutine

from config.logs import get_logger

log = get_logger(__name__)


class Background:
    """Holds the running side tasks of one program.

    ``failed`` is set when a task that was started with ``vital`` has ended by an exception: whoever runs the program
    waits for it and stops, because a consumer without its housekeeping only looks alive.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self.failed = asyncio.Event()

    def start(self, work: Coroutine[object, object, None], *, name: str, vital: bool = False) -> asyncio.Task[None]:
        """Runs ``work`` as a task of its own."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._ended(done, vital=vital))
        return task

    def _ended(self, task: asyncio.Task[None], *, vital: bool) -> None:
        self._tasks.discard(task)
        if task.cancelled() or task.exception() is None:
            return
        log.error("side task failed", step=task.get_name(), exc_info=task.exception())
        if vital:
            self.failed.set()

    async def aclose(self) -> None:
        """Cancels what still runs and waits for it."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
