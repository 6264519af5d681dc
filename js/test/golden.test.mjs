// The examples of the wire, which the server's tests use too.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { client, next, record, serve } from "./mock.mjs";

const examples = (name) => JSON.parse(readFileSync(new URL(`../../internal/wire/testdata/v2/${name}.json`, import.meta.url)));

/** Joins the channel of the example. Then the server sends the text, and a message that shows that the text was read. */
async function say(t, { text, means }) {
  const server = await serve(t);
  const c = client(t, server);
  const channel = means.channel ?? "chat";
  const subscription = c.subscribe(channel);
  const told = record(subscription, "message", "gap", "presence", "error");
  const clients = record(c, "goodbye", "expiring", "error");
  const peer = await server.peer();
  await peer.join({ channel, position: "p0" });
  peer.send(text, { channel, message: "end", position: "end" });
  const heard = [];
  for (;;) {
    const one = await told.take();
    if (one.message?.position === "end") break;
    heard.push(one);
  }
  while (clients.size) heard.push(await clients.take());
  return { heard, subscription, c };
}

for (const file of ["messages", "tolerance"]) {
  for (const example of examples(file)) {
    const { kind, channel, event, expires, in_ms } = example.means;
    if (kind === "hello" || kind === "reply") continue;
    test(`${file}: ${example.name} (clause ${example.clause})`, async (t) => {
      const { heard } = await say(t, example);
      const { message, position, reason, from, to, error, after_ms } = example.means;
      for (const { gap, expiring } of heard) delete gap?.messages, delete expiring?.reason; // 1.2: unknown members
      const want = {
        message: () => [{ message: { message, position } }],
        gap: () => [{ gap: { channel, reason, from, to } }],
        presence: () => [{ presence: event }],
        goodbye: () => heard.map(({ goodbye }) => {
          assert.deepEqual(goodbye.error.code, error.code);
          assert.equal(goodbye.reconnect?.after_ms, after_ms);
          return { goodbye };
        }),
        expiring: () => [{ expiring: { expires, in_ms } }],
        heartbeat: () => [],
        nothing: () => [],
      }[kind];
      assert.deepEqual(heard, want());
      assert.equal(heard.length, kind === "heartbeat" || kind === "nothing" ? 0 : 1);
    });
  }
}

for (const { name, clause, text, means } of examples("errors")) {
  if (means.error.code === "shutting_down") continue; // a request that is safe to repeat waits for the next server
  test(`errors: ${name} (clause ${clause})`, async (t) => {
    const server = await serve(t);
    const c = client(t, server);
    const peer = await server.peer();
    const failed = next(c, "error");
    const answered = assert.rejects(c.history("chat"), (error) => {
      assert.deepEqual({ code: error.code, message: error.message, retry: error.retry }, (({ code, message, retry }) => ({ code, message, retry }))(means.error));
      return true;
    });
    const { id } = await peer.receive();
    peer.send(JSON.stringify({ ...JSON.parse(text), id }));
    await answered;
    if (means.error.code === "rate_limited") return; // clause 2.9, in refresh.test.mjs
    peer.send(JSON.stringify({ ...JSON.parse(text), id: undefined })); // clause 2.5
    assert.equal((await failed).code, means.error.code);
  });
}

test("requests are as the server understands them", async (t) => {
  const server = await serve(t);
  const c = client(t, server, { token: "T" });
  const since = "k3f9x0q2a-2s";
  const peer = await server.peer();
  const sent = {};
  const take = async () => {
    const request = await peer.receive();
    const { id, ...rest } = request;
    const [kind] = Object.keys(rest);
    sent[kind] = request;
    if (kind === "auth") peer.send({ id, auth: { user: "u1" } });
    if (kind === "join") peer.send({ id, join: { channels: [{ channel: "chat", position: since, recovered: true, presence: { users: 1, sessions: 1, members: [] } }] } });
    else peer.send({ id, [kind]: {} });
  };
  const chat = c.subscribe("chat", { since, last: 10, presence: true, info: { name: "Ann" } });
  await take();
  await take();
  const requests = [c.publish("chat", { text: "hi" }, { key: "k1", echo: false }), c.history("chat", { before: since, limit: 100, times: true }), c.presence("chat"), c.ping()];
  for (const _ of requests) await take();
  await Promise.all(requests);
  chat.leave();
  await take();
  const of = Object.fromEntries(Object.entries(sent).map(([kind, { id, ...rest }]) => [kind, rest[kind]]));
  assert.deepEqual(of, {
    auth: { token: "T" },
    join: { channels: [{ channel: "chat", since, last: 10, presence: true, info: { name: "Ann" } }] },
    publish: { channel: "chat", message: { text: "hi" }, key: "k1", echo: false },
    history: { channel: "chat", before: since, limit: 100, times: true },
    presence: { channel: "chat" },
    ping: {},
    leave: { channels: ["chat"] },
  });
  for (const { means } of examples("requests")) {
    for (const member of Object.keys(of[means.kind])) assert.ok(member in { channels: 1, ...examples("requests").filter((each) => each.means.kind === means.kind).reduce((all, each) => ({ ...all, ...each.means }), {}) }, `${means.kind}.${member}`);
  }
});
