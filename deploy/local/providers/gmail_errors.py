"""The refusals of the Gmail API, in the shape that Google's JSON APIs use (AIP-193 with the older ``errors`` list)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

SERVICE: Final = "gmail.googleapis.com"
_STATUS: Final = MappingProxyType(
    {
        400: "INVALID_ARGUMENT",
        401: "UNAUTHENTICATED",
        403: "PERMISSION_DENIED",
        404: "NOT_FOUND",
        413: "INVALID_ARGUMENT",
        429: "RESOURCE_EXHAUSTED",
        500: "INTERNAL",
        503: "UNAVAILABLE",
    }
)


@dataclass(slots=True, eq=False)
class ApiError(Exception):
    """An answer other than success: ``reason`` is that of the first of ``errors``, ``info`` an ErrorInfo's reason."""

    code: int
    reason: str
    message: str
    domain: str = "global"
    status: str = ""
    said: str = ""
    info: str = ""
    metadata: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def body(self) -> dict[str, Any]:
        """The JSON body."""
        one: dict[str, Any] = {"message": self.said or self.message, "domain": self.domain, "reason": self.reason}
        if self.code == 401:
            one |= {"location": "Authorization", "locationType": "header"}
        error: dict[str, Any] = {"code": self.code, "message": self.message, "errors": [one]}
        error["status"] = self.status or _STATUS.get(self.code, "UNKNOWN")
        if self.info:
            error["details"] = [
                {
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": self.info,
                    "domain": "googleapis.com",
                    "metadata": {"service": SERVICE, **self.metadata},
                }
            ]
        return {"error": error}

    @property
    def text(self) -> str:
        """The body as it goes out."""
        return json.dumps(self.body, indent=2)


def bad_request(message: str, reason: str = "invalidArgument") -> ApiError:
    """400: this request, and no other."""
    return ApiError(400, reason, message)


def unauthorized(*, missing: bool = False) -> ApiError:
    """401: no token, or one that is unknown, expired or revoked."""
    login = (
        "Expected OAuth 2 access token, login cookie or other valid authentication credential. See "
        "https://developers.google.com/identity/sign-in/web/devconsole-project."
    )
    challenge = 'Bearer realm="https://accounts.google.com/"'
    if missing:
        return ApiError(
            401,
            "required",
            f"Request is missing required authentication credential. {login}",
            said="Login Required.",
            info="CREDENTIALS_MISSING",
            headers={"WWW-Authenticate": challenge},
        )
    return ApiError(
        401,
        "authError",
        f"Request had invalid authentication credentials. {login}",
        said="Invalid Credentials",
        headers={"WWW-Authenticate": f'{challenge}, error="invalid_token"'},
    )


def scope_missing(method: str) -> ApiError:
    """403: the token is good, but not for this method."""
    return ApiError(
        403,
        "insufficientPermissions",
        "Request had insufficient authentication scopes.",
        said="Insufficient Permission",
        info="ACCESS_TOKEN_SCOPE_INSUFFICIENT",
        metadata={"method": f"caribou.api.proto.MailboxService.{method}"},
    )


def too_fast(status: int = 403) -> ApiError:
    """The quota of queries per minute and user is used up; Google says so by 403 or by 429."""
    return ApiError(
        status,
        "rateLimitExceeded" if status == 429 else "userRateLimitExceeded",
        "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute per user' of service "
        f"'{SERVICE}' for consumer 'project_number:1234567890'.",
        domain="usageLimits",
        status="RESOURCE_EXHAUSTED",
        info="RATE_LIMIT_EXCEEDED",
        metadata={"quota_metric": f"{SERVICE}/default", "quota_limit": "defaultPerMinutePerUser"},
    )


def sending_locked(until: float) -> ApiError:
    """429: the mailbox may not send before ``until`` (seconds since 1970); the time stands in the text only."""
    moment = datetime.fromtimestamp(until, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return ApiError(
        429,
        "userRateLimitExceeded",
        f"User-rate limit exceeded.  Retry after {moment} (Mail sending)",
        domain="usageLimits",
    )


def domain_policy() -> ApiError:
    """403: the Workspace administrator does not let apps use Gmail."""
    return ApiError(403, "domainPolicy", "The domain administrators have disabled Gmail apps.")


def not_configured() -> ApiError:
    """403: the Gmail API is not switched on in the project of the OAuth client."""
    text = (
        "Gmail API has not been used in project 1234567890 before or it is disabled. Enable it by visiting "
        "https://console.developers.google.com/apis/api/gmail.googleapis.com/overview?project=1234567890 then retry."
    )
    return ApiError(403, "accessNotConfigured", text, domain="usageLimits", info="SERVICE_DISABLED")


def mail_service_off() -> ApiError:
    """400: the account has no Gmail: no licence, or the service is switched off for it."""
    return ApiError(400, "failedPrecondition", "Mail service not enabled", status="FAILED_PRECONDITION")


def no_mailbox() -> ApiError:
    """400: a token without a person, such as that of a service account that impersonates nobody."""
    return ApiError(400, "failedPrecondition", "Precondition check failed.", status="FAILED_PRECONDITION")


def not_yours(user: str) -> ApiError:
    """403: the path names another account than the token's."""
    return ApiError(403, "forbidden", f"Delegation denied for {user}")


def not_found() -> ApiError:
    """404: no such thing, or a thread of somebody else."""
    return ApiError(404, "notFound", "Requested entity was not found.")


def too_large(limit: int) -> ApiError:
    """413: the request is larger than the endpoint takes."""
    return ApiError(413, "uploadTooLarge", f"Request payload size exceeds the limit: {limit} bytes.")
