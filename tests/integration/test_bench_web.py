"""The benchmark of the settings page works: every case is asked and answered as expected. No number is looked at."""

import argparse
from pathlib import Path

import pytest

from config.testing import sqlite_url
from tests.bench.latency import Latency
from tests.bench.web import run


def test_every_case_is_asked_and_answered(tmp_path: Path) -> None:
    options = argparse.Namespace(organizations=50, requests=8, sessions=4, clients=2)
    results = run(sqlite_url(tmp_path), tmp_path, options)
    assert {(case, clients): one.requests for case, runs in results.items() for clients, one in runs.items()} == {
        (f"{method} {path}", clients): 4 if method != "GET" else 8
        for method, path in (
            ("GET", "/settings"),
            ("GET", "/settings/smtp"),
            ("GET", "/settings/history"),
            ("GET", "/api/v1/settings"),
            ("PUT", "/api/v1/draft"),
            ("POST", "/api/v1/sessions"),
        )
        for clients in ("1", "2")
    }


def test_percentiles_are_those_of_the_nearest_rank() -> None:
    latency = Latency.of([number / 1000 for number in range(1, 201)], took=2.0)
    assert (latency.p50, latency.p99, latency.worst) == pytest.approx((100, 198, 200))
    assert latency.rate == pytest.approx(100)
