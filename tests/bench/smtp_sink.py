"""An SMTP server that takes everything, in a process of its own: Postfix's smtp-sink, or ours where that is missing."""

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator

from deploy.local.children import Children
from deploy.local.ports import LOOPBACK, free_block, listens
from tests.waiting import eventually_blocking

SMTP_SINK = shutil.which("smtp-sink", path=f"{os.defpath}:/usr/sbin:/usr/lib/postfix/sbin")


@contextlib.contextmanager
def server(*, own: bool = False) -> Iterator[int]:
    """Gives the port; ``own``: ours even if smtp-sink is there."""
    port = free_block(1)
    line = [sys.executable, "-m", "tests.bench.sink", str(port)]
    if SMTP_SINK is not None and not own:
        line = [SMTP_SINK, f"{LOOPBACK}:{port}", "1024"]
        if os.geteuid() == 0:
            line[1:1] = ["-u", "nobody"]
    children = Children()
    try:
        children.start(line, environment=os.environ)
        eventually_blocking(lambda: listens(port), what="the SMTP server listens")
        yield port
    finally:
        children.close()
