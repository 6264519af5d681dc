// Tests examples/react-hook in Chromium, bundled by esbuild with the development build of React, in which
// StrictMode mounts each component twice.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { browse, listen, proxy, until } from "../rig.mjs";
import { ask, serve } from "../server.mjs";

const path = (name) => fileURLToPath(new URL(`../../../${name}`, import.meta.url));

const bundled = build({
  entryPoints: [path("examples/react-hook/page/app.jsx")],
  bundle: true,
  format: "esm",
  jsx: "automatic",
  jsxDev: true,
  define: { "process.env.NODE_ENV": '"development"' },
  alias: { "@boreas-pubsub/client": path("js/boreas.js") },
  nodePaths: [path("scripts/realclients/packed/node_modules")],
  write: false,
});

async function open(t, ...flags) {
  const server = await serve(t, "--require_auth=false", "--rules=** presence client_publish history_messages=5", ...flags);
  const way = await proxy(t, server);
  const { outputFiles: [{ contents }] } = await bundled;
  const html = await readFile(path("examples/react-hook/page/index.html"));
  const address = await listen(t, createServer((request, response) => {
    const script = request.url === "/app.js";
    response.setHeader("Content-Type", script ? "text/javascript" : "text/html");
    response.end(script ? contents : html);
  }));
  const page = await (await browse(t)).newPage();
  const failures = [];
  page.on("pageerror", (error) => failures.push(String(error)));
  page.on("console", (message) => /^(error|warning)$/.test(message.type()) && !/WebSocket connection to|Failed to load resource/.test(message.text()) && failures.push(message.text()));
  await page.goto(`http://${address}/?boreas=http://${way.address}`);
  return {
    server,
    way,
    page,
    failures,
    publish: async (channel, ...texts) => {
      for (const text of texts) assert.equal((await ask(server, "POST", `/v2/channels/${channel}/messages`, { text })).status, 201);
    },
    items: (want) => reads(() => page.locator("#items li").allTextContents(), want),
    state: (want) => reads(() => page.textContent("#state"), want),
    subscribers: (channel, want) => reads(async () => (await ask(server, "GET", `/v2/channels/${channel}`)).json.subscribers ?? 0, want),
    sessions: (want) => reads(async () => (await ask(server, "GET", "/v2/sessions")).json.sessions.length, want),
  };
}

async function reads(get, want) {
  let got;
  await until(async () => JSON.stringify((got = await get())) === JSON.stringify(want)).catch(() => {});
  assert.deepEqual(got, want);
}

test("a component that is mounted twice has one subscription, and shows each message once", async (t) => {
  const { page, failures, publish, items, state, subscribers, sessions } = await open(t);
  await state("connected");
  await subscribers("red", 1);
  await sessions(1);
  await publish("red", "1", "2", "3");
  await items(["1", "2", "3"]);
  await page.fill("input", "from <b>here</b>");
  await page.click("form button");
  await items(["1", "2", "3", "from <b>here</b>"]);
  await reads(() => page.textContent("#people"), "1 here");
  assert.deepEqual(failures, []);
});

test("another channel replaces the subscription, and the end of the component ends the connection", async (t) => {
  const { page, failures, publish, items, subscribers, sessions } = await open(t);
  await publish("red", "r1");
  await publish("green", "g1", "g2");
  await items(["r1"]);
  // Record the items of each render: none may show those of another channel.
  await page.evaluate(() => {
    window.seen = new Set();
    const note = () => window.seen.add(document.querySelector("select")?.value + ":" + [...document.querySelectorAll("#items li")].map((each) => each.textContent[0]).join(""));
    new MutationObserver(note).observe(document.getElementById("root"), { childList: true, subtree: true, characterData: true, attributes: true });
  });
  await page.selectOption("select", "green");
  await items(["g1", "g2"]);
  await subscribers("red", 0);
  await subscribers("green", 1);
  await page.selectOption("select", "red");
  await items(["r1"]);
  const seen = await page.evaluate(() => [...window.seen]);
  assert.deepEqual(seen.filter((each) => /green:.*r|red:.*g/.test(each)), []);
  await page.click("#toggle");
  await sessions(0);
  await page.click("#toggle");
  await items(["r1"]);
  await sessions(1);
  assert.deepEqual(failures, []);
});

test("a cut connection resumes, and a gap is shown in the place of missing messages", async (t) => {
  const { server, way, failures, publish, items, state } = await open(t);
  await publish("red", "1");
  await items(["1"]);
  const away = async (...texts) => {
    way.server = undefined; // first, because the client reconnects at once
    way.cut();
    await state("waiting");
    await publish("red", ...texts);
    way.server = server;
  };
  await away("2", "3");
  await items(["1", "2", "3"]);
  await away("4", "5", "6", "7", "8", "9", "10");
  await items(["1", "2", "3", "Messages are missing here (expired).", "6", "7", "8", "9", "10"]);
  assert.deepEqual(failures, []);
});
