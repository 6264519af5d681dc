"""The errors of both clients."""

from __future__ import annotations

import json
import urllib.parse
from email.message import Message
from typing import Any, Mapping

class ApiError(Exception):
    """A refusal by the server.

    status: the HTTP status; None if the error is not an HTTP response.
    code: a code from docs/errors.md; "" if the response is not in Boreas's format.
    retry: when the same request can succeed: "never", "now", "later" or "new_token".
    retry_after: the minimum wait before a retry, in seconds.
    oldest: if messages are no longer kept, the oldest position after which all are kept.
    """

    def __init__(
        self, status: int | None, code: str, message: str, retry: str = "never", retry_after: float = 0.0, oldest: str | None = None
    ) -> None:
        super().__init__(message if status is None else "%s: %s" % (("%d %s" % (status, code)).strip(), message))
        self.status, self.code, self.message = status, code, message
        self.retry, self.retry_after, self.oldest = retry, retry_after, oldest

    @classmethod
    def of(cls, error: Mapping[str, Any], status: int | None = None) -> ApiError:
        """Returns the ApiError for an error object (clause 2.6)."""
        return cls(
            status,
            error.get("code", ""),
            error.get("message", ""),
            error.get("retry", "never"),
            error.get("retry_after_ms", 0) / 1000,
            error.get("oldest"),
        )

    @classmethod
    def of_answer(cls, status: int, body: bytes, headers: Message | Mapping[str, str]) -> ApiError:
        """Returns the ApiError for an unsuccessful HTTP response."""
        try:
            answer = json.loads(body)
            if "errors" in answer:  # from a classic path
                return cls(status, "", " ".join(answer["errors"]))
            return cls.of(answer["error"], status)
        except (ValueError, KeyError, TypeError, AttributeError):
            pass  # from a proxy
        retry = "later" if status in (408, 429, 502, 503, 504) else "never"
        try:
            wait = float(headers.get("Retry-After", 0))
        except ValueError:  # an HTTP date
            wait = 0.0
        message = body[:200].decode("utf-8", "replace").strip()
        if 300 <= status < 400 and headers.get("Location"):
            message = "it redirects%s, and the client does not follow redirects: use that URL if it is correct" % (
                _host_of(headers["Location"])
            )
        return cls(status, "", message or "no reason given", retry, wait)


def _host_of(location: str) -> str:
    """Returns the target host of a redirect. The rest of the URL may be secret."""
    try:
        parts = urllib.parse.urlsplit(location)
        port = "" if parts.port is None else ":%d" % parts.port
    except ValueError:
        return ""
    return " to %s://%s%s" % (parts.scheme, parts.hostname, port) if parts.hostname else ""
