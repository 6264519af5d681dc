// Tests how programs and pages see a refusal: the npm package ws, and the WebSocket and EventSource
// of a real Chromium.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { test } from "node:test";
import { WebSocket } from "ws";
import { browse, listen } from "./rig.mjs";
import { ask, serve } from "./server.mjs";

const fault = (code, message, retry = "new_token") => ({ code, message, retry, docs: `docs/errors.md#${code}` });

// clauses 3.10, 8.7
test("ws can read the reason of a refused handshake", async (t) => {
  const server = await serve(t);
  const socket = new WebSocket(`ws://${server.WebSocket}/v2`, { headers: { Authorization: "Bearer wrong" } });
  const [, answer] = await once(socket, "unexpected-response");
  const body = (await answer.toArray()).join("");
  assert.equal(answer.statusCode, 401);
  assert.equal(answer.headers["www-authenticate"], "Bearer");
  assert.deepEqual(JSON.parse(body), {
    error: fault("invalid_token", "The token is not valid, or is no longer valid. The server accepts only its own tokens."),
  });
});

// clauses 3.6, 8.3, 8.6
test("ws receives the reason when its token is revoked", async (t) => {
  const server = await serve(t);
  const { json } = await ask(server, "POST", "/v2/tokens", { user: "ann" });
  const socket = new WebSocket(`ws://${server.WebSocket}/v2?access_token=${json.token}`);
  const got = [];
  socket.on("message", (data) => got.push(JSON.parse(data)));
  await once(socket, "message");
  assert.equal(got[0].hello.user, "ann");
  const revoked = await ask(server, "POST", "/v2/revocations", { user: "ann" });
  assert.deepEqual(revoked, { status: 201, json: { sessions: 1 } });
  const [code, reason] = await once(socket, "close");
  assert.deepEqual([code, reason.toString()], [4300, "token_revoked"]);
  assert.deepEqual(got[1].goodbye.error, fault("token_revoked", "The token was revoked."));
});

/** In a page: the result of each kind of connection. */
function connect(server, token) {
  const opened = (thing, close) =>
    new Promise((tell) => {
      thing.onopen = () => tell("open");
      thing[close] = (event) => tell(event.code ?? `error, state ${thing.readyState}`);
    });
  return Promise.all([
    opened(new WebSocket(`ws://${server}/v2?access_token=${token}`), "onclose"),
    opened(new WebSocket(`ws://${server}/?access_token=${token}`), "onclose"),
    opened(new EventSource(`http://${server}/v2/events?channel=news&access_token=${token}`), "onerror"),
    fetch(`http://${server}/v2/events?channel=news&access_token=${token}`).then((answer) => answer.status, (error) => error.name),
  ]);
}

// clauses 8.7, 10.8, 10.9: a browser tells a page only that a connection failed, except for
// responses that fetch can read.
test("a page in Chromium, of an allowed origin and of others", async (t) => {
  const pages = createServer((_, answer) => answer.setHeader("Content-Type", "text/html").end("<title>page</title>"));
  const good = await listen(t, pages);
  const other = `localhost:${good.split(":")[1]}`;
  const server = await serve(t, `--allow_origin=http://${good}`);
  const { json } = await ask(server, "POST", "/v2/tokens", { user: "ann" });
  const browser = await browse(t);
  const visit = async (host, token) => {
    const page = await browser.newPage();
    await page.goto(`http://${host}/`);
    const seen = await page.evaluate(`(${connect})("${server.WebSocket}", "${token}")`);
    await page.close();
    return seen;
  };
  assert.deepEqual(await visit(good, json.token), ["open", "open", "open", 200]);
  assert.deepEqual(await visit(good, "wrong"), [1006, 1006, "error, state 2", 401]);
  assert.deepEqual(await visit(other, json.token), [1006, 1006, "error, state 2", 403]);
  const { json: told } = await ask(server, "GET", "/v2/refusals");
  const codes = new Set(told.refusals.map((r) => r.code));
  assert.deepEqual([...codes].sort(), ["invalid_token", "origin_not_allowed"]);
});
