// Joining, messages, gaps and presence: the events of a subscription.
import assert from "node:assert/strict";
import { test } from "node:test";
import { client, next, record, serve, still, tick } from "./mock.mjs";

test("subscriptions made together are joined by one request, and receive their channels' events", async (t) => {
  const server = await serve(t);
  const c = client(t, server);
  const chat = c.subscribe("chat", { since: "p1" });
  const news = c.subscribe("news", { last: 2 });
  const told = { chat: record(chat, "joined", "recovered", "gap", "message"), news: record(news, "joined", "recovered", "gap", "message") };
  const peer = await server.peer();
  assert.equal(server.path, "/v2");
  // clauses 4.1, 4.2, 4.6, 4.7
  await peer.expect({ id: 1, join: { channels: [{ channel: "chat", since: "p1", last: 2147483647 }, { channel: "news", last: 2 }] } });
  peer.send(
    { id: 1, join: { channels: [{ channel: "chat", position: "p1", recovered: true }, { channel: "news", position: "n7" }] } },
    { channel: "chat", message: null, position: "p2" }, // clauses 1.7, 5.1
    { channel: "news", message: { a: 1 }, position: "n8" },
    { channel: "chat", gap: { reason: "slow", from: "p2", to: "p9" } }, // clause 5.3
    { channel: "chat", message: "later", position: "p10" },
  );
  const got = [];
  for (let i = 0; i < 5; i++) got.push(await told.chat.take());
  assert.deepEqual(got, [
    { joined: { position: "p1", recovered: true, gap: undefined } },
    { recovered: { position: "p1" } },
    { message: { message: null, position: "p2" } },
    { gap: { channel: "chat", reason: "slow", from: "p2", to: "p9" } },
    { message: { message: "later", position: "p10" } },
  ]);
  assert.deepEqual(await told.news.take(), { joined: { position: "n7", recovered: undefined, gap: undefined } });
  assert.deepEqual(await told.news.take(), { message: { message: { a: 1 }, position: "n8" } });
  assert.equal(chat.position, "p10");
  assert.deepEqual(c.printed, []);
});

test("a join that could not recover is a gap, before any message", async (t) => {
  const server = await serve(t);
  const c = client(t, server);
  const chat = c.subscribe("chat", { since: "old" });
  const told = record(chat, "joined", "gap", "recovered", "message");
  const peer = await server.peer();
  const gap = { reason: "expired", from: "old", to: "p5" };
  await peer.join({ channel: "chat", position: "p5", recovered: false, gap, oldest: "p3" }); // clause 4.8
  peer.send({ channel: "chat", message: 6, position: "p6" });
  assert.deepEqual(await told.take(), { joined: { position: "p5", recovered: false, gap } });
  assert.deepEqual(await told.take(), { gap: { channel: "chat", ...gap, oldest: "p3" } });
  assert.deepEqual(await told.take(), { message: { message: 6, position: "p6" } });
});

test("a gap without a listener logs a warning", async (t) => {
  const server = await serve(t);
  const c = client(t, server);
  const chat = c.subscribe("chat");
  const told = record(chat, "message");
  const peer = await server.peer();
  await peer.join({ channel: "chat", position: "p1" });
  peer.send({ channel: "chat", gap: { reason: "slow", from: "p1", to: "p4" } }, { channel: "chat", message: 5, position: "p5" });
  await told.take();
  assert.deepEqual(c.printed, [
    'boreas: channel "chat": the messages after p1 up to p4 are not delivered (slow), and nobody listens for "gap"',
  ]);
  const heard = next(c, "gap");
  peer.send({ channel: "chat", gap: { reason: "slow", from: "p5", to: "p8" } });
  assert.deepEqual(await heard, { channel: "chat", reason: "slow", from: "p5", to: "p8" });
  assert.equal(c.printed.length, 1);
});

test("a refused channel ends only its own subscription", async (t) => {
  const server = await serve(t);
  const c = client(t, server);
  const chat = c.subscribe("chat");
  const secret = c.subscribe("secret");
  const unheard = c.subscribe("unheard");
  const failed = next(secret, "error");
  const joined = next(chat, "joined");
  const peer = await server.peer();
  const error = { code: "not_permitted", message: "No.", retry: "never", docs: "docs/errors.md#not_permitted" };
  await peer.join({ channel: "chat", position: "p1" }, { channel: "secret", error }, { channel: "unheard", error }); // clause 4.11
  await joined;
  const { code, message, retry, docs } = await failed;
  assert.deepEqual({ code, message, retry, docs }, error);
  await assert.rejects(async () => { for await (const _ of secret); }, { code: "not_permitted" });
  assert.deepEqual(c.printed, ['boreas: channel "unheard": No. (not_permitted)']);
  c.subscribe("secret"); // may be subscribed again
  await peer.join({ channel: "secret", position: "s1" });
  await assert.rejects(async () => { for await (const _ of unheard); }, { code: "not_permitted" });
});

test("the client joins a full channel again after the server's wait", async (t) => {
  still(t);
  const server = await serve(t);
  const c = client(t, server);
  const chat = c.subscribe("chat");
  const failed = next(chat, "error");
  const peer = await server.peer();
  await peer.join({ channel: "chat", error: { code: "too_many_subscribers", message: "Full.", retry: "later", retry_after_ms: 5000 } });
  assert.equal((await failed).code, "too_many_subscribers");
  c.subscribe("other");
  await peer.join({ channel: "other", position: "o1" });
  tick(t, 4999);
  const pinged = c.ping();
  const { id, ping } = await peer.receive();
  assert.deepEqual(ping, {});
  peer.send({ id, ping });
  await pinged;
  tick(t, 1);
  const joined = next(chat, "joined");
  await peer.join({ channel: "chat", position: "p1" });
  assert.equal((await joined).position, "p1");
});

test("after leaving and joining again at once, older messages are not delivered", async (t) => {
  const server = await serve(t);
  const c = client(t, server);
  const first = c.subscribe("chat");
  const peer = await server.peer();
  await peer.join({ channel: "chat", position: "p1" });
  await first[Symbol.asyncIterator]; // the object stays usable
  first.leave();
  first.leave();
  const told = record(c.subscribe("chat"), "message");
  peer.send({ channel: "chat", message: "old", position: "p2" });
  await peer.expect({ leave: { channels: ["chat"] } }); // clauses 2.4, 4.12
  await peer.join({ channel: "chat", position: "p3" });
  peer.send({ channel: "chat", message: "new", position: "p4" });
  assert.deepEqual(await told.take(), { message: { message: "new", position: "p4" } });
});

test("one channel has one subscription", async (t) => {
  const server = await serve(t);
  const c = client(t, server);
  c.subscribe("chat");
  assert.throws(() => c.subscribe("chat"), { code: "already_joined" });
  assert.throws(() => c.subscribe(""), TypeError);
  assert.throws(() => c.subscribe("a", { last: -1 }), TypeError);
  assert.throws(() => c.subscribe("a").on("mesage", () => {}), TypeError);
});

test("joins that are too long for one message use several", async (t) => {
  const server = await serve(t);
  const c = client(t, server);
  const names = Array.from({ length: 20 }, (_, i) => "é".repeat(20) + i);
  for (const name of names) c.subscribe(name);
  const peer = await server.peer({ limits: { frame_bytes: 500 } }); // clauses 1.3, 3.1
  const asked = [];
  while (asked.length < names.length) {
    const request = await peer.receive();
    assert.ok(Buffer.byteLength(JSON.stringify(request)) <= 500);
    asked.push(...request.join.channels.map((each) => each.channel));
  }
  assert.deepEqual(asked, names);
});

test("presence is a snapshot and the events after it", async (t) => {
  const server = await serve(t);
  const c = client(t, server);
  const chat = c.subscribe("chat", { presence: true, info: { name: "Ann" } });
  const told = record(chat, "presence");
  const peer = await server.peer();
  const members = [{ user: "u1", sessions: ["s_1"], info: { name: "Ann" } }, { user: "u3", sessions: ["s_2"] }];
  const [asked] = await peer.join({ channel: "chat", position: "p1", presence: { users: 2, sessions: 2, members } });
  assert.deepEqual(asked, { channel: "chat", presence: true, info: { name: "Ann" } }); // clause 9.2
  const event = (presence) => peer.send({ channel: "chat", presence });
  const seen = async () => [(await told.take()).presence.event, chat.presence];
  const u1 = { user: "u1", info: { name: "Ann" } };
  assert.deepEqual(await seen(), ["state", { users: 2, sessions: 2, members: [u1, { user: "u3", info: undefined }] }]); // clause 9.4
  event({ event: "join", user: "u2", info: 7, users: 3, sessions: 3 }); // clause 9.5
  assert.deepEqual(await seen(), ["join", { users: 3, sessions: 3, members: [u1, { user: "u2", info: 7 }, { user: "u3", info: undefined }] }]);
  event({ event: "leave", user: "u3", users: 2, sessions: 2 });
  assert.deepEqual(await seen(), ["leave", { users: 2, sessions: 2, members: [u1, { user: "u2", info: 7 }] }]);
  event({ event: "count", users: 1200, sessions: 1300 }); // clause 9.7
  assert.deepEqual(await seen(), ["count", { users: 1200, sessions: 1300, members: undefined }]);
  event({ event: "join", user: "u9", users: 1201, sessions: 1301 });
  assert.deepEqual(await seen(), ["join", { users: 1201, sessions: 1301, members: undefined }]);
  event({ event: "state", users: 1, sessions: 1, members: [{ user: "u1", sessions: ["s_1"] }] }); // clause 9.8
  assert.deepEqual(await seen(), ["state", { users: 1, sessions: 1, members: [{ user: "u1", info: undefined }] }]);
});

test("malformed, unknown and duplicate messages are ignored", async (t) => {
  const server = await serve(t);
  const c = client(t, server);
  const told = record(c.subscribe("chat"), "message", "gap", "error");
  const peer = await server.peer();
  await peer.join({ channel: "chat", position: "p1" });
  // clauses 1.1, 1.2
  for (const text of ["", "{", "null", "1", '"x"', "[]", "[1]", "{}", '{"new":{}}', '{"channel":1}', '{"channel":"other","message":1,"position":"p"}', '{"channel":"chat"}', '{"channel":"chat","message":1}', '{"id":99,"publish":{}}']) {
    peer.send(text);
  }
  peer.socket.send(Buffer.from('{"channel":"chat","message":0,"position":"p0"}'));
  peer.send({ channel: "chat", message: 2, position: "p2", more: true }, { channel: "chat", message: 2, position: "p2" }, { channel: "chat", message: 3, position: "p3" });
  assert.deepEqual(await told.take(), { message: { message: 2, position: "p2" } });
  assert.deepEqual(await told.take(), { message: { message: 3, position: "p3" } });
  assert.deepEqual(c.printed, []);
});

test("a listener that throws does not affect other listeners", async (t) => {
  const server = await serve(t);
  const c = client(t, server);
  const chat = c.subscribe("chat");
  const off = chat.on("message", () => { throw new Error("oh"); });
  const told = record(chat, "message");
  const peer = await server.peer();
  await peer.join({ channel: "chat", position: "p1" });
  peer.send({ channel: "chat", message: 2, position: "p2" });
  await told.take();
  assert.deepEqual(c.printed, ["boreas: a listener failed: Error: oh"]);
  off();
  peer.send({ channel: "chat", message: 3, position: "p3" });
  await told.take();
  assert.equal(c.printed.length, 1);
});

test("a subscription that was left before its join was answered receives nothing", async (t) => {
  const server = await serve(t);
  const c = client(t, server);
  const first = c.subscribe("chat");
  first.on("joined", () => assert.fail("it was left"));
  const peer = await server.peer();
  const { id } = await peer.receive();
  first.leave();
  peer.send({ id, join: { channels: [{ channel: "chat", position: "p1" }] } });
  await peer.expect({ leave: { channels: ["chat"] } });
  const second = c.subscribe("chat");
  const joined = next(second, "joined");
  await peer.join({ channel: "chat", position: "p2" });
  assert.equal((await joined).position, "p2");
  assert.deepEqual(c.printed, []);
  c.subscribe("never", { signal: AbortSignal.abort() });
  c.subscribe("never");
});
