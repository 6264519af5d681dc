// Tests the server with the npm package ws, the WebSocket client of most Node programs. Each test
// starts its own server from the binary that the environment names.
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { WebSocket } from "ws";
import { ask, serve, until } from "./server.mjs";

async function connect(server, options) {
  const socket = new WebSocket(`ws://${server.WebSocket}/`, options);
  socket.messages = [];
  socket.waiting = [];
  socket.on("message", (data, binary) => {
    const message = { text: data.toString(), binary };
    const next = socket.waiting.shift();
    next ? next(message) : socket.messages.push(message);
  });
  await once(socket, "open");
  return socket;
}

/** Returns the next message, which must be text. */
async function receive(socket) {
  const message = socket.messages.shift() ?? (await new Promise((next) => socket.waiting.push(next)));
  assert.equal(message.binary, false);
  return message.text;
}

async function closed(socket) {
  const [code, reason] = await once(socket, "close");
  return { code, reason: reason.toString() };
}

/** Connects, authenticates with a new token and joins the channels. */
async function subscribe(server, ...channels) {
  const { json } = await ask(server, "POST", "/token/");
  const socket = await connect(server);
  socket.send(JSON.stringify({ access_token: json.token }));
  socket.send(JSON.stringify({ channels: { join: channels, leave: [] } }));
  for (const channel of channels) await until(server, `/${channel}/token/`, { tokens: [json.token] });
  return { socket, token: json.token };
}

test("a subscriber receives published messages, in order per channel", async (t) => {
  const server = await serve(t);
  const { socket } = await subscribe(server, "a", "b");
  for (let n = 0; n < 100; n++) {
    const { status } = await ask(server, "POST", `/broadcast/${n % 2 ? "a" : "b"}/`, { payload: { n } });
    assert.equal(status, 200);
  }
  const got = { a: [], b: [] };
  for (let n = 0; n < 100; n++) {
    const text = await receive(socket);
    got[JSON.parse(text).channel].push(text);
  }
  for (const channel of ["a", "b"]) {
    const first = channel === "a" ? 1 : 0;
    const want = Array.from({ length: 50 }, (_, i) => `{"message": {"n":${first + 2 * i}}, "channel": "${channel}"}`);
    assert.deepEqual(got[channel], want);
  }
  socket.close(1000, "enough");
  assert.deepEqual(await closed(socket), { code: 1000, reason: "" });
  await until(server, "/token/", { tokens: [] });
});

test("a message in fragments, with pings between them, is one message", async (t) => {
  const server = await serve(t);
  const { json } = await ask(server, "POST", "/token/");
  const socket = await connect(server);
  const request = JSON.stringify({ access_token: json.token });
  const pong = once(socket, "pong");
  socket.send(request.slice(0, 5), { fin: false });
  socket.send(request.slice(5, 20), { fin: false });
  socket.ping("still here");
  assert.equal((await pong)[0].toString(), "still here");
  assert.deepEqual((await ask(server, "GET", "/token/")).json, { tokens: [] });
  socket.send(request.slice(20), { fin: true });
  await until(server, "/token/", { tokens: [json.token] });
  socket.terminate();
});

test("the server's pings are answered by the client itself", async (t) => {
  const server = await serve(t, "--ws_ping_interval=1s", "--ws_ping_timeout=1s");
  const socket = await connect(server);
  for (let n = 0; n < 3; n++) await once(socket, "ping");
  assert.equal(socket.readyState, WebSocket.OPEN);
  socket.terminate();
});

test("the server disconnects a client that does not answer pings", async (t) => {
  const server = await serve(t, "--ws_ping_interval=1s", "--ws_ping_timeout=1s");
  const socket = await connect(server, { autoPong: false });
  assert.notEqual((await closed(socket)).code, 1000);
});

test("a message that is too long closes the connection with 1009", async (t) => {
  const server = await serve(t, "--max_message=1024");
  const socket = await connect(server);
  socket.send(" ".repeat(1025));
  assert.equal((await closed(socket)).code, 1009);
});

test("text that is not UTF-8 closes the connection with 1007", async (t) => {
  const server = await serve(t);
  const socket = await connect(server);
  socket.send(Buffer.from([0xff]), { binary: false });
  assert.equal((await closed(socket)).code, 1007);
});

test("binary messages and nonsense are ignored", async (t) => {
  const server = await serve(t);
  const { socket } = await subscribe(server, "a");
  for (const nonsense of ["", "[", "null", "[1]", '{"channels": 1}', '{"access_token": 1}', "x".repeat(1000)]) {
    socket.send(nonsense);
    socket.send(Buffer.from(nonsense));
  }
  await ask(server, "POST", "/broadcast/a/", { payload: "żółw 🐢" });
  assert.equal(await receive(socket), '{"message": "żółw 🐢", "channel": "a"}');
  socket.terminate();
});

test("a client that offers compression and subprotocols gets its first choice of both", async (t) => {
  const server = await serve(t);
  const socket = new WebSocket(`ws://${server.WebSocket}/`, ["chat", "superchat"], { perMessageDeflate: true });
  await once(socket, "open");
  assert.equal(socket.protocol, "chat");
  assert.equal(socket.extensions, "permessage-deflate");
  socket.terminate();
});

test("a deleted token stops its subscriber", async (t) => {
  const server = await serve(t);
  const { socket, token } = await subscribe(server, "a");
  assert.equal((await ask(server, "DELETE", `/token/${token}`)).status, 204);
  await until(server, "/a/token/", { tokens: [] });
  await ask(server, "POST", "/broadcast/a/", { payload: 1 });
  socket.send(JSON.stringify({ access_token: token }));
  const pong = once(socket, "pong");
  socket.ping();
  await pong;
  assert.deepEqual(socket.messages, []);
  assert.deepEqual((await ask(server, "GET", "/token/")).json, { tokens: [] });
  socket.terminate();
});

test("a server that shuts down closes all connections with 1001 and exits with success", async (t) => {
  const server = await serve(t);
  const sockets = await Promise.all(Array.from({ length: 10 }, () => connect(server)));
  const ends = Promise.all(sockets.map(closed));
  const [exitCode] = await server.stop();
  for (const { code } of await ends) assert.equal(code, 1001);
  assert.equal(exitCode, 0);
});
