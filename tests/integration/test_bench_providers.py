"""``make bench ARGS=providers`` runs; what it measures is for people."""

import json

import pytest

from tests.bench import providers


def test_every_transport_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    providers.main(["--mails", "20", "--organizations", "4", "--runs", "1", "--at-once", "8", "--json"])
    runs = json.loads(capsys.readouterr().out)["runs"]
    assert [run["kind"] for run in runs] == list(providers.KINDS)
    assert all(run["mails"] == 20 and run["rate"] > 0 and run["cpu"] > 0 for run in runs)
