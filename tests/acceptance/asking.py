"""A process of its own that asks for tokens of one grant, with several token sources, many times at once.

Says ``ready``, waits for a line on standard input, and prints every token that it was given.
"""

import asyncio
import sys

from config.process import Settings
from config.secrets import SecretBox
from config.store import Store
from consumer.connections import Connections


async def main(grant: str, sources: int, times: int) -> None:
    settings = Settings.load()
    store, box = await Store.open(settings.database_url), SecretBox(settings.secret_keys)
    replicas = [Connections(settings, store, box) for _ in range(sources)]
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    asked = [replica.tokens.source(grant).token() for replica in replicas for _ in range(times)]
    print(*await asyncio.gather(*asked))
    for replica in replicas:
        await replica.aclose()
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
