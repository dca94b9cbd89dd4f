"""Nothing personal comes out of any logger: canaries are put into every door there is (R18)."""

import asyncio
import gc
import io
import json
import logging
import sys
import threading
import warnings
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from config import logs
from config.errors import StoreUnavailable
from config.log_cleaning import ALLOWED_FIELDS, FRAMES, WITHHELD, clean
from transports.errors import AccountProblem, Code, OutcomeUnknown

CANARY = "canary@example.org"
LIBRARIES = [
    *("aiosmtplib", "mail.log", "pika", "pika.adapters.utils.connection_workflow", "kombu", "kombu.connection", "amqp"),
    *("sqlalchemy.engine.Engine", "sqlalchemy.pool", "aiosqlite", "psycopg", "alembic.runtime.migration"),
    *("asyncio", "aiohttp.access", "concurrent.futures", "consumer.worker", CANARY, ""),
]


class Written:
    """What was logged, as text and as one object a line."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    @property
    def lines(self) -> list[dict]:
        return [json.loads(line) for line in self.text.splitlines()]

    def only(self) -> dict:
        (line,) = self.lines
        return line


@pytest.fixture
def written():
    """Logging set up as in a process, on a stream of its own; everything is as before afterwards."""
    root = logging.getLogger()
    kept = (list(root.handlers), root.level, warnings.showwarning, sys.excepthook, sys.unraisablehook)
    thread_hook, raising = threading.excepthook, logging.raiseExceptions
    found = Written()
    logs.configure("debug", "json", stream=found.stream)
    yield found
    logs.configure()
    root.handlers[:], root.level = kept[0], kept[1]
    _, _, warnings.showwarning, sys.excepthook, sys.unraisablehook = kept
    threading.excepthook, logging.raiseExceptions = thread_hook, raising


def _raise(text=CANARY):
    raise ValueError(text)


def test_one_line_of_ours_is_one_object_with_its_fields(written):
    logs.get_logger("consumer.settle").info(
        "handed off", organization="acme", attempt=2, seconds=0.25, code=Code.THROTTLED
    )
    line = written.only()
    assert line.pop("timestamp").endswith("+00:00")
    assert line == {
        "level": "info",
        "logger": "consumer.settle",
        "event": "handed off",
        "organization": "acme",
        "attempt": 2,
        "seconds": 0.25,
        "code": "throttled",
    }


def test_a_field_that_is_not_on_the_list_is_left_out_and_counted(written):
    logs.get_logger("x").info("sent", organization="acme", recipient="jo", subject="hello")
    line = written.only()
    assert line["withheld"] == 2
    assert "jo" not in written.text
    assert "hello" not in written.text


@pytest.mark.parametrize("name", sorted(ALLOWED_FIELDS - {"timestamp", "level", "logger"}))
def test_no_allowed_field_carries_an_address(written, name):
    for value in (CANARY, [CANARY, {"a": CANARY}, CANARY.encode()], f"amqp://u:{CANARY}/"):
        fields: dict[str, Any] = {"event": "e", name: value}
        logs.get_logger("x").info(**fields)
    assert "canary" not in written.text


def test_an_event_id_that_is_an_address_or_a_message_is_withheld(written):
    logs.get_logger("x").info("e", event_id=CANARY)
    logs.get_logger("x").info("e", event_id="x" * 400)
    logs.get_logger("x").info("e", event_id="a\nb")
    assert [line["event_id"] for line in written.lines] == [WITHHELD] * 3


def test_a_redacted_url_is_shown_and_one_with_a_password_is_not(written):
    logs.get_logger("x").info("e", url="amqp://u:***@host:5672/")
    logs.get_logger("x").info("e", url="amqp://u:canary@host:5672/")
    assert [line["url"] for line in written.lines] == ["amqp://u:***@host:5672/", WITHHELD]


@pytest.fixture
def loud():
    """Gives a library's logger that passes everything on, whatever the library set when it was imported."""
    before = []

    def get(name):
        logger = logging.getLogger(name)
        before.append((logger, logger.level))
        logger.setLevel(logging.DEBUG)
        return logger

    yield get
    for logger, level in before:
        logger.setLevel(level)


@pytest.mark.parametrize("name", LIBRARIES)
@pytest.mark.parametrize("level", [logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL])
def test_the_text_of_a_library_s_message_never_comes_out(written, name, level, loud):
    logger = loud(name)
    try:
        _raise()
    except ValueError:
        logger.log(level, CANARY, exc_info=True, stack_info=True, extra={"rcpt": CANARY, "organization": CANARY})
    logger.log(level, "to %s", CANARY)
    logger.log(level, "broken %d", CANARY)
    assert "canary" not in written.text
    assert len(written.lines) == 3
    assert all(line["event"] == "library message" for line in written.lines)
    assert "test_logs.py" in written.lines[1]["where"][0]


def test_an_exception_is_its_type_and_the_places_it_went_through(written):
    try:
        _raise()
    except ValueError:
        logs.get_logger("x").exception("it failed", event_id="1")
    line = written.only()
    assert line["level"] == "error"
    assert line["error"] == "ValueError"
    assert [place.split(" ")[1] for place in line["where"]] == [
        "test_an_exception_is_its_type_and_the_places_it_went_through",
        "_raise",
    ]
    assert line["where"][-1].startswith("unit/test_logs.py:")
    assert "canary" not in written.text


def test_causes_and_groups_are_named_by_their_types(written):
    try:
        try:
            _raise()
        except ValueError as error:
            raise ExceptionGroup(CANARY, [OSError(CANARY), KeyError(CANARY)]) from error
    except ExceptionGroup as group:
        logs.get_logger("x").error("it failed", exc_info=group)
    assert written.only()["error"] == "ExceptionGroup(OSError, KeyError) < ValueError"
    assert "canary" not in written.text


def test_a_cycle_of_causes_ends(written):
    one, two = ValueError(CANARY), OSError(CANARY)
    one.__cause__, two.__cause__ = two, one
    logs.get_logger("x").error("it failed", exc_info=one)
    assert written.only()["error"] == "ValueError < OSError"


def test_only_the_innermost_places_are_kept(written):
    def down(depth):
        return _raise() if depth == 0 else down(depth - 1)

    try:
        down(50)
    except ValueError:
        logs.get_logger("x").exception("it failed")
    assert len(written.only()["where"]) == FRAMES


def test_our_own_families_say_more_because_they_promise_to_be_safe(written):
    logs.get_logger("x").error("e", exc_info=AccountProblem(Code.SIGN_IN_REFUSED, "535 5.7.8"))
    logs.get_logger("x").error("e", exc_info=StoreUnavailable("the database failed (Timeout)"))
    logs.get_logger("x").error("e", exc_info=OutcomeUnknown(Code.OUTCOME_UNKNOWN, CANARY))
    logs.get_logger("x").error("e", exc_info=StoreUnavailable(CANARY))
    first, second, _, _ = written.lines
    assert first["code"] == "sign_in_refused"
    assert second["detail"] == "the database failed (Timeout)"
    assert "canary" not in written.text


def test_a_warning_is_its_category_and_place(written):
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = logs._warned  # what configure() sets and catch_warnings() takes away
        warnings.warn(CANARY, ResourceWarning, stacklevel=1)
    line = written.only()
    assert line["error"] == "ResourceWarning"
    assert "unit/test_logs.py" in line["where"][0]
    assert "canary" not in written.text


def test_an_exception_nobody_caught_comes_out_clean(written, capsys):
    try:
        _raise()
    except ValueError as error:
        sys.excepthook(ValueError, error, error.__traceback__)
    assert written.only()["event"] == "uncaught exception"
    assert "canary" not in written.text + capsys.readouterr().err


def test_a_thread_that_dies_comes_out_clean(written, capsys):
    thread = threading.Thread(target=_raise, name=CANARY)
    thread.start()
    thread.join()
    assert written.only()["event"] == "uncaught exception in a thread"
    assert "canary" not in written.text + capsys.readouterr().err


def test_an_exception_in_a_finalizer_comes_out_clean(written, capsys):
    class Dying:
        def __del__(self):
            _raise()

        def __repr__(self):
            return CANARY

    sys.unraisablehook = logs._unraisable  # the test runner puts its own around each test
    Dying()
    gc.collect()
    assert written.only()["event"] == "exception could not be raised"
    assert "canary" not in written.text + capsys.readouterr().err


async def test_the_event_loop_complains_cleanly(written, capsys):
    loop = asyncio.get_running_loop()
    logs.install_loop_handler(loop)

    async def forgotten():
        _raise()

    task = asyncio.create_task(forgotten(), name=CANARY)
    await asyncio.wait([task])
    del task
    gc.collect()
    loop.call_soon(_raise)
    await asyncio.sleep(0)
    loop.call_exception_handler({"message": CANARY, "future": CANARY})
    complaints = [line for line in written.lines if line["event"] == "error in the event loop"]
    assert [line.get("error") for line in complaints] == ["ValueError", "ValueError", None]
    assert "canary" not in written.text + capsys.readouterr().err


def test_below_debug_libraries_are_heard_from_warnings_upwards():
    stream = io.StringIO()
    kept = (list(logging.getLogger().handlers), logging.getLogger().level)
    show, hooks = warnings.showwarning, (sys.excepthook, sys.unraisablehook, threading.excepthook)
    try:
        logs.configure("info", "json", stream=stream)
        logging.getLogger("pika").info("x")
        logging.getLogger("pika").warning("x")
        logs.get_logger("ours").debug("not this")
        logs.get_logger("ours").info("this")
    finally:
        logs.configure()
        logging.getLogger().handlers[:], logging.getLogger().level = kept
        warnings.showwarning = show
        sys.excepthook, sys.unraisablehook, threading.excepthook = hooks
        logging.raiseExceptions = True
    assert [json.loads(line)["logger"] for line in stream.getvalue().splitlines()] == ["pika", "ours"]


def test_the_console_form_is_cleaned_by_the_same_door(written):
    logs.configure("debug", "console", stream=written.stream)
    logs.get_logger("x").info("sent", organization="acme", recipient=CANARY, detail=CANARY)
    logging.getLogger("pika").warning("to %s", CANARY)
    assert "canary" not in written.text
    assert "sent organization=acme detail=[withheld] withheld=1 (x)" in written.text


def test_a_logger_is_clean_before_anything_is_configured(capsys):
    structlog.get_logger("x").info("early", recipient=CANARY, organization="acme")
    assert "canary" not in "".join(capsys.readouterr())


@given(st.dictionaries(st.sampled_from(sorted(ALLOWED_FIELDS)), st.text()))
def test_a_line_is_always_one_line_of_json(fields):
    line = json.dumps(clean(fields), ensure_ascii=False)
    assert line.splitlines() == [line]
    assert "@" not in line
