"""Phases become the stages of a check: in order, each once, with what was learnt while it lasted."""

from tests.fakes.smtpd_client import Clock
from transports.errors import Code, Unreachable
from transports.protocol import Stage
from transports.smtp.phases import Phase
from transports.smtp.stages import Stages

OPENING = (Phase.ADDRESS, Phase.CONNECT, Phase.GREETING, Phase.EHLO, Phase.STARTTLS, Phase.TLS, Phase.EHLO)
IMPLICIT = (Phase.ADDRESS, Phase.CONNECT, Phase.TLS, Phase.GREETING, Phase.EHLO)


def names(*phases: Phase) -> list[str]:
    stages = Stages(Clock())
    for phase in phases:
        stages.entered(phase)
    return [stage.name for stage in stages.passed()]


def test_greeting_and_ehlo_belong_to_the_stage_under_way() -> None:
    assert names(*OPENING) == names(*IMPLICIT) == ["address", "connect", "tls"]
    assert names(*OPENING[:4]) == ["address", "connect"]
    assert names(*OPENING, Phase.AUTH, Phase.MAIL, Phase.RCPT) == ["address", "connect", "tls", "sign_in", "sender"]


def test_a_second_connection_neither_repeats_stages_nor_their_facts() -> None:
    stages = Stages(Clock())
    for phase in (*OPENING, Phase.AUTH):
        stages.entered(phase)
        stages.learnt(Phase.CONNECT, (("heard", "a greeting"),))
    stages.learnt(Phase.AUTH, (("mechanism", "XOAUTH2"),))
    for phase in OPENING:
        stages.entered(phase)
    stages.learnt(Phase.TLS, (("protocol", "TLSv1.3"),))
    assert stages.current == "sign_in"
    assert [(stage.name, stage.facts) for stage in stages.passed()] == [
        ("address", ()),
        ("connect", (("heard", "a greeting"),)),
        ("tls", ()),
        ("sign_in", (("mechanism", "XOAUTH2"),)),
    ]


def test_each_stage_has_its_own_time_and_is_told_when_it_ends() -> None:
    clock, told = Clock(), list[Stage]()
    stages = Stages(clock, told.append)
    for phase, seconds in ((Phase.ADDRESS, 1.0), (Phase.CONNECT, 2.0), (Phase.GREETING, 4.0)):
        stages.entered(phase)
        clock.now += seconds
    assert told == [Stage("address", True, 1.0)]
    failed = stages.failed(Unreachable(Code.REPLY_TIMEOUT, "no greeting"))
    assert tuple(told) == tuple(failed)
    assert told[1:] == [Stage("connect", False, 6.0, Code.REPLY_TIMEOUT, "no greeting")]


def test_a_failure_before_any_phase_is_one_of_the_address() -> None:
    assert Stages(Clock()).failed(Unreachable(Code.NAME_NOT_FOUND)) == (
        Stage("address", False, 0.0, Code.NAME_NOT_FOUND),
    )
