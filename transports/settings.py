"""The settings of a transport, whatever its kind: values only, so that decisions can read them without any client."""

from transports.gmail.settings import GmailSettings
from transports.microsoft365.settings import Microsoft365Settings
from transports.smtp.settings import SmtpSettings

TransportSettings = SmtpSettings | Microsoft365Settings | GmailSettings
"""The settings of any kind."""
