"""Who may start now: together with others, or alone."""

import asyncio

from consumer.gate import Gate


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


async def turns(count=10):
    """Lets every ready task run for a few rounds of the loop."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_many_run_together():
    gate = Gate(Clock())
    async with gate.together(), gate.together():
        pass


async def test_a_suspect_waits_for_those_that_run_and_keeps_others_out():
    gate = Gate(Clock())
    log = []
    release_first, release_suspect = asyncio.Event(), asyncio.Event()

    async def first():
        async with gate.together():
            await release_first.wait()
            log.append("first ends")

    async def suspect():
        async with gate.alone():
            log.append("suspect runs")
            await release_suspect.wait()
            log.append("suspect ends")

    async def late():
        async with gate.together():
            log.append("late runs")

    async with asyncio.TaskGroup() as group:
        group.create_task(first())
        await turns()
        group.create_task(suspect())
        await turns()
        group.create_task(late())
        await turns()
        assert log == []
        release_first.set()
        await turns()
        assert log == ["first ends", "suspect runs"]
        release_suspect.set()
    assert log == ["first ends", "suspect runs", "suspect ends", "late runs"]


async def test_two_suspects_never_run_at_the_same_time():
    gate = Gate(Clock())
    running, most = 0, 0

    async def suspect():
        nonlocal running, most
        async with gate.alone():
            running += 1
            most = max(most, running)
            await turns()
            running -= 1

    async with asyncio.TaskGroup() as group:
        for _ in range(5):
            group.create_task(suspect())
    assert most == 1


async def test_what_has_run_long_enough_no_longer_keeps_a_suspect_waiting():
    clock = Clock()
    gate = Gate(clock)
    async with gate.together():
        clock.now += 11
        async with asyncio.timeout(1), gate.alone():
            pass


async def test_a_suspect_that_has_run_long_enough_lets_the_others_in():
    gate = Gate(asyncio.get_running_loop().time, proved=0.01)
    async with gate.alone(), asyncio.timeout(2), gate.together():
        pass


async def test_a_cancelled_suspect_leaves_the_gate_open():
    gate = Gate(Clock())
    async with gate.together():
        waiting = asyncio.create_task(_alone(gate))
        await turns()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        async with asyncio.timeout(1), gate.together():
            pass


async def _alone(gate):
    async with gate.alone():
        raise AssertionError("it must not get in")


async def test_whoever_waited_for_a_suspect_goes_before_the_next_one():
    gate = Gate(asyncio.get_running_loop().time, proved=0.01)
    begun, end = [], asyncio.Event()

    async def suspect(number):
        async with gate.alone():
            begun.append(number)
            await end.wait()

    async with asyncio.TaskGroup() as group:
        for number in range(5):
            group.create_task(suspect(number))
        await turns()
        async with asyncio.timeout(5), gate.together():
            assert begun == [0]
        end.set()
    assert begun == [0, 1, 2, 3, 4]
