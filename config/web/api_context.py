"""What a route of the JSON API is given besides the session: the services, and sentences in the reader's language."""

from typing import Annotated

from fastapi import Depends, Request

from config.languages import Texts, texts
from config.web.access import language_of
from config.web.services import Services, services_of


# Not plain functions: those the framework would run in threads.
async def _texts(request: Request) -> Texts:
    return texts(language_of(request))


async def _services(request: Request) -> Services:
    return services_of(request)


TheServices = Annotated[Services, Depends(_services)]
"""What the process was built of."""
TheTexts = Annotated[Texts, Depends(_texts)]
"""Sentences in the reader's language."""
