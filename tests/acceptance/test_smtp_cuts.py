"""The SMTP server cuts connections in every phase: nothing is lost, and only a cut after the final dot may double."""

import random
import threading

import pytest

from consumer import names
from consumer.partition import partition_of
from tests.accounting import account, settled
from tests.fakes.sink import Later, Wire
from tests.running_broker import an_event, publish, ready
from tests.waiting import eventually_blocking

EVENTS = 400
BEFORE = ("GREETING", "EHLO", "MAIL", "RCPT", "DATA", "UPLOAD")


class Cutter:
    """Cuts in each phase a few times, at random and the same way each time; remembers where."""

    def __init__(self, seed, share=0.05, at_most=6):
        self._chance, self._share, self.at_most = random.Random(seed), share, at_most
        self._lock = threading.Lock()
        self.cuts = {}
        self.taken_and_cut = []
        self.cut_untaken = []

    def __call__(self, phase, argument):
        with self._lock:
            if phase in (*BEFORE, "BODY") and self._chance.random() < self._share and self._may(phase):
                if phase == "BODY":
                    return self._after_the_dot(argument)
                return Wire.CUT
        return None

    def _may(self, phase):
        self.cuts[phase] = self.cuts.get(phase, 0) + 1
        return self.cuts[phase] <= self.at_most

    def _after_the_dot(self, recipient):
        if recipient in self.taken_and_cut or recipient in self.cut_untaken:
            return None
        # In turns, not by chance: which mail comes when is not fixed, and both kinds must be among a few.
        if len(self.taken_and_cut) <= len(self.cut_untaken):
            self.taken_and_cut.append(recipient)
            return Wire.TAKE_AND_CUT
        self.cut_untaken.append(recipient)
        return Wire.CUT


@pytest.mark.timeout(90)
def test_connections_cut_in_every_phase_lose_nothing_and_are_counted_as_the_server_saw_them(vhost, sink, launch):
    cutter = Cutter(seed=4, share=0.12)
    sink.behave = cutter
    consumer = launch(vhost, unknown_pause=1).start()
    expected = [f"e{number}@example.org" for number in range(EVENTS)]
    publish(vhost, (an_event(number, f"org-{number % 97}") for number in range(EVENTS)))
    eventually_blocking(lambda: settled(vhost, sink, expected), 60, what="everything is settled")
    found = account(sink, expected)
    assert set(cutter.cuts) == {*BEFORE, "BODY"}, cutter.cuts
    assert not found.lost, found
    assert ready(vhost, [names.DEAD]) == 0
    # Taken without an answer: sent once more, and with the very same bytes.
    assert sorted(mail.recipients[0] for mail in found.duplicates) == sorted(cutter.taken_and_cut)
    assert cutter.taken_and_cut
    assert cutter.cut_untaken
    assert not found.unlike, found
    # A small mail leaves in one piece, dot and all: cut within it, the client cannot know either.
    unknown = len(cutter.taken_and_cut) + len(cutter.cut_untaken) + min(cutter.cuts["UPLOAD"], cutter.at_most)
    assert consumer.metric("mailroom_outcomes", outcome="unknown", reason="outcome_unknown") == unknown
    answered = sum(mail.answered for mail in sink.taken)
    assert answered == EVENTS
    assert consumer.metric("mailroom_handoffs") == answered
    assert consumer.metric("mailroom_outcomes", outcome="handed_off") == answered


@pytest.mark.timeout(60)
def test_a_large_mail_cut_before_its_end_is_known_not_to_be_sent(vhost, sink, launch):
    cuts = [Wire.CUT]
    sink.behave = lambda phase, argument: cuts.pop() if phase == "UPLOAD" and cuts else None
    consumer = launch(vhost).start()
    publish(vhost, [an_event(1, "acme", size=6_000_000)])
    eventually_blocking(lambda: settled(vhost, sink, ["e1@example.org"]), 30, what="the second try is settled")
    assert len(sink.taken) == 1
    assert consumer.metric("mailroom_outcomes", outcome="retry", reason="connection_lost") == 1
    assert consumer.metric("mailroom_outcomes", outcome="unknown") == 0


@pytest.mark.timeout(60)
def test_a_partition_of_slow_mails_does_not_stop_the_others(vhost, sink, launch):
    # Four organisations of one partition against a relay with room for all: only their prefetch holds them back.
    sink.behave = lambda phase, argument: Later(3.0) if phase == "BODY" and argument.startswith("slow") else None
    launch(vhost, default_smtp_connections=24).start()
    slow = [f"slow{number}@example.org" for number in range(40)]
    quick = [f"e{number}@example.org" for number in range(300)]
    publish(vhost, (an_event(number, "acme", recipient=address) for number, address in enumerate(slow)))
    eventually_blocking(lambda: len(sink.in_data) >= 12, what="the slow ones are under way")
    publish(vhost, (an_event(1000 + number, f"org-{number}", recipient=to) for number, to in enumerate(quick)))
    full = partition_of("acme", 32)
    others = {to for number, to in enumerate(quick) if partition_of(f"org-{number}", 32) != full}
    eventually_blocking(lambda: others <= sink.recipients().keys(), 20, what="all other partitions are done")
    assert len(sink.recipients().keys() & set(slow)) < len(slow), "the slow ones were not slow enough"
    eventually_blocking(lambda: settled(vhost, sink, [*slow, *quick]), 40, what="everything is settled")
