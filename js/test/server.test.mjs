// The client and the real server, over a network that the test can interrupt. With Node's own fetch
// and clock.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect as dial, createServer } from "node:net";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { WebSocket } from "ws";
import { BoreasError, connect } from "../boreas.js";
import { Inbox, next, record } from "./mock.mjs";

const binary = process.env.TEST_BINARY;
const real = (name, body) => test(name, { skip: !binary && "TEST_BINARY is not set; `go test ./scripts/realclients` sets it" }, body);

/** Starts a server on free ports, or on the ports of a stopped server. */
async function serve(t, flags = [], { api = 0, ws = 0 } = {}) {
  const child = spawn(binary, [`--api_port=${api}`, `--ws_port=${ws}`, ...flags], { stdio: ["ignore", "pipe", "pipe"] });
  const exited = once(child, "exit");
  const server = { stop: (signal = "SIGKILL") => (child.kill(signal), exited) };
  t.after(() => server.stop());
  const printed = [];
  await new Promise((running, failed) => {
    const line = (text) => {
      printed.push(text);
      const [, kind, port] = /^(API|WebSocket) endpoint configured to listen on .*:(\d+)$/.exec(text) ?? [];
      if (kind) server[kind === "API" ? "api" : "ws"] = Number(port);
      if (text === "Running...") running();
    };
    createInterface({ input: child.stdout }).on("line", line);
    createInterface({ input: child.stderr }).on("line", line);
    exited.then(() => failed(new Error("the server ended:\n" + printed.join("\n"))));
  });
  server.post = async (path, body) => {
    const answer = await fetch(`http://127.0.0.1:${server.api}${path}`, { method: "POST", headers: { "Content-Type": "application/json" }, body: body === undefined ? undefined : JSON.stringify(body) });
    assert.ok(answer.ok, `${path}: ${answer.status} ${await answer.clone().text()}`);
    return answer.json().catch(() => undefined);
  };
  server.broadcast = (channel, payload) => server.post(`/broadcast/${channel}/`, { payload });
  server.token = async () => (await server.post("/token/")).token;
  return server;
}

/** A proxy to the server's port. Its connections can be cut, and it can refuse new ones. */
async function way(t, server) {
  const sockets = new Set();
  const it = { open: true };
  const relay = createServer((socket) => {
    if (!it.open) return socket.destroy();
    const onward = dial(server.ws, "127.0.0.1");
    for (const [one, other] of [[socket, onward], [onward, socket]]) {
      sockets.add(one);
      one.on("error", () => {}).on("close", () => (sockets.delete(one), other.destroy())).pipe(other);
    }
  });
  relay.listen(0, "127.0.0.1");
  await once(relay, "listening");
  it.cut = () => sockets.forEach((socket) => socket.destroy());
  it.url = `http://127.0.0.1:${relay.address().port}`;
  t.after(() => (it.cut(), relay.close()));
  return it;
}

function client(t, url, options) {
  const it = connect(url, { WebSocket, console: { warn: assert.fail, error: assert.fail }, ...options });
  t.after(() => it.close());
  const states = new Inbox();
  it.on("state", (state, detail) => states.put({ state, ...detail }));
  it.until = async (want) => {
    for (;;) {
      const detail = await states.take();
      if (detail.state === want) return detail;
    }
  };
  return it;
}

const open = ["--require_auth=false", "--drain_time=0s"];

for (const transport of ["websocket", "sse"]) {
  real(`over ${transport}, a connection that is cut again and again loses and repeats nothing`, async (t) => {
    const server = await serve(t, open);
    const relay = await way(t, server);
    t.mock.method(Math, "random", () => 0);
    const c = client(t, relay.url, { transport });
    const chat = c.subscribe("chat");
    const told = record(chat, "joined", "gap", "message", "recovered");
    assert.equal((await told.take()).joined.recovered, undefined); // clause 4.3
    let n = 0;
    for (let round = 0; round < 5; round++) {
      await server.broadcast("chat", { n });
      assert.deepEqual((await told.take()).message.message, { n: n++ });
      relay.cut();
      const first = n;
      for (let i = 0; i < 10; i++) await server.broadcast("chat", { n: n++ });
      const got = [];
      let recoveries = 0;
      while (got.length < 10) {
        const one = await told.take();
        assert.equal(one.gap, undefined);
        if (one.message) got.push(one.message.message.n);
        if (one.recovered) recoveries++;
      }
      assert.deepEqual(got, Array.from({ length: 10 }, (_, i) => first + i)); // clauses 4.7, 5.2, 10.5
      assert.ok(recoveries > 0);
    }
  });

  real(`over ${transport}, a server that begins anew is told as a gap, and then comes all that it has`, async (t) => {
    let server = await serve(t, open);
    t.mock.method(Math, "random", () => 0.5);
    const c = client(t, `http://127.0.0.1:${server.ws}`, { transport });
    const chat = c.subscribe("chat");
    const told = record(chat, "gap", "message");
    await next(chat, "joined");
    await server.broadcast("chat", "before");
    await told.take();
    const { position } = chat;
    const elsewhere = { api: server.api, ws: server.ws };
    await server.stop();
    server = await serve(t, open, elsewhere);
    await server.broadcast("chat", "after");
    const { gap } = await told.take();
    assert.deepEqual([gap.reason, gap.from], ["unknown_epoch", position]); // clauses 4.8, 5.4
    assert.equal((await told.take()).message.message, "after");
  });

  real(`over ${transport}, presence is right through a cut and a leave`, async (t) => {
    const server = await serve(t, ["--drain_time=0s", "--rules=room.* presence", "--presence_linger=3s"]);
    const relay = await way(t, server);
    t.mock.method(Math, "random", () => 0);
    const mine = client(t, `http://127.0.0.1:${server.ws}`, { token: await server.token() });
    const other = client(t, relay.url, { transport, token: await server.token() });
    const here = mine.subscribe("room.1", { presence: true, info: "me" });
    const told = record(here, "presence");
    assert.equal((await told.take()).presence.users, 1); // clause 9.4: includes this user
    const there = other.subscribe("room.1", { presence: true });
    const seen = record(there, "presence");
    assert.equal((await seen.take()).presence.users, 2);
    const { event, user } = (await told.take()).presence;
    assert.equal(event, "join"); // clause 9.5
    assert.deepEqual(here.presence.members.map((each) => each.user).sort(), [mine.user, user].sort());
    relay.cut();
    assert.equal((await seen.take()).presence.event, "state"); // clause 9.6: no leave in between
    there.leave(); // a stream cannot send a leave, so others see it only after the linger time
    assert.deepEqual((await told.take()).presence, { event: "leave", user, users: 1, sessions: 1 });
    assert.deepEqual(here.presence.members, [{ user: mine.user, info: "me" }]);
  });
}

real("what is published through a cut is published once", async (t) => {
  const server = await serve(t, [...open, "--rules=** client_publish"]);
  const relay = await way(t, server);
  t.mock.method(Math, "random", () => 0);
  const c = client(t, relay.url);
  const chat = c.subscribe("chat");
  const got = [];
  const all = new Promise((done) => chat.on("message", ({ message }) => got.push(message) === 200 && done()));
  const answers = [];
  for (let n = 0; n < 200; n++) {
    answers.push(c.publish("chat", n));
    if (n % 20 === 10) {
      await answers[n - 5];
      relay.cut();
    }
  }
  const positions = (await Promise.all(answers)).map(({ position }) => position);
  await all;
  assert.deepEqual(got, Array.from({ length: 200 }, (_, n) => n)); // clauses 6.1, 6.3
  const { messages, more } = await c.history("chat", { limit: 1000 });
  assert.deepEqual(messages.map(({ message }) => message), got);
  assert.deepEqual(messages.map(({ position }) => position), positions);
  assert.equal(more, false);
  await c.ping();
  await assert.rejects(c.presence("chat"), (error) => error instanceof BoreasError && error.code === "presence_off"); // clause 9.1
});

real("a server that shuts down is said goodbye to, and the next one is found", async (t) => {
  let server = await serve(t, ["--require_auth=false", "--drain_time=1s"]);
  t.mock.method(Math, "random", () => 0.2);
  const c = client(t, `http://127.0.0.1:${server.ws}`);
  await c.until("connected");
  const goodbye = next(c, "goodbye");
  const stopped = server.stop("SIGTERM");
  const { error, reconnect } = await goodbye; // clause 8.5
  assert.equal(error.code, "shutting_down");
  assert.ok(reconnect.after_ms <= 1000);
  await stopped;
  server = await serve(t, open, { api: server.api, ws: server.ws });
  await c.until("connected");
});

real("a deleted token is asked for again, and a wrong one too", async (t) => {
  const server = await serve(t, ["--drain_time=0s"]);
  t.mock.method(Math, "random", () => 0);
  const tokens = ["wrong", await server.token(), await server.token()];
  const given = [...tokens];
  const reasons = [];
  const c = client(t, `http://127.0.0.1:${server.ws}`, { token: (reason) => (reasons.push(reason), given.shift()) });
  const chat = c.subscribe("chat");
  await next(chat, "joined");
  const joined = next(chat, "joined");
  const answer = await fetch(`http://127.0.0.1:${server.api}/token/${tokens[1]}`, { method: "DELETE" });
  assert.equal(answer.status, 204);
  await joined;
  assert.deepEqual(reasons, ["first", "invalid_token", "token_revoked"]); // clauses 3.3, 3.6
});

real("the server serves this very module", async (t) => {
  const server = await serve(t, open);
  const answer = await fetch(`http://127.0.0.1:${server.ws}/boreas.js`);
  assert.match(answer.headers.get("Content-Type"), /^text\/javascript/);
  const { connect: served } = await import(`data:text/javascript,${encodeURIComponent(await answer.text())}`);
  const c = served(`http://127.0.0.1:${server.ws}`, { WebSocket });
  t.after(() => c.close());
  assert.equal((await c.ping()), undefined);
});
