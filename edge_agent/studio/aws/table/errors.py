"""The errors of the API."""

from __future__ import annotations

from edge_agent.studio.aws.table.shape import Error, Operation

_RESOURCE = "*Message: ExceptionString; *ResourceId: ExceptionString; *ResourceType: ResourceType"
ERRORS: dict[str, Error] = {
    "AccessDeniedException": Error(403, "*Message: ExceptionString"),
    "ConflictException": Error(409, _RESOURCE),
    "InternalServerException": Error(
        500, "*Message: ExceptionString; RetryAfterSeconds: RetryAfterSeconds @header Retry-After"
    ),
    "ResourceNotFoundException": Error(404, _RESOURCE),
    "ServiceQuotaExceededException": Error(
        402,
        "*Message: ExceptionString; ResourceId: ExceptionString; ResourceType: ResourceType; "
        "*QuotaCode: ExceptionString; *ServiceCode: ExceptionString",
    ),
    "ThrottlingException": Error(
        429,
        "*Message: ExceptionString; QuotaCode: ExceptionString; ServiceCode: ExceptionString; "
        "RetryAfterSeconds: RetryAfterSeconds @header Retry-After",
    ),
    "ValidationException": Error(400, "*Message: ExceptionString"),
}
_ALWAYS = (
    "AccessDeniedException", "InternalServerException", "ResourceNotFoundException", "ThrottlingException",
    "ValidationException",
)  # fmt: skip


def errors_of(operation: Operation) -> tuple[str, ...]:
    """Name the errors that an operation may answer, in alphabetical order."""
    found = [*_ALWAYS]
    if operation.conflict:
        found.append("ConflictException")
    if operation.quota:
        found.append("ServiceQuotaExceededException")
    return tuple(sorted(found))
