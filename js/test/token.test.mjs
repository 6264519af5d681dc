// Tokens: shown at the beginning, and asked for anew when the server wants another.
import assert from "node:assert/strict";
import { test } from "node:test";
import { client, next, serve, still, tick } from "./mock.mjs";

const invalid = { code: "invalid_token", message: "Not valid.", retry: "new_token" };

test("the token is sent before any request", async (t) => {
  const server = await serve(t);
  const c = client(t, server, { token: "T" });
  c.subscribe("chat");
  const peer = await server.peer();
  await peer.expect({ id: 0, auth: { token: "T" } }); // clause 3.2
  peer.send({ id: 0, auth: { user: "u1" } });
  await peer.join({ channel: "chat", position: "p1" });
  assert.equal(c.user, "u1");
  assert.equal(c.session, "s_1");
});

test("a token function is called again only when the server asks for another token", async (t) => {
  still(t);
  const server = await serve(t);
  const reasons = [];
  const c = client(t, server, { token: async (reason) => `T${reasons.push(reason)}` });
  let peer = await server.peer();
  await peer.expect({ id: 0, auth: { token: "T1" } });
  peer.send({ id: 0, error: invalid }); // clause 3.3
  await peer.expect({ id: 0, auth: { token: "T2" } });
  peer.send({ id: 0, auth: { user: "u" } });
  await c.until("connected");
  peer.close(1011);
  tick(t, (await c.until("waiting")).after);
  peer = await server.peer();
  await peer.expect({ id: 0, auth: { token: "T2" } });
  peer.close(4300); // clause 8.6
  tick(t, (await c.until("waiting")).after);
  peer = await server.peer();
  await peer.expect({ id: 0, auth: { token: "T3" } });
  peer.send({ id: 0, auth: { user: "u" } });
  await c.until("connected");
  peer.send({ goodbye: { error: { code: "token_revoked", message: "Revoked.", retry: "new_token" }, reconnect: {} } });
  peer.close(4300);
  tick(t, (await c.until("waiting")).after);
  await (await server.peer()).expect({ id: 0, auth: { token: "T4" } });
  assert.deepEqual(reasons, ["first", "invalid_token", "connection_lost", "token_revoked"]);
});

test("repeatedly refused tokens are replaced with growing waits", async (t) => {
  still(t);
  const server = await serve(t);
  let tokens = 0;
  const c = client(t, server, { token: () => `T${++tokens}` });
  const waits = [];
  for (let i = 0; i < 3; i++) {
    const peer = await server.peer();
    for (let each = 1; each <= 2; each++) {
      await peer.expect({ id: 0, auth: { token: `T${2 * i + each}` } });
      peer.send({ id: 0, error: invalid });
    }
    const { after, error } = await c.until("waiting");
    assert.equal(error.code, "invalid_token");
    waits.push(after);
    tick(t, after);
  }
  assert.deepEqual(waits, [1000, 2000, 4000]);
});

test("an invalid token that is not a function ends the client", async (t) => {
  const server = await serve(t);
  const c = client(t, server, { token: "T" });
  const failed = next(c, "error");
  const peer = await server.peer();
  await peer.receive();
  peer.send({ id: 0, error: invalid });
  assert.equal((await failed).code, "invalid_token");
  assert.equal(c.state, "closed");
});

test("a client without a token ends if the server requires one", async (t) => {
  const server = await serve(t);
  const c = client(t, server);
  c.subscribe("chat");
  const peer = await server.peer();
  const { id } = await peer.receive();
  peer.send({ id, error: { code: "unauthenticated", message: "No token.", retry: "new_token" } }); // clause 2.7
  assert.equal((await c.until("closed")).error.code, "unauthenticated");
  assert.deepEqual(c.printed, ["boreas: No token. (unauthenticated)"]);
});

test("a refused token is not sent again: a function that returns it ends the client", async (t) => {
  still(t);
  const ends = [
    (peer) => peer.send({ id: 0, error: invalid }),
    async (peer) => {
      peer.send({ id: 0, auth: { user: "u" } }, { goodbye: { error: { code: "token_expired", message: "Over.", retry: "new_token" }, reconnect: { after_ms: 0 } } });
      peer.close(4302); // clauses 3.9, 8.6
    },
  ];
  for (const [i, code] of ["invalid_token", "token_expired"].entries()) {
    const server = await serve(t);
    const c = client(t, server, { token: () => "T" });
    const peer = await server.peer();
    await peer.expect({ id: 0, auth: { token: "T" } });
    const ended = c.until("closed");
    c.on("state", (state) => state === "waiting" && queueMicrotask(() => tick(t, 0)));
    ends[i](peer);
    const { error } = await ended;
    assert.deepEqual([error.code, error.message], ["same_token", `the token function gave the same token again (${code})`]);
    assert.equal(server.attempts, 1);
  }
});

test("a client that authenticated too late may send its token again", async (t) => {
  still(t);
  const server = await serve(t);
  const c = client(t, server, { token: () => "T" });
  const peer = await server.peer();
  await peer.expect({ id: 0, auth: { token: "T" } });
  peer.send({ goodbye: { error: { code: "auth_timeout", message: "Slow.", retry: "new_token" }, reconnect: { after_ms: 500 } } });
  peer.close(4301);
  tick(t, (await c.until("waiting")).after);
  await (await server.peer()).expect({ id: 0, auth: { token: "T" } });
});

test("a token function that fails is called again later", async (t) => {
  still(t);
  const server = await serve(t);
  let fails = 2;
  const c = client(t, server, { token: () => (fails-- ? Promise.reject(new Error("no backend")) : "T") });
  for (const after of [1000, 2000]) {
    const detail = await c.until("waiting");
    assert.deepEqual([detail.after, detail.error.message], [after, "no backend"]);
    tick(t, after);
  }
  await (await server.peer()).expect({ id: 0, auth: { token: "T" } });
});

test("a client that is closed while it gets its token opens no connection", async (t) => {
  const server = await serve(t);
  let give;
  const c = client(t, server, { token: () => new Promise((resolve) => (give = resolve)) });
  c.close();
  give("T");
  await new Promise(setImmediate);
  assert.equal(server.attempts, 0);
});
