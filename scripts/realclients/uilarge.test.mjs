// Tests of the operator's page that take minutes. `make soak` runs them.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { until } from "./rig.mjs";
import { ask, serve } from "./server.mjs";
import { open, polled, publishAll, see, subscribe, texts } from "./uirig.mjs";

test("every view is accessible, in both schemes and on a phone", async (t) => {
  const server = await serve(t, "--rules=chat.* presence client_publish");
  const { json: token } = await ask(server, "POST", "/v2/tokens", { user: "ann", label: "phone" });
  const { session } = await subscribe(t, server, token.token, "chat.1");
  await ask(server, "POST", "/v2/channels/chat.1/messages", { hello: 1 });
  const views = [
    ["#channel=chat.1", "Publish a message"],
    [`#list=sessions&session=${session}`, "End this session"],
    ["#list=config", "Options in force"],
    ["#pane=live", /happen/],
    [`#list=tokens&token=${token.id}`, "Revoke this token"],
    ["#list=tokens&inspect=token", "Inspect a token"],
    ["#list=keys", /Keys/],
    ["#user=ann", "1 session"],
  ];
  for (const [count, options] of [[8, { colorScheme: "light" }], [2, { colorScheme: "dark" }], [2, { colorScheme: "light", viewport: { width: 400, height: 800 } }]]) {
    const page = await open(t, server.API, options);
    for (const [hash, shown] of views.slice(0, count)) {
      await page.evaluate((to) => (location.hash = to), hash);
      await page.getByText(shown).filter({ visible: true }).first().waitFor({ timeout: 50_000 });
      await page.accessible();
    }
    await page.healthy();
  }
});

/** Returns the first of the ports that scripts/cluster.sh needs. They are below those that the system gives to connections. */
async function freePorts() {
  for (;;) {
    const first = 12_000 + Math.floor(Math.random() * 20_000);
    const listeners = await Promise.all(
      Array.from({ length: 23 }, async (_, i) => {
        const listener = createServer().listen(first + i, "127.0.0.1");
        return await Promise.race([once(listener, "listening").then(() => listener), once(listener, "error").then(() => undefined)]);
      }),
    );
    for (const listener of listeners) listener?.close();
    if (listeners.every(Boolean)) return first;
  }
}

test("the page shows the nodes of a cluster: which of them is silent, and that it comes back", async (t) => {
  const dir = await mkdtemp(join(tmpdir(), "boreas-page-"));
  t.after(() => rm(dir, { recursive: true }));
  const first = await freePorts();
  const node = (...words) => {
    const child = spawn("../cluster.sh", words, { env: { ...process.env, BIN: process.env.TEST_BINARY, DIR: dir, FIRST_PORT: String(first) }, stdio: ["ignore", "pipe", "ignore"] });
    const ended = once(child, "exit");
    t.after(() => (child.kill("SIGINT"), ended));
    return child;
  };
  let second;
  createInterface({ input: node().stdout }).on("line", (line) => (second ??= / n2: .* process (\d+)$/.exec(line)?.[1]));
  const server = { API: `127.0.0.1:${first}`, WebSocket: `127.0.0.1:${first + 1}` };
  const ready = (i) => fetch(`http://127.0.0.1:${first + 10 * i}/readyz`).then((answer) => answer.ok, () => false);
  for (const i of [0, 1, 2]) await until(() => ready(i));
  const { json: token } = await ask(server, "POST", "/v2/tokens", { user: "ann" });
  await subscribe(t, server, token.token, "chat.1");
  const page = await open(t, server.API, { hash: "#list=sessions&channel=chat.1" });
  const nodes = () => texts(page, ".nodes .node");
  await until(async () => (await nodes()).join() === "n1,n2,n3");
  await page.accessible();
  process.kill(Number(second), "SIGKILL");
  await until(async () => (await nodes()).join() === "n1,n2 does not answer,n3");
  await page.accessible();
  await until(async () => (await ask(server, "POST", "/v2/channels/chat.1/messages", "two nodes")).status === 201); // after an election
  await see(page, '"two nodes"');
  await until(async () => (await ask(server, "GET", "/v2/stats")).json.nodes.silent.length === 0); // its sessions have ended by now
  await polled(page);
  assert.equal((await nodes()).join(), "n1,n2 does not answer,n3");
  node("n2").stdout.resume();
  await until(async () => (await nodes()).join() === "n1,n2,n3");
  await page.healthy();
});

test("with 100,000 channels and 15,000 sessions the page stays responsive", async (t) => {
  const channels = 50_000, sessions = 7_500; // of each of two loads
  const server = await serve(t, "--accept_rate=100000");
  for (let i = 0; i < 2; i++) {
    const options = [`--api=http://${server.API}`, `--ws=ws://${server.WebSocket}/`, `--subscribers=${sessions}`, `--channels=${channels}`, "--joins=7", "--publishers=1", "--rate=100", "--duration=10m"];
    const load = spawn(process.env.TEST_BINARY, ["bench", ...options], { stdio: "ignore" });
    const ended = once(load, "exit");
    t.after(() => (load.kill("SIGKILL"), ended));
  }
  await until(async () => {
    const { json: stats } = await ask(server, "GET", "/v2/stats");
    return stats.anonymous + stats.authenticated === 2 * sessions && stats.channels === 2 * channels;
  });
  for (let after = ""; after !== undefined; ) {
    const { json: list } = await ask(server, "GET", `/v2/channels?limit=1000&after=${after}`);
    await ask(server, "POST", "/v2/messages", { messages: list.channels.map((c) => ({ channel: c.channel, message: 1 })) });
    after = list.next;
  }
  for (let i = 0; i < 10; i++) await publishAll(server, `room.4242${i}`, ["quiet"]);
  await publishAll(server, "room.77777", Array.from({ length: 100 }, (_, i) => i));
  const page = await open(t, server.API);
  await page.evaluate(() => {
    window.blocked = [];
    new PerformanceObserver((list) => window.blocked.push(...list.getEntries().map((e) => Math.round(e.duration)))).observe({ entryTypes: ["longtask"] });
  });
  const took = async (what, action) => {
    const start = performance.now();
    await action();
    t.diagnostic(`${what}: ${Math.round(performance.now() - start)} ms`);
  };
  await see(page, /^15,000/);
  await page.getByLabel("Order").selectOption("messages");
  await took("channels by messages", () => page.locator(".lists tbody tr:first-child").getByText("room.77777").waitFor());
  await page.getByLabel("Channels that begin with").fill("room.4242");
  await took("channels that begin with a text", () => page.locator(".lists tbody tr").nth(9).getByText("room.42429").waitFor());
  assert.equal(await page.locator(".lists tbody tr").count(), 10);
  await page.evaluate(() => (location.hash = "#list=sessions"));
  await took("sessions by behind", () => page.locator(".lists tbody tr").nth(49).waitFor());
  await page.getByLabel("Order").selectOption("since");
  await page.locator(".lists tbody tr a").first().click();
  await took("a session", () => page.getByText("End this session").waitFor());
  await page.getByRole("searchbox", { name: /^Search/ }).fill("room.77777");
  await page.keyboard.press("Enter");
  await took("a search", () => page.locator(".hits a").first().waitFor());
  for (const path of ["/v2/channels?order=subscribers&limit=50", "/v2/channels?order=messages&limit=50", "/v2/sessions?order=behind&limit=50", "/v2/stats"]) {
    const times = [];
    for (let i = 0; i < 21; i++) {
      const start = performance.now();
      await ask(server, "GET", path);
      times.push(performance.now() - start);
    }
    t.diagnostic(`${path}: median ${times.sort((a, b) => a - b)[10].toFixed(1)} ms, slowest ${times[20].toFixed(1)} ms, under load`);
  }
  const paint = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime);
  t.diagnostic(`first paint after ${Math.round(paint)} ms; the page was busy for more than 50 ms at a time: ${await page.evaluate(() => window.blocked)} ms`);
  await page.accessible();
  await page.healthy();
});
