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

// clause 10.10: EventSource gives up after a refusal.
test("a refused EventSource does not reconnect", async (t) => {
  const server = await serve(t);
  const { seen, source } = follow(EventSource, `http://${server.WebSocket}${path("nonsense")}`);
  await until(() => source.readyState === EventSource.CLOSED);
  assert.equal(seen.errors, 1);
});
