"""The Boreas client for Python 3.8 and later. It needs only the standard library.

ApiClient uses the HTTP API. Subscriber receives messages over server-sent events,
reconnects, and reports missed messages. README.md has examples. The protocol is described
in docs/protocol.md and docs/http-api.md of the server.
"""

import base64
import http.client
import json
import logging
import random
import re
import socket
import ssl
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from dataclasses import dataclass
from typing import Any, Optional

__all__ = ["Ack", "ApiClient", "ApiError", "Event", "Page", "Subscriber", "TailEvent", "Trace"]

log = logging.getLogger("boreas")

# BEGIN generated codes
# Made by "go test ./fault -update": codes of errors and when to retry.
CODES = {
    "malformed": "never",
    "unauthenticated": "new_token",
    "invalid_token": "new_token",
    "token_expired": "new_token",
    "auth_unavailable": "later",
    "not_permitted": "never",
    "presence_off": "never",
    "channel_name": "never",
    "bad_position": "never",
    "too_many_channels": "never",
    "too_many_user_channels": "later",
    "too_many_address_channels": "later",
    "too_many_joined_channels": "later",
    "too_many_subscribers": "later",
    "already_joined": "never",
    "too_large": "never",
    "key_reused": "never",
    "bad_key": "never",
    "busy": "later",
    "engine_timeout": "later",
    "too_many_keys": "later",
    "storage_full": "later",
    "storage_failed": "later",
    "cluster_unavailable": "later",
    "purged": "never",
    "expired": "never",
    "unknown_epoch": "never",
    "ahead": "never",
    "shutting_down": "now",
    "node_isolated": "now",
    "no_answer": "now",
    "slow": "later",
    "backlog": "later",
    "overloaded": "later",
    "too_many_connections": "later",
    "rate_limited": "later",
    "peer_memory": "later",
    "history_unavailable": "later",
    "rules_changed": "now",
    "internal": "later",
    "token_revoked": "new_token",
    "auth_timeout": "new_token",
    "terminated": "never",
    "too_many_malformed": "never",
    "protocol_error": "never",
    "invalid_text": "never",
    "frame_too_big": "never",
    "not_found": "never",
    "method_not_allowed": "never",
    "invalid_key": "never",
    "host_not_allowed": "never",
    "no_purge": "never",
    "no_token": "never",
    "no_key": "never",
    "too_many_stored": "never",
    "not_stored": "later",
    "no_message": "never",
    "no_session": "never",
    "node_silent": "later",
    "timeout": "now",
    "unsupported_encoding": "never",
    "origin_not_allowed": "never",
    "upgrade_required": "never",
}
# END generated codes


class ApiError(Exception):
    """A refusal by the server.

    status: the HTTP status; None if the error is not an HTTP response.
    code: a code from docs/errors.md; "" if the response is not in Boreas's format.
    retry: when the same request can succeed: "never", "now", "later" or "new_token".
    retry_after: the minimum wait before a retry, in seconds.
    oldest: if messages are no longer kept, the oldest position after which all are kept.
    """

    def __init__(self, status, code, message, retry="never", retry_after=0.0, oldest=None):
        super().__init__(message if status is None else "%s: %s" % (("%d %s" % (status, code)).strip(), message))
        self.status, self.code, self.message = status, code, message
        self.retry, self.retry_after, self.oldest = retry, retry_after, oldest

    @classmethod
    def of(cls, error, status=None):
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
    def of_answer(cls, status, body, headers):
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


def _host_of(location):
    """Returns the target host of a redirect. The rest of the URL may be secret."""
    try:
        parts = urllib.parse.urlsplit(location)
        port = "" if parts.port is None else ":%d" % parts.port
    except ValueError:
        return ""
    return " to %s://%s%s" % (parts.scheme, parts.hostname, port) if parts.hostname else ""


@dataclass(frozen=True)
class Ack:
    """The result of a publish. duplicate reports whether the key was used before."""

    position: Optional[str]  # None for a dry run
    subscribers: int
    duplicate: bool = False


@dataclass(frozen=True)
class Page:
    """A page of history: (message, position) pairs, the position of its end, and whether more follows.

    If the page was read backwards, more is whether earlier messages are kept. times has the time of each
    message, in RFC 3339, if it was requested.
    """

    messages: list
    position: str
    more: bool
    times: Optional[list] = None


@dataclass(frozen=True)
class Trace:
    """A message, and which sessions have it. docs/http-api.md of the server explains the members.

    message: None also if the key has only the verb view. by: a dict, or None if the publisher is unknown.
    delivered of subscribers have the message; behind has a dict for each of the others, at most 100.
    nodes: a dict that names the silent nodes of a cluster; None without a cluster.
    """

    channel: str
    position: str
    time: str  # in RFC 3339
    size: int
    message: Any
    by: Optional[dict]
    delivered: int
    subscribers: int
    behind: list
    nodes: Optional[dict]


@dataclass(frozen=True)
class TailEvent:
    """Something that has happened on the server. docs/http-api.md of the server lists the types and their data."""

    type: str
    data: dict


# How long /v2/tail may be silent, in seconds. The server sends a comment every 15 seconds.
_TAIL_SILENCE = 45.0


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirect, because a redirected POST would become a GET."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        return None


class ApiClient:
    """Uses the HTTP API. It is safe for use by several threads.

    timeout: the timeout of each attempt, in seconds.
    attempts: how often a request is tried, with growing random waits in between. Only
        requests that are safe to repeat are: those that read, and publish, which has a key.
    key: the API key. A server requires one as soon as an API key exists.

    Methods raise ApiError, ConnectionError if no attempt got a response, and ValueError or
    TypeError for invalid arguments. Errors never contain the key or a password in the URL.
    """

    def __init__(self, url="http://localhost:8001", timeout=10.0, attempts=4, key=None):
        parts, basic = _parse_url(url)
        self._url = parts.geturl().rstrip("/")
        authorization = basic if key is None else _bearer("API key", key)
        self._headers = {} if authorization is None else {"Authorization": authorization}
        self._timeout = timeout
        self._attempts = attempts
        self._opener = urllib.request.build_opener(_NoRedirect)

    # The methods of Boreas 1.0.

    def new_token(self):
        """Creates a classic token for a subscriber."""
        return self._call("POST", "/token/", attempts=1)["token"]

    def active_tokens(self, channel=None):
        """Returns the tokens with a connection, or one token per connection on the channel."""
        path = "/token/" if channel is None else "/%s/token/" % _segment(channel)
        return self._call("GET", path)["tokens"]

    def broadcast(self, channel, message, dryrun=False):
        """Publishes by the classic API: any message except None. Returns False if the server refused it.

        It is never repeated, because it has no key. Prefer publish.
        """
        body = _dump({"payload": message, "dryrun": bool(dryrun)})
        try:
            self._call("POST", "/broadcast/%s/" % _segment(channel), body, attempts=1)
        except ApiError as e:
            log.warning("boreas: broadcast on %r was refused: %s", channel, e)
            return False
        return True

    def delete_token(self, token):
        """Revokes a classic token."""
        self._call("DELETE", "/token/" + _segment(token), attempts=1)

    # Protocol 2.

    def publish(self, channel, message, key=None, dry_run=False):
        """Publishes a message, any JSON value, and returns an Ack.

        The request may be sent several times, but the message is published once.
        key: the idempotency key, 1 to 128 bytes of UTF-8; None means a random key.
        dry_run: the server checks the request and publishes nothing.
        """
        path = "/v2/channels/%s/messages" % _segment(channel)
        if dry_run:
            path += "?dry_run=true"
        # Encode it here: http.client would use another encoding than publish_many.
        headers = {"Idempotency-Key": _check_key(key).encode("utf-8")}
        return _ack(self._call("POST", path, _dump(message), headers))

    def publish_many(self, items):
        """Publishes many messages in order, each once.

        items are (channel, message) or (channel, message, key). Returns a list with an Ack
        or an ApiError for each item. An invalid item does not affect the others.
        """
        results, sent, texts = [], [], []
        for channel, message, *key in items:
            try:
                code = "channel_name"
                name = _dump(_check_channel(channel))
                code = "bad_key"
                key = _dump(_check_key(key[0] if key else None))
                code = "malformed"
                texts.append(b'{"channel":%b,"message":%b,"key":%b}' % (name, _dump(message), key))
            except (TypeError, ValueError, RecursionError) as e:
                results.append(ApiError(None, code, str(e)))
                continue
            sent.append(len(results))
            results.append(None)
        if sent or not results:
            answer = self._call("POST", "/v2/messages", b'{"messages":[%b]}' % b",".join(texts))
            for i, r in zip(sent, answer["results"]):
                results[i] = ApiError.of(r["error"]) if "error" in r else _ack(r)
        return results

    def history(self, channel, since=None, limit=None, before=None, last=None, times=False):
        """Returns a Page of the kept messages after since, or from the oldest one.

        With before it has the newest messages before that position, and with last so many of the newest
        messages: always oldest first. Only one of since, before and last is allowed, and no limit with last.
        """
        if limit is None and last is None:
            limit = 100
        query = _query(since=since, limit=limit, before=before, last=last, times="true" if times else None)
        answer = self._call("GET", "/v2/channels/%s/messages%s" % (_segment(channel), query))
        pairs = [(m["message"], m["position"]) for m in answer["messages"]]
        return Page(pairs, answer["position"], answer["more"], [m["time"] for m in answer["messages"]] if times else None)

    def messages(self, channel, since=None):
        """Yields (message, position) of all kept messages after since."""
        more = True
        while more:
            page = self.history(channel, since)
            yield from page.messages
            since, more = page.position, page.more

    def trace(self, channel, position):
        """Returns the Trace of the message at a position: when it was published, and which sessions have it.

        If no kept message has the position, it raises an ApiError with the code no_message and the reason.
        """
        a = self._call("GET", "/v2/channels/%s/messages/%s" % (_segment(channel), _segment(position)))
        return Trace(
            a["channel"], a["position"], a["time"], a["size"], a.get("message"), a.get("by"), a["delivered"], a["subscribers"], a["behind"], a.get("nodes")
        )

    def purge(self, channel):
        """Drops all messages that a channel keeps, and returns the position up to which they are gone.

        It needs a key with the verb admin. It is not repeated after a failure, because a repetition would also drop
        messages that were published in between.
        """
        return self._call("DELETE", "/v2/channels/%s/messages" % _segment(channel), attempts=1)["position"]

    def presence(self, channel):
        """Returns the users on a channel: the counts users and sessions, and members if known."""
        return self._call("GET", "/v2/channels/%s/presence" % _segment(channel))

    def channel(self, name):
        """Describes one channel: subscribers, position, oldest."""
        return self._call("GET", "/v2/channels/" + _segment(name))

    def channels(self, prefix="", order=None, limit=None):
        """Yields the channels with subscribers or messages, sorted by name.

        With order they are the first limit channels, at most 1000 (100 if not given): "subscribers" begins with the
        channels with the most subscribers, "messages" with those with the most messages.
        """
        return self._pages("/v2/channels", "channels", prefix=prefix or None, order=order, limit=_limit(order, limit))

    def sessions(self, user=None, order=None, limit=None):
        """Yields the live sessions, of all users or of one user.

        With order they are the first limit sessions, at most 1000 (100 if not given): "behind" begins with the
        sessions with the most waiting messages, "since" with the newest ones.
        """
        return self._pages("/v2/sessions", "sessions", user=user, order=order, limit=_limit(order, limit))

    def session(self, session):
        """Describes one session, with its channels."""
        return self._call("GET", "/v2/sessions/" + _segment(session))

    def end_session(self, session):
        """Ends a session. Its client does not reconnect."""
        self._call("DELETE", "/v2/sessions/" + _segment(session), attempts=1)

    def stats(self):
        """Returns the server's counters."""
        return self._call("GET", "/v2/stats")

    def caller(self):
        """Describes what the client's key may do: key, name, verbs, channels, version of the server."""
        return self._call("GET", "/v2/caller")

    def config(self):
        """Returns the options of the server that are in force: a list of dicts with name, value and from."""
        return self._call("GET", "/v2/config")["options"]

    def tail(self, channel=None, events=None, user=None, session=None, payload=True):
        """Yields a TailEvent for each thing that happens on the server, while it happens.

        channel: a pattern of channels. events: a list of types, such as "message" and "refused"; None means all.
        payload: False leaves out the messages themselves.
        It makes one request. If the connection is lost, it raises ConnectionError; if the key is no longer
        allowed to read the stream, ApiError.
        """
        if isinstance(events, (str, bytes)):
            raise TypeError("events must be a list of types")
        names = None if events is None else ",".join(events)
        query = _query(channel=channel, event=names, user=user, session=session, payload=None if payload else "false")
        return self._tail("/v2/tail" + query)

    def _tail(self, path):
        request = urllib.request.Request(self._url + path, headers=self._headers)
        try:
            with self._opener.open(request, timeout=_TAIL_SILENCE) as response:
                for kind, data, _ in _frames(response, lambda: False):
                    if kind == "end":
                        raise ApiError.of(data)
                    if kind is not None:
                        yield TailEvent(kind, data)
        except urllib.error.HTTPError as e:
            with e:
                raise ApiError.of_answer(e.code, e.read(), e.headers) from None
        except (OSError, http.client.HTTPException) as e:
            raise ConnectionError("the stream of %s was lost: %s" % (self._url, e)) from e
        raise ConnectionError("the stream of %s has ended" % self._url)

    # Tokens, revocations and keys: docs/http-api.md of the server lists the members of their dicts.

    def create_token(self, user=None, ttl=None, expires=None, rules=None, label=None):
        """Creates a token. In the returned dict, "token" is its text.

        ttl: seconds until it expires. expires: an RFC 3339 time. Without both it never expires.
        rules: a list of dicts; None allows everything.
        """
        body = _given(user=user, ttl=ttl, expires=expires, rules=rules, label=label)
        return self._call("POST", "/v2/tokens", _dump(body), attempts=1)

    def tokens(self, user=None):
        """Yields the opaque tokens, of all users or of one user, without their texts."""
        return self._pages("/v2/tokens", "tokens", user=user)

    def token(self, token_id):
        """Describes the token with this ID."""
        return self._call("GET", "/v2/tokens/" + _segment(token_id))

    def update_token(self, token_id, **changes):
        """Changes label, rules, ttl or expires of a token. None removes the rules or the expiry."""
        return self._call("PATCH", "/v2/tokens/" + _segment(token_id), _dump(changes))

    def delete_token_id(self, token_id):
        """Deletes a token by its ID and ends its sessions. Returns the number of sessions."""
        return self._call("DELETE", "/v2/tokens/" + _segment(token_id), attempts=1)["sessions"]

    def inspect_token(self, token, can=()):
        """Describes a token of any kind.

        can: pairs of a verb and a channel. For each, the result says whether the token allows
        it, and by which rule.
        """
        asks = [{"verb": verb, "channel": channel} for verb, channel in can]
        return self._call("POST", "/v2/tokens/inspect", _dump({"token": token, "can": asks}))

    def revoke(self, token=None, user=None, key=None, issued_before=None, grace=None, until=None):
        """Revokes one token (by text or ID), the tokens of a user or a key, or all tokens issued before a time.

        grace: how many seconds live sessions have to present another token.
        Returns a dict; "sessions" is the number of affected live sessions.
        """
        body = _given(token=token, user=user, key=key, issued_before=issued_before, grace=grace, until=until)
        return self._call("POST", "/v2/revocations", _dump(body))

    def revocation(self, user=None, token=None, key=None):
        """Returns the revocation of a user, a token ID or a key; without arguments, the number of revocations."""
        return self._call("GET", "/v2/revocations" + _query(user=user, token=token, key=key))

    def delete_revocation(self, user=None, token=None, key=None, all=False):
        """Deletes the revocation of a user, a token ID or a key; all=True means that of all tokens by age."""
        self._call("DELETE", "/v2/revocations" + _query(user=user, token=token, key=key, all="true" if all else None), attempts=1)

    def create_key(self, name, verbs, channels=None, ttl=None, expires=None):
        """Creates an API key. In the returned dict, "key" is its text."""
        body = _given(name=name, verbs=list(verbs), channels=channels, ttl=ttl, expires=expires)
        return self._call("POST", "/v2/keys", _dump(body), attempts=1)

    def keys(self):
        """Returns the API keys, without their texts."""
        return self._call("GET", "/v2/keys")["keys"]

    def delete_key(self, key_id):
        """Revokes an API key by its ID, and the tokens that it created."""
        return self._call("DELETE", "/v2/keys/" + _segment(key_id), attempts=1)

    def refusals(self, **parameters):
        """Returns recent refusals, newest first. Parameters: session, token, user, address, limit."""
        return self._call("GET", "/v2/refusals" + _query(**parameters))["refusals"]

    def _pages(self, path, name, **parameters):
        after = None
        while True:
            answer = self._call("GET", path + _query(after=after, **parameters))
            yield from answer[name]
            after = answer.get("next")
            if after is None:
                return

    def _call(self, method, path, body=None, headers=None, attempts=None):
        """Sends a request until it succeeds, a retry is useless, or all attempts are used."""
        attempts = attempts or self._attempts
        headers = {**self._headers, **(headers or {})}
        if body is not None:
            headers["Content-Type"] = "application/json"
        for attempt in range(1, attempts + 1):
            wait = 0.0
            try:
                return self._once(method, path, body, headers)
            except ApiError as e:
                if attempt == attempts or e.retry not in ("now", "later"):
                    raise
                wait = e.retry_after
            except (OSError, http.client.HTTPException) as e:
                if attempt == attempts:
                    raise ConnectionError("no answer from %s: %s" % (self._url, e)) from e
            time.sleep(max(wait, random.uniform(0, min(10.0, 0.25 * 2**attempt))))
        raise AssertionError("not reached")

    def _once(self, method, path, body, headers):
        request = urllib.request.Request(self._url + path, body, headers, method=method)
        try:
            with self._opener.open(request, timeout=self._timeout) as response:
                text = response.read()
        except urllib.error.HTTPError as e:
            with e:
                raise ApiError.of_answer(e.code, e.read(), e.headers) from None
        if not text:
            return None
        try:
            return _load(text)
        except ValueError:
            raise ApiError(response.status, "", "the answer is no JSON: is %s a Boreas API?" % self._url) from None


def _segment(name):
    if not isinstance(name, str):
        raise TypeError("a name must be a str, not %s" % type(name).__name__)
    if not name:
        raise ValueError("the name is empty")
    return urllib.parse.quote(_check_text("the name", name), safe="")


def _query(**parameters):
    given = [(k, v) for k, v in parameters.items() if v is not None]
    return "?" + urllib.parse.urlencode(given) if given else ""


def _limit(order, limit):
    if limit is not None and order is None:
        raise ValueError("limit needs order: without an order, all are listed")
    return limit


def _given(**members):
    return {k: v for k, v in members.items() if v is not None}


def _check_text(what, text):
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("%s has half of a surrogate pair, which is not a character" % what) from None
    return text


def _check_channel(name):
    """Returns the channel's name, or raises if it is invalid (clause 1.5)."""
    if not isinstance(name, str):
        raise TypeError("a channel's name must be a str, not %s" % type(name).__name__)
    if not 1 <= len(_check_text("a channel's name", name).encode("utf-8")) <= 255:
        raise ValueError("a channel's name has 1 to 255 bytes of UTF-8")
    if re.search("[\x00-\x1f\x7f-\x9f]", name):
        raise ValueError("a channel's name has no control characters")
    return name


def _check_position(position):
    """Returns the position, or raises if it is invalid (clause 1.6)."""
    if not isinstance(position, str):
        raise TypeError("a position must be a str, not %s" % type(position).__name__)
    if not re.fullmatch("[A-Za-z0-9_-]{1,64}", position):
        raise ValueError("%.70r is not a position that the server gave" % position)
    return position


def _check_key(key):
    """Returns an idempotency key as text; for None, a random one.

    Keys with blanks around them are invalid, because an HTTP header would lose the blanks.
    """
    if key is None:
        return _new_key()
    if isinstance(key, bytes):
        try:
            key = key.decode("utf-8")
        except UnicodeDecodeError:
            raise ValueError("the idempotency key must be UTF-8") from None
    if not isinstance(key, str):
        raise TypeError("the idempotency key must be a str, not %s" % type(key).__name__)
    if not 1 <= len(_check_text("the idempotency key", key).encode("utf-8")) <= 128:
        raise ValueError("an idempotency key must have 1 to 128 bytes of UTF-8")
    if key != key.strip() or re.search("[\x00-\x1f\x7f-\x9f]", key):
        raise ValueError("an idempotency key has no control characters, and no blanks around it")
    return key


def _bearer(what, secret):
    """Returns the Authorization header with a secret. Its errors do not contain the secret."""
    if not isinstance(secret, str):
        raise TypeError("the %s must be a str, not %s" % (what, type(secret).__name__))
    if not secret or re.search("[\x00-\x20\x7f-\xa0\ud800-\udfff]", secret):
        raise ValueError("the %s is empty, or has a character that none has: perhaps the line's end of its file" % what)
    return b"Bearer " + secret.encode("utf-8")


def _parse_url(url):
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


class _Number(float):
    """A number that Python's float and int cannot hold. It keeps its text, to publish it unchanged."""

    def __new__(cls, text):
        number = float.__new__(cls, text)
        number.text = text
        return number


def _load(text):
    """Parses JSON. Numbers that Python cannot hold become infinite floats."""
    return json.loads(text, parse_int=_int, parse_float=_float)


def _int(text):
    return int(text) if len(text) <= 4000 else _Number(text)  # more digits are a ValueError


def _float(text):
    number = float(text)
    return number if abs(number) != float("inf") else _Number(text)


def _dump(value):
    """Encodes JSON. It restores all that _load accepts, including half surrogate pairs."""
    numbers = []
    try:
        # NaN and Infinity are not JSON.
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except ValueError:
        text = json.dumps(_without_numbers(value, numbers), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        for mark, number in numbers:
            text = text.replace('"%s"' % mark, number)
    # Half of a surrogate pair is not valid UTF-8, but has an escape.
    return re.sub("[\ud800-\udfff]", lambda half: "\\u%04x" % ord(half.group()), text).encode("utf-8")


def _without_numbers(value, numbers):
    """Returns a copy of a value with a mark in the place of each _Number."""
    if isinstance(value, _Number):
        numbers.append((uuid.uuid4().hex, value.text))
        return numbers[-1][0]
    if isinstance(value, dict):
        return {k: _without_numbers(v, numbers) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_numbers(v, numbers) for v in value]
    return value


def _new_key():
    return uuid.uuid4().hex


def _ack(answer):
    return Ack(answer.get("position"), answer.get("subscribers", 0), answer.get("duplicate", False))


@dataclass(frozen=True)
class Event:
    """An event from a Subscriber. README.md lists the fields of each type."""

    type: str
    channel: Optional[str] = None
    data: Any = None
    position: Optional[str] = None
    recovered: Optional[bool] = None
    reason: Optional[str] = None
    from_position: Optional[str] = None
    to_position: Optional[str] = None
    error: Optional[Exception] = None
    after: Optional[float] = None


# Clause 8.4, in seconds.
_FIRST_BOUND, _LAST_BOUND = 1.0, 30.0  # bounds of the wait before a reconnect
_SOON_BOUND, _SOON = 4.0, 60.0  # the bound while no server answers, and for how long
_GOOD = 1.0  # a connection that lasts this long after its joins is good
_ALL = 2**31 - 1  # more messages than any server keeps per channel
_MAX_LINE = 64 << 20


# The expected interval of heartbeats, in seconds, until the server sends its own.
_HEARTBEAT = 60.0


def _frames(response, closed):
    """Yields (type, data, id) of each event of the stream (WHATWG HTML, section 9.2).

    The server ends lines with a newline. A comment is yielded as (None, None, None), so
    that the caller can do work that is due.
    """
    kind, data, event_id = "", [], None
    while not closed():
        line = response.readline(_MAX_LINE)
        if not line.endswith(b"\n"):
            return  # the end of the stream; ignore an incomplete event
        line = line.rstrip(b"\r\n").decode("utf-8", "replace")
        if not line:
            if data:
                try:
                    event = _load("\n".join(data))
                except ValueError:
                    raise ConnectionError("an event of the stream is no JSON") from None
                yield kind or "message", event, event_id
            kind, data, event_id = "", [], None
            continue
        field, _, value = line.partition(":")
        if not field:
            yield None, None, None
        value = value[1:] if value.startswith(" ") else value
        if field == "event":
            kind = value
        elif field == "data":
            data.append(value)
        elif field == "id":
            event_id = value


class Subscriber:
    """An iterator over the events of channels, over server-sent events (clause 10).

    Iterate once, in one thread; the iteration blocks. close may be called by any thread.
    It reconnects and resumes. If a retry is useless, it raises the server's ApiError.
    Store last_event_id to resume in a later Subscriber of the same channels.
    Invalid arguments raise TypeError or ValueError at once. Errors and logs never contain
    the token or a password in the URL.
    """

    def __init__(
        self,
        url,
        channels,
        token=None,
        since=None,
        last=None,
        presence=False,
        last_event_id=None,
        heartbeat=None,
        timeout=10.0,
    ):
        if isinstance(channels, (str, bytes)) or not channels:
            raise ValueError("channels must be a list of names that is not empty")
        self.last_event_id = last_event_id
        if last_event_id is not None and not (isinstance(last_event_id, str) and last_event_id.isascii() and last_event_id.isprintable()):
            raise ValueError("last_event_id must be one that a Subscriber had")
        self._url, self._basic = _parse_url(url)
        self._channels = [_check_channel(name) for name in channels]
        self._since = {_check_channel(name): _check_position(position) for name, position in dict(since or {}).items()}
        unknown = set(self._since).difference(self._channels)
        if unknown:
            raise ValueError("since has a channel that is not subscribed to: %r" % min(unknown))
        if last is not None and (isinstance(last, bool) or not isinstance(last, int) or not 0 <= last < 2**53):
            raise ValueError("last must be an integer from 0")
        if not isinstance(presence, bool):
            raise TypeError("presence must be True or False")
        if token is not None and not callable(token) and token != "":
            _bearer("token", token)
        self._token = token
        self._last = last
        self._presence = presence
        self._heartbeat = heartbeat
        self._timeout = timeout
        self._failures = _Backoff()
        self._joined_at = None  # when the joins of this connection were answered
        self._back_at = None  # when to reconnect, if the server has set the time
        self._told = 0.0  # the minimum wait, from a refusal
        self._refused_tokens = 0
        self._refused = self._refusal = None  # the last refused token, and its error
        self._shown = None  # the token of this connection, or of the last one
        self._next = None  # a new token for the next connection
        self._renewal = None  # when to get a new token, if the current one expires soon
        self._renewals = None  # waits after failed attempts to get a new token
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._socket = None

    def close(self):
        """Ends the iteration soon."""
        self._closed.set()
        with self._lock:
            if self._socket is not None:
                try:
                    self._socket.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # it is closed already

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __iter__(self):
        while not self._closed.is_set():
            mute = False  # whether no server answered
            try:
                yield from self._connection()
                mute = True
            except ApiError as e:
                self._judge(e)
                mute = not e.code and not e.retry_after and e.status in (502, 503, 504)
            except (OSError, http.client.HTTPException) as e:
                mute = True
                if not self._closed.is_set():
                    log.info("boreas: the connection to %s was lost: %s", self._url.netloc, e)
            if self._closed.is_set():
                return
            self._closed.wait(self._wait(mute))

    def _judge(self, error):
        """Raises the error if reconnecting is useless."""
        if error.retry == "new_token" and callable(self._token) and self._refused_tokens == 0:
            self._refused_tokens += 1  # try one more token
            self._refused, self._refusal = self._shown, error
            self._back_at = time.monotonic()
        elif error.retry not in ("now", "later"):
            raise error
        self._told = error.retry_after

    def _wait(self, mute):
        """Returns the wait before the next connection, in seconds (clause 8.4)."""
        if self._joined_at is not None and time.monotonic() - self._joined_at >= _GOOD:
            self._failures = _Backoff()
        self._joined_at = None
        told, self._told = self._told, 0.0
        if self._back_at is not None:  # prefer the server's slot
            wait, self._back_at = max(0.0, self._back_at - time.monotonic()), None
            return wait
        return told + self._failures.next(mute)  # spread a wait that all clients receive

    def _path(self):
        """Returns the path with its query (clauses 10.1, 10.6)."""
        query = [("channel", name) for name in self._channels]
        if self.last_event_id is None:
            query += [("since." + name, position) for name, position in self._since.items()]
        last = self._last
        if self.last_event_id is not None or last is None and self._since.keys() >= set(self._channels):
            last = _ALL  # after a gap, all messages that are left (clause 4.8)
        if last is not None:
            query.append(("last", last))
        if self._presence:
            query.append(("presence", "true"))
        return self._url.path.rstrip("/") + "/v2/events?" + urllib.parse.urlencode(query)

    def _connection(self):
        """Yields the events of one connection."""
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        token, self._next, self._renewal = self._next or self._get_token(), None, None
        if callable(self._token) and token is not None and token == self._refused:
            raise _Final.of_error(self._refusal, " The function gave the same token again.")
        self._shown = token
        if token:
            headers["Authorization"] = _bearer("token", token)
        elif self._basic is not None:
            headers["Authorization"] = self._basic
        if self.last_event_id is not None:
            headers["Last-Event-ID"] = self.last_event_id
        if self._url.scheme == "https":
            connection = http.client.HTTPSConnection(
                self._url.hostname, self._url.port, timeout=self._timeout, context=ssl.create_default_context()
            )
        else:
            connection = http.client.HTTPConnection(self._url.hostname, self._url.port, timeout=self._timeout)
        try:
            connection.connect()
            sock = connection.sock
            with self._lock:
                self._socket = sock
            if self._closed.is_set():
                return
            connection.request("GET", self._path(), headers=headers)
            response = connection.getresponse()
            if response.status != 200:
                raise ApiError.of_answer(response.status, response.read(1 << 20), response.headers)
            if response.headers.get_content_type() != "text/event-stream":
                raise ApiError(response.status, "", "the answer is no event stream: is this the port for subscribers?")
            self._expect(_HEARTBEAT if self._heartbeat is None else self._heartbeat)
            yield from self._read(response)
        finally:
            with self._lock:
                self._socket = None
            connection.close()

    def _get_token(self):
        if not callable(self._token):
            return self._token
        try:
            token = self._token()
        except ValueError as e:  # such as an answer that is not JSON; its text may contain anything
            raise ConnectionError("the token function failed: %s" % type(e).__name__) from e
        return token

    def _renew(self):
        """Gets another token, if it is due. Yields an event if that fails.

        It raises nothing, because the stream continues until the token expires (clause 3.9).
        """
        if self._renewal is None or time.monotonic() < self._renewal:
            return
        try:
            token = self._token()
            if token:
                _bearer("token", token)
            if token and token not in (self._shown, self._refused):
                self._next = token
                return
            problem = ValueError("the token function gave the same token again")
        except Exception as e:  # the caller's function may raise anything
            problem = e
        wait = self._renewals.next(False)
        self._renewal = time.monotonic() + wait
        yield Event("expiring", error=problem, after=wait)

    def _expect(self, heartbeat):
        """Sets the timeout of the connection: 1.5 times the heartbeat (clause 8.1)."""
        with self._lock:
            if self._socket is not None:
                self._socket.settimeout(heartbeat * 1.5 if heartbeat else None)

    def _read(self, response):
        """Yields the events of the stream until it ends."""
        last_word = None  # the error of a goodbye that forbids reconnecting
        for kind, data, event_id in _frames(response, self._closed.is_set):
            # Store the id after the event was yielded: a caller that leaves the loop earlier
            # has not processed it.
            if kind == "join":
                self._joined_at, self._refused_tokens = time.monotonic(), 0
                if self._heartbeat is None and "heartbeat" in data:
                    self._expect(data["heartbeat"])
                yield from _joined(data)
            elif kind == "message":
                yield Event("message", data["channel"], data["message"], data["position"])
            elif kind == "gap":
                yield _gap(data["channel"], data["gap"])
            elif kind == "presence":
                yield Event("presence", data["channel"], data["presence"])
            elif kind == "goodbye":
                error, after = ApiError.of(data["error"]), None
                if error.retry == "new_token":
                    self._refused, self._refusal = self._shown, error
                if "reconnect" in data and (error.retry != "new_token" or callable(self._token)):
                    after = data["reconnect"]["after_ms"] / 1000
                    self._back_at = time.monotonic() + after
                else:
                    last_word = error
                yield Event("goodbye", error=error, after=after)
            elif kind == "expiring":
                yield Event("expiring", after=data["in_ms"] / 1000)
                if callable(self._token):
                    self._renewal, self._renewals = time.monotonic(), _Backoff()
            if event_id is not None:
                self.last_event_id = event_id
            yield from self._renew()
            if self._next is not None:  # continue on a new stream with the new token (clause 10.11)
                self._back_at = time.monotonic()
                return
        if last_word is not None:
            raise _Final.of_error(last_word)


class _Backoff:
    """Random waits, up to a bound that doubles with each failure (clause 8.4)."""

    def __init__(self):
        self._doublings, self._began = 0, None

    def next(self, mute):
        """Returns the wait after a failure. mute: no server answered."""
        if self._began is None:
            self._began = time.monotonic()
        soon = mute and time.monotonic() - self._began < _SOON
        limit = _SOON_BOUND if soon else _LAST_BOUND
        bound = min(limit, _FIRST_BOUND * 2**self._doublings)
        if bound < limit:
            self._doublings += 1
        return random.uniform(0, bound)


class _Final(ApiError):
    """An error that ends the iteration regardless of retry (clause 8.3)."""

    @classmethod
    def of_error(cls, e, more=""):
        return cls(e.status, e.code, e.message + more, "never", 0.0, e.oldest)


def _joined(data):
    """Yields the events for the results of a join (clauses 4.2, 4.7, 4.8)."""
    for result in data["channels"]:
        if "error" in result:
            yield Event("joined", result["channel"], error=ApiError.of(result["error"]))
            continue
        yield Event("joined", result["channel"], result.get("presence"), result["position"], result.get("recovered"))
        if "gap" in result:
            yield _gap(result["channel"], result["gap"])


def _gap(channel, gap):
    return Event("gap", channel, reason=gap["reason"], from_position=gap["from"], to_position=gap["to"])
