"""What every test may use. Real servers throughout; a missing one skips at home and fails when ``CI`` is set."""

import hypothesis

from tests.environment import clean

clean()

hypothesis.settings.register_profile("mailroom", deadline=None, print_blob=True)
hypothesis.settings.load_profile("mailroom")

pytest_plugins = (
    "tests.fixtures_tls",  # first: others import it, and pytest wants to see it before they do
    "tests.fixtures_broker",
    "tests.fixtures_browser",
    "tests.fixtures_postfix",
    "tests.fixtures_postgres",
    "tests.working_together",
)
