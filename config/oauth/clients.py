"""The clients of both providers, out of the process's settings."""

import ssl
from collections.abc import Mapping

from config import outgoing
from config.errors import ConfigurationError
from config.oauth.google import GoogleClient, GoogleProvider, GoogleUrls
from config.oauth.microsoft import MicrosoftProvider
from config.oauth.microsoft_app import EntraApp
from config.oauth.provider import OAuthProvider
from config.oauth.values import Provider
from config.process import Settings
from config.secrets import Secret


def providers(settings: Settings, tls: ssl.SSLContext | None = None) -> Mapping[Provider, OAuthProvider]:
    """Both clients; one without credentials is there as well and not ``configured``: organisations' apps need it.

    ``tls`` is given to both; without it, the system's authorities and MAILROOM_TLS_CA_FILE are believed. The caller
    closes them.

    Raises:
        ConfigurationError: the certificate file cannot be used.
    """
    context = tls if tls is not None else outgoing.trust(settings)
    return {
        Provider.MICROSOFT: MicrosoftProvider(
            _entra_app(settings), authority=settings.microsoft_authority, graph_url=settings.graph_url, tls=context
        ),
        Provider.GOOGLE: GoogleProvider(
            _google_client(settings),
            tls=context,
            urls=GoogleUrls(settings.google_auth_url, settings.google_token_url, settings.google_revoke_url),
        ),
    }


def _entra_app(settings: Settings) -> EntraApp | None:
    client_id, file = settings.microsoft_client_id, settings.microsoft_certificate_file
    if client_id is None:
        return None
    if file is None:
        secret = settings.microsoft_client_secret
        return EntraApp(client_id, secret) if secret is not None else None
    try:
        app = EntraApp(client_id, Secret(file.read_text()), certificate=True)
        app.credential()
    except (OSError, ValueError):
        said = "cannot be used. Write the path of a PEM file with the app's private key (RSA) and certificate."
        raise ConfigurationError([f"MAILROOM_MICROSOFT_CERTIFICATE_FILE: {said}"]) from None
    return app


def _google_client(settings: Settings) -> GoogleClient | None:
    if settings.google_client_id is None or settings.google_client_secret is None:
        return None
    return GoogleClient(settings.google_client_id, settings.google_client_secret)
