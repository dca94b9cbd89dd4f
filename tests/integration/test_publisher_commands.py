"""The commands publish, topology and schema, as a person runs them."""

import json
import os
import threading

import pytest
from typer.testing import CliRunner

from consumer import names
from consumer.cli import app
from consumer.schema import event_schema
from consumer.topology import apply_topology
from consumer.topology_entities import topology
from consumer.topology_management import definitions
from tests.integration.messages import channel, depths
from tests.malformed import full_event

PARTITIONS = 4


@pytest.fixture
def laid(vhost):
    """The address of a virtual host with the topology."""
    apply_topology(vhost, PARTITIONS)
    return vhost


def run(url: str, *arguments: str, given: str | bytes | None = None):
    environment = {"MAILROOM_AMQP_URL": url, "MAILROOM_PARTITIONS": str(PARTITIONS)}
    return CliRunner().invoke(app, list(arguments), env=environment, input=given)


def lines(*events) -> str:
    return "".join(event if isinstance(event, str) else json.dumps(event) + "\n" for event in events)


def total(url: str) -> int:
    return sum(depths(url, [names.work_queue(partition) for partition in names.partitions(PARTITIONS)]).values())


def test_events_of_several_files_are_published_and_counted(laid, tmp_path):
    (tmp_path / "many.jsonl").write_text(lines(*(full_event(number) for number in range(30)), "\n"))
    (tmp_path / "one.json").write_text(json.dumps(full_event(99), indent=2))
    done = run(laid, "publish", str(tmp_path / "many.jsonl"), str(tmp_path / "one.json"))
    assert (done.exit_code, done.stdout, done.stderr) == (0, "31 accepted\n", "")
    assert total(laid) == 31


@pytest.mark.parametrize("indent", [None, 2])
def test_standard_input_is_one_event_or_lines(laid, indent):
    done = run(laid, "publish", "-", "--json", given=json.dumps(full_event(), indent=indent))
    assert done.exit_code == 0
    counts = {"accepted": 1, "returned": 0, "refused": 0, "invalid": 0, "unknown": 0}
    assert json.loads(done.stdout) == {**counts, "stopped_at": None}


def test_invalid_events_are_told_with_file_line_and_path_and_the_rest_goes_on(laid, tmp_path):
    broken = full_event()
    broken["data"]["to"] = [{"address": "jo@"}]
    file = tmp_path / "events.jsonl"
    file.write_text(lines(full_event(1), "{nonsense}\n", broken, full_event(2)))
    done = run(laid, "publish", str(file))
    assert done.exit_code == 1
    assert done.stdout == "2 accepted, 2 invalid\n"
    assert f"{file}:2: event is not JSON" in done.stderr
    assert f"{file}:3: data.to[0].address is not a valid e-mail address" in done.stderr
    assert total(laid) == 2


def test_a_broken_first_line_does_not_swallow_the_others(laid, tmp_path):
    file = tmp_path / "events.jsonl"
    file.write_text(lines("{nonsense}\n", full_event(1), full_event(2)))
    done = run(laid, "publish", str(file))
    assert (done.exit_code, done.stdout) == (1, "2 accepted, 1 invalid\n")


def test_only_the_first_problems_are_shown(laid, tmp_path):
    file = tmp_path / "events.jsonl"
    file.write_text("{}\n" * 100)
    done = run(laid, "publish", str(file))
    assert done.stdout == "100 invalid\n"
    assert len(done.stderr.splitlines()) == 21


def test_returned_events_are_counted(vhost, tmp_path):
    with channel(vhost) as on:
        on.exchange_declare(names.NOTIFICATIONS, "topic", durable=True, auto_delete=False)
    done = run(vhost, "publish", "-", given=lines(full_event(1), full_event(2)))
    assert (done.exit_code, done.stdout) == (1, "2 returned\n")
    assert "<stdin>:1: no queue takes the event; run `mailroom topology apply`" in done.stderr


def test_a_missing_file_is_wrong_use_and_nothing_is_published(laid, tmp_path):
    (tmp_path / "one.json").write_text(json.dumps(full_event()))
    done = run(laid, "publish", str(tmp_path / "one.json"), str(tmp_path / "absent"))
    assert done.exit_code == 2
    assert "no such file" in done.stderr
    assert total(laid) == 0


def test_an_absent_broker_is_a_failure_that_says_where_it_stopped(tmp_path):
    file = tmp_path / "events.jsonl"
    file.write_text(lines("{}\n", full_event(1), full_event(2)))
    done = run("amqp://u:s3cret@127.0.0.1:1/", "publish", str(file), "--json", "--timeout", "1")
    assert done.exit_code == 1
    counts = {"accepted": 0, "returned": 0, "refused": 0, "invalid": 1, "unknown": 0}
    assert json.loads(done.stdout) == {**counts, "stopped_at": f"{file}:2"}
    assert "127.0.0.1:1" in done.stderr
    assert f"stopped at {file}:2; events from there on were not published\n" in done.stderr
    assert "s3cret" not in done.output


def test_events_are_taken_from_a_pipe(laid, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(lines(full_event(1), full_event(2)),))
    writer.start()
    done = run(laid, "publish", str(pipe))
    writer.join(10)
    assert (done.exit_code, done.stdout, done.stderr) == (0, "2 accepted\n", "")


def test_a_file_that_cannot_be_read_is_wrong_use_and_the_others_are_published(laid, tmp_path):
    (tmp_path / "one.json").write_text(json.dumps(full_event()))
    # Its memory begins with a page that no process has, so reading fails although the file opens.
    done = run(laid, "publish", "/proc/self/mem", str(tmp_path / "one.json"))
    assert (done.exit_code, done.stdout) == (2, "1 accepted\n")
    assert done.stderr == "/proc/self/mem: Input/output error\n"


def test_a_folder_is_wrong_use(tmp_path):
    done = run("amqp://127.0.0.1:1/", "publish", str(tmp_path))
    assert (done.exit_code, done.stderr) == (2, f"{tmp_path}: is a folder\n")


@pytest.mark.parametrize("seconds", ["inf", "nan", "3601", "0"])
def test_a_timeout_is_a_bounded_number_of_seconds(tmp_path, seconds):
    assert run("amqp://127.0.0.1:1/", "publish", str(tmp_path), "--timeout", seconds).exit_code == 2


def test_the_management_api_says_why_it_is_of_no_use(vhost, broker_node):
    closed = run(vhost, "topology", "check", "--management", "http://127.0.0.1:1").exception
    assert str(closed) == "the management API does not answer: Connection refused"
    address = broker_node.management_url.replace("http://", "http://nobody:wrong@")
    assert "the tag `management`" in str(run(vhost, "topology", "check", "--management", address).exception)
    no_number = run(vhost, "topology", "check", "--management", "http://127.0.0.1:x").exception
    assert "must read http://host:15672" in str(no_number)


def test_the_topology_commands_declare_verify_and_print(vhost, broker_node):
    assert run(vhost, "topology", "check").exit_code == 1
    assert run(vhost, "topology", "apply").stdout == "The topology is in place (4 partitions).\n"
    checked = run(vhost, "topology", "check", "--management", broker_node.management_url)
    assert (checked.exit_code, checked.stdout) == (0, "The topology is as it should be (4 partitions).\n")
    with channel(vhost) as on:
        on.queue_delete(names.DEAD)
    checked = run(vhost, "topology", "check", "--json")
    assert checked.exit_code == 1
    found = json.loads(checked.stdout)
    assert found["differences"] == [{"kind": "queue", "name": names.DEAD, "problem": "is missing"}]
    assert not found["bindings_verified"]
    exported = run(vhost, "topology", "export", "--vhost", "somewhere")
    assert json.loads(exported.stdout) == definitions(topology(PARTITIONS), "somewhere")


def test_the_schema_commands_print_the_contract(vhost):
    assert json.loads(run(vhost, "schema", "event").stdout) == event_schema()
    assert json.loads(run(vhost, "schema", "asyncapi").stdout)["asyncapi"] == "3.0.0"
