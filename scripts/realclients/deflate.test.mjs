// Tests compression (permessage-deflate) with the npm package ws, with Python's websockets and with Chromium. Clients
// with all kinds of offers are on one channel, and each must receive every message.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { WebSocket } from "ws";
import { browse, listen, until } from "./rig.mjs";
import { ask, serve } from "./server.mjs";

const channel = "prices";
const rounds = 60;

/** The n-th message: most have a few hundred bytes, some are tiny, and some are larger than each window. */
function message(n) {
  const words = { 7: 0, 20: 900, 30: 9000, 31: 9000 }[n] ?? 4 + (n % 30);
  return { n, text: Array.from({ length: words }, (_, i) => `${(n * 7919 + i * 104729) % 1000} of part ${i}`).join(", ") };
}

/** Publishes all messages. They have to be in order. */
async function publish(server) {
  for (let n = 0; n < rounds; n++) {
    assert.equal((await ask(server, "POST", `/v2/channels/${channel}/messages`, message(n))).status, 201);
  }
}

const joining = JSON.stringify({ id: 1, join: { channels: [{ channel }] } });
const wanted = Array.from({ length: rounds }, (_, n) => message(n));

/** Checks what a client has received: the messages. */
const complete = (name, got) => assert.deepEqual(got.map((text) => JSON.parse(text).message), wanted, name);

/** All offers of ws that differ. Node's zlib cannot compress with a window of 8 bits. */
function* variants() {
  for (const serverNoContextTakeover of [false, true]) {
    for (const clientNoContextTakeover of [false, true]) {
      for (const serverMaxWindowBits of [undefined, 8, 9, 10, 12, 15]) {
        for (const clientMaxWindowBits of [undefined, true, 9, 11, 15]) {
          yield { serverNoContextTakeover, clientNoContextTakeover, serverMaxWindowBits, clientMaxWindowBits, threshold: 0 };
        }
      }
    }
  }
}

test("the npm package ws, with each combination of its options", async (t) => {
  const server = await serve(t, "--require_auth=false");
  const clients = [];
  for (const options of [false, true, ...variants()]) {
    const socket = new WebSocket(`ws://${server.WebSocket}/v2`, { perMessageDeflate: options });
    const client = { name: JSON.stringify(options), socket, got: [], answers: 0 };
    socket.on("message", (data) => {
      const text = data.toString();
      if (text.startsWith('{"channel":')) client.got.push(text);
      if (text.startsWith('{"id":')) client.answers++;
    });
    await once(socket, "open");
    assert.equal(socket.extensions.startsWith("permessage-deflate"), options !== false, client.name);
    // Requests that are alike use the client's window, if it may keep one.
    for (let id = 10; id < 20; id++) socket.send(JSON.stringify({ id, ping: {}, ignored: "a long text that comes again ".repeat(id) }));
    socket.send(joining);
    clients.push(client);
  }
  await until(() => clients.every((c) => c.answers === 11));
  const before = clients.map((c) => c.socket._socket.bytesRead);
  await publish(server);
  await until(() => clients.every((c) => c.got.length >= rounds));
  for (const c of clients) complete(c.name, c.got);
  const [plain, deflated] = clients.map((c, i) => c.socket._socket.bytesRead - before[i]);
  assert.ok(deflated < plain / 2, `${deflated} bytes instead of ${plain}`);
  for (const c of clients) {
    assert.equal(c.socket.readyState, WebSocket.OPEN, c.name);
    c.socket.terminate();
  }
});

test("Python's websockets, with each combination of its options", async (t) => {
  const server = await serve(t, "--require_auth=false");
  const script = join(dirname(fileURLToPath(import.meta.url)), "deflate.py");
  const python = spawn("/usr/bin/python3", [script, `ws://${server.WebSocket}/v2`, joining, String(rounds)], { stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => python.kill());
  let output = "";
  python.stdout.on("data", (data) => (output += data));
  await until(() => output.startsWith("joined\n") || python.exitCode !== null);
  await publish(server);
  assert.deepEqual(await once(python, "close"), [0, null]);
  const clients = output.split("\n").slice(1, -1).map((line) => JSON.parse(line));
  assert.equal(clients.length, 1 + 2 * 2 * 9 * 9);
  for (const { name, got } of clients) complete(name, got);
});

/** In a page: opens a WebSocket, and returns its extensions when it has joined. Its messages are in window.got. */
function open(address, joining) {
  window.got = [];
  const socket = new WebSocket(address);
  socket.onopen = () => socket.send(joining);
  return new Promise((joined, failed) => {
    socket.onclose = (event) => failed(new Error(`closed with ${event.code} ${event.reason}`));
    socket.onmessage = ({ data }) => {
      if (data.startsWith('{"channel":')) window.got.push(data);
      if (data.startsWith('{"id":1,')) joined(socket.extensions);
      window.send = (text) => socket.send(text);
    };
  });
}

test("Chromium", async (t) => {
  const server = await serve(t, "--require_auth=false");
  const page = await (await browse(t)).newPage();
  const address = await listen(t, createServer((_, answer) => answer.setHeader("Content-Type", "text/html").end("<title>page</title>")));
  await page.goto(`http://${address}/`);
  const extensions = await page.evaluate(`(${open})("ws://${server.WebSocket}/v2", ${JSON.stringify(joining)})`);
  assert.equal(extensions, "permessage-deflate; client_max_window_bits=10");
  await publish(server);
  await until(() => page.evaluate(`window.got.length >= ${rounds}`));
  complete("Chromium", await page.evaluate("window.got"));
  // Its own messages are compressed too, and refer to each other.
  for (let id = 2; id < 30; id++) await page.evaluate(`window.send('{"id":${id},"ping":{},"ignored":"' + "again ".repeat(${id * 20}) + '"}')`);
  const metrics = await (await fetch(`http://${server.API}/metrics`)).text();
  const bytes = (direction, form) => Number(metrics.match(`boreas_ws_compression_bytes_total{direction="${direction}",form="${form}"} (.*)`)[1]);
  assert.ok(bytes("in", "compressed") < bytes("in", "plain") / 3, metrics);
  assert.ok(bytes("out", "compressed") < bytes("out", "plain") / 2, metrics);
});

test("with compression=false the server declines", async (t) => {
  const server = await serve(t, "--compression=false");
  const socket = new WebSocket(`ws://${server.WebSocket}/v2`);
  await once(socket, "open");
  assert.equal(socket.extensions, "");
  socket.terminate();
});
