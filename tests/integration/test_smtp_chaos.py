"""Everything goes wrong at random and at once; what is reported is still what happened."""

import asyncio
import random
from collections import Counter
from dataclasses import replace

import pytest

from tests.fakes.smtpd import FakeSmtpd, Wire
from tests.fakes.smtpd_client import CREDENTIALS, PASSWORD, USER, mail, transport
from tests.fixtures_tls import TestCertificates
from transports.errors import DeliveryError, OutcomeUnknown
from transports.message import Mail, Receipt
from transports.smtp.settings import Security
from transports.smtp.transport import SmtpTransport

TROUBLES: list[tuple[str, Wire | str]] = [
    *((phase, Wire.CUT) for phase in ("GREETING", "EHLO", "TLS", "AUTH", "MAIL", "RCPT", "DATA", "BODY", "RSET")),
    *((phase, "421 4.3.0 closing") for phase in ("GREETING", "EHLO", "MAIL", "RCPT", "DATA", "BODY")),
    *((phase, "451 4.3.0 later") for phase in ("MAIL", "RCPT", "DATA", "BODY")),
    *((phase, "554 5.6.0 no") for phase in ("RCPT", "DATA", "BODY")),
    ("BODY", Wire.TAKE_AND_CUT),
    ("BODY", Wire.TAKE_AND_HANG),
    ("MAIL", Wire.HANG),
]


@pytest.mark.parametrize("seed", range(3))
async def test_what_is_reported_is_what_happened(tls: TestCertificates, seed: int) -> None:
    chance = random.Random(seed)
    with FakeSmtpd(tls=tls.server.server_context(), credentials=CREDENTIALS, max_connections=6) as smtpd:
        sending = transport(
            smtpd.port,
            tls.client_context(),
            Security.STARTTLS,
            username=USER,
            password=PASSWORD,
            max_connections=5,
            context_max_mails_per_connection=7,
            context_reset_timeout=0.2,
        )

        async def send(number: int) -> tuple[int, Receipt | DeliveryError | None]:
            await asyncio.sleep(number / 200)  # spreads the mails over the troubles
            if chance.random() < 0.15:
                smtpd.script.on(*chance.choice(TROUBLES), times=1)
            if chance.random() < 0.02:
                smtpd.drop_connections()
            item = replace(mail(f"r{number}@example.net"), message_id=f"<{number}@example.org>")
            return number, await outcome(sending, item, 2.0, cancel=chance.random() < 0.05)

        results = await asyncio.gather(*(send(number) for number in range(300)))
        await sending.aclose()
    copies = Counter(int(recipient[1:].partition("@")[0]) for taken in smtpd.mails for recipient in taken.recipients)
    for number, result in results:
        if isinstance(result, Receipt) and result.accepted:
            assert copies[number] == 1, (number, result)
        elif result is None or isinstance(result, OutcomeUnknown):
            assert copies[number] <= 1, (number, result)
        else:
            assert copies[number] == 0, (number, result)
    assert any(isinstance(result, Receipt) for _, result in results), "none got through"
    for taken in smtpd.mails:
        (recipient,) = taken.recipients
        assert f"<{recipient[1:].partition('@')[0]}@example.org>".encode() in taken.content


async def outcome(
    sending: SmtpTransport, item: Mail, timeout: float, *, cancel: bool
) -> Receipt | DeliveryError | None:
    task = asyncio.create_task(sending.send(item, timeout))
    if cancel:
        asyncio.get_running_loop().call_later(0.02, task.cancel)
    try:
        return await task
    except DeliveryError as error:
        return error
    except asyncio.CancelledError:
        return None
