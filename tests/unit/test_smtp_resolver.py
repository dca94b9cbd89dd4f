"""Look-ups in threads of their own: answered, refused, given up."""

import asyncio
import threading
from collections.abc import Iterator, Sequence

import pytest

from tests.waiting import eventually
from transports.smtp.resolver import system_resolver


class SilentNameServer:
    """Look-ups that block until they are released; they bear no interruption."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self.threads: list[threading.Thread] = []

    def ask(self, host: str, port: int) -> Sequence[str]:
        self.threads.append(threading.current_thread())
        self.released.wait(20)
        return ["192.0.2.1"]

    def end(self) -> None:
        self.released.set()
        for thread in self.threads:
            thread.join(10)


@pytest.fixture
def silent() -> Iterator[SilentNameServer]:
    server = SilentNameServer()
    yield server
    server.end()


async def test_a_name_is_found_with_all_its_addresses_once_each() -> None:
    found = await system_resolver("localhost", 25)
    assert "127.0.0.1" in found
    assert len(set(found)) == len(found)


async def test_what_cannot_be_asked_for_is_an_error_of_the_caller_s() -> None:
    with pytest.raises(UnicodeError):
        await system_resolver("a" * 64, 25)


async def test_names_nobody_answers_for_do_not_keep_others_waiting(silent: SilentNameServer) -> None:
    """The event loop's own threads are about as many as there are processors."""
    stuck = [asyncio.create_task(system_resolver(f"n{number}", 25, silent.ask)) for number in range(50)]
    await eventually(lambda: len(silent.threads) == len(stuck))
    assert await asyncio.wait_for(system_resolver("127.0.0.1", 25), 5) == ["127.0.0.1"]
    silent.released.set()
    assert await asyncio.gather(*stuck) == [["192.0.2.1"]] * len(stuck)


async def test_a_look_up_that_was_given_up_ends_in_silence(silent: SilentNameServer) -> None:
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    task = asyncio.create_task(system_resolver("n", 25, silent.ask))
    await eventually(lambda: len(silent.threads) == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    silent.end()
    await asyncio.sleep(0)
    assert complaints == []


def test_the_end_of_the_process_does_not_wait_for_a_look_up(silent: SilentNameServer) -> None:
    async def leave() -> None:
        task = asyncio.create_task(system_resolver("n", 25, silent.ask))
        await eventually(lambda: len(silent.threads) == 1)
        task.cancel()

    asyncio.run(leave())
    assert [thread.daemon for thread in silent.threads] == [True]
    silent.end()  # the answer of a loop that is closed; what a thread raises fails the test
