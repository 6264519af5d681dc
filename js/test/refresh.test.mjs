// Renewing the token while the session continues, and the effects of changed rules and of rate
// limits.
import assert from "node:assert/strict";
import { test } from "node:test";
import { client, hello, next, record, serve, still, tick } from "./mock.mjs";

const expiring = { expires: "2026-11-22T10:00:00Z", in_ms: 60_000 };
const invalid = { code: "invalid_token", message: "No.", retry: "new_token" };
const limited = { code: "rate_limited", message: "Wait.", retry: "later", retry_after_ms: 2000 };

/** A client whose token function returns these tokens in order, and throws the errors among them. The server has accepted the first token. */
async function connected(t, ...tokens) {
  still(t);
  const server = await serve(t);
  const reasons = [];
  const [first] = tokens;
  const token = async (reason) => {
    reasons.push(reason);
    const one = tokens.shift();
    if (one instanceof Error) throw one;
    return one;
  };
  const c = client(t, server, { token });
  const told = record(c, "expiring");
  const peer = await server.peer();
  await peer.expect({ id: 0, auth: { token: first } });
  peer.send({ id: 0, auth: { user: "u1" } });
  await c.until("connected");
  /** Returns the next failure's message and wait, and lets the wait pass. */
  const failure = async () => {
    const { error, after } = (await told.take()).expiring;
    tick(t, after);
    return [error.message, after];
  };
  return { server, c, peer, reasons, told, failure };
}

test("a session gets another token before the first expires, and its channels stay joined", async (t) => {
  const { c, peer, reasons, told, failure } = await connected(t, "T1", "T2", "T2", "T3");
  const messages = record(c.subscribe("chat"), "joined", "message");
  await peer.join({ channel: "chat", position: "p0" });
  peer.send({ expiring }, { channel: "chat", message: 1, position: "p1" }); // clause 3.8
  await peer.expect({ id: 0, auth: { token: "T2" } });
  assert.deepEqual(await told.take(), { expiring });
  peer.send({ id: 0, auth: { user: "u2" } }, { channel: "chat", message: 2, position: "p2" });
  for (const want of ["joined", "message", "message"]) assert.deepEqual(Object.keys(await messages.take()), [want]);
  assert.equal(c.user, "u2"); // clause 3.4
  peer.send({ expiring });
  await told.take();
  assert.deepEqual(await failure(), ["the token function gave the same token again (expiring)", 1000]);
  await peer.expect({ id: 0, auth: { token: "T3" } });
  peer.send({ expiring }, { id: 0, auth: { user: "u3" } }, { channel: "chat", message: 3, position: "p3" });
  await messages.take();
  assert.equal(c.user, "u3");
  assert.equal(c.states.size, 0);
  assert.deepEqual(reasons, ["first", "expiring", "expiring", "expiring"]); // the last push arrived during a refresh
  assert.deepEqual(c.printed, []);
});

test("the client tries to get another token until the session ends", async (t) => {
  const { server, c, peer, told, failure } = await connected(t, "T1", new Error("no backend"), "T1", "T2", "T2", "T3", "T3", new Error("no backend"), "T4");
  const again = "the token function gave the same token again (expiring)";
  peer.send({ expiring });
  await told.take();
  assert.deepEqual(await failure(), ["no backend", 1000]);
  assert.deepEqual(await failure(), [again, 2000]);
  await peer.expect({ id: 0, auth: { token: "T2" } });
  peer.send({ id: 0, error: invalid }); // clause 3.3
  assert.deepEqual(await failure(), ["No.", 4000]);
  assert.deepEqual(await failure(), [again, 8000]);
  await peer.expect({ id: 0, auth: { token: "T3" } });
  peer.send({ id: 0, error: { ...limited, retry_after_ms: 20_000 } }); // clause 2.9
  assert.deepEqual(await failure(), ["Wait.", 20_000]);
  await peer.expect({ id: 0, auth: { token: "T3" } });
  peer.send({ id: 0, auth: { user: "u3" } });
  peer.send({ expiring });
  await told.take();
  await told.take(); // the waits are short again; the next one is still running when the connection ends
  peer.send({ goodbye: { error: { code: "token_expired", message: "Over.", retry: "new_token" }, reconnect: { after_ms: 0 } } });
  peer.close(4302); // clauses 3.9, 8.6
  const { error, after } = await c.until("waiting");
  assert.deepEqual([error.code, after], ["token_expired", 0]);
  tick(t, after);
  await (await server.peer()).expect({ id: 0, auth: { token: "T4" } });
});

test("a token that is not a function cannot be renewed: the client reports that, and ends with the token", async (t) => {
  const server = await serve(t);
  const c = client(t, server, { token: "T" });
  const peer = await server.peer();
  await peer.expect({ id: 0, auth: { token: "T" } });
  peer.send({ id: 0, auth: { user: "u" } }, { expiring });
  const pinged = c.ping();
  const { id } = await peer.receive(); // without an auth before it
  peer.send({ id, ping: {} });
  await pinged;
  assert.deepEqual(c.printed, ["boreas: the token ends soon, and no function gives another"]);
  const told = next(c, "expiring");
  peer.send({ expiring });
  assert.deepEqual(await told, expiring);
  peer.close(4302);
  assert.equal((await c.until("closed")).error.close_code, 4302);
  assert.equal(c.printed.length, 2);
});

test("a failed refresh without a listener logs a warning", async (t) => {
  still(t);
  const server = await serve(t);
  const c = client(t, server, { token: (reason) => (reason === "first" ? "T" : Promise.reject(new Error("no backend"))) });
  const peer = await server.peer();
  await peer.receive();
  peer.send({ id: 0, auth: { user: "u" } }, { expiring });
  const pinged = c.ping();
  const { id } = await peer.receive();
  peer.send({ id, ping: {} });
  await pinged;
  await new Promise(setImmediate);
  assert.deepEqual(c.printed, ["boreas: no other token yet: no backend"]);
});

test("a token that arrives after the connection was lost is not sent on the next, and a failure is not reported", async (t) => {
  still(t);
  const server = await serve(t);
  let give;
  const c = client(t, server, { token: (reason) => (reason === "expiring" ? new Promise((resolve) => (give = resolve)) : "T") });
  const failures = record(c, "expiring");
  let peer = await server.peer();
  await peer.receive();
  peer.send({ id: 0, auth: { user: "u" } }, { expiring });
  for (const late of [() => "T2", () => Promise.reject(new Error("no backend"))]) {
    await failures.take();
    peer.close(1011);
    tick(t, (await c.until("waiting")).after);
    peer = await server.peer();
    await peer.expect({ id: 0, auth: { token: "T" } });
    assert.equal(c.user, "u");
    peer.send({ id: 0, auth: { user: "u" } });
    await c.until("connected");
    give(late());
    await new Promise(setImmediate);
    assert.equal(failures.size, 0);
    peer.send({ expiring });
  }
  await failures.take();
  const pinged = c.ping();
  const { id, ping } = await peer.receive();
  assert.deepEqual(ping, {});
  peer.send({ id, ping: {} });
  await pinged;
});

test("new streams replace the streams whose token expires", async (t) => {
  still(t);
  const server = await serve(t);
  const tokens = ["T1", "T2", "T2", "T3"];
  const c = client(t, server, { transport: "sse", token: () => tokens.shift() });
  const failures = record(c, "expiring");
  const told = record(c.subscribe("chat", { presence: true }), "message");
  c.subscribe("news"); // a stream of its own, because it has no presence
  let streams = [await server.streams.take(), await server.streams.take()];
  const begin = (position, more) =>
    streams.forEach((stream) => stream.begin([{ channel: stream.url.searchParams.get("channel"), position, ...more }]));
  begin("p0");
  await c.until("connected");
  streams.find((stream) => stream.url.search.includes("chat")).say("", { channel: "chat", message: 1, position: "p1" }, "i1");
  await told.take();
  for (const stream of streams) stream.say("expiring", expiring); // clause 10.11
  const old = streams;
  streams = [await server.streams.take(), await server.streams.take()];
  await Promise.all(old.map((stream) => stream.ended));
  for (const { request } of streams) assert.equal(request.headers.authorization, "Bearer T2");
  assert.deepEqual(streams.map(({ url }) => url.searchParams.get("since.chat") ?? url.searchParams.get("since.news")).sort(), ["p0", "p1"]);
  begin("p1", { recovered: true });
  await c.until("connected");
  assert.equal(tokens.length, 2);
  while (failures.size) await failures.take();
  streams[0].say("expiring", expiring);
  await failures.take();
  const { error, after } = (await failures.take()).expiring;
  assert.equal(error.code, "same_token");
  assert.equal(server.streams.size, 0);
  tick(t, after);
  const { request } = await server.streams.take();
  assert.equal(request.headers.authorization, "Bearer T3");
});

test("a client whose rules have changed reconnects, and each join reports its result", async (t) => {
  still(t);
  const server = await serve(t);
  const c = client(t, server);
  c.subscribe("chat");
  const admin = next(c.subscribe("admin"), "error");
  let peer = await server.peer();
  await peer.join({ channel: "chat", position: "p1" }, { channel: "admin", position: "a1" });
  peer.send({ goodbye: { error: { code: "rules_changed", message: "Changed.", retry: "now" }, reconnect: { after_ms: 0 } } });
  peer.close(4102); // clause 3.11
  tick(t, (await c.until("waiting")).after);
  peer = await server.peer();
  await peer.join({ channel: "chat", position: "p1", recovered: true }, { channel: "admin", error: { code: "not_permitted", message: "Rule 2.", retry: "never" } });
  assert.equal((await admin).message, "Rule 2."); // clause 4.11
});

test("the hello contains the user of the handshake", async (t) => {
  const server = await serve(t);
  const c = client(t, server);
  await server.peer({ ...hello, user: "u1" }); // clause 3.10
  await c.until("connected");
  assert.equal(c.user, "u1");
});

test("joins over the rate limit are retried together, and requests fail with the wait", async (t) => {
  still(t);
  const server = await serve(t);
  const c = client(t, server);
  const [a, b] = ["a", "b"].map((channel) => record(c.subscribe(channel), "error"));
  const peer = await server.peer();
  let { id } = await peer.receive();
  peer.send({ id, error: limited }); // clause 2.9
  for (const one of [a, b]) assert.equal((await one.take()).error.code, "rate_limited");
  tick(t, 1999);
  const refused = assert.rejects(c.publish("a", 1), { code: "rate_limited", retry_after_ms: 2000 });
  ({ id } = await peer.receive());
  peer.send({ id, error: limited });
  await refused;
  tick(t, 1);
  // A token that has just expired is not a reason to drop the channel.
  await peer.join({ channel: "a", position: "a1" }, { channel: "b", error: { code: "token_expired", message: "Over.", retry: "new_token" } });
  await b.take();
  tick(t, 2000);
  await peer.join({ channel: "b", position: "b1" });
});

test("after a leave over the rate limit the client reconnects", async (t) => {
  still(t);
  const server = await serve(t);
  const c = client(t, server);
  const [a] = ["a", "b"].map((channel) => c.subscribe(channel));
  let peer = await server.peer();
  await peer.join({ channel: "a", position: "a1" }, { channel: "b", position: "b1" });
  a.leave();
  await peer.expect({ leave: { channels: ["a"] } });
  peer.send({ error: limited }); // clause 2.9
  const { error, after } = await c.until("waiting");
  assert.deepEqual([error.code, after], ["rate_limited", 3000]);
  tick(t, after);
  peer = await server.peer();
  await peer.join({ channel: "b", position: "b1", recovered: true });
});

test("after a refused handshake the client waits at least as long as the server asked", async (t) => {
  still(t);
  const server = await serve(t);
  const c = client(t, server, { token: "T" });
  const peer = await server.peer();
  await peer.receive();
  peer.send({ id: 0, error: limited });
  assert.equal((await c.until("waiting")).after, 3000);
});
