"""Advice on reaching a server: its name, the connection, encryption and certificate. Data; see ``advice_rules``."""

from typing import Final

from config.advice_rule import Rule
from config.languages import N_
from transports.errors import Code
from transports.smtp.settings import Security

_TLS_ON_465: Final = N_("Set the encryption to TLS for port 465, or use port 587 with STARTTLS.")
_USUAL_PORTS: Final = N_(
    "Use port 587 with STARTTLS or port 465 with TLS. These ports are made for sending mail after signing in, and "
    "nearly every provider offers one of them."
)

RULES: Final = (
    Rule(
        (Code.NAME_NOT_FOUND, Code.ADDRESS_FORBIDDEN),
        N_("No mail server that mail may be sent through was found under this host name."),
        N_(
            "Compare the host name letter by letter with your provider’s instructions; it often begins with “smtp.” or "
            "“mail.”. The server must have an address on the public Internet: a name that is known only inside your "
            "own network cannot be used."
        ),
    ),
    Rule(
        (Code.PORT_FORBIDDEN,),
        N_("This port may not be used here."),
        N_(
            "Use port 587 with STARTTLS or port 465 with TLS; nearly every provider offers one of them. If your server "
            "listens on another port only, ask the platform’s support."
        ),
    ),
    Rule(
        (Code.CONNECT_FAILED, Code.CONNECT_TIMEOUT),
        N_(
            "No connection came about on port 25. That port is meant for mail servers among themselves, and many "
            "networks block it."
        ),
        _USUAL_PORTS,
        ports=(25,),
    ),
    Rule(
        (Code.CONNECT_FAILED, Code.CONNECT_TIMEOUT),
        N_("The host name was found, but no connection to the server came about on this port."),
        N_(
            "Check host name and port against your provider’s instructions: 587 with STARTTLS or 465 with TLS are "
            "usual. If they are right, ask whoever runs the server whether it is up and whether a firewall keeps "
            "connections from the platform away."
        ),
    ),
    Rule(
        (Code.REPLY_TIMEOUT, Code.CONNECTION_LOST, Code.PROTOCOL_ERROR),
        N_("The server did not greet. On port 465 it expects an encrypted connection from the very beginning."),
        _TLS_ON_465,
        stages=("connect", "tls"),
        ports=(465,),
        security=Security.STARTTLS,
    ),
    Rule(
        (Code.REPLY_TIMEOUT, Code.CONNECTION_LOST),
        N_("The server took the connection, but did not greet."),
        N_(
            "Check port and encryption: 587 goes with STARTTLS, 465 with TLS. If they are right, the server may be "
            "overloaded or hold back what it does not know: ask whoever runs it whether connections from the platform "
            "are let in."
        ),
        stages=("connect", "tls"),
    ),
    Rule(
        (Code.CONNECTION_LOST,),
        N_("The server ended the connection during sign-in."),
        N_(
            "Some servers do so after several wrong passwords. Check user name and password, wait a quarter of an hour "
            "and test again."
        ),
        stages=("sign_in",),
    ),
    Rule(
        (Code.CONNECTION_LOST,),
        N_("The connection to the server broke before it had taken a mail."),
        N_(
            "Test again. If it happens again, ask whoever runs the server what its log says about the time of the test."
        ),
    ),
    Rule(
        (Code.REPLY_TIMEOUT,),
        N_("The server stopped answering."),
        N_(
            "Test again in a few minutes. If it stays so, ask whoever runs the server what its log says about the time "
            "of the test."
        ),
    ),
    Rule(
        (Code.ENDPOINT_UNAVAILABLE,),
        N_("The server refuses to talk to this service."),
        N_(
            "Check that the host name is that of the server for sending mail, not of the one that receives it. Then "
            "ask whoever runs the server to let the platform in; the platform’s support can name the addresses that "
            "its connections come from."
        ),
        detail="5",
    ),
    Rule(
        (Code.ENDPOINT_UNAVAILABLE,),
        N_("The server says that it is not available at the moment."),
        N_("Test again in a few minutes. If it stays so, ask whoever runs the server."),
    ),
    Rule(
        (Code.NO_CONNECTION_FREE,),
        N_("This service was too busy to open a connection in time; your settings are not the reason."),
        N_("Test again in a few minutes."),
    ),
    Rule(
        (Code.TLS_UNAVAILABLE,),
        N_("The server offers encryption, but cannot start it at the moment."),
        N_(
            "Test again in a few minutes. If it stays so, the server’s certificate or key is not set up properly: "
            "whoever runs the server can see it in its log."
        ),
    ),
    Rule(
        (Code.TLS_NOT_OFFERED,),
        N_("The server offers no encryption on port 25. Mail and passwords are never sent without it."),
        _USUAL_PORTS,
        ports=(25,),
    ),
    Rule(
        (Code.TLS_NOT_OFFERED,),
        N_("The server does not offer STARTTLS on this port. Mail and passwords are never sent without encryption."),
        N_(
            "Try port 465 with TLS. If your server offers neither, whoever runs it has to switch on encryption with a "
            "certificate of a public authority."
        ),
    ),
    Rule(
        (Code.TLS_FAILED,),
        N_("The server does not begin with encryption on this port."),
        N_("Set the encryption to STARTTLS for this port, or use another port: 465 with TLS, 587 with STARTTLS."),
        detail="plain text instead of TLS",
    ),
    Rule(
        (Code.TLS_FAILED,),
        N_("The server does not begin with encryption on this port."),
        N_("Set the encryption to STARTTLS for this port, or use another port: 465 with TLS, 587 with STARTTLS."),
        ports=(25, 587, 2525),
        security=Security.TLS,
    ),
    Rule(
        (Code.TLS_FAILED,),
        N_("The server broke off while the encrypted connection was being set up."),
        N_(
            "Check port and encryption: 587 goes with STARTTLS, 465 with TLS. If they are right, test again in a few "
            "minutes, and ask whoever runs the server if it stays so."
        ),
        detail="handshake cut|at ",
    ),
    Rule(
        (Code.TLS_FAILED,),
        N_("The encrypted connection could not be set up: the server knows no kind of encryption that is still safe."),
        N_(
            "Check port and encryption: 587 goes with STARTTLS, 465 with TLS. If they are right, whoever runs the "
            "server has to allow TLS 1.2 or 1.3."
        ),
    ),
    Rule(
        (Code.CERTIFICATE_EXPIRED,),
        N_("The server’s certificate is not valid today; most likely it has expired."),
        N_(
            "Whoever runs the server has to install a new certificate. Nothing has to be changed here; test again "
            "afterwards."
        ),
    ),
    Rule(
        (Code.CERTIFICATE_SELF_SIGNED,),
        N_(
            "The server’s certificate was not issued by a public authority: the server or its owner signed it "
            "themselves. Nobody can tell from it whether this really is your server."
        ),
        N_(
            "Whoever runs the server should install a certificate of a public authority; there are free ones. If your "
            "organisation has an authority of its own, ask the platform’s support whether it can be accepted."
        ),
    ),
    Rule(
        (Code.CERTIFICATE_INVALID,),
        N_(
            "The server’s certificate cannot be verified: the authority that issued it is not known, or the server "
            "does not show the certificates in between."
        ),
        N_(
            "Whoever runs the server should install a certificate of a public authority together with its full chain. "
            "Test again afterwards."
        ),
    ),
    Rule(
        (Code.CERTIFICATE_NAME_MISMATCH,),
        N_("The server’s certificate is made out to another name than the host name entered here."),
        N_(
            "Enter the host name that your provider names for sending mail; an alias in your own domain or an IP "
            "address is often not in the certificate. If the server is your own, it needs a certificate for this name."
        ),
    ),
)
