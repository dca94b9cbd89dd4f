"""A fault of the platform itself is told aloud: a metric while it lasts, a line now and then, one when it is over."""

import json

import pytest

from consumer.metrics import Metrics
from consumer.platform_trouble import OVER_AFTER, PlatformTrouble
from tests.builders import event
from tests.unit.test_delivery import world
from transports.errors import AccountProblem, Code, PlatformProblem

SECRET_EXPIRED = PlatformProblem(Code.PLATFORM_CREDENTIALS, "AADSTS7000222")


class Watch:
    def __init__(self):
        self.now = 0.0
        self.metrics = Metrics("test")
        self.trouble = PlatformTrouble(self.metrics, lambda: self.now)

    def shown(self):
        lines = self.metrics.exposition().decode().splitlines()
        return [line for line in lines if line.startswith("mailroom_platform_problem{")]


@pytest.fixture
def lines(capsys):
    def read():
        found = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
        return [(line["level"], line.get("code")) for line in found]

    return read


def test_it_is_said_once_and_again_after_minutes_and_when_it_is_over(lines):
    watch = Watch()
    for _ in range(50):
        watch.trouble.met("microsoft365", SECRET_EXPIRED)
    assert lines() == [("error", "platform_credentials")]
    watch.now += OVER_AFTER - 1
    watch.trouble.met("microsoft365", SECRET_EXPIRED)
    assert lines() == []
    watch.now += 2
    watch.trouble.met("microsoft365", SECRET_EXPIRED)
    assert lines() == [("error", "platform_credentials")]
    assert watch.shown() == ['mailroom_platform_problem{reason="platform_credentials",transport="microsoft365"} 1.0']
    watch.now += OVER_AFTER
    assert watch.shown() == []
    assert lines() == [("info", "platform_credentials")]


@pytest.mark.parametrize(
    ("step", "shown"), [(SECRET_EXPIRED, True), (AccountProblem(Code.SIGN_IN_REFUSED), False)], ids=["ours", "theirs"]
)
async def test_only_faults_of_ours_are_told(tmp_path, step, shown):
    async with world(tmp_path, step) as w:
        await w.deliver(event())
    assert ("mailroom_platform_problem{" in w.metrics.exposition().decode()) is shown


async def test_what_the_platforms_own_relay_refuses_is_ours(tmp_path):
    async with world(tmp_path, platform_steps=(AccountProblem(Code.SIGN_IN_REFUSED),)) as w:
        await w.deliver(event(organizationid="globex"))
    assert 'reason="sign_in_refused",transport="default"' in w.metrics.exposition().decode()
