"""``mailroom organizations connect``: an organisation's own app at Microsoft 365 or Google becomes its transport.

A person's consent is given in a browser, on the settings page. No secret is an argument: it comes by standard input or
in a file.
"""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from config.actors import OPERATOR
from config.advice import advise
from config.choices import TransportKind
from config.languages import texts
from config.oauth.app_form import LONGEST_FILE, AppForm, checked, identity_of
from config.oauth.values import AppCredentials, Method, Way
from config.process import Settings
from config.provider_form import ProviderForm
from config.web.offers import BY_KIND, Offer
from consumer.cli.organizations_shared import Organization, announce, as_typed, refuse_invalid_id
from consumer.cli.streams import password
from consumer.errors import OperatorError
from transports.errors import AccountProblem, DeliveryError

if TYPE_CHECKING:
    from config.oauth.provider import OAuthProvider

_WORDS: Final = {"microsoft365": TransportKind.MICROSOFT365, "google": TransportKind.GMAIL}


def connect(  # noqa: PLR0913, PLR0917 - every option is an argument
    organization: Organization,
    kind: Annotated[str, typer.Argument(metavar="microsoft365|google", help="Whose account it is.")],
    sender: Annotated[str | None, typer.Option(help="Address all its mail comes from.")] = None,
    alias: Annotated[str | None, typer.Option(help="Name recipients see beside the address.")] = None,
    mailbox: Annotated[str | None, typer.Option(help="Mailbox to send from. Default: the sender.")] = None,
    tenant: Annotated[str, typer.Option(help="Microsoft: directory (tenant) ID of the app registration.")] = "",
    client_id: Annotated[str, typer.Option(help="Microsoft: application (client) ID of the app registration.")] = "",
    secret_stdin: Annotated[
        bool, typer.Option("--secret-stdin", help="Microsoft: read the app's client secret from standard input.")
    ] = False,
    certificate_file: Annotated[
        Path | None, typer.Option(help="Microsoft: PEM file with the app's private key and certificate.")
    ] = None,
    key_file: Annotated[Path | None, typer.Option(help="Google: JSON file of the service account's key.")] = None,
    way: Annotated[str, typer.Option(help="api, or smtp for the provider's SMTP server.")] = Way.API.value,
) -> None:
    """Let all of an organisation's mail leave by an app of its own at Microsoft 365 or Google, without a person.

    The app must get a token, else nothing is changed; `organizations test` then sends a mail. Replaces what was
    configured. A person's account is connected on the settings page.
    """
    refuse_invalid_id(organization)
    if kind not in _WORDS:
        raise typer.BadParameter(f"write {' or '.join(_WORDS)}", param_hint="KIND")
    if way not in set(Way):
        raise typer.BadParameter("write api or smtp", param_hint="--way")
    offer, settings = BY_KIND[_WORDS[kind]], Settings.load()
    if not (tenant or client_id or secret_stdin or certificate_file or key_file):
        raise OperatorError(_by_a_person(offer, settings))
    if sender is None or alias is None:
        raise typer.BadParameter("is needed", param_hint="--alias" if sender else "--sender")
    given = password("Client secret: ") if secret_stdin else None
    form = AppForm(
        mailbox=mailbox or sender,
        tenant=tenant,
        client_id=client_id,
        secret=given.reveal() if given else "",
        certificate=_content(certificate_file, "--certificate-file"),
        key=_content(key_file, "--key-file"),
    )
    with as_typed():
        credentials = checked(offer.provider, form)
        chosen = ProviderForm(sender, alias, grant_id="")
        version = asyncio.run(_connect(settings, organization, offer, Way(way), credentials, chosen))
    typer.echo(f"{organization}: mail leaves by {offer.name} as {sender} from now on (version {version})")
    announce(settings, organization, version)


def _by_a_person(offer: Offer, settings: Settings) -> str:
    page = f"{settings.web_url}{offer.path}" if settings.web_url else "of `mailroom web` (MAILROOM_WEB_URL is not set)"
    return (
        f"a person connects their {offer.name} account in a browser, on the settings page {page}, which the platform "
        "leads an administrator of the organisation to. To connect an app of the organisation's own, give its "
        "credentials: see `mailroom organizations connect --help`."
    )


def _content(path: Path | None, option: str) -> str:
    if path is None:
        return ""
    try:
        with path.open(encoding="ascii") as file:
            return file.read(LONGEST_FILE + 1)
    except (OSError, UnicodeDecodeError):
        raise typer.BadParameter("is not a text file that can be read", param_hint=option) from None


async def _connect(
    settings: Settings, organization: str, offer: Offer, way: Way, credentials: AppCredentials, form: ProviderForm
) -> int:
    from config.grants import Grants
    from config.oauth.clients import providers
    from config.secrets import SecretBox
    from config.store_keyring import open_keyring
    from consumer.cli.opening import opened_store, organizations_of

    box = SecretBox(settings.secret_keys)
    box.require()
    clients = providers(settings)
    try:
        await _try(clients[offer.provider], offer, way, credentials)
    finally:
        for client in clients.values():
            await client.aclose()
    async with opened_store(settings) as store:
        # A secret sealed with a key that is not this database's could never be read by the consumer.
        await open_keyring(store, box)
        grants = Grants(store, box)
        identity = identity_of(credentials)
        grant = await grants.add_candidate(
            organization, offer.provider, Method.APP, way, credentials, identity, OPERATOR
        )
        form = ProviderForm(form.sender_address, form.sender_alias, grant.id)
        try:
            return await organizations_of(settings, store).configure_provider(organization, form, actor=OPERATOR)
        except BaseException:
            await grants.discard_candidate(organization)
            raise


async def _try(client: "OAuthProvider", offer: Offer, way: Way, credentials: AppCredentials) -> None:
    """Raises OperatorError when the app gets no token."""
    try:
        await client.app_token(way, credentials)
    except DeliveryError as error:
        said = f"{offer.company} gave no token: {error.code} {error.detail}".strip()
        advice = advise(error.code, kind=offer.kind, detail=error.detail)
        spoken = texts("en")
        more = f"{spoken.sentence(advice.meaning)} {spoken.sentence(advice.next_step)}"
        if not isinstance(error, AccountProblem):
            more = "This is not about the app: try again later."
        raise OperatorError(f"{said}. Nothing was changed.\n{more}") from error
