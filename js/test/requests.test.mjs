// Requests: each gets one reply or is rejected with a reason, even if the connection is lost.
import assert from "node:assert/strict";
import { test } from "node:test";
import { client, hello, record, serve, still, tick } from "./mock.mjs";

test("a publish is acknowledged with its position", async (t) => {
  const server = await serve(t);
  const c = client(t, server);
  const published = c.publish("chat", { a: 1 });
  const keyless = c.publish("chat", null, { key: null, echo: false });
  const peer = await server.peer();
  const { id, publish: { key, ...publish } } = await peer.receive();
  assert.match(key, /^[a-z0-9-]{8,128}$/); // clause 6.3
  assert.deepEqual(publish, { channel: "chat", message: { a: 1 } });
  const second = await peer.receive();
  assert.deepEqual(second.publish, { channel: "chat", message: null, echo: false });
  // clauses 2.3, 6.1
  peer.send({ id, publish: { position: "p1" } }, { id: second.id, publish: { position: "p2", duplicate: true } });
  assert.deepEqual(await published, { position: "p1", duplicate: false });
  assert.deepEqual(await keyless, { position: "p2", duplicate: true });
});

test("requests without a reply are sent again on the next connection, unchanged and in order", async (t) => {
  still(t);
  const server = await serve(t);
  const c = client(t, server);
  const all = [c.publish("chat", 1), c.publish("chat", 2, { key: "k2" }), c.history("chat", { last: 5 }), c.presence("chat"), c.ping()];
  let peer = await server.peer();
  const first = [];
  for (const _ of all) first.push(await peer.receive());
  peer.send({ id: first[0].id, publish: { position: "p1" } });
  assert.deepEqual(await all[0], { position: "p1", duplicate: false });
  peer.close(1011);
  const { after } = await c.until("waiting");
  all.push(c.publish("chat", 3, { key: "k3" }));
  tick(t, after);
  peer = await server.peer();
  const second = [];
  for (let i = 1; i < all.length; i++) second.push(await peer.receive());
  assert.deepEqual(second.slice(0, 4), first.slice(1));
  assert.deepEqual(second[4].publish, { channel: "chat", message: 3, key: "k3" });
  const history = { channel: "chat", messages: [{ message: 1, position: "p1" }], position: "p1", more: false }; // clause 7.2
  const presence = { channel: "chat", users: 0, sessions: 0, members: [] }; // clause 9.3
  const replies = [{ publish: { position: "p2", duplicate: true } }, { history }, { presence }, { ping: {} }, { publish: { position: "p3" } }];
  second.forEach(({ id }, i) => peer.send({ id, ...replies[i] }));
  assert.deepEqual(await Promise.all(all.slice(1)), [{ position: "p2", duplicate: true }, history, presence, undefined, { position: "p3", duplicate: false }]);
});

test("a publish without a key is not sent again after it was sent", async (t) => {
  still(t);
  const server = await serve(t);
  const c = client(t, server);
  const sent = c.publish("chat", 1, { key: null });
  let peer = await server.peer();
  await peer.receive();
  peer.close(1011);
  await assert.rejects(sent, { code: "connection_lost" });
  const { after } = await c.until("waiting");
  const kept = c.publish("chat", 2, { key: null });
  tick(t, after);
  peer = await server.peer();
  const { id, publish } = await peer.receive();
  assert.deepEqual(publish, { channel: "chat", message: 2 });
  peer.send({ id, publish: { position: "p2" } });
  await kept;
});

test("a refused request is rejected with the server's error", async (t) => {
  const server = await serve(t);
  const c = client(t, server);
  const history = c.history("chat", { since: "old" });
  const peer = await server.peer();
  const { id } = await peer.receive();
  const error = { code: "expired", message: "Gone.", retry: "never", docs: "docs/errors.md#expired", oldest: "p5" }; // clauses 2.6, 7.4
  peer.send({ id, error });
  await assert.rejects(history, (failure) => {
    const { code, message, retry, docs, oldest } = failure;
    assert.deepEqual({ code, message, retry, docs, oldest }, error);
    return failure.name === "BoreasError" && failure instanceof Error;
  });
});

test("a request that was refused by a server that shuts down is sent to the next one", async (t) => {
  still(t);
  const server = await serve(t);
  const c = client(t, server);
  const published = c.publish("chat", 1, { key: "k" });
  const unsafe = c.publish("chat", 2, { key: null });
  let peer = await server.peer();
  const error = { code: "shutting_down", message: "Bye.", retry: "now" }; // clause 6.4
  const [one, two] = [await peer.receive(), await peer.receive()];
  peer.send({ id: one.id, error }, { id: two.id, error });
  await assert.rejects(unsafe, { code: "shutting_down" });
  peer.close(4100);
  tick(t, (await c.until("waiting")).after);
  peer = await server.peer();
  assert.deepEqual(await peer.receive(), one);
  peer.send({ id: one.id, publish: { position: "p1" } });
  await published;
});

test("a request ends by its timeout, its signal, or the end of the client", async (t) => {
  still(t);
  const server = await serve(t);
  const c = client(t, server);
  const stop = new AbortController();
  const late = c.ping();
  const later = c.ping({ timeout: 40_000 });
  const stopped = c.ping({ signal: stop.signal, timeout: 0 });
  const ever = c.ping({ timeout: 0 });
  await server.peer();
  await c.until("connected");
  tick(t, 30_000);
  await assert.rejects(late, { code: "timeout" });
  stop.abort(new Error("enough"));
  await assert.rejects(stopped, { message: "enough" });
  await assert.rejects(c.ping({ signal: stop.signal }), { message: "enough" });
  tick(t, 10_000);
  await assert.rejects(later, { code: "timeout" });
  c.close();
  await assert.rejects(ever, { code: "closed" });
  await assert.rejects(c.ping(), { code: "closed" });
});

test("requests over the limits are refused at once", async (t) => {
  const server = await serve(t);
  const c = client(t, server);
  await assert.rejects(c.publish("chat", undefined), TypeError);
  await assert.rejects(c.publish("chat", () => {}), TypeError);
  const many = Array.from({ length: 1000 }, () => c.ping());
  await assert.rejects(c.ping(), { code: "too_many_requests" });
  const peer = await server.peer({ ...hello, limits: { frame_bytes: 100 } });
  for (const _ of many) {
    const { id } = await peer.receive();
    peer.send({ id, ping: {} });
  }
  await Promise.all(many);
  await assert.rejects(c.publish("chat", "é".repeat(50)), { code: "too_large" }); // clause 1.3
  const long = c.subscribe("long", { info: "x".repeat(100) });
  await assert.rejects(async () => { for await (const _ of long); }, { code: "too_large" });
});

test("a subscription made before a publish receives it", async (t) => {
  const server = await serve(t);
  const c = client(t, server);
  const peer = await server.peer();
  await c.until("connected");
  c.subscribe("chat");
  const pinged = c.ping();
  assert.ok((await peer.receive()).join);
  const { id, ping } = await peer.receive();
  assert.deepEqual(ping, {});
  peer.send({ id, ping });
  await pinged;
});

test("requests made by a listener of the state are sent after older ones", async (t) => {
  const server = await serve(t);
  const c = client(t, server);
  const all = [];
  c.on("state", (state) => state === "connected" && all.push(c.publish("chat", "second")));
  all.push(c.publish("chat", "first"));
  const peer = await server.peer();
  for (const want of ["first", "second"]) {
    const { id, publish } = await peer.receive();
    assert.equal(publish.message, want);
    peer.send({ id, publish: { position: "p1" } });
  }
  await Promise.all(all);
});

test("messages that arrive together with replies are delivered", async (t) => {
  const server = await serve(t);
  const c = client(t, server);
  const told = record(c.subscribe("chat"), "message");
  const peer = await server.peer();
  await peer.join({ channel: "chat", position: "p1" });
  const published = c.publish("chat", "mine");
  const { id } = await peer.receive();
  peer.send({ channel: "chat", message: "mine", position: "p2" }, { id, publish: { position: "p2" } }); // clause 6.2
  assert.deepEqual(await published, { position: "p2", duplicate: false });
  assert.deepEqual(await told.take(), { message: { message: "mine", position: "p2" } });
});
