"""The bookkeeping of confirms, against every order in which a broker may answer."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from consumer.broker_confirms import Confirms, Pending
from consumer.broker_errors import PublishFailed, Reason


class Books:
    """Confirms with a future for each message, and the places of the window that came back."""

    def __init__(self, count: int, *, deadline: float = 10.0) -> None:
        self.freed = 0
        self.confirms = Confirms(self._free)
        self.futures: list[asyncio.Future[None]] = []
        for number in range(count):
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self.futures.append(future)
            assert self.confirms.next_tag == number + 1
            assert self.confirms.add(Pending(future, deadline + number)) == number + 1

    def _free(self) -> None:
        self.freed += 1

    def results(self) -> list[Reason | bool | None]:
        """For each message: confirmed (True), why it failed, or None while it waits."""
        found: list[Reason | bool | None] = []
        for future in self.futures:
            if not future.done():
                found.append(None)
            elif (error := future.exception()) is None:
                found.append(True)
            else:
                assert isinstance(error, PublishFailed)
                found.append(error.reason)
        return found


ANSWERS = st.lists(st.tuples(st.integers(0, 25), st.booleans(), st.booleans()), max_size=40)


@given(ANSWERS)
def test_every_message_gets_the_first_answer_that_covers_it_and_no_other(answers: list[tuple[int, bool, bool]]) -> None:
    async def check() -> None:
        books = Books(20)
        expected: list[Reason | bool | None] = [None] * 20
        for tag, multiple, accepted in answers:
            books.confirms.confirm(tag, multiple=multiple, accepted=accepted)
            for number in range(20):
                covered = number + 1 <= tag if multiple else number + 1 == tag
                if covered and expected[number] is None:
                    expected[number] = True if accepted else Reason.NACKED
        assert books.results() == expected
        assert books.freed == 20 - expected.count(None)
        assert len(books.confirms) == expected.count(None)

    asyncio.run(check())


async def test_returned_message_is_a_failure_when_its_ack_comes_even_in_a_batch() -> None:
    books = Books(4)
    books.confirms.mark_returned(2, "312")
    assert books.results() == [None] * 4
    books.confirms.confirm(3, multiple=True, accepted=True)
    assert books.results() == [True, Reason.RETURNED, True, None]


async def test_return_with_a_mark_of_somebody_else_changes_nothing() -> None:
    books = Books(1)
    for tag in (None, "1", 7, b"1", True + 1):
        books.confirms.mark_returned(tag, "312")
    books.confirms.confirm(1, multiple=False, accepted=True)
    assert books.results() == [True]


async def test_cancelled_caller_is_passed_over_and_gives_its_place_back() -> None:
    books = Books(2)
    books.futures[0].cancel()
    books.confirms.confirm(2, multiple=True, accepted=True)
    assert books.futures[1].result() is None
    assert books.freed == 2


async def test_only_what_is_overdue_expires_and_the_broker_may_have_it() -> None:
    books = Books(3, deadline=10.0)
    assert books.confirms.next_deadline == 10.0
    assert books.confirms.expire(11.0) == 2
    assert books.results() == [Reason.TIMEOUT, Reason.TIMEOUT, None]
    error = books.futures[0].exception()
    assert isinstance(error, PublishFailed)
    assert error.maybe_published
    assert books.confirms.next_deadline == 12.0


async def test_messages_the_broker_did_not_read_get_the_whole_time_again_and_never_less() -> None:
    books = Books(1, deadline=10.0)
    books.confirms.restart(15.0)
    books.confirms.restart(12.0)
    assert books.confirms.expire(14.9) == 0
    assert books.confirms.expire(15.0) == 1


async def test_lost_channel_fails_the_rest_but_not_what_is_known_to_be_returned() -> None:
    books = Books(2)
    books.confirms.mark_returned(1, "312")
    books.confirms.fail_all("closed with 320")
    assert books.results() == [Reason.RETURNED, Reason.DISCONNECTED]
    assert books.freed == 2
    assert len(books.confirms) == 0
