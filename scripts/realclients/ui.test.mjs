// Tests the operator's page as a person uses it, in Chromium. Each test fails if the page reports an
// error, if the browser reports a violation of its policy, or if axe finds something that people with a
// screen reader, a keyboard or weak eyes could not use.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { WebSocket } from "ws";
import { browse, proxy, until } from "./rig.mjs";
import { ask, serve } from "./server.mjs";

const axe = await readFile(new URL("node_modules/axe-core/axe.min.js", import.meta.url), "utf8");

let browser, close;
before(async () => {
  let ended;
  browser = await browse({ after: (stop) => (ended = stop) });
  close = ended;
});
after(() => close());

/** Opens the page. The browser writes failed requests to its console; those that a test expects are no errors. */
async function open(t, address, { hash = "", expected = /\b(400|401|403|404)\b/, ...options } = {}) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (line) => {
    const text = line.text();
    if (["error", "warning"].includes(line.type()) && !(text.startsWith("Failed to load resource") && expected.test(text))) errors.push(`${text} ${line.location().url}`);
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

const texts = (page, selector) => page.locator(selector).allTextContents();
const see = (page, text) => page.getByText(text).first().waitFor({ timeout: 50_000 });
const login = async (page, key) => {
  await page.getByLabel("Key").fill(key);
  await page.getByRole("button", { name: "Open" }).click();
};

/** A client of protocol 2 that has joined channels. */
async function subscribe(t, server, token, ...channels) {
  const socket = new WebSocket(`ws://${server.WebSocket}/v2?access_token=${token}`);
  t.after(() => socket.terminate());
  const [first] = await once(socket, "message");
  const { hello } = JSON.parse(first);
  socket.send(JSON.stringify({ id: 1, join: { channels: channels.map((channel) => ({ channel })) } }));
  await once(socket, "message");
  return { socket, session: hello.session, user: hello.user };
}

test("with each key the page shows what the key may see", async (t) => {
  const server = await serve(t);
  const { json: admin } = await ask(server, "POST", "/v2/keys", { name: "operator", verbs: ["admin"] });
  const make = async (...verbs) => {
    const answer = await fetch(`http://${server.API}/v2/keys`, { method: "POST", headers: { Authorization: `Bearer ${admin.key}` }, body: JSON.stringify({ name: verbs.join(), verbs }) });
    return (await answer.json()).key;
  };
  const page = await open(t, server.API);
  await see(page, "This server needs a key");
  await page.accessible();
  await login(page, "bk_wrong");
  await see(page, "The API key is unknown.");
  const tabs = {};
  for (const [name, key] of [
    ["admin", admin.key],
    ["view", await make("view")],
    ["sessions", await make("sessions")],
    ["stats", await make("stats")],
    ["tokens", await make("tokens")],
    ["publish", await make("publish")],
  ]) {
    await login(page, key);
    await page.getByRole("button", { name: "Log out" }).waitFor();
    tabs[name] = [(await texts(page, "nav a")).join(" "), await page.locator(".strip").count()];
    assert.deepEqual(await page.evaluate(() => [document.cookie, location.href.includes("bk_"), localStorage.length]), ["", false, 0]);
    await page.getByRole("button", { name: "Log out" }).click();
    assert.equal(await page.evaluate("sessionStorage.length"), 0);
  }
  assert.deepEqual(tabs, {
    admin: ["Channels Sessions Refusals Tokens Keys Options", 1],
    view: ["Channels Sessions Refusals Options", 1],
    sessions: ["Channels Sessions Refusals Options", 0],
    stats: ["", 1],
    tokens: ["Tokens", 0],
    publish: ["", 0],
  });
  assert.deepEqual(page.requests.filter((path) => !path.startsWith("/v2/")), ["/ui", "/ui/app.css", "/ui/app.js"]);
  await page.healthy();
});

test("a refusal appears with its reason, and a link shows the same to a colleague", async (t) => {
  const server = await serve(t);
  const { json: token } = await ask(server, "POST", "/v2/tokens", { user: "mallory", rules: [{ channels: ["chat.*"], allow: ["join"] }] });
  const { session } = await subscribe(t, server, token.token, "chat.1", "secret");
  const page = await open(t, server.API, { hash: "#list=refusals" });
  await page.getByRole("link", { name: "not_permitted" }).click();
  await see(page, "no rule allows join on this channel");
  await see(page, "What to do");
  await page.accessible();
  const colleague = await open(t, server.API, { hash: new URL(page.url()).hash, colorScheme: "dark", viewport: { width: 400, height: 800 } });
  await see(colleague, "no rule allows join on this channel");
  await colleague.accessible();
  await page.getByRole("searchbox", { name: /^Search/ }).fill(session);
  await page.keyboard.press("Enter");
  await page.locator(".hits a").first().click();
  await see(page, "Rules of its token");
  await page.accessible();
  await page.getByRole("button", { name: "End this session" }).click();
  await page.getByRole("button", { name: "End this session" }).click();
  await until(async () => (await ask(server, "GET", "/v2/sessions")).json.sessions.length === 0);
  await colleague.healthy();
  await page.context().close(); // the ended session is not found, as expected
});

test("a message appears where it was sent, and stays text whatever it contains", async (t) => {
  const server = await serve(t);
  const page = await open(t, server.API, { hash: "#channel=chat.1" });
  await page.getByText("Publish a message").click();
  const hostile = '{"html":"<img src=x onerror=alert(1)><script>alert(2)</script>","mark":"\u202egnp.exe","nul":"a\\u0000b","big":12345678901234567890}';
  await page.getByLabel("Message, any JSON value").fill(hostile);
  await page.getByLabel("Check only").check();
  await page.getByRole("button", { name: "Check", exact: true }).click();
  await see(page, "Nothing was published.");
  await page.getByLabel("Check only").uncheck();
  const shown = async (position) => (await texts(page, `tr[data-position="${position}"] .payload`)).join();
  // The page may not follow the channel yet, so a first message is repeated until it appears.
  await until(async () => {
    await ask(server, "POST", "/v2/channels/chat.1/messages", "first");
    return (await page.locator("tr[data-position]").count()) > 0;
  });
  await page.getByRole("button", { name: "Publish", exact: true }).click();
  const link = page.locator("form.publish [role=status] a");
  await link.waitFor({ timeout: 50_000 });
  const position = await link.textContent();
  await until(async () => (await shown(position)) !== "");
  assert.equal(await shown(position), hostile.replace("\u202e", "\\u202e"));
  const { json: large } = await ask(server, "POST", "/v2/channels/chat.1/messages", "x".repeat(1_000_000));
  await until(async () => (await shown(large.position)) !== "");
  assert.equal((await shown(large.position)).length, 500);
  await link.click();
  await until(async () => (await texts(page, "aside pre")).join().includes("<script>"));
  assert.equal(await page.locator("#app img, #app script").count(), 0);
  await page.accessible();
  await page.healthy();
});

test("a token is inspected, and revoked", async (t) => {
  const server = await serve(t);
  const { json: token } = await ask(server, "POST", "/v2/tokens", { user: "ann", rules: [{ channels: ["chat.*"], allow: ["join"] }] });
  await subscribe(t, server, token.token, "chat.1");
  const page = await open(t, server.API, { hash: "#list=tokens" });
  await page.getByRole("link", { name: "Inspect a token" }).click();
  await page.getByLabel("The token's text").fill(token.token);
  await page.getByLabel("Channel", { exact: true }).fill("admin.1");
  await page.getByRole("button", { name: "Inspect" }).click();
  await see(page, "no rule allows join on this channel");
  await page.accessible();
  assert.ok(!page.url().includes(token.token));
  await page.locator(".lists").getByRole("link", { name: token.id }).click();
  await page.getByRole("button", { name: "Revoke this token" }).click();
  await see(page, "This ends 1 session.");
  await page.healthy();
  await page.getByRole("button", { name: "Revoke this token" }).click();
  await until(async () => (await ask(server, "GET", "/v2/tokens")).json.tokens.length === 0);
});

test("the page comes back by itself after the server has restarted", async (t) => {
  const first = await serve(t);
  const way = await proxy(t, first, "API");
  const page = await open(t, way.address);
  await see(page, "No channel has subscribers or messages");
  way.server = undefined;
  way.cut();
  await first.stop();
  await see(page, "The server does not answer");
  const second = await serve(t);
  await ask(second, "POST", "/v2/channels/again/messages", 1);
  way.server = second;
  await page.getByRole("link", { name: "again" }).waitFor();
  await until(async () => (await page.locator(".trouble").textContent()) === "");
  assert.deepEqual(await page.evaluate("window.violations"), []);
});

// axe takes its time with each view: `make soak` runs this test.
test("every view is accessible, in both schemes and on a phone", { skip: !process.env.TEST_EVERY_VIEW }, async (t) => {
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
