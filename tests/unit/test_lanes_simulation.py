"""A paced backlog in virtual time, through the wait queues and across hand-overs: rate, hops, order, and the limits."""

from statistics import mean

import pytest

from config.limits import Limits
from tests.lane_simulation import DEADLINE, NEVER, Simulation
from transports.errors import Code, Throttled


def slow(dice):
    return dice.uniform(3.0, 6.0)


def achieved(simulation, per_minute):
    """The share of the limit that was used from the first mail to the last."""
    sent = [event.sent for event in simulation.events]
    return len(sent) / (max(sent) + 60 / per_minute) * 60 / per_minute


def finish(simulation, longest):
    while any(event.sent == NEVER for event in simulation.events):
        simulation.run(60)
        assert simulation.now < longest


@pytest.mark.parametrize(("per_minute", "backlog"), [(30, 2500), (60, 5000)])
def test_a_paced_backlog_leaves_at_its_rate_with_few_hops(per_minute, backlog):
    simulation = Simulation(Limits(4, per_minute=per_minute))
    simulation.publish(backlog)
    urgent = []
    for _ in range(8):
        simulation.run(333)
        urgent += simulation.publish(1, high=True)
    finish(simulation, backlog * 60 / per_minute * 1.2)
    hops = [event.hops for event in simulation.events]
    assert simulation.mailbox.most_in(60) <= per_minute
    assert simulation.mailbox.most_under_way <= 4
    assert achieved(simulation, per_minute) >= 0.93
    assert mean(hops) <= 10
    assert max(hops) <= 50
    # A promise reaches one hour far, so who is behind that needs another one.
    assert mean(event.promises for event in simulation.events) <= 1.5
    assert simulation.longest_wait <= 2.26
    assert max(event.sent - event.published for event in urgent) <= 5


@pytest.mark.parametrize(("per_minute", "every"), [(60, 37), (30, 53), (120, 11), (300, 5)])
def test_hand_overs_change_nothing(per_minute, every):
    simulation = Simulation(Limits(4, per_minute=per_minute), seed=per_minute)
    simulation.publish(1500)
    while any(event.sent == NEVER for event in simulation.events):
        simulation.run(every)
        simulation.hand_over()
        assert simulation.now < 1500 * 60 / per_minute * 1.2
    assert simulation.mailbox.most_in(60) <= per_minute
    assert simulation.mailbox.most_under_way <= 4
    assert achieved(simulation, per_minute) >= 0.9
    assert mean(event.hops for event in simulation.events) <= 10


@pytest.mark.parametrize("sending", [lambda dice: 0.05, slow])
def test_a_kill_costs_no_more_than_what_was_under_way(sending):
    simulation = Simulation(Limits(4, per_minute=60), sending=sending)
    simulation.publish(1500)
    for _ in range(8):
        simulation.run(100)
        under_way = simulation.mailbox.under_way
        simulation.kill()
        simulation.run(DEADLINE)
        assert simulation.mailbox.most_in(60) <= 60 + under_way
        assert simulation.mailbox.most_under_way <= 4 + under_way


def test_slow_sends_use_the_connections_and_still_keep_the_minute():
    simulation = Simulation(Limits(4, per_minute=30), sending=slow)
    simulation.publish(500)
    finish(simulation, 500 * 2.4)
    assert simulation.mailbox.most_in(60) <= 30
    assert simulation.mailbox.most_under_way <= 4
    assert achieved(simulation, 30) >= 0.85


@pytest.mark.parametrize("sending", [slow, lambda dice: 5.0, lambda dice: dice.expovariate(2.0)])
def test_without_a_rate_the_connections_are_kept_busy(sending):
    simulation = Simulation(Limits(4), sending=sending)
    simulation.publish(500)
    finish(simulation, 900)
    taken = simulation.mailbox.seconds
    assert simulation.mailbox.most_under_way <= 4
    assert taken / 4 / max(event.sent for event in simulation.events) >= 0.8
    assert simulation.longest_wait <= 2.26


def test_fast_mail_never_goes_aside():
    simulation = Simulation(Limits(4), sending=lambda dice: 0.01)
    simulation.publish(2000)
    finish(simulation, 120)
    assert max(event.hops for event in simulation.events) == 0


def test_a_throttled_backlog_waits_for_its_provider_and_then_goes_on_at_its_rate():
    def answer(now):
        return Throttled(Code.THROTTLED, retry_after=600.0 - now) if 60 < now < 600 else None

    simulation = Simulation(Limits(4, per_minute=60), answer=answer)
    simulation.publish(1000)
    simulation.run(600)
    refused = simulation.mailbox.refused
    finish(simulation, 3000)
    assert refused <= 4
    assert simulation.mailbox.most_in(60) <= 60
    # It goes on at nine tenths, which is what was learnt from the complaint, and a tenth comes back in five minutes.
    assert max(event.sent for event in simulation.events) < 600 + 1000 / 0.85
    assert mean(event.promises for event in simulation.events) <= 3
