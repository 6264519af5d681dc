// The tests of the example backends, which have the same HTTP interface and the same page.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { browse, proxy, until } from "./rig.mjs";
import { ask, serve } from "./server.mjs";

// The examples send this key, and the servers of the tests have none.
delete process.env.API_KEY;

/** Starts a program that prints "The … is at URL", and stops it after the test. Returns the URL. */
export async function start(t, command, environment = {}) {
  const child = spawn(command[0], command.slice(1), { env: { ...process.env, ...environment }, stdio: ["ignore", "pipe", "pipe"] });
  const printed = [];
  const exited = once(child, "exit");
  t.after(() => (child.kill("SIGTERM"), exited));
  createInterface({ input: child.stderr }).on("line", (line) => printed.push(line));
  const lines = createInterface({ input: child.stdout });
  const first = await Promise.race([once(lines, "line"), exited.then(() => [])]);
  const [, url] = /^The \w+ is at (http:\S+)\/$/.exec(first[0]) ?? [];
  assert.ok(url, `${command.join(" ")} printed ${first[0]}\n${printed.join("\n")}`);
  return url;
}

/** Starts a server that verifies JWTs with a secret, which is in a file. */
export async function serveJWT(t, ...flags) {
  const dir = await mkdtemp(join(tmpdir(), "boreas-example-"));
  t.after(() => rm(dir, { recursive: true }));
  const secret = join(dir, "secret");
  await writeFile(secret, "a secret of this test, with enough bytes\n", { mode: 0o600 });
  return { ...(await serve(t, `--jwt-keys=hs256:${secret}`, ...flags)), secret };
}

/** Defines the tests of a backend. command are the words that start it, without options. */
export function testBackend(name, command, environment) {
  const run = async (t, server, way = server.WebSocket) =>
    start(t, [...command, "--listen=127.0.0.1:0", `--api=http://${server.API}`, `--boreas=http://${way}`, `--secret=${server.secret}`], environment);
  const request = (url, method, path, body, headers) =>
    fetch(url + path, { method, headers: { "Content-Type": "application/json", ...headers }, body: body === undefined ? undefined : JSON.stringify(body) });

  test(`${name}: a user who has logged in gets a token that allows reading the room only`, async (t) => {
    const server = await serveJWT(t, "--rules=room presence client_publish");
    const url = await run(t, server);
    for (const path of ["/session", "/token"]) assert.equal((await request(url, "GET", path)).status, 401);
    assert.equal((await request(url, "POST", "/messages", { text: "x", key: "12345678" })).status, 401);
    for (const [user, password] of [["ann", "green"], ["nobody", "blue"], ["", ""]]) {
      assert.equal((await request(url, "POST", "/login", { user, password })).status, 401);
    }
    const answer = await request(url, "POST", "/login", { user: "ann", password: "blue" });
    assert.equal(answer.status, 200);
    const [cookie, ...attributes] = answer.headers.get("Set-Cookie").split("; ");
    assert.deepEqual(attributes.map((each) => each.toLowerCase()).filter((each) => /^(httponly|samesite)/.test(each)).sort(), ["httponly", "samesite=strict"]);
    const headers = { Cookie: cookie };
    const { token } = await (await request(url, "GET", "/token", undefined, headers)).json();
    const can = [["join", "room"], ["history", "room"], ["presence", "room"], ["publish", "room"], ["join", "other"]];
    const { json } = await ask(server, "POST", "/v2/tokens/inspect", { token, can: can.map(([verb, channel]) => ({ verb, channel })) });
    assert.deepEqual([json.valid, json.user, json.can.map((each) => each.allowed)], [true, "ann", [true, true, true, false, false]]);

    // The same key publishes once, and only for the same user.
    for (let i = 0; i < 2; i++) assert.equal((await request(url, "POST", "/messages", { text: " hello ", key: "12345678" }, headers)).status, 200);
    const { json: { messages } } = await ask(server, "GET", "/v2/channels/room/messages");
    assert.deepEqual(messages.map(({ message }) => message), [{ from: "Ann", text: "hello" }]);
    assert.equal((await request(url, "POST", "/messages", { text: "other", key: "12345678" }, headers)).status, 502); // key_reused

    for (const [body, status, more] of [
      [{ text: "x".repeat(501), key: "12345678" }, 400], [{ text: " ", key: "12345678" }, 400], [{ text: 1 }, 400], [{ text: "x", key: "a b" }, 400],
      [{ text: "x".repeat(20_000), key: "12345678" }, 413], [{ text: "x", key: "12345678" }, 415, { "Content-Type": "text/plain" }],
    ]) {
      assert.equal((await request(url, "POST", "/messages", body, { ...headers, ...more })).status, status, JSON.stringify(body).slice(0, 50));
    }
    for (const path of ["/server.mjs", "/page/room.js", "/../server.mjs", "/constructor"]) assert.equal((await request(url, "GET", path)).status, 404, path);
    assert.match(await (await request(url, "GET", "/?name=../server.mjs&path=room.js")).text(), /^<!doctype html>/);
    assert.equal((await request(url, "POST", "/logout", {}, headers)).status, 200);
    assert.equal((await request(url, "GET", "/token", undefined, headers)).status, 401);
    await server.stop();
    assert.deepEqual(await (await request(url, "GET", "/people")).json(), { error: "Boreas cannot be reached" });
  });

  test(`${name}: the page shows who is there, and misses nothing while its connection is cut`, async (t) => {
    // After the cut a page may use an event stream, which cannot say that its user leaves. So the linger time is
    // shorter than the waits of this test.
    const server = await serveJWT(t, "--rules=room presence", "--presence_linger=1s");
    const way = await proxy(t, server);
    const url = await run(t, server, way.address);
    const browser = await browse(t);
    const failures = [];
    const enter = async (user, password) => {
      const page = await (await browser.newContext()).newPage();
      page.on("pageerror", (error) => failures.push(String(error)));
      page.on("console", (message) => /Content Security Policy|boreas: a listener/.test(message.text()) && failures.push(message.text()));
      await page.goto(url);
      await page.fill('input[name="user"]', user);
      await page.fill('input[name="password"]', password);
      await page.click("#door button");
      await page.locator('#state[data-state="connected"]').waitFor();
      return page;
    };
    const texts = (page) => page.locator("#messages li").allTextContents();
    const say = async (page, text) => {
      await page.fill('input[name="text"]', text);
      await page.click("#form button");
      await until(async () => (await page.inputValue('input[name="text"]')) === "");
    };
    const [ann, ben] = [await enter("ann", "blue"), await enter("ben", "green")];
    const people = async (page, want) => until(async () => (await page.textContent("#people")) === want);
    for (const page of [ann, ben]) await people(page, "Ann, Ben");
    await say(ann, "hello <b>Ben</b>");
    await until(async () => (await texts(ben)).length === 1);

    way.server = undefined; // first, because the client reconnects at once
    way.cut();
    for (const page of [ann, ben]) await page.locator('#state[data-state="waiting"]').waitFor();
    for (let n = 1; n <= 5; n++) await say(ben, String(n));
    way.server = server;
    const said = ["Ann: hello <b>Ben</b>", ...[1, 2, 3, 4, 5].map((n) => `Ben: ${n}`)];
    for (const page of [ann, ben]) {
      await page.locator('#state[data-state="connected"]').waitFor();
      await until(async () => (await texts(page)).length === said.length);
      assert.deepEqual(await texts(page), said);
      await people(page, "Ann, Ben");
    }
    // The cookie survives a reload, and the history comes again.
    await ann.reload();
    await until(async () => (await texts(ann)).length === said.length);
    await ben.click("#out");
    await people(ann, "Ann");
    await until(async () => (await ben.textContent("#inside")) === "In the room: 1");
    assert.deepEqual(failures, []);
  });
}
