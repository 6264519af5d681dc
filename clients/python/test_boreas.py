"""Tests of the package: against a server that plays a script, and, if TEST_BOREAS_API and
TEST_BOREAS_WS name one, against a real one."""

import contextlib
import http.server
import json
import os
import threading
import time
import unittest
import urllib.parse
from unittest import mock

import boreas
from boreas import _backoff, _json


class Script:
    """A server that answers each request with the next of its answers, and keeps the requests.

    An answer is a function of the handler, or (status, body) or (status, body, headers).
    """

    def __init__(self, *answers):
        self.answers, self.requests = list(answers), []
        script = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                script.requests.append((self.command, self.path, dict(self.headers), body))
                answer = script.answers.pop(0) if script.answers else (500, "no more answers")
                if callable(answer):
                    answer(self)
                    self.close_connection = True
                    return
                status, text, *headers = answer
                data = text.encode() if isinstance(text, str) else json.dumps(text).encode()
                self.send_response(status)
                for name, value in headers[0].items() if headers else ():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PATCH = do_DELETE = handle_any

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = "http://127.0.0.1:%d" % self.server.server_port
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def stream(*events, hold=None):
    """An answer that is a stream of events: texts. hold is waited for before its end."""

    def answer(handler):
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Connection", "close")
        handler.end_headers()
        for event in events:
            handler.wfile.write(event.encode())
            handler.wfile.flush()
        if hold is not None:
            hold.wait(30)

    return answer


def cut(handler):
    """An answer that is none: the connection ends."""


def event(data, kind=None, event_id=None):
    lines = ["event: " + kind] if kind else []
    if event_id is not None:
        lines.append("id: " + event_id)
    return "\n".join(lines + ["data: " + json.dumps(data)]) + "\n\n"


def joined(event_id="j", **more):
    return event({"channels": [dict({"channel": "chat", "position": "E-0"}, **more)]}, "join", event_id)


def message(n):
    return event({"channel": "chat", "message": n, "position": "E-%d" % n}, event_id="id%d" % n)


def error(code, retry, **more):
    return {"error": dict({"code": code, "message": "Why.", "retry": retry}, **more)}


FINAL = event(error("terminated", "never"), "goodbye")


class Patient(unittest.TestCase):
    """Waits take no time, and are kept; the random part of each is its bound."""

    def setUp(self):
        self.waits = []
        for target, replacement in (
            ("time.sleep", self.waits.append),
            ("random.uniform", lambda low, high: high),
        ):
            patch = mock.patch(target, replacement)
            patch.start()
            self.addCleanup(patch.stop)

    def subscriber(self, url, **options):
        s = boreas.Subscriber(url, ["chat"], **options)
        s._closed.wait = self.waits.append
        return s

    def events(self, subscriber):
        """All events up to the error that ends them."""
        got = []
        with self.assertRaises(boreas.ApiError) as end:
            for e in subscriber:
                got.append(e)
        return got, end.exception


class TestApiClient(Patient):
    def test_classic_methods(self):
        with Script(
            (200, {"token": "T"}), (200, {"tokens": ["T"]}), (200, {"tokens": []}), (200, ""), (400, {"errors": ["No."]}), (204, "")
        ) as s:
            api = boreas.ApiClient(s.url)
            self.assertEqual(api.new_token(), "T")
            self.assertEqual(api.active_tokens(), ["T"])
            self.assertEqual(api.active_tokens("a/b"), [])
            self.assertIs(api.broadcast("a b", {"ó": 1}), True)
            with self.assertLogs("boreas", "WARNING"):
                self.assertIs(api.broadcast("c", 1, dryrun=True), False)
            self.assertIsNone(api.delete_token("T/"))
        self.assertEqual(
            [(m, p, b) for m, p, _, b in s.requests],
            [
                ("POST", "/token/", b""),
                ("GET", "/token/", b""),
                ("GET", "/a%2Fb/token/", b""),
                ("POST", "/broadcast/a%20b/", '{"payload":{"ó":1},"dryrun":false}'.encode()),
                ("POST", "/broadcast/c/", b'{"payload":1,"dryrun":true}'),
                ("DELETE", "/token/T%2F", b""),
            ],
        )

    def test_publish(self):
        ack = {"position": "E-1", "subscribers": 2}
        with Script((201, ack), (200, dict(ack, duplicate=True)), (200, {"dry_run": True, "subscribers": 0})) as s:
            api = boreas.ApiClient(s.url)
            self.assertEqual(api.publish("a/b", None), boreas.Ack("E-1", 2))
            self.assertEqual(api.publish("c", [1], key="k"), boreas.Ack("E-1", 2, True))
            self.assertEqual(api.publish("c", 1, dry_run=True), boreas.Ack(None, 0))
        (_, path, headers, body), (_, _, second, _), (_, third, _, _) = s.requests
        self.assertEqual((path, body), ("/v2/channels/a%2Fb/messages", b"null"))
        self.assertEqual(len(headers["Idempotency-Key"]), 32)
        self.assertEqual(second["Idempotency-Key"], "k")
        self.assertEqual(third, "/v2/channels/c/messages?dry_run=true")

    def test_publish_is_repeated_with_its_key(self):
        busy = (503, error("too_many_keys", "later", retry_after_ms=3000))
        with Script(cut, busy, (201, {"position": "E-1", "subscribers": 0})) as s:
            self.assertEqual(boreas.ApiClient(s.url).publish("c", 1).position, "E-1")
        self.assertEqual(len({h["Idempotency-Key"] for _, _, h, _ in s.requests}), 1)
        self.assertEqual(len(s.requests), 3)
        self.assertEqual(self.waits, [0.5, 3.0])

    def test_a_request_that_cannot_succeed_is_not_repeated(self):
        with Script((422, error("key_reused", "never"))) as s:
            with self.assertRaises(boreas.ApiError) as raised:
                boreas.ApiClient(s.url).publish("c", 1)
        e = raised.exception
        self.assertEqual((e.status, e.code, e.message, e.retry, str(e)), (422, "key_reused", "Why.", "never", "422 key_reused: Why."))
        self.assertEqual(len(s.requests), 1)

    def test_key(self):
        with Script((302, "", {"Location": "/other"}), (200, {"users": 1}), (200, {"users": 1})) as s:
            api = boreas.ApiClient(s.url, key="bk_secret")
            with self.assertRaises(boreas.ApiError) as raised:
                api.publish("c", 1)
            self.assertNotIn("secret", repr(raised.exception) + repr(api))
            api.presence("c")
            boreas.ApiClient(s.url).presence("c")
        self.assertEqual([h.get("Authorization") for _, _, h, _ in s.requests], ["Bearer bk_secret", "Bearer bk_secret", None])
        with self.assertRaises(ValueError) as raised:
            boreas.ApiClient(key="bk_secret\n")
        self.assertNotIn("secret", str(raised.exception))

    def test_a_rate_limited_request_is_repeated_after_the_wait(self):  # clause 2.9
        limited = (429, error("rate_limited", "later", retry_after_ms=3000))
        with Script(limited, (201, {"position": "E-1", "subscribers": 0})) as s:
            self.assertEqual(boreas.ApiClient(s.url).publish("c", 1).position, "E-1")
        self.assertEqual(self.waits, [3.0])

    def test_attempts_end(self):
        with Script(cut, cut, cut) as s:
            with self.assertRaises(ConnectionError):
                boreas.ApiClient(s.url, attempts=2).publish("c", 1)
            with self.assertRaises(ConnectionError):
                boreas.ApiClient(s.url).broadcast("c", 1)  # without a key there is one attempt
        self.assertEqual(len(s.requests), 3)

    def test_publish_many(self):
        with Script((200, {"results": [{"position": "E-1", "subscribers": 0}, error("channel_name", "never")]})) as s:
            got = boreas.ApiClient(s.url).publish_many([("a", 1), ("b", 2, "k")])
        self.assertEqual((got[0], got[1].code), (boreas.Ack("E-1", 0), "channel_name"))
        messages = json.loads(s.requests[0][3])["messages"]
        self.assertEqual(len(messages[0].pop("key")), 32)
        self.assertEqual(messages, [{"channel": "a", "message": 1}, {"channel": "b", "message": 2, "key": "k"}])

    def test_one_invalid_message_of_many_fails_alone(self):
        ok = {"position": "E-1", "subscribers": 0}
        wrong = [
            ("", 1, "channel_name"), (5, 1, "channel_name"), ("room \ud83d", 1, "channel_name"), ("a\n", 1, "channel_name"),
            ("\u00e9" * 128, 1, "channel_name"), ("a", object(), "malformed"), ("a", float("nan"), "malformed"),
        ]
        keys = ["", " k", "k\n", "\ud83d", "\u00e9" * 65, b"\xff", 5]
        items = [("a", 1)] + [w[:2] for w in wrong] + [("a", 1, key) for key in keys] + [("b", 2, b"k")]
        with Script((200, {"results": [ok, ok]})) as s:
            got = boreas.ApiClient(s.url).publish_many(items)
        codes = [getattr(g, "code", None) for g in got]
        self.assertEqual(codes, [None] + [w[2] for w in wrong] + ["bad_key"] * len(keys) + [None])
        messages = json.loads(s.requests[0][3])["messages"]
        self.assertEqual([(m["channel"], m["message"]) for m in messages], [("a", 1), ("b", 2)])
        with Script() as s:
            self.assertEqual(len(boreas.ApiClient(s.url).publish_many(items[1:-1])), len(items) - 2)
        self.assertEqual(s.requests, [])

    def test_a_key_is_the_same_in_each_call(self):
        ack = {"position": "E-1", "subscribers": 0}
        for key in ("k", "\u00e9 K", "\U0001f600", b"k", "\u00e9".encode()):
            with Script((200, ack), (200, {"results": [ack]})) as s:
                api = boreas.ApiClient(s.url)
                api.publish("a", 1, key=key)
                api.publish_many([("a", 1, key)])
            text = key.decode() if isinstance(key, bytes) else key
            self.assertEqual(s.requests[0][2]["Idempotency-Key"].encode("latin-1").decode(), text)
            self.assertEqual(json.loads(s.requests[1][3])["messages"][0]["key"], text)
        for key in ("", " k", "k ", "k\n", "\ud83d", "x" * 129, b"\xff", 5):
            with self.assertRaises((ValueError, TypeError)):
                boreas.ApiClient("http://127.0.0.1:1").publish("a", 1, key=key)

    def test_received_messages_can_be_published_unchanged(self):
        for text in (
            '"half \\ud83d"', '["\\udc00","\\ud83d\\ud83d\\ude00"]', "1e400", "-1e999", "1" * 5000, '{"a":[' + "9" * 4301 + ',"1e400",1e400]}',
            '"Za\u017c\u00f3\u0142\u0107"', "0.1", "12345678901234567890", "1E2",
        ):
            message = _json.load(text)
            with Script((200, {"position": "E-1", "subscribers": 0}), (200, {"results": [{"position": "E-1", "subscribers": 0}]})) as s:
                api = boreas.ApiClient(s.url)
                api.publish("a", message)
                self.assertIsInstance(api.publish_many([("a", message)])[0], boreas.Ack)
            published = s.requests[0][3].decode("utf-8")  # raises if it is not UTF-8
            self.assertEqual(repr(_json.load(published)), repr(message))
            if text not in ('["\\udc00","\\ud83d\\ud83d\\ude00"]', "1E2"):
                self.assertEqual(published, text)

    def test_tokens_keys_and_revocations(self):
        made = {"token": "bt_x", "id": "tok_1"}
        with Script(
            (201, made), (200, {"tokens": [made], "next": "n"}), (200, {"tokens": []}), (200, made), (200, made), (200, {"sessions": 2}),
            (200, {"valid": True}), (200, {"sessions": 1}), (200, {"revocations": 3}), (204, ""),
            (201, {"key": "bk_x", "id": "key_1"}), (200, {"keys": [1]}), (204, ""), (200, {"refusals": [2]}),
        ) as s:
            api = boreas.ApiClient(s.url)
            rules = [{"channels": ["a"], "allow": ["join"]}]
            self.assertEqual(api.create_token("ann", ttl=60, rules=rules), made)
            self.assertEqual(list(api.tokens("ann")), [made])
            self.assertEqual(api.token("tok_1"), made)
            self.assertEqual(api.update_token("tok_1", label="phone", rules=None), made)
            self.assertEqual(api.delete_token_id("tok_1"), 2)
            self.assertEqual(api.inspect_token("bt_x", [("join", "a")]), {"valid": True})
            self.assertEqual(api.revoke(user="ann", grace=30), {"sessions": 1})
            self.assertEqual(api.revocation(), {"revocations": 3})
            self.assertIsNone(api.delete_revocation(all=True))
            self.assertEqual(api.create_key("shop", ["publish"], channels=["orders.*"])["key"], "bk_x")
            self.assertEqual(api.keys(), [1])
            api.delete_key("key_1")
            self.assertEqual(api.refusals(token="tok_1", limit=5), [2])
        self.assertEqual(
            [(m, p, json.loads(b) if b else None) for m, p, _, b in s.requests],
            [
                ("POST", "/v2/tokens", {"user": "ann", "ttl": 60, "rules": rules}),
                ("GET", "/v2/tokens?user=ann", None),
                ("GET", "/v2/tokens?after=n&user=ann", None),
                ("GET", "/v2/tokens/tok_1", None),
                ("PATCH", "/v2/tokens/tok_1", {"label": "phone", "rules": None}),
                ("DELETE", "/v2/tokens/tok_1", None),
                ("POST", "/v2/tokens/inspect", {"token": "bt_x", "can": [{"verb": "join", "channel": "a"}]}),
                ("POST", "/v2/revocations", {"user": "ann", "grace": 30}),
                ("GET", "/v2/revocations", None),
                ("DELETE", "/v2/revocations?all=true", None),
                ("POST", "/v2/keys", {"name": "shop", "verbs": ["publish"], "channels": ["orders.*"]}),
                ("GET", "/v2/keys", None),
                ("DELETE", "/v2/keys/key_1", None),
                ("GET", "/v2/refusals?token=tok_1&limit=5", None),
            ],
        )

    def test_what_operators_ask(self):
        key = {"key": None, "verbs": ["admin"], "open": True, "version": "v2"}
        one = {"channel": "a/b", "position": "E-1", "time": "T", "size": 4, "delivered": 1, "subscribers": 2, "behind": [{"session": "s_1"}]}
        with Script(
            (200, key), (200, {"options": [{"name": "ui"}]}), (200, {"sessions": [1]}), (200, {"channels": [2]}),
            (200, dict(one, message=None, by={"key": "k"}, nodes={"silent": []})), (200, one), (404, error("no_message", "never")),
            (200, {"position": "E-2"}), (503, error("busy", "later")),
        ) as s:
            api = boreas.ApiClient(s.url)
            self.assertEqual(api.caller(), key)
            self.assertEqual(api.config(), [{"name": "ui"}])
            self.assertEqual(list(api.sessions("ann", order="behind", limit=5)), [1])
            self.assertEqual(list(api.channels("a", order="messages")), [2])
            behind = [{"session": "s_1"}]
            self.assertEqual(api.trace("a/b", "E-1"), boreas.Trace("a/b", "E-1", "T", 4, None, {"key": "k"}, 1, 2, behind, {"silent": []}))
            self.assertEqual(api.trace("a/b", "E-1"), boreas.Trace("a/b", "E-1", "T", 4, None, None, 1, 2, behind, None))
            with self.assertRaises(boreas.ApiError) as raised:
                api.trace("a", "E-2")
            self.assertEqual((raised.exception.status, raised.exception.code), (404, "no_message"))
            self.assertEqual(api.purge("a/b"), "E-2")
            self.assertRaises(boreas.ApiError, api.purge, "a")
            for wrong in (lambda: api.trace("a", ""), lambda: api.trace("", "E-1"), lambda: api.sessions(limit=5), lambda: api.channels(limit=5)):
                self.assertRaises(ValueError, wrong)
        self.assertEqual(
            [p for _, p, _, _ in s.requests],
            [
                "/v2/caller", "/v2/config", "/v2/sessions?user=ann&order=behind&limit=5", "/v2/channels?prefix=a&order=messages",
                "/v2/channels/a%2Fb/messages/E-1", "/v2/channels/a%2Fb/messages/E-1", "/v2/channels/a/messages/E-2",
                "/v2/channels/a%2Fb/messages", "/v2/channels/a/messages",
            ],
        )

    def test_tail(self):
        hello, what = event({"time": "T"}, "hello"), event({"channel": "chat", "message": {"a": 1}}, "message")
        end = event({"code": "invalid_key", "message": "Revoked."}, "end")
        with Script(stream(hello, ":\n\n", what), stream(hello, end), (403, error("not_permitted", "never"))) as s:
            api = boreas.ApiClient(s.url, key="bk_secret")
            want = [boreas.TailEvent("hello", {"time": "T"})]
            for query, error_type, events in (
                ({"channel": "chat.*", "events": ["message", "gap"], "user": "ann", "session": "s_1", "payload": False}, ConnectionError,
                 want + [boreas.TailEvent("message", {"channel": "chat", "message": {"a": 1}})]),
                ({}, boreas.ApiError, want),
                ({"user": "a&b"}, boreas.ApiError, []),
            ):
                got = []
                with self.assertRaises(error_type) as raised:
                    for e in api.tail(**query):
                        got.append(e)
                self.assertEqual(got, events)
            self.assertEqual((raised.exception.status, raised.exception.code), (403, "not_permitted"))
            self.assertRaises(TypeError, api.tail, events="message")
        self.assertEqual(
            [(p, h["Authorization"]) for _, p, h, _ in s.requests],
            [
                ("/v2/tail?channel=chat.%2A&event=message%2Cgap&user=ann&session=s_1&payload=false", "Bearer bk_secret"),
                ("/v2/tail", "Bearer bk_secret"), ("/v2/tail?user=a%26b", "Bearer bk_secret"),
            ],
        )

    def test_urls_with_passwords(self):
        with Script((200, {}), (200, {}), (302, "", {"Location": "http://127.0.0.1:1/?secret"})) as s:
            url = s.url.replace("://", "://me:s%65cret@")
            boreas.ApiClient(url).stats()
            boreas.ApiClient(url, key="bk_key").stats()
            with self.assertRaises(boreas.ApiError) as raised:
                boreas.ApiClient(url).stats()
            self.assertNotIn("secret", repr(raised.exception))
        shown = [h["Authorization"] for _, _, h, _ in s.requests[:2]]
        self.assertEqual(shown, ["Basic bWU6c2VjcmV0", "Bearer bk_key"])
        with self.assertRaises(ConnectionError) as raised:
            boreas.ApiClient("http://me:secret@127.0.0.1:1", attempts=1).stats()
        self.assertNotIn("secret", str(raised.exception))
        for wrong in ("http://me:secret@h:x", "ftp://me:secret@h", "http://h/?access_token=secret", "http://h:secret", "http://[secret"):
            for make in (boreas.ApiClient, lambda url: boreas.Subscriber(url, ["a"])):
                with self.assertRaises(ValueError) as raised:
                    make(wrong)
                self.assertNotIn("secret", str(raised.exception))
                self.assertTrue(raised.exception.__suppress_context__ or "secret" not in str(raised.exception.__context__))

    def test_reading(self):
        page = {"channel": "c", "messages": [{"message": 1, "position": "E-1"}], "position": "E-1", "more": True}
        last = dict(page, messages=[{"message": 2, "position": "E-2"}], position="E-2", more=False)
        gone = (410, error("expired", "never", oldest="E-5"))
        timed = dict(page, messages=[{"message": 1, "position": "E-1", "time": "2026-11-29T10:11:12.345Z"}])
        with Script((200, page), (200, last), gone, (200, timed), (200, last), (200, {"channels": [{"channel": "a"}], "next": "a"}), (200, {"channels": [{"channel": "b"}]}), (200, {"sessions": []}), (200, {"users": 1})) as s:
            api = boreas.ApiClient(s.url)
            self.assertEqual(list(api.messages("c")), [(1, "E-1"), (2, "E-2")])  # clause 7.3
            with self.assertRaises(boreas.ApiError) as raised:  # clause 7.4
                api.history("c", since="E-1", limit=5)
            self.assertEqual(raised.exception.oldest, "E-5")
            timed = api.history("c", before="E-9", limit=2, times=True)  # clause 7.2
            self.assertEqual((timed.messages, timed.more, timed.times), ([(1, "E-1")], True, ["2026-11-29T10:11:12.345Z"]))
            self.assertEqual(api.history("c", last=3).times, None)
            self.assertEqual(list(api.channels("p&")), [{"channel": "a"}, {"channel": "b"}])
            self.assertEqual(list(api.sessions(user="u")), [])
            self.assertEqual(api.presence("c"), {"users": 1})
        self.assertEqual(
            [p for _, p, _, _ in s.requests],
            [
                "/v2/channels/c/messages?limit=100",
                "/v2/channels/c/messages?since=E-1&limit=100",
                "/v2/channels/c/messages?since=E-1&limit=5",
                "/v2/channels/c/messages?limit=2&before=E-9&times=true",
                "/v2/channels/c/messages?last=3",
                "/v2/channels?prefix=p%26",
                "/v2/channels?after=a&prefix=p%26",
                "/v2/sessions?user=u",
                "/v2/channels/c/presence",
            ],
        )

    def test_redirects_and_other_servers_are_errors(self):
        with Script((302, "", {"Location": "/other"}), (200, "<html>")) as s:
            for _ in range(2):
                with self.assertRaises(boreas.ApiError):
                    boreas.ApiClient(s.url).publish("c", 1)
        self.assertEqual(len(s.requests), 2)

    def test_the_error_for_a_redirect_names_its_target(self):
        with Script((307, "", {"Location": "http://ann:secret@other.example:81/x"})) as s:
            with self.assertRaises(boreas.ApiError) as caught:
                boreas.ApiClient(s.url).publish("c", 1)
        self.assertIn("307: it redirects to http://other.example:81, and the client does not follow redirects", str(caught.exception))
        self.assertNotIn("secret", str(caught.exception))

    def test_values_that_are_not_json(self):
        with self.assertRaises(ValueError):
            boreas.ApiClient().publish("c", float("nan"))
        with self.assertRaises(ValueError):
            boreas.ApiClient().publish("", 1)


class TestSubscriber(Patient):
    def test_events_in_their_order(self):  # clauses 10.3, 10.4
        gap = {"reason": "slow", "from": "E-1", "to": "E-3"}
        with Script(
            stream(
                "retry: 1500\n\n: a comment\n\n",
                event({"channels": [{"channel": "chat", "position": "E-0"}, dict({"channel": "no"}, **error("not_permitted", "never"))]}, "join", "j"),
                message(1),
                event({"channel": "chat", "gap": gap}, "gap", "g"),
                event({"channel": "chat", "presence": {"event": "join"}}, "presence"),
                event({"what": "is this"}, "unknown"),
                'data: {"channel":"chat",\r\ndata:"message":4,"position":"E-4"}\r\nid: id4\r\n\r\n',
                FINAL,
                message(9) + 'data: {"channel":"chat"',
            )
        ) as s:
            subscriber = self.subscriber(s.url, token="T", last=3, presence=True, since={"chat": "E-0"})
            got, end = self.events(subscriber)
        refusal = got[1].error
        self.assertEqual((refusal.code, refusal.status), ("not_permitted", None))
        farewell = got[-2].error if got[-2].type == "goodbye" else got[-1].error
        self.assertEqual(
            got,
            [
                boreas.Event("joined", "chat", position="E-0"),
                boreas.Event("joined", "no", error=refusal),
                boreas.Event("message", "chat", 1, "E-1"),
                boreas.Event("gap", "chat", reason="slow", from_position="E-1", to_position="E-3"),
                boreas.Event("presence", "chat", {"event": "join"}),
                boreas.Event("message", "chat", 4, "E-4"),
                boreas.Event("goodbye", error=farewell),
                boreas.Event("message", "chat", 9, "E-9"),
            ],
        )
        self.assertEqual((end.code, subscriber.last_event_id), ("terminated", "id9"))
        _, path, headers, _ = s.requests[0]
        self.assertEqual(path, "/v2/events?channel=chat&since.chat=E-0&last=3&presence=true")
        self.assertEqual(headers["Authorization"], "Bearer T")
        self.assertNotIn("Last-Event-ID", headers)

    def test_resumes_with_the_last_id(self):  # clauses 10.5, 8.8
        lost = {"recovered": False, "gap": {"reason": "expired", "from": "E-2", "to": "E-5"}}
        with Script(
            stream("retry: 1500\n\n", joined(), message(1), message(2), 'data: {"cut'),
            stream(joined("j2", recovered=True), message(3)),
            stream(joined("j3", **lost), FINAL),
        ) as s:
            got, _ = self.events(self.subscriber(s.url, since={"chat": "E-0"}))
        self.assertEqual(
            [(e.type, e.data, e.recovered) for e in got[:-1]],
            [
                ("joined", None, None), ("message", 1, None), ("message", 2, None),
                ("joined", None, True), ("message", 3, None),
                ("joined", None, False), ("gap", None, None),
            ],
        )
        self.assertEqual([h.get("Last-Event-ID") for _, _, h, _ in s.requests], [None, "id2", "id3"])
        self.assertEqual([p for _, p, _, _ in s.requests][1], "/v2/events?channel=chat&last=2147483647")
        self.assertEqual(self.waits[:2], [1, 2])  # clause 8.4; the stream's retry field is for browsers

    def test_backs_off(self):  # clause 8.4
        with Script(cut, cut, cut, cut, cut, cut, cut, stream(joined(), FINAL)) as s:
            self.events(self.subscriber(s.url))
        self.assertEqual(self.waits, [1, 2, 4, 4, 4, 4, 4])
        self.assertEqual(len(s.requests), 8)

    def test_bounds_of_the_waits(self):  # clause 8.4
        now = [100.0]
        with mock.patch("time.monotonic", lambda: now[0]):
            waits = _backoff.Backoff()
            got = []
            for _ in range(22):
                got.append(waits.next(True))
                now[0] += got[-1]
            self.assertEqual(got, [1, 2] + [4] * 16 + [8, 16, 30, 30])
            waits = _backoff.Backoff()
            self.assertEqual([waits.next(False) for _ in range(7)], [1, 2, 4, 8, 16, 30, 30])
            waits = _backoff.Backoff()
            self.assertEqual([waits.next(mute) for mute in (True, False, False, False, True)], [1, 2, 4, 8, 4])

    def test_a_good_connection_resets_the_waits(self):  # clause 8.4
        now = [100.0]

        def held():  # the connection lasts until the join was read
            hold = threading.Event()

            def answer(handler):
                stream(joined(), hold=hold)(handler)

            return answer, hold

        holds = [held() for _ in range(5)]
        with Script(*[answer for answer, _ in holds], stream(joined(), FINAL)) as s:
            subscriber, lives = self.subscriber(s.url), iter(zip((3, 3, 0.9, 1, 3), holds))
            with mock.patch("time.monotonic", lambda: now[0]):
                with self.assertRaises(boreas.ApiError):
                    for e in subscriber:
                        seconds, (_, hold) = next(lives, (0, (None, threading.Event())))
                        now[0] += seconds
                        hold.set()
        self.assertEqual(self.waits, [1, 1, 2, 1, 1])

    def test_invalid_arguments(self):
        url = "http://127.0.0.1:1"
        for channels in ([], "chat", b"chat", [""], ["room \ud83d"], ["a\n"], [5], ["\u00e9" * 128], [b"a"]):
            with self.assertRaises((ValueError, TypeError)):
                boreas.Subscriber(url, channels)
        for options in (
            {"since": {"chat": 5}}, {"since": {"chat": "\ud83d"}}, {"since": {"chat": ""}}, {"since": {"other": "E-0"}},
            {"last": -1}, {"last": "1"}, {"last": True}, {"last": 1.5}, {"last": 2**53}, {"presence": 1}, {"presence": "true"},
            {"last_event_id": "a\nb"}, {"last_event_id": 5},
        ):
            with self.assertRaises((ValueError, TypeError), msg=options):
                boreas.Subscriber(url, ["chat"], **options)

    def test_all_kept_messages_follow_a_gap(self):  # clause 4.8
        for options, last in (
            ({}, None), ({"last": 3}, "3"), ({"since": {"chat": "E-0"}}, "2147483647"), ({"since": {"chat": "E-0"}, "last": 3}, "3"),
            ({"last_event_id": "i"}, "2147483647"), ({"last_event_id": "i", "last": 3}, "2147483647"),
        ):
            with Script(stream(joined(), FINAL)) as s:
                self.events(self.subscriber(s.url, **options))
            query = urllib.parse.parse_qs(urllib.parse.urlsplit(s.requests[0][1]).query)
            self.assertEqual(query.get("last", [None])[0], last, options)

    def test_the_token_is_never_shown(self):
        for token in ("secret\n", "secret ", "se cret", "secret\u00a0", "secret\ud83d", "secret\x00"):
            with self.assertRaises(ValueError) as raised:
                boreas.Subscriber("http://127.0.0.1:1", ["chat"], token=token)
            self.assertNotIn("secret", str(raised.exception))
            with self.assertNoLogs() if hasattr(self, "assertNoLogs") else contextlib.nullcontext(), Script() as s:
                with self.assertRaises(ValueError) as raised:
                    list(self.subscriber(s.url, token=lambda: token))
            self.assertNotIn("secret", str(raised.exception))
        with self.assertLogs("boreas", "DEBUG") as logs, Script(cut, stream(joined(), FINAL)) as s:
            subscriber = self.subscriber(s.url.replace("://", "://me:secret@"), token="secret")
            self.events(subscriber)
        self.assertNotIn("secret", repr(subscriber) + "".join(logs.output))
        self.assertEqual([h["Authorization"] for _, _, h, _ in s.requests], ["Bearer secret"] * 2)
        with Script(stream(joined(), FINAL), stream(joined(), FINAL)) as s:
            self.events(self.subscriber(s.url.replace("://", "://me:secret@")))
            self.events(self.subscriber(s.url, token=lambda: "\u00e9"))
        shown = [h["Authorization"] for _, _, h, _ in s.requests]
        self.assertEqual(shown, ["Basic bWU6c2VjcmV0", "Bearer \u00e9".encode().decode("latin-1")])

    def test_no_message_stops_the_stream(self):
        texts = ["1e400", "7" * 5000, '"\\ud83d"']
        events = ['id: %d\ndata: {"channel":"chat","message":%s,"position":"E-%d"}\n\n' % (i, text, i) for i, text in enumerate(texts)]
        with Script(stream(joined(), *events, FINAL)) as s:
            got, _ = self.events(self.subscriber(s.url))
        self.assertEqual([e.type for e in got], ["joined"] + ["message"] * 3 + ["goodbye"])
        self.assertEqual(got[3].data, "\ud83d")

    def test_obeys_a_goodbye(self):  # clauses 8.3, 8.5
        now = [100.0]
        farewell = event({**error("shutting_down", "now"), "reconnect": {"after_ms": 1840}}, "goodbye")
        with Script(stream(joined(), farewell, message(1)), stream(joined(), FINAL)) as s:
            with mock.patch("time.monotonic", lambda: now[0]):
                got, _ = self.events(self.subscriber(s.url))
        self.assertEqual([e.type for e in got], ["joined", "goodbye", "message", "joined", "goodbye"])
        self.assertEqual((got[1].error.code, got[1].after), ("shutting_down", 1.84))
        self.assertAlmostEqual(self.waits[0], 1.84)

    def test_refusals(self):  # clause 10.10
        later = (503, error("overloaded", "later", retry_after_ms=2000))
        with Script(later, (502, "bad gateway"), (400, error("bad_position", "never"))) as s:
            got, end = self.events(self.subscriber(s.url, last_event_id="old"))
        self.assertEqual((got, end.status, end.code), ([], 400, "bad_position"))
        self.assertEqual(s.requests[0][2]["Last-Event-ID"], "old")
        self.assertAlmostEqual(self.waits[0], 3.0, places=1)  # the server's 2 s plus the first bound, 1 s
        with Script((200, "hello")) as s:
            self.assertIn("event stream", str(self.events(self.subscriber(s.url))[1]))

    def test_asks_for_a_new_token_once(self):  # clause 10.2
        refused = (401, error("invalid_token", "new_token"))
        tokens = iter("ABCDE")
        with Script(refused, stream(joined()), refused, refused) as s:
            got, end = self.events(self.subscriber(s.url, token=lambda: next(tokens)))
        self.assertEqual((len(got), end.code), (1, "invalid_token"))
        self.assertEqual([h["Authorization"] for _, _, h, _ in s.requests], ["Bearer " + t for t in "ABCD"])
        with Script(refused, refused) as s:
            self.events(self.subscriber(s.url, token="A"))
        self.assertEqual(len(s.requests), 1)

    def test_another_token_before_the_first_expires(self):  # clauses 3.8, 10.11
        ends = event({"expires": "2026-11-22T10:00:00Z", "in_ms": 60000}, "expiring")
        tokens = iter("ABC")
        with Script(stream(joined(), message(1), ends, message(2)), stream(joined("j2", recovered=True), message(2), ends), stream(joined("j3", recovered=True), FINAL)) as s:
            got, _ = self.events(self.subscriber(s.url, token=lambda: next(tokens)))
        self.assertEqual(
            [(e.type, e.data, e.after, e.error) for e in got[:-1]],
            [
                ("joined", None, None, None), ("message", 1, None, None), ("expiring", None, 60.0, None),
                ("joined", None, None, None), ("message", 2, None, None), ("expiring", None, 60.0, None),
                ("joined", None, None, None),
            ],
        )
        self.assertEqual([(h["Authorization"], h.get("Last-Event-ID")) for _, _, h, _ in s.requests], [("Bearer A", None), ("Bearer B", "id1"), ("Bearer C", "id2")])
        self.assertTrue(all(wait <= 0.001 for wait in self.waits[:2]), self.waits)

    def test_a_failed_refresh_is_retried_until_the_token_expires(self):  # clauses 3.8, 3.9
        now = [100.0]
        ends = event({"expires": "2026-11-22T10:00:00Z", "in_ms": 60000}, "expiring")
        over = event({**error("token_expired", "new_token"), "reconnect": {"after_ms": 0}}, "goodbye")
        tokens = ["A", "A", "!", "B", "C"]

        def token():
            one = tokens.pop(0)
            if one == "!":
                raise KeyError("no backend")
            return one

        with Script(stream(joined(), ends, ": \n\n", message(1), message(2), message(3)), stream(joined("j2", recovered=True), over), stream(joined("j3", recovered=True), FINAL)) as s:
            with mock.patch("time.monotonic", lambda: now[0]):
                subscriber = self.subscriber(s.url, token=token)
                got = []
                with self.assertRaises(boreas.ApiError):
                    for e in subscriber:
                        got.append((e.type, e.data, e.after, str(e.error or "")))
                        if e.type == "message":
                            now[0] += 1.0
        self.assertEqual(
            got,
            [
                ("joined", None, None, ""), ("expiring", None, 60.0, ""),
                ("expiring", None, 1.0, "the token function gave the same token again"),
                ("message", 1, None, ""), ("expiring", None, 2.0, "'no backend'"),
                ("message", 2, None, ""), ("message", 3, None, ""),
                ("joined", None, None, ""), ("goodbye", None, 0.0, "Why."),
                ("joined", None, None, ""), ("goodbye", None, None, "Why."),
            ],
        )
        self.assertEqual([h["Authorization"] for _, _, h, _ in s.requests], ["Bearer A", "Bearer B", "Bearer C"])

    def test_a_refresh_can_follow_a_comment(self):  # clauses 10.7, 10.11
        ends = event({"expires": "2026-11-22T10:00:00Z", "in_ms": 60000}, "expiring")
        tokens = iter("AAB")
        with Script(stream(joined(), ends, ": still here\n\n", message(1)), stream(joined("j2", recovered=True), FINAL)) as s:
            with mock.patch("random.uniform", lambda low, high: 0.0):
                got, _ = self.events(self.subscriber(s.url, token=lambda: next(tokens)))
        self.assertEqual([e.type for e in got], ["joined", "expiring", "expiring", "joined", "goodbye"])
        tokens = iter("ABAC")  # the server refuses A
        refused = (401, error("invalid_token", "new_token"))
        with Script(refused, stream(joined(), ends, ": still here\n\n"), stream(joined("j2", recovered=True), FINAL)) as s:
            with mock.patch("random.uniform", lambda low, high: 0.0):
                got, _ = self.events(self.subscriber(s.url, token=lambda: next(tokens)))
        self.assertEqual([e.type for e in got], ["joined", "expiring", "expiring", "joined", "goodbye"])

    def test_an_expired_token_without_another_ends_the_subscriber(self):  # clauses 3.8, 3.9, 8.6
        ends = event({"expires": "2026-11-22T10:00:00Z", "in_ms": 60000}, "expiring")
        over = event({**error("token_expired", "new_token"), "reconnect": {"after_ms": 0}}, "goodbye")
        with Script(stream(joined(), ends, over)) as s:
            got, end = self.events(self.subscriber(s.url, token="A"))
        self.assertEqual([(e.type, e.after) for e in got], [("joined", None), ("expiring", 60.0), ("goodbye", None)])
        self.assertEqual((end.code, len(s.requests)), ("token_expired", 1))
        with Script(stream(joined(), over)) as s:
            _, end = self.events(self.subscriber(s.url, token=lambda: "A"))
        self.assertEqual((end.code, str(end), len(s.requests)), ("token_expired", "Why. The function gave the same token again.", 1))
        with Script((401, error("invalid_token", "new_token"))) as s:
            _, end = self.events(self.subscriber(s.url, token=lambda: "A"))
        self.assertEqual((end.status, end.message, len(s.requests)), (401, "Why. The function gave the same token again.", 1))

    def test_a_rate_limited_stream_is_retried_after_the_wait(self):  # clauses 2.9, 8.7
        limited = (429, error("rate_limited", "later", retry_after_ms=2000))
        with Script(limited, stream(joined(), FINAL)) as s:
            self.events(self.subscriber(s.url))
        self.assertAlmostEqual(self.waits[0], 3.0, places=1)

    def test_silence_is_a_lost_connection(self):  # clause 8.1
        done = threading.Event()
        with Script(stream(joined(), hold=done), stream(joined(), FINAL)) as s:
            got, _ = self.events(self.subscriber(s.url, heartbeat=0.1))
            done.set()
        self.assertEqual([e.type for e in got], ["joined", "joined", "goodbye"])

    def test_close_from_another_thread(self):
        done = threading.Event()
        with Script(stream(joined(), hold=done)) as s:
            with self.subscriber(s.url) as subscriber:
                got = []
                for e in subscriber:
                    got.append(e.type)
                    threading.Thread(target=subscriber.close).start()
            done.set()
        self.assertEqual(got, ["joined"])

    def test_the_last_id_changes_when_the_loop_continues(self):
        done = threading.Event()
        with Script(stream(joined(), message(1), message(2), hold=done)) as s:
            subscriber = self.subscriber(s.url)
            for e in subscriber:
                if e.data == 2:
                    break
            subscriber.close()
            done.set()
        self.assertEqual(subscriber.last_event_id, "id1")

    def test_invalid_urls_and_lists(self):
        for url, channels in (("ws://x", ["a"]), ("http://x", "a"), ("http://x", [])):
            with self.assertRaises(ValueError):
                boreas.Subscriber(url, channels)


@unittest.skipUnless(os.environ.get("TEST_BOREAS_API"), "no real server")
class TestRealServer(unittest.TestCase):
    def setUp(self):
        self.api = boreas.ApiClient(os.environ["TEST_BOREAS_API"])

    def test_publish_and_read(self):
        value = {"text": "Zażółć", "n": 12345678901234567890, "none": None}
        ack = self.api.publish("py/read", value, key="k")
        self.assertEqual(self.api.publish("py/read", value, key="k"), boreas.Ack(ack.position, 0, True))
        with self.assertRaises(boreas.ApiError) as raised:
            self.api.publish("py/read", 2, key="k")
        self.assertEqual(raised.exception.code, "key_reused")
        self.assertIn(raised.exception.code, boreas.CODES)
        results = self.api.publish_many([("py/read", 2), ("", 3), ("py/read", [4])])
        self.assertEqual([getattr(r, "code", "") for r in results], ["", "channel_name", ""])
        self.assertEqual([m for m, _ in self.api.messages("py/read")], [value, 2, [4]])
        self.assertEqual(list(self.api.messages("py/read", since=ack.position))[0][0], 2)
        with self.assertRaises(boreas.ApiError) as raised:
            self.api.history("py/read", since="1-1")
        self.assertEqual(raised.exception.code, "unknown_epoch")
        self.assertIn("py/read", [c["channel"] for c in self.api.channels("py/")])
        self.assertEqual(self.api.channel("py/read")["subscribers"], 0)
        found = self.api.trace("py/read", ack.position)
        self.assertEqual((found.message, found.delivered, found.subscribers, found.behind), (value, 0, 0, []))
        self.assertIn("py/read", [c["channel"] for c in self.api.channels("py/", order="messages")])
        before = self.api.history("py/read")
        self.assertEqual(self.api.purge("py/read"), before.position)
        self.assertEqual(list(self.api.messages("py/read")), [])
        with self.assertRaises(boreas.ApiError) as raised:
            self.api.history("py/read", since=ack.position)
        self.assertEqual(raised.exception.code, "purged")
        self.assertTrue(self.api.caller()["open"])
        self.assertIn("ui", [o["name"] for o in self.api.config()])
        self.assertEqual(next(self.api.tail()).type, "hello")
        self.assertGreater(self.api.stats()["publishes"], 0)
        with self.assertRaises(boreas.ApiError) as raised:
            self.api.presence("py/read")
        self.assertEqual(raised.exception.code, "presence_off")

    def test_classic(self):
        token = self.api.new_token()
        self.assertEqual(self.api.active_tokens("py"), [])
        self.assertIs(self.api.broadcast("py", {"a": 1}), True)
        with self.assertLogs("boreas", "WARNING"):
            self.assertIs(self.api.broadcast("py", None), False)
        self.api.delete_token(token)

    def test_subscriber_resumes(self):
        token = self.api.new_token()
        url = os.environ["TEST_BOREAS_WS"]
        with self.assertRaises(boreas.ApiError) as raised:
            next(iter(boreas.Subscriber(url, ["py/live"], token="wrong")))
        self.assertEqual((raised.exception.status, raised.exception.code), (401, "invalid_token"))
        want, got = list(range(20)), []
        with boreas.Subscriber(url, ["py/live"], token=token) as subscriber:
            for e in subscriber:
                if e.type == "joined" and e.recovered is None:
                    for n in want[:5]:
                        self.api.publish("py/live", n)
                elif e.type == "joined":
                    self.assertIs(e.recovered, True)
                elif e.type == "message":
                    got.append(e.data)
                    if e.data == 4:
                        subscriber._socket.shutdown(2)  # the network fails
                        for n in want[5:]:
                            self.api.publish("py/live", n)
                    if e.data == 19:
                        subscriber.close()
                else:
                    self.fail(e)
        self.assertEqual(got, want)

    def test_an_ended_session_does_not_reconnect(self):
        subscriber = boreas.Subscriber(os.environ["TEST_BOREAS_WS"], ["py/end"], token=self.api.new_token())
        seen = []
        with self.assertRaises(boreas.ApiError) as raised:
            for e in subscriber:
                seen.append(e.type)
                if e.type == "joined":
                    for session in self.api.sessions():
                        self.assertEqual(session["transport"], "sse")
                        self.assertIn("127.0.0.1:", session["address"])
                        if "py/end" in self.api.session(session["session"])["channels"]:
                            self.api.end_session(session["session"])
        self.assertEqual((seen, raised.exception.code), (["joined", "goodbye"], "terminated"))


if __name__ == "__main__":
    unittest.main()
