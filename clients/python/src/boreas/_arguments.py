"""Checks of arguments: names, positions, keys, secrets and URLs."""

from __future__ import annotations

import base64
import re
import urllib.parse
import uuid
from typing import Any

def segment(name: str) -> str:
    if not isinstance(name, str):
        raise TypeError("a name must be a str, not %s" % type(name).__name__)
    if not name:
        raise ValueError("the name is empty")
    return urllib.parse.quote(check_text("the name", name), safe="")


def query_string(**parameters: Any) -> str:
    given = [(k, v) for k, v in parameters.items() if v is not None]
    return "?" + urllib.parse.urlencode(given) if given else ""


def checked_limit(order: str | None, limit: int | None) -> int | None:
    if limit is not None and order is None:
        raise ValueError("limit needs order: without an order, all are listed")
    return limit


def given(**members: Any) -> dict[str, Any]:
    return {k: v for k, v in members.items() if v is not None}


def check_text(what: str, text: str) -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("%s has half of a surrogate pair, which is not a character" % what) from None
    return text


def check_channel(name: str) -> str:
    """Returns the channel's name, or raises if it is invalid (clause 1.5)."""
    if not isinstance(name, str):
        raise TypeError("a channel's name must be a str, not %s" % type(name).__name__)
    if not 1 <= len(check_text("a channel's name", name).encode("utf-8")) <= 255:
        raise ValueError("a channel's name has 1 to 255 bytes of UTF-8")
    if re.search("[\x00-\x1f\x7f-\x9f]", name):
        raise ValueError("a channel's name has no control characters")
    return name


def check_position(position: str) -> str:
    """Returns the position, or raises if it is invalid (clause 1.6)."""
    if not isinstance(position, str):
        raise TypeError("a position must be a str, not %s" % type(position).__name__)
    if not re.fullmatch("[A-Za-z0-9_-]{1,64}", position):
        raise ValueError("%.70r is not a position that the server gave" % position)
    return position


def check_key(key: str | bytes | None) -> str:
    """Returns an idempotency key as text; for None, a random one.

    Keys with blanks around them are invalid, because an HTTP header would lose the blanks.
    """
    if key is None:
        return new_key()
    if isinstance(key, bytes):
        try:
            key = key.decode("utf-8")
        except UnicodeDecodeError:
            raise ValueError("the idempotency key must be UTF-8") from None
    if not isinstance(key, str):
        raise TypeError("the idempotency key must be a str, not %s" % type(key).__name__)
    if not 1 <= len(check_text("the idempotency key", key).encode("utf-8")) <= 128:
        raise ValueError("an idempotency key must have 1 to 128 bytes of UTF-8")
    if key != key.strip() or re.search("[\x00-\x1f\x7f-\x9f]", key):
        raise ValueError("an idempotency key has no control characters, and no blanks around it")
    return key


def bearer(what: str, secret: str) -> bytes:
    """Returns the Authorization header with a secret. Its errors do not contain the secret."""
    if not isinstance(secret, str):
        raise TypeError("the %s must be a str, not %s" % (what, type(secret).__name__))
    if not secret or re.search("[\x00-\x20\x7f-\xa0\ud800-\udfff]", secret):
        raise ValueError("the %s is empty, or has a character that none has: perhaps the line's end of its file" % what)
    return b"Bearer " + secret.encode("utf-8")


def parse_url(url: str) -> tuple[urllib.parse.SplitResult, bytes | None]:
    """Returns the URL without its user and password, and the Authorization header for them, or None.

    Its errors do not contain the URL, because it may contain a password.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        parts.port  # raises ValueError for an invalid port
    except ValueError:
        parts = None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("the URL must be http://HOST:PORT or https://HOST:PORT, perhaps with a path")
    if "@" not in parts.netloc:
        return parts, None
    user, password = urllib.parse.unquote(parts.username or ""), urllib.parse.unquote(parts.password or "")
    basic = b"Basic " + base64.b64encode(("%s:%s" % (user, password)).encode("utf-8"))
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]), basic

def new_key() -> str:
    return uuid.uuid4().hex
