"""What may be asked for: the permissions of the two resources, and a ``scope`` parameter taken apart."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from deploy.local.providers.entra_errors import Refused

GRAPH: Final = "https://graph.microsoft.com"
OUTLOOK: Final = "https://outlook.office.com"
MAIL_SEND: Final = f"{GRAPH}/Mail.Send"
OIDC: Final = frozenset({"openid", "profile", "email", "offline_access"})
DELEGATED: Final = (
    MAIL_SEND,
    f"{GRAPH}/Mail.Send.Shared",
    f"{GRAPH}/Mail.ReadWrite",
    f"{GRAPH}/User.Read",
    f"{OUTLOOK}/SMTP.Send",
)
ADMIN_ONLY: Final = frozenset({f"{GRAPH}/Mail.ReadWrite"})
"""What a person may not consent to under the policy that Microsoft manages."""
_ALIASES: Final = {"https://outlook.office365.com": OUTLOOK}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A ``scope`` parameter: ``permissions`` of one ``resource``, in full; ``prefix`` is how they were written.

    ``everything``: ``.default``, all that was consented to.
    """

    oidc: frozenset[str]
    resource: str
    prefix: str
    permissions: frozenset[str]
    everything: bool = False

    def told(self, granted: Iterable[str]) -> str:
        """The ``scope`` of the answer: permissions as they were written, then OIDC's, never ``offline_access``."""
        names = sorted(self.prefix + one.rpartition("/")[2] for one in granted if one.startswith(f"{self.resource}/"))
        return " ".join([*names, *(one for one in ("openid", "profile", "email") if one in self.oidc)])


def full(permission: str) -> str:
    """A permission with its resource; a short name is Graph's."""
    if "://" not in permission:
        return f"{GRAPH}/{permission}"
    resource, _, name = permission.rpartition("/")
    return f"{_ALIASES.get(resource, resource)}/{name}"


def parse(text: str, registered: Iterable[str], aliases: Mapping[str, str]) -> Wanted:
    """Takes a ``scope`` apart; ``aliases`` are further names of resources.

    Raises:
        Refused: it is empty, names more than one resource, or a permission that was never registered.
    """
    words = text.split()
    if not words:
        raise Refused(900144, "scope")
    oidc = frozenset(words) & OIDC
    by_resource: dict[tuple[str, str], set[str]] = {}
    for word in words:
        if word in OIDC:
            continue
        written, slash, name = word.rpartition("/")
        resource = {"": GRAPH, **_ALIASES, **aliases}.get(written.rstrip("/"), written.rstrip("/"))
        by_resource.setdefault((resource, written + slash), set()).add(name)
    if len({resource for resource, _ in by_resource}) > 1:
        raise Refused(28000)
    if not by_resource:
        return Wanted(oidc, GRAPH, "", frozenset())
    resource, prefix = next(iter(by_resource))
    names = {name for found in by_resource.values() for name in found}
    return Wanted(oidc, resource, prefix, _known(resource, names, registered), ".default" in names)


def _known(resource: str, names: set[str], registered: Iterable[str]) -> frozenset[str]:
    if resource not in (GRAPH, OUTLOOK):
        raise Refused(500011, resource)
    offered = {one.lower(): one for one in registered}
    found = set()
    for name in names - {".default"}:
        permission = offered.get(f"{resource}/{name}".lower())
        if permission is None:
            raise Refused(650053, name)
        found.add(permission)
    return frozenset(found)
