"""A process that takes every probe of one breaker it can get, until the breaker is closed. Prints a line for each."""

import asyncio
import os
import sys

from config.store import Store
from config.store_breakers import BreakerRows

KEY = "account:acme"


async def _claim(url: str) -> None:
    store = await Store.open(url)
    rows = BreakerRows(store)
    print("ready", flush=True)
    number = 0
    while await rows.all():
        number += 1
        if await rows.claim(KEY, f"{os.getpid()}/{number}", 60.0):
            print("probe", flush=True)
    await store.close()


if __name__ == "__main__":
    asyncio.run(_claim(sys.argv[1]))
