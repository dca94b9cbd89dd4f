"""The name of the server that an account's mail goes to, which accounts of several organisations may have in common."""

from typing import Final

from transports.gmail.settings import GmailSettings
from transports.microsoft365.settings import Microsoft365Settings
from transports.settings import TransportSettings
from transports.smtp.settings import SmtpSettings

MICROSOFT365_ENDPOINT: Final = "microsoft365"
GMAIL_ENDPOINT: Final = "gmail"


def endpoint_of(settings: TransportSettings) -> str:
    """``host:port`` in lower case, or the name of the provider whose API it is."""
    match settings:
        case Microsoft365Settings():
            return MICROSOFT365_ENDPOINT
        case GmailSettings():
            return GMAIL_ENDPOINT
        case SmtpSettings(host=host, port=port):
            return f"{host.rstrip('.').lower()}:{port}"
