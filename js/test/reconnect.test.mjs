// The end of a connection, and reconnecting.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Inbox, client, hello, next, record, serve, setClock, still, tick } from "./mock.mjs";

const lost = { code: "connection_lost" };

test("a client that reconnects resumes each channel at its position", async (t) => {
  still(t);
  const server = await serve(t);
  const c = client(t, server);
  const told = record(c.subscribe("a", { last: 3 }), "joined", "recovered", "message", "gap");
  c.subscribe("b", { since: "b0", presence: true });
  const quiet = c.subscribe("c");
  let peer = await server.peer();
  await peer.join({ channel: "a", position: "a1" }, { channel: "b", position: "b0", recovered: true }, { channel: "c", position: "c4" });
  await told.take();
  peer.send({ channel: "a", message: 2, position: "a2" }, { channel: "b", gap: { reason: "slow", from: "b0", to: "b7" } });
  await next(c, "gap");
  peer.close(1011);
  const { after, error } = await c.until("waiting");
  assert.equal(after, 1000); // clause 8.4
  assert.equal(error.close_code, 1011);
  tick(t, after - 1);
  assert.equal(server.peers.size, 0);
  tick(t, 1);
  peer = await server.peer();
  const all = 2 ** 31 - 1;
  // clauses 4.8, 8.8: with the last position, which comes from a message, a gap or a join's result
  assert.deepEqual(await peer.join({ channel: "a", position: "a2", recovered: true }, { channel: "b", position: "b9", recovered: false, gap: { reason: "expired", from: "b7", to: "b9" } }, { channel: "c", position: "c4", recovered: true }), [
    { channel: "a", since: "a2", last: all },
    { channel: "b", since: "b7", last: all, presence: true },
    { channel: "c", since: "c4", last: all },
  ]);
  peer.send({ channel: "a", message: 3, position: "a3" });
  const got = [];
  for (let i = 0; i < 4; i++) got.push(await told.take());
  assert.deepEqual(got, [
    { message: { message: 2, position: "a2" } },
    { joined: { position: "a2", recovered: true, gap: undefined } },
    { recovered: { position: "a2" } },
    { message: { message: 3, position: "a3" } },
  ]);
  assert.equal(quiet.position, "c4");
});

// clause 8.4
test("the waits double up to 30 s, and a good connection resets them", async (t) => {
  still(t);
  const server = await serve(t);
  const c = client(t, server);
  const waits = async (...wants) => {
    for (const want of wants) {
      const peer = await server.peer();
      await c.until("connected");
      tick(t, want.good ?? 0);
      peer.socket.terminate();
      const { after } = await c.until("waiting");
      assert.equal(after, want.after);
      tick(t, after);
    }
  };
  // While no server answers, the bound stays small for a minute: 1 + 2 + 15 * 4 s are more than
  // that.
  await waits({ after: 1000 }, { after: 2000 }, ...Array(15).fill({ after: 4000 }), { after: 4000 }, { after: 8000 }, { after: 16_000 }, { after: 30_000 }, { after: 30_000 });
  await waits({ after: 1000, good: 1000 }, { after: 2000, good: 999 }, { after: 1000, good: 3000 }, { after: 1000, good: 3000 });
});

test("a connection whose joins were not answered is not a good one", async (t) => {
  still(t);
  const server = await serve(t);
  const c = client(t, server);
  c.subscribe("chat");
  for (const [after, answered] of [[1000, false], [2000, false], [1000, true]]) {
    const peer = await server.peer();
    await c.until("connected");
    if (answered) {
      const joined = next(c, "gap");
      await peer.join({ channel: "chat", position: "p2", recovered: false, gap: { reason: "expired", from: "p1", to: "p2" } });
      await joined;
    }
    tick(t, 10_000);
    peer.close(1011);
    assert.equal((await c.until("waiting")).after, after);
    tick(t, after);
  }
});

test("a refusal by the server doubles the bound up to 30 s at once", async (t) => {
  still(t);
  const server = await serve(t);
  const c = client(t, server, { token: "T" });
  for (const after of [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]) {
    const peer = await server.peer();
    await peer.receive();
    peer.send({ id: 0, error: { code: "auth_unavailable", message: "Later.", retry: "later" } });
    assert.equal((await c.until("waiting")).after, after);
    tick(t, after);
  }
});

test("close codes determine whether the client reconnects", async (t) => {
  // clause 8.6
  for (const [code, state, after] of [
    [4100, "waiting", 1000],
    [4101, "waiting", 1000],
    [4104, "waiting", 1000],
    [4200, "waiting", 8000],
    [4300, "closed"],
    [4301, "closed"],
    [4400, "closed"],
    [4402, "closed"],
    [1001, "waiting", 1000],
    [1011, "waiting", 1000],
    [1009, "waiting", 1000],
  ]) {
    await t.test(String(code), async (t) => {
      still(t);
      const server = await serve(t);
      const c = client(t, server);
      const failed = state === "closed" && next(c, "error");
      const chat = c.subscribe("chat");
      const peer = await server.peer();
      await c.until("connected");
      peer.close(code);
      const detail = await c.until(state);
      assert.equal(detail.after, after);
      assert.equal(detail.error.close_code, code);
      if (state !== "closed") return;
      assert.equal(await failed, detail.error);
      await assert.rejects(async () => { for await (const _ of chat); }, lost);
      assert.throws(() => c.subscribe("chat"), { code: "closed" });
      await assert.rejects(c.publish("chat", 1), { code: "closed" });
    });
  }
});

test("the connection works until the slot of a goodbye, and then the client reconnects", async (t) => {
  still(t);
  const server = await serve(t);
  const c = client(t, server);
  const told = record(c.subscribe("chat"), "message");
  let peer = await server.peer();
  await peer.join({ channel: "chat", position: "p1" });
  const goodbye = { error: { code: "shutting_down", message: "Bye.", retry: "now" }, reconnect: { after_ms: 1840 } };
  const heard = next(c, "goodbye");
  peer.send({ goodbye }); // clauses 8.3, 8.5
  assert.deepEqual(await heard, goodbye);
  peer.send({ channel: "chat", message: 2, position: "p2" });
  await told.take();
  tick(t, 1839);
  assert.equal(c.state, "connected");
  tick(t, 1);
  const { after, error } = await c.until("waiting");
  assert.equal(after, 0);
  assert.equal(error.code, "shutting_down");
  tick(t, 0);
  assert.equal(await peer.closed, 1005);
  peer = await server.peer();
  assert.equal((await peer.join({ channel: "chat", position: "p2", recovered: true }))[0].since, "p2");
});

test("after a connection that ends before its slot, the client waits until the slot", async (t) => {
  still(t);
  const server = await serve(t);
  const c = client(t, server);
  const peer = await server.peer();
  const heard = next(c, "goodbye");
  peer.send({ goodbye: { error: { code: "slow", message: "Slow.", retry: "later" }, reconnect: { after_ms: 5000 } } });
  await heard;
  tick(t, 2000);
  peer.close(4200);
  assert.equal((await c.until("waiting")).after, 3000); // clause 8.4
});

test("after a goodbye without reconnect the client does not reconnect", async (t) => {
  const server = await serve(t);
  const c = client(t, server);
  const failed = next(c, "error");
  const peer = await server.peer();
  peer.send({ goodbye: { error: { code: "terminated", message: "Out.", retry: "later" } } }); // clause 8.3
  peer.close(1000);
  assert.equal((await failed).code, "terminated");
  assert.equal(c.state, "closed");
});

test("the client reconnects when the server is silent for too long", async (t) => {
  still(t);
  const server = await serve(t);
  const c = client(t, server);
  const peer = await server.peer();
  await c.until("connected");
  tick(t, 30_000);
  peer.send({ heartbeat: {} }); // clause 8.1
  await c.ping({ timeout: 0 }).constructor; // the reply to this ping shows that the client has read the heartbeat
  const { id } = await peer.receive();
  const answered = c.ping();
  const again = await peer.receive();
  peer.send({ id, ping: {} }, { id: again.id, ping: {} }); // clause 8.2
  await answered;
  tick(t, 37_499);
  assert.equal(c.state, "connected");
  tick(t, 1);
  assert.match((await c.until("waiting")).error.message, /nothing was heard for 38 s/);
});

test("the machine's clock does not measure silence", async (t) => {
  for (const by of [3_600_000, -3_600_000]) {
    await t.test(`set by ${by} ms`, async (t) => {
      still(t);
      const server = await serve(t);
      const c = client(t, server);
      const peer = await server.peer();
      await c.until("connected");
      setClock(t, by);
      tick(t, 37_499);
      assert.equal(c.state, "connected");
      tick(t, 1);
      assert.match((await c.until("waiting")).error.message, /nothing was heard for 38 s/);
      void peer;
    });
  }
});

test("silence is ignored without heartbeats of the server, or if the client's heartbeat option is off", async (t) => {
  for (const [heartbeat, options] of [[0, {}], [25, { heartbeat: false }]]) {
    await t.test(JSON.stringify(options), async (t) => {
      still(t);
      const server = await serve(t);
      const c = client(t, server, options);
      await server.peer({ ...hello, heartbeat });
      await c.until("connected");
      tick(t, 1e9);
      assert.equal(c.state, "connected");
    });
  }
});

test("the client reconnects when a server sends no hello", async (t) => {
  still(t);
  const server = await serve(t);
  const c = client(t, server);
  await server.peer(null);
  tick(t, 15_000);
  await c.until("waiting");
});

test("the browser's events: online reconnects at once, both probe the connection", async (t) => {
  still(t);
  const page = new EventTarget();
  globalThis.addEventListener = page.addEventListener.bind(page);
  t.after(() => delete globalThis.addEventListener);
  const server = await serve(t);
  const c = client(t, server);
  (await server.peer()).close(1011);
  await c.until("waiting");
  page.dispatchEvent(new Event("online"));
  let peer = await server.peer();
  await c.until("connected");
  page.dispatchEvent(new Event("offline"));
  const { id, ping } = await peer.receive();
  assert.deepEqual(ping, {});
  peer.send({ id, ping: {} });
  const pinged = c.ping();
  const mine = await peer.receive();
  peer.send({ id: mine.id, ping: {} });
  await pinged;
  tick(t, 5000);
  assert.equal(c.state, "connected");
  page.dispatchEvent(new Event("online"));
  await peer.receive();
  tick(t, 5000);
  const { after } = await c.until("waiting");
  tick(t, after);
  peer = await server.peer();
  await c.until("connected");
  page.dispatchEvent(Object.assign(new Event("pagehide"), { persisted: true }));
  await peer.closed;
  assert.equal(c.state, "waiting");
  page.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true }));
  peer = await server.peer();
  await c.until("connected");
  c.close();
  await peer.closed;
  page.dispatchEvent(new Event("online"));
  page.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true }));
  assert.equal(c.state, "closed");
});

test("online does not shorten a wait that the server has set", async (t) => {
  still(t);
  const page = new EventTarget();
  globalThis.addEventListener = page.addEventListener.bind(page);
  t.after(() => delete globalThis.addEventListener);
  const server = await serve(t);
  const c = client(t, server);
  const peer = await server.peer();
  peer.send({ goodbye: { error: { code: "slow", message: "Slow.", retry: "later" }, reconnect: { after_ms: 5000 } } });
  peer.close(4200);
  await c.until("waiting");
  page.dispatchEvent(new Event("online"));
  assert.equal(c.state, "waiting");
});

test("an AbortSignal closes the client, and that of a subscription leaves its channel", async (t) => {
  const server = await serve(t);
  const all = new AbortController();
  const one = new AbortController();
  const c = client(t, server, { signal: all.signal });
  const chat = c.subscribe("chat", { signal: one.signal });
  const news = c.subscribe("news");
  const peer = await server.peer();
  await peer.join({ channel: "chat", position: "p1" }, { channel: "news", position: "n1" });
  one.abort();
  await peer.expect({ leave: { channels: ["chat"] } });
  for await (const _ of chat);
  all.abort();
  assert.equal(await peer.closed, 1005);
  assert.equal(c.state, "closed");
  for await (const _ of news);
  assert.equal(client(t, server, { signal: all.signal }).state, "closed");
  assert.deepEqual(c.printed, []);
});

test("a WebSocket that cannot connect is a failed attempt, even if it emits only error", async (t) => {
  still(t);
  const server = await serve(t);
  const opened = new Inbox();
  class ErrorOnly {
    readyState = 0;
    constructor() {
      opened.put(this);
    }
    close() {}
  }
  const c = client(t, server, { WebSocket: ErrorOnly });
  const first = await opened.take();
  first.onerror({ type: "error" });
  const { after } = await c.until("waiting");
  tick(t, after);
  const second = await opened.take();
  first.onerror({ type: "error" }); // an event of the old socket is ignored
  second.readyState = 1;
  second.onerror({ type: "error" }); // an open socket also emits close
  assert.equal(c.state, "connecting");
});
