"""The account of events over a real database, with what tests need to disturb it."""

import sqlite3
import threading
from contextlib import asynccontextmanager

import psycopg
from prometheus_client import CollectorRegistry
from sqlalchemy import make_url

from config.secrets import KeyedHash
from config.store import Store
from config.store_ledger import LedgerStore
from consumer.ledger_commit import CommitLedger
from consumer.metrics_pacing import PacingMetrics


class Faults:
    """A connection that can be made to lose the answer of its next commits, or to wait before them."""

    def __init__(self):
        self.lose = 0
        self.lost = 0
        self.gate = threading.Event()
        self.gate.set()
        self.waiting = threading.Event()
        self.batches = []

    def wrap(self, database):
        """For :class:`config.store_ledger.LedgerStore`."""
        return _Faulty(database, self)


class _Faulty:
    def __init__(self, database, faults):
        self._database = database
        self._faults = faults

    def commit(self, batch):
        faults = self._faults
        faults.waiting.set()
        assert faults.gate.wait(20)
        faults.batches.append(batch)
        counts = self._database.commit(batch)
        if faults.lose > 0:
            faults.lose -= 1
            faults.lost += 1
            raise ConnectionResetError
        return counts

    def __getattr__(self, name):
        return getattr(self._database, name)


@asynccontextmanager
async def account(url, *, faults=None, timeout=5.0, **options):
    """One process's ledger over the database at ``url``."""
    store = await Store.open(url, timeout=timeout)
    database = LedgerStore(store) if faults is None else LedgerStore(store, wrap=faults.wrap)
    metrics = PacingMetrics(CollectorRegistry())
    ledger = CommitLedger(database, KeyedHash(b"k" * 32), metrics=metrics, **options)
    try:
        yield ledger
    finally:
        await ledger.aclose()
        await store.close()


def plain(url):
    """A connection of its own, by the driver alone."""
    target = make_url(url)
    if target.get_backend_name() == "sqlite":
        return sqlite3.connect(str(target.database), isolation_level=None, timeout=20)
    return psycopg.connect(target.set(drivername="postgresql").render_as_string(hide_password=False), autocommit=True)


def rows(url, query="SELECT * FROM ledger"):
    """What a query finds."""
    connection = plain(url)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def change(url, statement):
    """Runs a statement; returns the number of rows it touched."""
    connection = plain(url)
    try:
        return connection.execute(statement).rowcount
    finally:
        connection.close()
