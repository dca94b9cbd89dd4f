"""The resolver against a real name server on loopback: what it answers, and what it takes for no answer."""

import asyncio
import socket
import time

import pytest

from config.dns.resolver import Answer, Kind, Unanswered
from config.dns.system import SystemResolver
from tests.fakes.dns_server import NEGATIVE_TTL, TTL, Fault, name_server
from tests.waiting import eventually

QUICK = {"seconds": 0.3, "try_seconds": 0.1}


def resolver_for(server, **options):
    return SystemResolver(["127.0.0.1"], port=server.port, **{"seconds": 2.0, "try_seconds": 0.5, **options})


async def test_strings_of_one_record_are_joined_and_records_are_apart():
    zone = {"example.org. TXT": ['"v=spf1 include:a.example " "-all"', '"b\\226\\130\\172 \\255"']}
    async with name_server(zone) as server:
        answer = await resolver_for(server).query("example.org", Kind.TXT)
    assert answer.values == ("b€ \\xff", "v=spf1 include:a.example -all")
    assert answer.exists
    assert answer.ttl == TTL


async def test_exchanges_come_in_order_and_the_null_one_as_a_dot():
    zone = {"example.org. MX": ["20 B.example.", "10 c.example.", "10 a.example."], "null.org. MX": ["0 ."]}
    async with name_server(zone) as server:
        resolver = resolver_for(server)
        assert (await resolver.query("example.org", Kind.MX)).values == ("10 a.example", "10 c.example", "20 b.example")
        assert (await resolver.query("null.org", Kind.MX)).values == ("0 .",)


async def test_addresses_of_both_families():
    zone = {"mail.org. A": ["9.9.9.9"], "mail.org. AAAA": ["2620:fe::fe"]}
    async with name_server(zone) as server:
        resolver = resolver_for(server)
        assert (await resolver.query("mail.org", Kind.A)).values == ("9.9.9.9",)
        assert (await resolver.query("mail.org", Kind.AAAA)).values == ("2620:fe::fe",)


async def test_no_such_name_and_no_such_record_are_certain_for_as_long_as_the_zone_says():
    async with name_server({"example.org. A": ["9.9.9.9"]}) as server:
        resolver = resolver_for(server)
        assert await resolver.query("example.org", Kind.TXT) == Answer(exists=True, ttl=NEGATIVE_TTL)
        assert await resolver.query("none.org", Kind.TXT) == Answer(exists=False, ttl=NEGATIVE_TTL)


async def test_aliases_are_followed_and_told():
    zone = {
        "s1._domainkey.example.org. CNAME": ["one.example."],
        "one.example. CNAME": ["Two.example."],
        "two.example. TXT": ['"p=x"'],
        "s2._domainkey.example.org. CNAME": ["gone.example."],
    }
    async with name_server(zone) as server:
        resolver = resolver_for(server)
        found = await resolver.query("s1._domainkey.example.org", Kind.TXT)
        gone = await resolver.query("s2._domainkey.example.org", Kind.TXT)
    assert (found.values, found.aliases) == (("p=x",), ("one.example", "two.example"))
    assert (gone.values, gone.aliases, gone.exists) == ((), ("gone.example",), False)


async def test_an_alias_into_a_private_zone_is_not_followed():
    zone = {"example.org. CNAME": ["secret.corp."], "secret.corp. TXT": ['"inside"']}
    async with name_server(zone) as server:
        with pytest.raises(Unanswered):
            await resolver_for(server).query("example.org", Kind.TXT)


async def test_a_truncated_answer_is_asked_for_again_by_tcp():
    long = [f'"{number} {"x" * 200}"' for number in range(20)]
    async with name_server({"example.org. TXT": long}) as server:
        answer = await resolver_for(server).query("example.org", Kind.TXT)
        assert len(answer.values) == 20
        assert [protocol for _, _, protocol in server.asked] == ["udp", "tcp"]


async def test_an_answer_that_fits_is_not_asked_for_by_tcp():
    long = [f'"{number} {"x" * 200}"' for number in range(5)]  # more than 512 bytes, less than the payload we name
    async with name_server({"example.org. TXT": long}) as server:
        assert len((await resolver_for(server).query("example.org", Kind.TXT)).values) == 5
        assert [protocol for _, _, protocol in server.asked] == ["udp"]


@pytest.mark.parametrize("fault", [Fault.SERVFAIL, Fault.REFUSED, Fault.SILENT, Fault.MALFORMED, Fault.NO_TCP])
async def test_what_is_not_answered_properly_is_unknown_and_soon_so(fault):
    async with name_server({"example.org. TXT": fault}) as server:
        began = time.monotonic()
        with pytest.raises(Unanswered):
            await resolver_for(server, **QUICK).query("example.org", Kind.TXT)
        assert time.monotonic() - began < 2


async def test_a_second_try_helps_where_the_first_answer_got_lost():
    async with name_server({"example.org. TXT": Fault.SILENT}) as server:
        asking = asyncio.create_task(resolver_for(server, seconds=2.0, try_seconds=0.1).query("example.org", Kind.TXT))
        await eventually(lambda: server.asked)
        server.zone["example.org. TXT"] = ['"now"']
        assert (await asking).values == ("now",)


async def test_an_answer_beyond_all_reason_is_none():
    huge = [f'"{number:04}{"x" * 250}"' for number in range(140)]
    async with name_server({"example.org. TXT": huge}) as server:
        with pytest.raises(Unanswered):
            await resolver_for(server).query("example.org", Kind.TXT)


@pytest.mark.parametrize("name", ["a..example.org", f"{'x' * 64}.example.org", ".".join(["x" * 60] * 5)])
async def test_a_name_that_cannot_be_asked_for_is_unknown(name):
    async with name_server({}) as server:
        with pytest.raises(Unanswered):
            await resolver_for(server).query(name, Kind.TXT)
        assert server.asked == []


async def test_names_are_absolute_whatever_the_machine_searches(tmp_path):
    file = tmp_path / "resolv.conf"
    file.write_text("search inside.example\noptions ndots:5\nnameserver 127.0.0.1\n")
    async with name_server({}) as server:
        resolver = SystemResolver(port=server.port, file=str(file))
        assert not (await resolver.query("mail", Kind.A)).exists
        assert [name for name, _, _ in server.asked] == ["mail."]


async def test_without_a_readable_configuration_nothing_is_known_until_it_is_there(tmp_path):
    file = tmp_path / "resolv.conf"
    async with name_server({"example.org. A": ["9.9.9.9"]}) as server:
        resolver = SystemResolver(port=server.port, file=str(file))
        with pytest.raises(Unanswered):
            await resolver.query("example.org", Kind.A)
        file.write_text("nameserver not-an-address\n")
        with pytest.raises(Unanswered):
            await SystemResolver(port=server.port, file=str(file)).query("example.org", Kind.A)
        file.write_text("nameserver 127.0.0.1\n")
        assert (await resolver.query("example.org", Kind.A)).values == ("9.9.9.9",)


async def test_a_name_server_that_is_not_there_is_no_answer():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(Unanswered):
        await SystemResolver(["127.0.0.1"], port=port, seconds=0.3, try_seconds=0.1).query("example.org", Kind.A)


async def test_only_so_many_questions_are_under_way():
    zone = {f"n{number}.org. A": Fault.SILENT for number in range(6)}
    async with name_server(zone) as server:
        resolver = resolver_for(server, at_once=2, seconds=30.0, try_seconds=30.0)
        asking = [asyncio.create_task(resolver.query(f"n{number}.org", Kind.A)) for number in range(6)]
        await eventually(lambda: len(server.asked) >= 2)
        asking[0].cancel()
        await eventually(lambda: len(server.asked) >= 3)  # the place of the one that gave up
        assert len({name for name, _, _ in server.asked}) == 3
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
