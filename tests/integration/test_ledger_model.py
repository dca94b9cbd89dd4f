"""The account of events against a dictionary and the rules: any batches, each once or twice, on both databases."""

import itertools
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.store_ledger_postgresql import PostgresqlLedger
from config.store_ledger_sqlite import SqliteLedger
from consumer.ledger import Record, State
from consumer.ledger_rules import Begin, End, judge
from consumer.ledger_work import perform
from tests.integration.accounts import plain

pytest_plugins = ("tests.fixtures_account",)

KEYS = [bytes([number]) * 16 for number in range(4)]
COPIES = [b"copy one", b"copy two"]
RECORDS = [
    Record(State.NEW),
    Record(State.DONE),
    Record(State.UNKNOWN),
    Record(State.UNKNOWN, (2, 5)),
    Record(State.OWED, (1,)),
    Record(State.OWED, (), "no_such_mailbox"),
    Record(State.DEAD, reason="expired"),
]

ask = st.tuples(st.just("begin"), st.sampled_from(COPIES), st.booleans())
tell = st.tuples(st.just("end"), st.sampled_from(COPIES), st.sampled_from(RECORDS), st.integers(0, 2))
batches = st.lists(st.tuples(st.dictionaries(st.sampled_from(KEYS), ask | tell), st.integers(1, 2)), max_size=8)


class Model:
    """What should be in the table, and the last marks of each event, the newest first."""

    def __init__(self):
        self.rows = {}
        self.starts: dict[bytes, list[tuple[bytes, bytes]]] = {key: [] for key in KEYS}
        self.marks = (number.to_bytes(8, "big") for number in itertools.count(1))

    def operation(self, key, drawn):
        """The drawn operation; an end is the end of one of the last starts, by its copy where it was handed off."""
        if drawn[0] == "begin":
            mark = next(self.marks)
            self.starts[key].insert(0, (mark, drawn[1]))
            return Begin(key, drawn[1], mark, drawn[2])
        _, copy, record, back = drawn
        mark, own = self.starts[key][back] if back < len(self.starts[key]) else (next(self.marks), copy)
        return End(key, own if record.state is State.DONE else copy, mark, record)

    def judge(self, operation):
        """The answer, and the table after it."""
        new, standing = judge(self.rows.get(operation.key), operation, 0)
        self.rows[operation.key] = new
        return answer(standing)


def answer(standing):
    """What of an answer does not depend on time."""
    return (standing.state, standing.began, standing.owed, standing.reason, standing.same_copy)


def content(row):
    """The same of a row."""
    return None if row is None else (row.state, row.owed, row.reason, row.copy, row.mark)


@pytest.fixture
def database(account_url):
    with closing(plain(account_url)) as connection:
        made = SqliteLedger(connection) if "sqlite" in account_url else PostgresqlLedger(connection)
        yield lambda: connection.execute("DELETE FROM ledger") and made


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches)
def test_every_batch_answers_as_the_rules_do_and_twice_the_same(database, drawn):
    ledger, model = database(), Model()
    for batch, times in drawn:
        operations = [model.operation(key, each) for key, each in batch.items()]
        for _ in range(times):  # the answer of the first time was lost
            answers = [model.judge(operation) for operation in operations]
            found = perform(ledger, operations, ())
            for operation, given_, expected in zip(operations, found, answers, strict=True):
                assert given_ is not None
                if isinstance(operation, End):
                    assert given_.state is expected[0]
                else:
                    assert answer(given_) == expected
            rows, _ = ledger.look(KEYS)
            assert {key: content(rows.get(key)) for key in KEYS} == {key: content(model.rows.get(key)) for key in KEYS}
