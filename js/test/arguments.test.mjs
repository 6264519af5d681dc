// A client's invalid input fails alone. If a server refuses a whole request, the client finds the
// invalid part.
import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { connect } from "../boreas.js";
import { client, record, serve, still, tick } from "./mock.mjs";

const half = "room \ud83d";
const loop = {};
loop.loop = loop;

test("a subscription with invalid arguments throws, and the others are joined", async (t) => {
  const server = await serve(t);
  const c = client(t, server);
  const names = [undefined, null, 5, {}, "", half, "\udc00", "a\nb", "a\u0085b", "x".repeat(256), "é".repeat(128)];
  const options = [
    { since: 5 }, { since: "" }, { since: half }, { since: {} }, { since: "p 1" }, { since: "p".repeat(65) },
    { last: -1 }, { last: 1.5 }, { last: "1" }, { last: NaN }, { last: 2 ** 53 }, { last: null },
    { presence: 1 }, { presence: "true" }, { presence: null }, { info: loop }, { info: 1n }, { info: () => 1 }, { info: Symbol("a") },
    { signal: 5 }, { signal: {} },
  ];
  c.subscribe("first");
  for (const name of names) assert.throws(() => c.subscribe(name), TypeError, inspect(name));
  for (const each of options) assert.throws(() => c.subscribe("other", each), TypeError, inspect(each));
  c.subscribe("other", { signal: null }).leave(); // none of the channels above is subscribed
  const info = { name: "Ada" };
  c.subscribe("é".repeat(127), { since: null, last: 0, presence: false, info });
  info.loop = info; // the client sends the value as it was at first
  c.subscribe("emoji \u{1f600}");
  const peer = await server.peer();
  const { join } = await peer.receive();
  assert.deepEqual(join.channels, [
    { channel: "first" },
    { channel: "é".repeat(127), last: 0, presence: false, info: { name: "Ada" } },
    { channel: "emoji \u{1f600}" },
  ]);
});

test("requests with invalid arguments are not sent", async (t) => {
  const server = await serve(t);
  const c = client(t, server);
  const peer = await server.peer();
  for (const request of [
    () => c.publish(half, 1), () => c.publish("", 1), () => c.publish(5, 1), () => c.publish("a", undefined), () => c.publish("a", loop),
    () => c.publish("a", 1n), () => c.publish("a", 1, { key: "" }), () => c.publish("a", 1, { key: half }), () => c.publish("a", 1, { key: 5 }),
    () => c.publish("a", 1, { key: "é".repeat(65) }), () => c.publish("a", 1, { echo: 0 }), () => c.publish("a", 1, { echo: null }),
    () => c.history(half), () => c.history("a", { since: 5 }), () => c.history("a", { limit: 0 }), () => c.history("a", { limit: "5" }),
    () => c.history("a", { before: 5 }), () => c.history("a", { last: 0 }), () => c.history("a", { last: "5" }), () => c.history("a", { times: 1 }),
    () => c.presence(half), () => c.presence(),
  ]) await assert.rejects(request, TypeError, String(request));
  c.publish(" a ", half, { key: "é".repeat(64), echo: true }).catch(() => {});
  const { publish } = await peer.receive();
  assert.deepEqual(publish, { channel: " a ", message: half, key: "é".repeat(64), echo: true });
});

test("when a server refuses several joins together, the client finds the refused one and joins the others", async (t) => {
  still(t);
  const server = await serve(t);
  const c = client(t, server);
  const names = [..."abcdefgh"];
  const told = names.map((name) => record(c.subscribe(name), "joined", "error"));
  const peer = await server.peer();
  const bad = "f";
  const asked = [];
  for (let answered = 0; answered < names.length; ) {
    const { id, join } = await peer.receive();
    const channels = join.channels.map((each) => each.channel);
    asked.push(channels.join(""));
    if (channels.includes(bad) && channels.length > 1) {
      peer.send({ id, error: { code: "malformed", message: "Something is wrong.", retry: "never" } });
      continue;
    }
    const error = { code: "malformed", message: "Something is wrong.", retry: "never" };
    peer.send({ id, ...(channels[0] === bad ? { error } : { join: { channels: channels.map((channel) => ({ channel, position: "p1" })) } }) });
    answered += channels.length;
  }
  assert.deepEqual(asked, ["abcdefgh", "abcd", "efgh", "ef", "gh", "e", "f"]);
  for (const [i, name] of names.entries()) {
    const [event] = Object.keys(await told[i].take());
    assert.equal(event, name === bad ? "error" : "joined", name);
  }
  tick(t, 60_000);
});

test("without a WebSocket class the client warns, and requests fail at once", async (t) => {
  const printed = [];
  const console = { warn: (text) => printed.push(text), error: (text) => printed.push(text) };
  const { WebSocket } = globalThis;
  globalThis.WebSocket = undefined;
  t.after(() => (globalThis.WebSocket = WebSocket));
  const c = connect("http://127.0.0.1:1", { console });
  t.after(() => c.close());
  assert.match(printed.join(), /option WebSocket.*npm package ws/);
  for (const request of [() => c.publish("a", 1), () => c.history("a"), () => c.presence("a"), () => c.ping()]) {
    await assert.rejects(request, { code: "unavailable" });
  }
  // A client that uses only server-sent events logs no warning.
  const quiet = connect("http://127.0.0.1:1", { console, transport: "sse" });
  t.after(() => quiet.close());
  await assert.rejects(quiet.ping(), { code: "unavailable" });
  assert.equal(printed.length, 1);
  assert.throws(() => connect("http://127.0.0.1:1", { transport: "websocket" }), /option WebSocket/);
});

test("no output contains the token or the URL's secrets", async (t) => {
  const server = await serve(t);
  const url = server.url.replace("://", "://me:secret@") + "?access_token=secret";
  for (const wrong of ["http://me:secret@h:x", "//secret", "http://h:secret/"]) {
    const thrown = (() => { try { connect(wrong, { transport: "sse" }); } catch (error) { return error; } })();
    assert.ok(thrown instanceof TypeError);
    assert.doesNotMatch(inspect(thrown, { depth: 9 }), /secret/);
  }
  const asked = [];
  const fetch = async (url, init) => {
    asked.push([url, init.headers.Authorization, init.redirect]);
    throw new TypeError("fetch failed");
  };
  for (const token of [undefined, "T"]) {
    const c = client(t, { ...server, url }, { token, transport: "sse", fetch });
    c.subscribe("a");
    const { error } = await c.until("waiting").then((detail) => (detail.error ? detail : c.until("waiting")));
    assert.doesNotMatch(inspect([c, error], { depth: 9 }), /secret|"T"/);
  }
  const stream = `${server.url}/v2/events?&channel=a`;
  assert.deepEqual(asked, [[stream, "Basic bWU6c2VjcmV0", "error"], [stream, "Bearer T", "error"]]);
});
