"""Subscriber, which receives messages over server-sent events."""

from __future__ import annotations

import http.client
import logging
import socket
import ssl
import threading
import time
import urllib.parse
from dataclasses import dataclass
from typing import Any, Callable, Iterable, Iterator, Mapping, Optional, Union

from ._arguments import bearer, check_channel, check_position, parse_url
from ._backoff import Backoff
from ._error import ApiError
from ._frames import frames

log = logging.getLogger("boreas")

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

_GOOD = 1.0  # a connection that lasts this long after its joins is good
_ALL = 2**31 - 1  # more messages than any server keeps per channel

# The expected interval of heartbeats, in seconds, until the server sends its own.
_HEARTBEAT = 60.0

# A token, or a function that returns one.
Token = Union[str, Callable[[], Optional[str]], None]

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
        url: str,
        channels: Iterable[str],
        token: Token = None,
        since: Mapping[str, str] | None = None,
        last: int | None = None,
        presence: bool = False,
        last_event_id: str | None = None,
        heartbeat: float | None = None,
        timeout: float = 10.0,
    ) -> None:
        if isinstance(channels, (str, bytes)) or not channels:
            raise ValueError("channels must be a list of names that is not empty")
        self.last_event_id = last_event_id
        if last_event_id is not None and not (isinstance(last_event_id, str) and last_event_id.isascii() and last_event_id.isprintable()):
            raise ValueError("last_event_id must be one that a Subscriber had")
        self._url, self._basic = parse_url(url)
        self._channels = [check_channel(name) for name in channels]
        self._since = {check_channel(name): check_position(position) for name, position in dict(since or {}).items()}
        unknown = set(self._since).difference(self._channels)
        if unknown:
            raise ValueError("since has a channel that is not subscribed to: %r" % min(unknown))
        if last is not None and (isinstance(last, bool) or not isinstance(last, int) or not 0 <= last < 2**53):
            raise ValueError("last must be an integer from 0")
        if not isinstance(presence, bool):
            raise TypeError("presence must be True or False")
        if token is not None and not callable(token) and token != "":
            bearer("token", token)
        self._token = token
        self._last = last
        self._presence = presence
        self._heartbeat = heartbeat
        self._timeout = timeout
        self._failures = Backoff()
        self._joined_at: float | None = None  # when the joins of this connection were answered
        self._back_at: float | None = None  # when to reconnect, if the server has set the time
        self._told = 0.0  # the minimum wait, from a refusal
        self._refused_tokens = 0
        self._refused: str | None = None  # the last refused token
        self._refusal: ApiError | None = None  # and its error
        self._shown: str | None = None  # the token of this connection, or of the last one
        self._next: str | None = None  # a new token for the next connection
        self._renewal: float | None = None  # when to get a new token, if the current one expires soon
        self._renewals = Backoff()  # waits after failed attempts to get a new token
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None

    def close(self) -> None:
        """Ends the iteration soon."""
        self._closed.set()
        with self._lock:
            if self._socket is not None:
                try:
                    self._socket.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # it is closed already

    def __enter__(self) -> Subscriber:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Event]:
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

    def _judge(self, error: ApiError) -> None:
        """Raises the error if reconnecting is useless."""
        if error.retry == "new_token" and callable(self._token) and self._refused_tokens == 0:
            self._refused_tokens += 1  # try one more token
            self._refused, self._refusal = self._shown, error
            self._back_at = time.monotonic()
        elif error.retry not in ("now", "later"):
            raise error
        self._told = error.retry_after

    def _wait(self, mute: bool) -> float:
        """Returns the wait before the next connection, in seconds (clause 8.4)."""
        if self._joined_at is not None and time.monotonic() - self._joined_at >= _GOOD:
            self._failures = Backoff()
        self._joined_at = None
        told, self._told = self._told, 0.0
        if self._back_at is not None:  # prefer the server's slot
            wait, self._back_at = max(0.0, self._back_at - time.monotonic()), None
            return wait
        return told + self._failures.next(mute)  # spread a wait that all clients receive

    def _path(self) -> str:
        """Returns the path with its query (clauses 10.1, 10.6)."""
        query = [("channel", name) for name in self._channels]
        if self.last_event_id is None:
            query += [("since." + name, position) for name, position in self._since.items()]
        last = self._last
        if self.last_event_id is not None or last is None and self._since.keys() >= set(self._channels):
            last = _ALL  # after a gap, all messages that are left (clause 4.8)
        if last is not None:
            query.append(("last", str(last)))
        if self._presence:
            query.append(("presence", "true"))
        return self._url.path.rstrip("/") + "/v2/events?" + urllib.parse.urlencode(query)

    def _connection(self) -> Iterator[Event]:
        """Yields the events of one connection."""
        headers: dict[str, Any] = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        token, self._next, self._renewal = self._next or self._get_token(), None, None
        if callable(self._token) and token is not None and token == self._refused and self._refusal is not None:
            raise _Final.of_error(self._refusal, " The function gave the same token again.")
        self._shown = token
        if token:
            headers["Authorization"] = bearer("token", token)
        elif self._basic is not None:
            headers["Authorization"] = self._basic
        if self.last_event_id is not None:
            headers["Last-Event-ID"] = self.last_event_id
        host, port = self._url.hostname or "", self._url.port
        connection: http.client.HTTPConnection
        if self._url.scheme == "https":
            connection = http.client.HTTPSConnection(host, port, timeout=self._timeout, context=ssl.create_default_context())
        else:
            connection = http.client.HTTPConnection(host, port, timeout=self._timeout)
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

    def _get_token(self) -> str | None:
        if not callable(self._token):
            return self._token
        try:
            token = self._token()
        except ValueError as e:  # such as an answer that is not JSON; its text may contain anything
            raise ConnectionError("the token function failed: %s" % type(e).__name__) from e
        return token

    def _renew(self) -> Iterator[Event]:
        """Gets another token, if it is due. Yields an event if that fails.

        It raises nothing, because the stream continues until the token expires (clause 3.9).
        """
        if not callable(self._token) or self._renewal is None or time.monotonic() < self._renewal:
            return
        try:
            token = self._token()
            if token:
                bearer("token", token)
            if token and token not in (self._shown, self._refused):
                self._next = token
                return
            problem: Exception = ValueError("the token function gave the same token again")
        except Exception as e:  # the caller's function may raise anything
            problem = e
        wait = self._renewals.next(False)
        self._renewal = time.monotonic() + wait
        yield Event("expiring", error=problem, after=wait)

    def _expect(self, heartbeat: float) -> None:
        """Sets the timeout of the connection: 1.5 times the heartbeat (clause 8.1)."""
        with self._lock:
            if self._socket is not None:
                self._socket.settimeout(heartbeat * 1.5 if heartbeat else None)

    def _read(self, response: http.client.HTTPResponse) -> Iterator[Event]:
        """Yields the events of the stream until it ends."""
        last_word = None  # the error of a goodbye that forbids reconnecting
        for kind, data, event_id in frames(response, self._closed.is_set):
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
                    self._renewal, self._renewals = time.monotonic(), Backoff()
            if event_id is not None:
                self.last_event_id = event_id
            yield from self._renew()
            if self._next is not None:  # continue on a new stream with the new token (clause 10.11)
                self._back_at = time.monotonic()
                return
        if last_word is not None:
            raise _Final.of_error(last_word)

class _Final(ApiError):
    """An error that ends the iteration regardless of retry (clause 8.3)."""

    @classmethod
    def of_error(cls, e: ApiError, more: str = "") -> _Final:
        return cls(e.status, e.code, e.message + more, "never", 0.0, e.oldest)


def _joined(data: dict[str, Any]) -> Iterator[Event]:
    """Yields the events for the results of a join (clauses 4.2, 4.7, 4.8)."""
    for result in data["channels"]:
        if "error" in result:
            yield Event("joined", result["channel"], error=ApiError.of(result["error"]))
            continue
        yield Event("joined", result["channel"], result.get("presence"), result["position"], result.get("recovered"))
        if "gap" in result:
            yield _gap(result["channel"], result["gap"])


def _gap(channel: str, gap: dict[str, Any]) -> Event:
    return Event("gap", channel, reason=gap["reason"], from_position=gap["from"], to_position=gap["to"])
