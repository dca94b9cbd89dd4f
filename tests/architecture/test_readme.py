"""The README keeps step with the code: every setting, every command, every wait queue that it promises."""

import re
from pathlib import Path

from typer.core import TyperGroup as Group
from typer.main import get_command

from config.process import PREFIX, Settings
from consumer.cli import app

README = (Path(__file__).parents[2] / "README.md").read_text()


def test_the_configuration_table_has_every_setting_and_no_other():
    table = README[README.index("## Configure") : README.index("## Operate")]
    named = set(re.findall(rf"`{PREFIX}(\w+)`", table))
    assert named == {name.upper() for name in Settings.model_fields}


def test_the_defaults_in_the_table_are_the_defaults():
    for name, default in re.findall(rf"\| `{PREFIX}(\w+)` \| `?([\d.,]+)`? \|", README):
        value = Settings.model_fields[name.lower()].default
        expected = ",".join(f"{part:g}" for part in value) if isinstance(value, tuple) else f"{value:.10g}"
        assert (name, default) == (name, expected)


def test_every_command_the_readme_shows_exists():
    top = get_command(app)
    assert isinstance(top, Group)
    shown = re.findall(r"^mailroom ([a-z]+)(?: ([a-z]+))?|`mailroom ([a-z]+)(?: ([a-z]+))?", README, re.MULTILINE)
    assert len(shown) > 5
    for words in shown:
        name, sub = [word for word in words if word] + ([""] if sum(map(bool, words)) == 1 else [])
        command = top.commands[name]
        if isinstance(command, Group):
            assert sub in command.commands
