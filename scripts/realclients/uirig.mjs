// Shared by the tests of the operator's page: opens it as a person does, and reports what a person would
// notice.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { after, before } from "node:test";
import { WebSocket } from "ws";
import { browse, until } from "./rig.mjs";
import { ask } from "./server.mjs";

const axe = await readFile(new URL("node_modules/axe-core/axe.min.js", import.meta.url), "utf8");

let browser, close;
before(async () => {
  let ended;
  browser = await browse({ after: (stop) => (ended = stop) });
  close = ended;
});
after(() => close());

// The browser writes each request that failed to its console. The page cannot know whether the server needs a
// key, and which keys it knows.
const needsKey = /^Failed to load resource: the server responded with a status of 401 /;
/** What the browser writes while a server does not run. */
export const unreachable = /^Failed to load resource: net::ERR_/;

/**
 * Opens the page. page.healthy fails if it reported an error, or the browser a violation of its policy.
 * Expected matches lines of the console that are no errors. page.accessible fails if axe finds something
 * that people with a screen reader, a keyboard or weak eyes could not use.
 */
export async function open(t, address, { hash = "", expected = needsKey, ...options } = {}) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (line) => {
    if (["error", "warning"].includes(line.type()) && !expected.test(line.text())) errors.push(`${line.text()} ${line.location().url}`);
  });
  await page.addInitScript(axe);
  await page.addInitScript(() => {
    window.violations = [];
    document.addEventListener("securitypolicyviolation", (e) => window.violations.push(`${e.violatedDirective} ${e.blockedURI}`));
  });
  page.requests = [];
  page.on("request", (request) => page.requests.push(new URL(request.url()).pathname));
  await page.goto(`http://${address}/ui${hash}`);
  page.healthy = async () => {
    assert.deepEqual(await page.evaluate("window.violations"), []);
    assert.deepEqual(errors, []);
  };
  page.accessible = async () => {
    const { violations } = await page.evaluate(() => window.axe.run());
    const found = violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html + " " + n.failureSummary).join("\n  ")}`);
    assert.deepEqual(found, []);
  };
  t.after(() => context.close());
  return page;
}

export const texts = (page, selector) => page.locator(selector).allTextContents();
export const see = (page, text) => page.getByText(text).first().waitFor({ timeout: 50_000 });
export const login = async (page, key) => {
  await page.getByLabel("Key").fill(key);
  await page.getByRole("button", { name: "Open" }).click();
};

/** Waits until the page has polled everything that it shows once more. All polls of one view have the same period. */
export async function polled(page) {
  const count = () => page.requests.filter((path) => path === "/v2/stats").length;
  const start = count();
  await until(() => count() >= start + 3);
}

/** A client of protocol 2 that has joined channels. */
export async function subscribe(t, server, token, ...channels) {
  const socket = new WebSocket(`ws://${server.WebSocket}/v2?access_token=${token}`);
  t.after(() => socket.terminate());
  const [first] = await once(socket, "message");
  const { hello } = JSON.parse(first);
  socket.send(JSON.stringify({ id: 1, join: { channels: channels.map((channel) => ({ channel })) } }));
  await once(socket, "message");
  return { socket, session: hello.session, user: hello.user };
}

/** Publishes messages to a channel, many with each request, and returns their positions. */
export async function publishAll(server, channel, messages) {
  const positions = [];
  for (let i = 0; i < messages.length; i += 1000) {
    const { json } = await ask(server, "POST", "/v2/messages", { messages: messages.slice(i, i + 1000).map((message) => ({ channel, message })) });
    positions.push(...json.results.map((r) => r.position));
  }
  return positions;
}
