// Tests streams of server-sent events with clients that reconnect by themselves: the npm package
// eventsource, and the EventSource of a real Chromium.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";
import { EventSource } from "eventsource";
import { browse, listen, proxy, until } from "./rig.mjs";
import { ask, serve } from "./server.mjs";

/** Publishes on both channels in turn, and returns the messages of each. */
async function publish(server, from, count) {
  const sent = { a: [], "b c": [] };
  for (let n = from; n < from + count; n++) {
    const channel = n % 2 ? "b c" : "a";
    const { status } = await ask(server, "POST", `/v2/channels/${encodeURIComponent(channel)}/messages`, n);
    assert.equal(status, 201);
    sent[channel].push(n);
  }
  return sent;
}

/** Run by both clients, one of them in a page: opens a stream and records its events. */
function follow(EventSource, url) {
  const seen = { a: [], "b c": [], joins: [], errors: 0 };
  const source = new EventSource(url);
  source.addEventListener("join", (e) => seen.joins.push(JSON.parse(e.data).channels));
  source.onmessage = (e) => {
    const { channel, message } = JSON.parse(e.data);
    seen[channel].push(message);
  };
  source.onerror = () => seen.errors++;
  return { seen, source };
}

async function token(server) {
  return (await ask(server, "POST", "/token/")).json.token;
}

const path = (token) => `/v2/events?channel=a&channel=b%20c&access_token=${token}`;

/**
 * Cuts the connection twice, with messages before, during and after each cut. Then connects to a
 * server that knows none of them.
 */
async function losesNothing(t, way, server, state) {
  await until(async () => (await state()).joins.length === 1);
  const sent = { a: [], "b c": [] };
  const more = async (n) => {
    const part = await publish(server, sent.a.length * 2, n);
    for (const channel in part) sent[channel].push(...part[channel]);
  };
  const whole = async () => {
    const { a, "b c": b } = await state();
    return a.length + b.length >= sent.a.length * 2;
  };
  for (const round of [1, 2]) {
    await more(20);
    if (round === 1) await whole.call();
    way.cut(); // at once: some messages may still be on their way
    await more(20);
    await until(async () => (await state()).joins.length === round + 1);
    await more(20);
    await until(whole);
    const { a, "b c": b, joins } = await state();
    assert.deepEqual({ a, "b c": b }, sent); // each message once, in order
    assert.deepEqual(joins[round].map((r) => r.recovered), [true, true]);
  }
  // clauses 5.4, 10.5: the memory engine's log ends with its server, and the client receives a gap.
  const other = await serve(t, "--require_auth=false");
  way.server = other;
  await server.stop();
  await until(async () => (await state()).joins.length === 4);
  for (const result of (await state()).joins[3]) {
    assert.equal(result.recovered, false);
    assert.equal(result.gap.reason, "unknown_epoch");
  }
  assert.equal((await ask(other, "POST", "/v2/channels/a/messages", "new")).status, 201);
  await until(async () => (await state()).a.at(-1) === "new");
}

// clauses 4.7, 10.3, 10.5, 10.9
test("the npm package eventsource reconnects and loses nothing", async (t) => {
  const server = await serve(t);
  const way = await proxy(t, server);
  const { seen, source } = follow(EventSource, `http://${way.address}${path(await token(server))}`);
  t.after(() => source.close());
  await losesNothing(t, way, server, () => seen);
});

// clauses 4.7, 10.3, 10.5, 10.8, 10.9
test("Chromium's EventSource reconnects and loses nothing", async (t) => {
  const server = await serve(t);
  const way = await proxy(t, server);
  const pages = createServer((_, answer) => answer.setHeader("Content-Type", "text/html").end("<title>page</title>"));
  const address = await listen(t, pages);
  const browser = await browse(t);
  const page = await browser.newPage();
  await page.goto(`http://${address}/`); // not the server's origin
  await page.evaluate(`window.followed = (${follow})(EventSource, "http://${way.address}${path(await token(server))}")`);
  await losesNothing(t, way, server, () => page.evaluate("window.followed.seen"));
});

/**
 * Publishes messages on a stream of one channel, which is compressed. Each arrives before the next one is published. The
 * connection is lost in between, so the gzip stream ends without its trailer.
 */
async function getsEachAtOnce(way, server, state) {
  await until(async () => (await state()).joins.length === 1);
  const sent = [];
  for (let n = 0; n < 30; n++) {
    const message = { id: 1000 + n, from: "alice", text: "Hello, everyone! How are you today? " + "é".repeat(n) };
    assert.equal((await ask(server, "POST", "/v2/channels/a/messages", message)).status, 201);
    sent.push(message);
    await until(async () => (await state()).a.length === sent.length);
    if (n % 10 === 9) {
      const joined = (await state()).joins.length;
      way.cut();
      await until(async () => (await state()).joins.length === joined + 1);
    }
  }
  const { a, joins } = await state();
  assert.deepEqual(a, sent);
  assert.deepEqual(joins.slice(1).map(([r]) => r.recovered), [true, true, true]);
  const metrics = await (await fetch(`http://${server.API}/metrics`)).text();
  const bytes = (form) => Number(metrics.match(`boreas_sse_compression_bytes_total{form="${form}"} (.*)`)[1]);
  assert.ok(bytes("compressed") > 0 && bytes("compressed") < bytes("plain") / 2, `${bytes("plain")} bytes became ${bytes("compressed")}`);
}

const compressed = (token) => `/v2/events?channel=a&access_token=${token}`;

// clause 10.12
test("the npm package eventsource gets each event of a compressed stream at once", async (t) => {
  const server = await serve(t);
  const way = await proxy(t, server);
  const { seen, source } = follow(EventSource, `http://${way.address}${compressed(await token(server))}`);
  t.after(() => source.close());
  await getsEachAtOnce(way, server, () => seen);
});

// clause 10.12
test("Chromium's EventSource gets each event of a compressed stream at once", async (t) => {
  const server = await serve(t);
  const way = await proxy(t, server);
  const pages = createServer((_, answer) => answer.setHeader("Content-Type", "text/html").end("<title>page</title>"));
  const address = await listen(t, pages);
  const browser = await browse(t);
  const page = await browser.newPage();
  await page.goto(`http://${address}/`);
  await page.evaluate(`window.followed = (${follow})(EventSource, "http://${way.address}${compressed(await token(server))}")`);
  await getsEachAtOnce(way, server, () => page.evaluate("window.followed.seen"));
});

// clause 10.10: EventSource gives up after a refusal.
test("a refused EventSource does not reconnect", async (t) => {
  const server = await serve(t);
  const { seen, source } = follow(EventSource, `http://${server.WebSocket}${path("nonsense")}`);
  await until(() => source.readyState === EventSource.CLOSED);
  assert.equal(seen.errors, 1);
});
