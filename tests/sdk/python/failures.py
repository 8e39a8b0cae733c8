"""Judges failures: the canonical error object, told the same by exception, body and headers."""

from __future__ import annotations

import openai

INVALID = "invalid_request_error"


def assert_error(error: openai.APIStatusError, status: int, code: str, param: str | None, kind: str) -> None:
    """The canonical error object, told the same by body, attributes and headers."""
    assert error.status_code == status
    assert (error.code, error.param, error.type) == (code, param, kind)
    assert error.request_id == error.response.headers["x-request-id"]
    assert_body(error.response, code, param, kind)


def assert_body(response, code: str, param: str | None, kind: str) -> str:
    """The canonical error object on the wire; gives its message."""
    assert response.headers["content-type"].split(";")[0] == "application/json"
    assert response.headers["x-request-id"]
    body = response.json()
    assert set(body) == {"error"}
    error = dict(body["error"])
    message = error.pop("message")
    assert isinstance(message, str) and message
    assert error == {"type": kind, "param": param, "code": code}
    return message
