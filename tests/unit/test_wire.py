"""The cut-able wire itself: what the other tests rely on when they blame the product."""

import asyncio
import contextlib

import pytest

from tests.fakes.wire import Direction, Wire
from tests.waiting import eventually


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(1000):
            writer.write(data)
            await writer.drain()
    writer.close()


@pytest.fixture
async def wire():
    server = await asyncio.start_server(_echo, "127.0.0.1", 0)
    async with server, Wire("127.0.0.1", server.sockets[0].getsockname()[1]) as wire:
        yield wire


@pytest.fixture
async def client(wire: Wire):
    reader, writer = await asyncio.open_connection("127.0.0.1", wire.port)
    yield reader, writer
    writer.transport.abort()


async def test_carries_bytes_both_ways_and_counts_them(wire: Wire, client) -> None:
    reader, writer = client
    writer.write(b"hello")
    assert await reader.readexactly(5) == b"hello"
    assert wire.links[0].carried == {Direction.UP: 5, Direction.DOWN: 5}


async def test_half_closed_connection_still_gets_its_answer(client) -> None:
    reader, writer = client
    writer.write(b"last words")
    writer.write_eof()
    assert await reader.read() == b"last words"


async def test_cut_resets_the_client(wire: Wire, client) -> None:
    reader, writer = client
    writer.write(b"x")
    await reader.readexactly(1)
    assert wire.cut() == 1
    with pytest.raises(ConnectionResetError):
        await reader.read()
    assert wire.live == []


@pytest.mark.parametrize("way", list(Direction))
async def test_cut_after_lets_exactly_so_many_bytes_through(wire: Wire, client, way: Direction) -> None:
    reader, writer = client
    writer.write(b"x")
    await reader.readexactly(1)
    wire.cut_after(4, way)
    writer.write(b"123456789")
    if way is Direction.DOWN:
        assert await reader.readexactly(4) == b"1234"
    with pytest.raises(ConnectionResetError):
        await reader.readexactly(5)
    assert wire.links[0].carried[way] == 5


async def test_frozen_wire_carries_nothing_and_closes_nothing(wire: Wire, client) -> None:
    reader, writer = client
    wire.freeze()
    writer.write(b"x")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.readexactly(1), 0.2)
    wire.thaw()
    assert await asyncio.wait_for(reader.readexactly(1), 5) == b"x"


async def test_delay_is_added_in_each_direction(wire: Wire, client) -> None:
    reader, writer = client
    wire.delay = 0.1
    loop = asyncio.get_running_loop()
    began = loop.time()
    writer.write(b"x")
    await reader.readexactly(1)
    assert loop.time() - began >= 0.2


async def test_black_hole_accepts_and_never_answers(wire: Wire) -> None:
    wire.black_hole()
    reader, writer = await asyncio.open_connection("127.0.0.1", wire.port)
    writer.write(b"x")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.readexactly(1), 0.2)
    writer.transport.abort()


async def test_refused_connections_are_accepted_again_on_the_same_port(wire: Wire) -> None:
    port = wire.port
    await wire.refuse()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
    await wire.accept()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"x")
    assert await reader.readexactly(1) == b"x"
    writer.close()


async def test_new_connections_are_cut_until_healed(wire: Wire) -> None:
    wire.cut_after(0, Direction.UP, new_too=True)
    reader, writer = await asyncio.open_connection("127.0.0.1", wire.port)
    writer.write(b"x")
    with pytest.raises(ConnectionResetError):
        await reader.read()
    wire.heal()
    reader, writer = await asyncio.open_connection("127.0.0.1", wire.port)
    writer.write(b"x")
    assert await reader.readexactly(1) == b"x"
    writer.close()
    await eventually(lambda: wire.opened == 2)
