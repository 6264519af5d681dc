// Server-sent events, for networks where no WebSocket can be opened.
import assert from "node:assert/strict";
import { test } from "node:test";
import { client, Inbox, next, record, serve, still, tick } from "./mock.mjs";

const sse = { transport: "sse" };

test("a stream delivers the same events as a WebSocket", async (t) => {
  still(t);
  const server = await serve(t);
  const c = client(t, server, { ...sse, token: "T" });
  const chat = c.subscribe("chat & co", { since: "p1", last: 5, presence: true });
  const told = record(chat, "joined", "recovered", "message", "gap", "presence");
  const heard = next(c, "goodbye");
  const stream = await server.streams.take();
  // clauses 10.1, 10.2, 10.6
  assert.equal(stream.request.headers.authorization, "Bearer T");
  assert.equal(stream.url.pathname, "/v2/events");
  assert.deepEqual([...stream.url.searchParams].sort(), [["channel", "chat & co"], ["last", "5"], ["presence", "true"], ["since.chat & co", "p1"]]);
  stream.begin([{ channel: "chat & co", position: "p1", recovered: true, presence: { users: 0, sessions: 0, members: [] } }]); // clause 10.3
  assert.equal((await c.until("connected")).transport, "sse");
  stream.answer.write(": still here\n\n"); // clause 10.7
  // clause 10.4
  stream.say("", { channel: "chat & co", message: 2, position: "p2" }, "i2");
  stream.say("gap", { channel: "chat & co", gap: { reason: "slow", from: "p2", to: "p4" } }, "i4");
  stream.say("presence", { channel: "chat & co", presence: { event: "join", user: "u", users: 1, sessions: 1 } });
  stream.say("weather", { sun: true }); // clause 1.2
  stream.say("goodbye", { error: { code: "slow", message: "Slow.", retry: "later" }, reconnect: { after_ms: 5000 } });
  const got = [];
  for (let i = 0; i < 6; i++) got.push(await told.take());
  assert.deepEqual(got, [
    { joined: { position: "p1", recovered: true, gap: undefined } },
    { recovered: { position: "p1" } },
    { presence: { event: "state", users: 0, sessions: 0, members: [] } },
    { message: { message: 2, position: "p2" } },
    { gap: { channel: "chat & co", reason: "slow", from: "p2", to: "p4" } },
    { presence: { event: "join", user: "u", users: 1, sessions: 1 } },
  ]);
  assert.equal((await heard).reconnect.after_ms, 5000);
  stream.answer.end();
  const { after } = await c.until("waiting");
  assert.equal(after, 5000);
});

test("a stream may be split anywhere: inside a character, inside a line ending", async (t) => {
  still(t);
  const server = await serve(t);
  const c = client(t, server, sse);
  const told = record(c.subscribe("chat"), "message");
  const stream = await server.streams.take();
  stream.answer.writeHead(200, { "Content-Type": "text/event-stream; charset=utf-8" });
  const text = 'event: join\r\ndata: {"channels":[{"channel":"chat",\r\ndata: "position":"p1"}]}\r\n\r\nid:x\rdata:{"channel":"chat","message":"żółw 🐢","position":"p2"}\r\rdata: {"channel":"chat","message":3,"position":"p3"}\n\n';
  for (const byte of Buffer.from(text)) {
    await new Promise((written) => stream.answer.write(Buffer.of(byte), written));
  }
  assert.deepEqual(await told.take(), { message: { message: "żółw 🐢", position: "p2" } });
  assert.deepEqual(await told.take(), { message: { message: 3, position: "p3" } });
});

test("a stream that ends is resumed at its channels' positions", async (t) => {
  still(t);
  const server = await serve(t);
  const c = client(t, server, sse);
  const told = record(c.subscribe("a"), "message", "gap");
  c.subscribe("b");
  let stream = await server.streams.take();
  assert.deepEqual([...stream.url.searchParams], [["channel", "a"], ["channel", "b"]]);
  stream.begin([{ channel: "a", position: "a1" }, { channel: "b", position: "b1" }]);
  stream.say("", { channel: "a", message: 2, position: "a2" }, "i");
  await told.take();
  stream.answer.end();
  tick(t, (await c.until("waiting")).after);
  stream = await server.streams.take();
  const all = String(2 ** 31 - 1);
  assert.deepEqual([...stream.url.searchParams], [["last", all], ["channel", "a"], ["since.a", "a2"], ["channel", "b"], ["since.b", "b1"]]);
  const gap = { reason: "expired", from: "a2", to: "a7" };
  stream.begin([{ channel: "a", position: "a7", recovered: false, gap, oldest: "a7" }, { channel: "b", position: "b1", recovered: true }]);
  assert.deepEqual(await told.take(), { gap: { channel: "a", ...gap, oldest: "a7" } });
});

test("channels with different options, or too many channels, have several streams", async (t) => {
  still(t);
  const server = await serve(t);
  const c = client(t, server, sse);
  c.subscribe("last", { last: 1 });
  c.subscribe("there", { presence: true });
  for (let i = 0; i < 65; i++) c.subscribe(`c${i}`);
  const queries = [];
  for (let i = 0; i < 4; i++) {
    const { url } = await server.streams.take();
    queries.push([url.searchParams.get("last"), url.searchParams.get("presence"), url.searchParams.getAll("channel").length]);
  }
  assert.deepEqual(queries.sort((a, b) => a[2] - b[2] || (a[0] ? -1 : a[1] && !b[0] ? -1 : 1)), [["1", null, 1], [null, "true", 1], [null, null, 1], [null, null, 64]]);
});

test("channel names that are too long for one URL have several streams", async (t) => {
  still(t);
  const server = await serve(t);
  const c = client(t, server, sse);
  for (let i = 0; i < 20; i++) c.subscribe("é".repeat(60) + i, { since: "p" });
  let channels = 0;
  while (channels < 20) {
    const { url, request } = await server.streams.take();
    assert.ok(request.url.length < 4100, `${request.url.length}`);
    channels += url.searchParams.getAll("channel").length;
  }
});

test("a change of channels opens a new stream at the old positions", async (t) => {
  still(t);
  const server = await serve(t);
  const c = client(t, server, sse);
  const a = c.subscribe("a");
  const told = record(a, "message");
  let stream = await server.streams.take();
  stream.begin([{ channel: "a", position: "a1" }]);
  stream.say("", { channel: "a", message: 2, position: "a2" });
  await told.take();
  const b = c.subscribe("b");
  await stream.ended;
  const streams = [await server.streams.take(), await server.streams.take()];
  const query = streams.map(({ url }) => [...url.searchParams]).sort();
  assert.deepEqual(query, [[["channel", "b"]], [["last", String(2 ** 31 - 1)], ["channel", "a"], ["since.a", "a2"]]]);
  for (const each of streams) {
    const channel = each.url.searchParams.get("channel");
    const joined = next(channel === "a" ? a : b, "joined");
    each.begin([{ channel, position: `${channel}2` }]);
    await joined;
  }
  a.leave();
  assert.deepEqual([...(await server.streams.take()).url.searchParams.keys()], ["last", "channel", "since.b"]);
  b.leave();
  await c.until("waiting");
  c.subscribe("c");
  assert.equal((await server.streams.take()).url.searchParams.get("channel"), "c");
});

test("refusals of a stream: its channels, its token, a temporary one", async (t) => {
  still(t);
  const server = await serve(t);
  const reasons = [];
  const c = client(t, server, { ...sse, token: (reason) => `T${reasons.push(reason)}` });
  const chat = c.subscribe("chat");
  let stream = await server.streams.take();
  stream.refuse(401, { code: "invalid_token", message: "No.", retry: "new_token" }); // clause 10.10
  tick(t, (await c.until("waiting")).after);
  stream = await server.streams.take();
  assert.equal(stream.request.headers.authorization, "Bearer T2");
  stream.refuse(503, { code: "overloaded", message: "Later.", retry: "later" }, { "Retry-After": "7" }); // clause 8.7
  const { after, error } = await c.until("waiting");
  assert.deepEqual([after, error.code], [9000, "overloaded"]);
  tick(t, after);
  stream = await server.streams.take();
  stream.answer.writeHead(502).end("<h1>Bad gateway</h1>");
  const proxy = await c.until("waiting");
  assert.match(proxy.error.message, /the server answered 502/);
  tick(t, proxy.after);
  stream = await server.streams.take();
  const failed = next(chat, "error");
  stream.refuse(403, { code: "not_permitted", message: "No.", retry: "never" }); // clause 10.3
  assert.equal((await failed).code, "not_permitted");
  assert.deepEqual(reasons, ["first", "invalid_token"]);
});

test("a web page instead of the stream is a failed attempt", async (t) => {
  still(t);
  const server = await serve(t);
  const c = client(t, server, sse);
  c.subscribe("chat");
  const stream = await server.streams.take();
  stream.answer.writeHead(200, { "Content-Type": "text/html" }).end("<h1>Please log in</h1>");
  assert.match((await c.until("waiting")).error.message, /the server answered 200/);
});

test("the client closes a silent stream, but not one with comments", async (t) => {
  still(t);
  const server = await serve(t);
  const streams = [];
  const fetch = async (url, init) => {
    const heard = new Inbox();
    const text = 'event: join\ndata: {"channels":[{"channel":"chat","position":"p1"}],"heartbeat":25}\n\n';
    streams.push({ heard, say: (text) => heard.put({ done: false, value: text }), init });
    heard.put({ done: false, value: text });
    const answer = { ok: true, status: 200, headers: new Headers({ "Content-Type": "text/event-stream" }) };
    answer.body = { pipeThrough: () => ({ getReader: () => ({ read: () => heard.take() }) }) };
    return answer;
  };
  const c = client(t, server, { ...sse, fetch });
  c.subscribe("chat");
  await c.until("connected");
  for (let i = 0; i < 3; i++) {
    tick(t, 30_000);
    assert.equal(c.state, "connected");
    streams[0].say(":\n\n"); // clause 10.7
    await new Promise(setImmediate);
  }
  tick(t, 37_500);
  assert.match((await c.until("waiting")).error.message, /nothing was heard/);
  assert.ok(streams[0].init.signal.aborted);
});

test("after a stream the client tries a WebSocket first, and a stream at once if that fails", async (t) => {
  still(t);
  const server = await serve(t);
  server.websockets = false;
  const c = client(t, server);
  c.subscribe("chat");
  for (let i = 0; i < 2; i++) {
    await server.refused.take();
    tick(t, (await c.until("waiting")).after);
  }
  for (let i = 0; i < 2; i++) {
    const stream = await server.streams.take();
    stream.begin([{ channel: "chat", position: "p1" }]);
    await c.until("connected");
    stream.answer.end();
    tick(t, (await c.until("waiting")).after);
    await server.refused.take();
    tick(t, (await c.until("waiting")).after);
  }
});

test("requests need a WebSocket", async (t) => {
  still(t);
  const server = await serve(t);
  const c = client(t, server, sse);
  c.subscribe("chat");
  const early = c.publish("chat", 1);
  const rejected = assert.rejects(early, { code: "unavailable" });
  (await server.streams.take()).begin([{ channel: "chat", position: "p1" }]);
  await rejected;
  await assert.rejects(c.history("chat"), { code: "unavailable" });
});

test("after two failed WebSockets the client uses streams, until a WebSocket works", async (t) => {
  still(t);
  const server = await serve(t);
  server.websockets = false;
  const c = client(t, server);
  const chat = c.subscribe("chat");
  const told = record(chat, "message");
  for (let i = 0; i < 2; i++) tick(t, (await c.until("waiting")).after);
  assert.equal(server.attempts, 2);
  const stream = await server.streams.take();
  stream.begin([{ channel: "chat", position: "p1" }], { heartbeat: 0 });
  assert.equal((await c.until("connected")).transport, "sse");
  tick(t, 0); // a WebSocket beside the stream fails too
  await server.refused.take();
  await server.refused.take();
  await server.refused.take();
  stream.say("", { channel: "chat", message: 2, position: "p2" });
  await told.take();
  server.websockets = true;
  tick(t, 300_000);
  const peer = await server.peer();
  const [asked] = await peer.join({ channel: "chat", position: "p2", recovered: true });
  assert.equal(asked.since, "p2");
  assert.equal((await c.until("connected")).transport, "websocket");
  await stream.ended;
  peer.send({ channel: "chat", message: 3, position: "p3" });
  assert.deepEqual(await told.take(), { message: { message: 3, position: "p3" } });
  assert.equal(server.streams.size, 0);
});

test("when nothing answers, the client tries both transports in turn", async (t) => {
  still(t);
  const server = await serve(t);
  server.websockets = false;
  const c = client(t, server);
  c.subscribe("chat");
  for (const way of ["websocket", "websocket", "stream", "websocket", "stream", "websocket"]) {
    if (way === "websocket") await server.refused.take();
    else (await server.streams.take()).refuse(503, { code: "overloaded", message: "Later.", retry: "later" });
    tick(t, (await c.until("waiting")).after);
  }
});

test("without a WebSocket class the client uses streams from the start", async (t) => {
  still(t);
  const server = await serve(t);
  const c = client(t, server, { WebSocket: null });
  c.subscribe("chat");
  (await server.streams.take()).begin([{ channel: "chat", position: "p1" }]);
  assert.equal((await c.until("connected")).transport, "sse");
  assert.throws(() => client(t, server, { WebSocket: null, transport: "websocket" }), TypeError);
  assert.throws(() => client(t, server, { transport: "tcp" }), TypeError);
});

test("if streams fail too, WebSockets are not blocked", async (t) => {
  still(t);
  const server = await serve(t);
  const tried = [];
  class Refused {
    constructor() {
      tried.push("WebSocket");
      setImmediate(() => this.onclose({ code: 1006 }));
    }
    close() {}
  }
  const fetch = async () => {
    tried.push("stream");
    throw new TypeError("fetch failed");
  };
  const c = client(t, server, { WebSocket: Refused, fetch });
  c.subscribe("chat");
  for (let i = 0; i < 6; i++) {
    let detail;
    do detail = await c.until("waiting");
    while (!detail.error);
    tick(t, detail.after);
  }
  assert.deepEqual(tried.slice(0, 6), ["WebSocket", "WebSocket", "stream", "WebSocket", "WebSocket", "stream"]);
});
