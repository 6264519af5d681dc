"""ApiClient, which uses the HTTP API."""

from __future__ import annotations

import http.client
import logging
import random
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import IO, Any, Iterable, Iterator, Sequence

from ._arguments import bearer, check_channel, check_key, checked_limit, given, parse_url, query_string, segment
from ._error import ApiError
from ._frames import frames
from ._json import dump, load
from ._results import Ack, Page, TailEvent, Trace

log = logging.getLogger("boreas")

# How long /v2/tail may be silent, in seconds. The server sends a comment every 15 seconds.
_TAIL_SILENCE = 45.0


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirect, because a redirected POST would become a GET."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: http.client.HTTPMessage, newurl: str
    ) -> None:
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

    def __init__(self, url: str = "http://localhost:8001", timeout: float = 10.0, attempts: int = 4, key: str | None = None) -> None:
        parts, basic = parse_url(url)
        self._url = parts.geturl().rstrip("/")
        authorization = basic if key is None else bearer("API key", key)
        self._headers: dict[str, Any] = {} if authorization is None else {"Authorization": authorization}
        self._timeout = timeout
        self._attempts = attempts
        self._opener = urllib.request.build_opener(_NoRedirect)

    # The methods of Boreas 1.0.

    def new_token(self) -> str:
        """Creates a classic token for a subscriber."""
        token: str = self._call("POST", "/token/", attempts=1)["token"]
        return token

    def active_tokens(self, channel: str | None = None) -> list[str]:
        """Returns the tokens with a connection, or one token per connection on the channel."""
        path = "/token/" if channel is None else "/%s/token/" % segment(channel)
        tokens: list[str] = self._call("GET", path)["tokens"]
        return tokens

    def broadcast(self, channel: str, message: Any, dryrun: bool = False) -> bool:
        """Publishes by the classic API: any message except None. Returns False if the server refused it.

        It is never repeated, because it has no key. Prefer publish.
        """
        body = dump({"payload": message, "dryrun": bool(dryrun)})
        try:
            self._call("POST", "/broadcast/%s/" % segment(channel), body, attempts=1)
        except ApiError as e:
            log.warning("boreas: broadcast on %r was refused: %s", channel, e)
            return False
        return True

    def delete_token(self, token: str) -> None:
        """Revokes a classic token."""
        self._call("DELETE", "/token/" + segment(token), attempts=1)

    # Protocol 2.

    def publish(self, channel: str, message: Any, key: str | bytes | None = None, dry_run: bool = False) -> Ack:
        """Publishes a message, any JSON value, and returns an Ack.

        The request may be sent several times, but the message is published once.
        key: the idempotency key, 1 to 128 bytes of UTF-8; None means a random key.
        dry_run: the server checks the request and publishes nothing.
        """
        path = "/v2/channels/%s/messages" % segment(channel)
        if dry_run:
            path += "?dry_run=true"
        # Encode it here: http.client would use another encoding than publish_many.
        headers = {"Idempotency-Key": check_key(key).encode("utf-8")}
        return _ack(self._call("POST", path, dump(message), headers))

    def publish_many(self, items: Iterable[tuple[Any, ...]]) -> list[Ack | ApiError]:
        """Publishes many messages in order, each once.

        items are (channel, message) or (channel, message, key). Returns a list with an Ack
        or an ApiError for each item. An invalid item does not affect the others.
        """
        results: list[Any] = []
        sent: list[int] = []
        texts: list[bytes] = []
        for channel, message, *key in items:
            try:
                code = "channel_name"
                name = dump(check_channel(channel))
                code = "bad_key"
                encoded_key = dump(check_key(key[0] if key else None))
                code = "malformed"
                texts.append(b'{"channel":%b,"message":%b,"key":%b}' % (name, dump(message), encoded_key))
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

    def history(
        self,
        channel: str,
        since: str | None = None,
        limit: int | None = None,
        before: str | None = None,
        last: int | None = None,
        times: bool = False,
    ) -> Page:
        """Returns a Page of the kept messages after since, or from the oldest one.

        With before it has the newest messages before that position, and with last so many of the newest
        messages: always oldest first. Only one of since, before and last is allowed, and no limit with last.
        """
        if limit is None and last is None:
            limit = 100
        query = query_string(since=since, limit=limit, before=before, last=last, times="true" if times else None)
        answer = self._call("GET", "/v2/channels/%s/messages%s" % (segment(channel), query))
        pairs = [(m["message"], m["position"]) for m in answer["messages"]]
        return Page(pairs, answer["position"], answer["more"], [m["time"] for m in answer["messages"]] if times else None)

    def messages(self, channel: str, since: str | None = None) -> Iterator[tuple[Any, str]]:
        """Yields (message, position) of all kept messages after since."""
        more = True
        while more:
            page = self.history(channel, since)
            yield from page.messages
            since, more = page.position, page.more

    def trace(self, channel: str, position: str) -> Trace:
        """Returns the Trace of the message at a position: when it was published, and which sessions have it.

        If no kept message has the position, it raises an ApiError with the code no_message and the reason.
        """
        a = self._call("GET", "/v2/channels/%s/messages/%s" % (segment(channel), segment(position)))
        return Trace(
            a["channel"], a["position"], a["time"], a["size"], a.get("message"), a.get("by"), a["delivered"], a["subscribers"], a["behind"], a.get("nodes")
        )

    def purge(self, channel: str) -> str:
        """Drops all messages that a channel keeps, and returns the position up to which they are gone.

        It needs a key with the verb admin. It is not repeated after a failure, because a repetition would also drop
        messages that were published in between.
        """
        position: str = self._call("DELETE", "/v2/channels/%s/messages" % segment(channel), attempts=1)["position"]
        return position

    def presence(self, channel: str) -> dict[str, Any]:
        """Returns the users on a channel: the counts users and sessions, and members if known."""
        return self._call("GET", "/v2/channels/%s/presence" % segment(channel))

    def channel(self, name: str) -> dict[str, Any]:
        """Describes one channel: subscribers, position, oldest."""
        return self._call("GET", "/v2/channels/" + segment(name))

    def channels(self, prefix: str = "", order: str | None = None, limit: int | None = None) -> Iterator[dict[str, Any]]:
        """Yields the channels with subscribers or messages, sorted by name.

        With order they are the first limit channels, at most 1000 (100 if not given): "subscribers" begins with the
        channels with the most subscribers, "messages" with those with the most messages.
        """
        return self._pages("/v2/channels", "channels", prefix=prefix or None, order=order, limit=checked_limit(order, limit))

    def sessions(self, user: str | None = None, order: str | None = None, limit: int | None = None) -> Iterator[dict[str, Any]]:
        """Yields the live sessions, of all users or of one user.

        With order they are the first limit sessions, at most 1000 (100 if not given): "behind" begins with the
        sessions with the most waiting messages, "since" with the newest ones.
        """
        return self._pages("/v2/sessions", "sessions", user=user, order=order, limit=checked_limit(order, limit))

    def session(self, session: str) -> dict[str, Any]:
        """Describes one session, with its channels."""
        return self._call("GET", "/v2/sessions/" + segment(session))

    def end_session(self, session: str) -> None:
        """Ends a session. Its client does not reconnect."""
        self._call("DELETE", "/v2/sessions/" + segment(session), attempts=1)

    def stats(self) -> dict[str, Any]:
        """Returns the server's counters."""
        return self._call("GET", "/v2/stats")

    def caller(self) -> dict[str, Any]:
        """Describes what the client's key may do: key, name, verbs, channels, version of the server."""
        return self._call("GET", "/v2/caller")

    def config(self) -> list[dict[str, Any]]:
        """Returns the options of the server that are in force: a list of dicts with name, value and from."""
        options: list[dict[str, Any]] = self._call("GET", "/v2/config")["options"]
        return options

    def tail(
        self,
        channel: str | None = None,
        events: Iterable[str] | None = None,
        user: str | None = None,
        session: str | None = None,
        payload: bool = True,
    ) -> Iterator[TailEvent]:
        """Yields a TailEvent for each thing that happens on the server, while it happens.

        channel: a pattern of channels. events: a list of types, such as "message" and "refused"; None means all.
        payload: False leaves out the messages themselves.
        It makes one request. If the connection is lost, it raises ConnectionError; if the key is no longer
        allowed to read the stream, ApiError.
        """
        if isinstance(events, (str, bytes)):
            raise TypeError("events must be a list of types")
        names = None if events is None else ",".join(events)
        query = query_string(channel=channel, event=names, user=user, session=session, payload=None if payload else "false")
        return self._tail("/v2/tail" + query)

    def _tail(self, path: str) -> Iterator[TailEvent]:
        request = urllib.request.Request(self._url + path, headers=self._headers)
        try:
            with self._opener.open(request, timeout=_TAIL_SILENCE) as response:
                for kind, data, _ in frames(response, lambda: False):
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

    def create_token(
        self,
        user: str | None = None,
        ttl: float | None = None,
        expires: str | None = None,
        rules: Sequence[dict[str, Any]] | None = None,
        label: str | None = None,
    ) -> dict[str, Any]:
        """Creates a token. In the returned dict, "token" is its text.

        ttl: seconds until it expires. expires: an RFC 3339 time. Without both it never expires.
        rules: a list of dicts; None allows everything.
        """
        body = given(user=user, ttl=ttl, expires=expires, rules=rules, label=label)
        return self._call("POST", "/v2/tokens", dump(body), attempts=1)

    def tokens(self, user: str | None = None) -> Iterator[dict[str, Any]]:
        """Yields the opaque tokens, of all users or of one user, without their texts."""
        return self._pages("/v2/tokens", "tokens", user=user)

    def token(self, token_id: str) -> dict[str, Any]:
        """Describes the token with this ID."""
        return self._call("GET", "/v2/tokens/" + segment(token_id))

    def update_token(self, token_id: str, **changes: Any) -> dict[str, Any]:
        """Changes label, rules, ttl or expires of a token. None removes the rules or the expiry."""
        return self._call("PATCH", "/v2/tokens/" + segment(token_id), dump(changes))

    def delete_token_id(self, token_id: str) -> int:
        """Deletes a token by its ID and ends its sessions. Returns the number of sessions."""
        sessions: int = self._call("DELETE", "/v2/tokens/" + segment(token_id), attempts=1)["sessions"]
        return sessions

    def inspect_token(self, token: str, can: Iterable[tuple[str, str]] = ()) -> dict[str, Any]:
        """Describes a token of any kind.

        can: pairs of a verb and a channel. For each, the result says whether the token allows
        it, and by which rule.
        """
        asks = [{"verb": verb, "channel": channel} for verb, channel in can]
        return self._call("POST", "/v2/tokens/inspect", dump({"token": token, "can": asks}))

    def revoke(
        self,
        token: str | None = None,
        user: str | None = None,
        key: str | None = None,
        issued_before: str | None = None,
        grace: float | None = None,
        until: str | None = None,
    ) -> dict[str, Any]:
        """Revokes one token (by text or ID), the tokens of a user or a key, or all tokens issued before a time.

        grace: how many seconds live sessions have to present another token.
        Returns a dict; "sessions" is the number of affected live sessions.
        """
        body = given(token=token, user=user, key=key, issued_before=issued_before, grace=grace, until=until)
        return self._call("POST", "/v2/revocations", dump(body))

    def revocation(self, user: str | None = None, token: str | None = None, key: str | None = None) -> dict[str, Any]:
        """Returns the revocation of a user, a token ID or a key; without arguments, the number of revocations."""
        return self._call("GET", "/v2/revocations" + query_string(user=user, token=token, key=key))

    def delete_revocation(self, user: str | None = None, token: str | None = None, key: str | None = None, all: bool = False) -> None:
        """Deletes the revocation of a user, a token ID or a key; all=True means that of all tokens by age."""
        self._call("DELETE", "/v2/revocations" + query_string(user=user, token=token, key=key, all="true" if all else None), attempts=1)

    def create_key(
        self,
        name: str,
        verbs: Iterable[str],
        channels: Sequence[str] | None = None,
        ttl: float | None = None,
        expires: str | None = None,
    ) -> dict[str, Any]:
        """Creates an API key. In the returned dict, "key" is its text."""
        body = given(name=name, verbs=list(verbs), channels=channels, ttl=ttl, expires=expires)
        return self._call("POST", "/v2/keys", dump(body), attempts=1)

    def keys(self) -> list[dict[str, Any]]:
        """Returns the API keys, without their texts."""
        listed: list[dict[str, Any]] = self._call("GET", "/v2/keys")["keys"]
        return listed

    def delete_key(self, key_id: str) -> None:
        """Revokes an API key by its ID, and the tokens that it created."""
        self._call("DELETE", "/v2/keys/" + segment(key_id), attempts=1)

    def refusals(self, **parameters: Any) -> list[dict[str, Any]]:
        """Returns recent refusals, newest first. Parameters: session, token, user, address, limit."""
        refusals: list[dict[str, Any]] = self._call("GET", "/v2/refusals" + query_string(**parameters))["refusals"]
        return refusals

    def _pages(self, path: str, name: str, **parameters: Any) -> Iterator[dict[str, Any]]:
        after = None
        while True:
            answer = self._call("GET", path + query_string(after=after, **parameters))
            yield from answer[name]
            after = answer.get("next")
            if after is None:
                return

    def _call(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, Any] | None = None, attempts: int | None = None
    ) -> dict[str, Any]:
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

    def _once(self, method: str, path: str, body: bytes | None, headers: dict[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(self._url + path, body, headers, method=method)
        try:
            with self._opener.open(request, timeout=self._timeout) as response:
                text = response.read()
        except urllib.error.HTTPError as e:
            with e:
                raise ApiError.of_answer(e.code, e.read(), e.headers) from None
        if not text:
            return {}
        try:
            answer: dict[str, Any] = load(text)
        except ValueError:
            raise ApiError(response.status, "", "the answer is no JSON: is %s a Boreas API?" % self._url) from None
        return answer

def _ack(answer: dict[str, Any]) -> Ack:
    return Ack(answer.get("position"), answer.get("subscribers", 0), answer.get("duplicate", False))
