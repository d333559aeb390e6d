"""Answers that aren't successes, in the shape that GitHub gives them."""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    """An error answer: status, message, GitHub's `errors` list where it has one, and extra headers."""

    def __init__(
        self,
        status: int,
        message: str,
        errors: list[dict[str, Any]] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.errors = errors
        self.headers = headers or {}

    def body(self) -> dict[str, Any]:
        """Return the JSON body."""
        body: dict[str, Any] = {
            "message": self.message,
            "documentation_url": "https://docs.github.com/rest",
            "status": str(self.status),
        }
        if self.errors is not None:
            body["errors"] = self.errors
        return body


def not_found() -> ApiError:
    """What is absent and what one may not see look the same."""
    return ApiError(404, "Not Found")


def invalid(resource: str, code: str, field: str | None = None, message: str | None = None) -> ApiError:
    """A well-formed request that can't be done."""
    error: dict[str, Any] = {"resource": resource, "code": code}
    if field is not None:
        error["field"] = field
    if message is not None:
        error["message"] = message
    return ApiError(422, "Validation Failed", [error])


def unprocessable(message: str) -> ApiError:
    """A refusal whose `errors` is a list of sentences, as reviews have it."""
    error = ApiError(422, "Unprocessable Entity")
    error.errors = [message]  # type: ignore[list-item]
    return error
