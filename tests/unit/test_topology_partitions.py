"""How many queues are asked for to learn the number of partitions: each that is not there is a line in a log."""

import pytest
from amqp.exceptions import NotFound

from consumer import names
from consumer.topology import _existing_partitions


class Queues:
    """A connection and its channels: knows some work queues and counts what is asked for."""

    def __init__(self, numbers):
        self.names = {names.work_queue(names.partition_name(number)) for number in numbers}
        self.asked = []

    def channel(self):
        return self

    def close(self):
        pass

    def queue_declare(self, queue, passive):
        assert passive
        self.asked.append(queue)
        if queue not in self.names:
            raise NotFound


@pytest.mark.parametrize(
    ("there", "wanted", "asked"),
    [
        (range(4), 4, 5),
        (range(100), 100, 100),
        (range(5), 4, 100),
        (range(3), 4, 100),
        (range(64), 32, 100),
        ([], 32, 100),
        ([2, 3], 4, 100),
    ],
)
def test_the_usual_case_asks_for_one_queue_that_is_not_there(there, wanted, asked):
    queues = Queues(there)
    assert _existing_partitions(queues, wanted) == set(there)  # type: ignore[arg-type] # all of a connection it needs
    assert len(queues.asked) == len(set(queues.asked)) == asked
