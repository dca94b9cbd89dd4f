"""The one HTTP session that all API transports of a process share."""

import ssl
from dataclasses import dataclass, field


@dataclass(slots=True)
class Http:
    """A pool of connections, opened at the first use; see its owner's docstrings."""

    tls: ssl.SSLContext = field(default_factory=ssl.create_default_context)
