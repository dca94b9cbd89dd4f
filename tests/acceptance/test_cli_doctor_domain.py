"""``mailroom doctor --domain`` as a process: it needs no settings, no broker and, for a private name, no DNS."""

import json
import subprocess
import sys
from pathlib import Path

MAILROOM = Path(sys.executable).with_name("mailroom")


def mailroom(*arguments, **environment):
    return subprocess.run(
        [MAILROOM, "doctor", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PATH": "/usr/bin:/bin", "COLUMNS": "200", **environment},
    )


def test_a_private_name_is_not_looked_up_and_settings_do_not_matter():
    done = mailroom("--domain", "mail.internal", "--json", MAILROOM_AMQP_URL="nonsense")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["spf"]["code"] == "name_not_public"


def test_options_of_the_domain_check_need_a_domain():
    done = mailroom("--server", "mail.acme.example")
    assert done.returncode == 2
    assert "goes with --domain only" in done.stderr
    assert mailroom("--domain", "192.0.2.1").returncode == 2
