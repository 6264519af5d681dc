// Tests the operator's page as a person uses it, in Chromium.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { proxy, until } from "./rig.mjs";
import { ask, serve } from "./server.mjs";
import { login, open, polled, publishAll, see, subscribe, texts, unreachable } from "./uirig.mjs";

// `make soak` uses the larger sizes.
const large = !!process.env.UI_LARGE;

test("with each key the page shows what the key may see, and asks for nothing else", async (t) => {
  const server = await serve(t);
  const { json: admin } = await ask(server, "POST", "/v2/keys", { name: "operator", verbs: ["admin"] });
  const post = async (path, body) => (await fetch(`http://${server.API}${path}`, { method: "POST", headers: { Authorization: `Bearer ${admin.key}` }, body: JSON.stringify(body) })).json();
  const make = async (verb, channels) => (await post("/v2/keys", { name: `${verb} ${channels}`, verbs: [verb], channels })).key;
  const page = await open(t, server.API);
  const refused = [];
  page.on("response", (answer) => answer.status() >= 400 && refused.push(`${answer.status()} ${new URL(answer.url()).pathname}`));
  await see(page, "This server needs a key");
  await page.accessible();
  await login(page, "bk_wrong");
  await see(page, "The API key is unknown.");
  refused.length = 0;
  const tabs = {};
  for (const [name, key] of [
    ["admin", admin.key],
    ["view", await make("view")],
    ["sessions", await make("sessions")],
    ["stats", await make("stats")],
    ["tokens", await make("tokens")],
    ["publish", await make("publish")],
    ["view of chat", await make("view", ["chat.*"])],
    ["sessions of chat", await make("sessions", ["chat.*"])],
  ]) {
    await login(page, key);
    await page.getByRole("button", { name: "Log out" }).waitFor();
    tabs[name] = [(await texts(page, "nav a")).join(" "), await page.locator(".strip").count()];
    await page.evaluate(() => (location.hash = "#channel=chat.1"));
    if (/^(admin|view|sessions)/.test(name)) {
      await until(async () => {
        await post("/v2/channels/chat.1/messages", "hello");
        return (await page.locator(".messages td.payload").count()) > 0;
      });
      tabs[name].push((await texts(page, ".messages td.payload"))[0]);
    } else await see(page, "To read a channel you need a key");
    assert.deepEqual(await page.evaluate(() => [document.cookie, location.href.includes("bk_"), localStorage.length]), ["", false, 0]);
    await page.getByRole("button", { name: "Log out" }).click();
    assert.equal(await page.evaluate("sessionStorage.length"), 0);
    await page.evaluate(() => (location.hash = ""));
  }
  assert.deepEqual(tabs, {
    admin: ["Channels Sessions Refusals Tokens Keys Options", 1, '"hello"'],
    view: ["Channels Sessions Refusals Options", 1, "not shown"],
    sessions: ["Channels Sessions Refusals Options", 0, '"hello"'],
    stats: ["", 1],
    tokens: ["Tokens", 0],
    publish: ["", 0],
    "view of chat": ["", 1, "not shown"],
    "sessions of chat": ["", 0, '"hello"'],
  });
  assert.deepEqual(refused, []);
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
  await see(page, "Ended.");
  await polled(page); // but not the session that has ended
  await until(async () => (await ask(server, "GET", "/v2/sessions")).json.sessions.length === 0);
  await colleague.healthy();
  await page.healthy();
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
  const { json: token } = await ask(server, "POST", "/v2/tokens", { user: "<b>ann</b>\u202e" });
  await subscribe(t, server, token.token, "<i>chat");
  await page.evaluate(() => (location.hash = "#list=sessions&channel=%3Ci%3Echat"));
  await until(async () => (await texts(page, ".lists td.wide")).join() === "<b>ann</b>\\u202e");
  assert.deepEqual(await texts(page, ".channel h2"), ["<i>chat"]);
  assert.equal(await page.locator("#app img, #app script, #app td b, #app i").count(), 0);
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
  await page.getByRole("button", { name: "Revoke this token" }).click();
  await see(page, "Revoked. 1 session ended.");
  assert.deepEqual((await ask(server, "GET", "/v2/tokens")).json.tokens, []);
  await page.healthy();
});

test("the page comes back by itself after the server has restarted", async (t) => {
  const first = await serve(t);
  const way = await proxy(t, first, "API");
  await ask(first, "POST", "/v2/channels/again/messages", "of the first server");
  const lists = await open(t, way.address, { expected: unreachable });
  const channel = await open(t, way.address, { hash: "#channel=again", expected: unreachable });
  await lists.getByRole("link", { name: "again" }).first().waitFor();
  const messages = () => texts(channel, ".messages td.payload");
  await until(async () => (await messages()).join() === '"of the first server"');
  way.server = undefined;
  way.cut();
  await first.stop();
  for (const page of [lists, channel]) await see(page, "The server does not answer");
  const second = await serve(t);
  await ask(second, "POST", "/v2/channels/another/messages", 1);
  await ask(second, "POST", "/v2/channels/again/messages", "of the second server");
  way.server = second;
  await lists.locator(".lists").getByRole("link", { name: "another" }).waitFor();
  await until(async () => { // the live view has only what happens after it has reconnected
    await ask(second, "POST", "/v2/channels/another/messages", 2);
    return (await texts(lists, ".channel td.payload")).some((text) => text.startsWith("another"));
  });
  await until(async () => (await messages()).join() === '"of the second server"'); // the log of the first one is gone
  await ask(second, "POST", "/v2/channels/again/messages", "live");
  await until(async () => (await messages()).join() === '"of the second server","live"');
  for (const page of [lists, channel]) {
    await until(async () => (await page.locator(".trouble").textContent()) === "");
    await page.healthy();
  }
});

// In the page: scrolls a list to a place, and reports how far a row moves on the screen that is visible
// before and after the page has loaded what belongs there.
async function look(page, to, loaded, argument) {
  await page.evaluate(
    ([to]) => {
      const box = document.querySelector(".messages .scroll");
      if (to !== "here") box.scrollTop = to === "start" ? 10 : box.scrollHeight - box.clientHeight - 20;
      const row = [...box.querySelectorAll("tr[data-position]")].find((r) => r.getBoundingClientRect().top > box.getBoundingClientRect().top + 100);
      window.reader = { position: row.dataset.position, top: row.getBoundingClientRect().top, box };
    },
    [to],
  );
  await page.waitForFunction(loaded, argument, { timeout: 50_000, polling: "raf" });
  return page.evaluate(() => {
    const row = window.reader.box.querySelector(`tr[data-position="${window.reader.position}"]`);
    return { moved: Math.abs(row.getBoundingClientRect().top - window.reader.top), rows: window.reader.box.querySelectorAll("tr[data-position]").length };
  });
}

test("a reader scrolls back through a long history and forwards again, and no row moves under the eyes", async (t) => {
  const server = await serve(t);
  const all = await publishAll(server, "long", Array.from({ length: large ? 10_000 : 1_500 }, (_, i) => ({ number: i + 1 })));
  const page = await open(t, server.API, { hash: "#channel=long" });
  const shown = () => page.evaluate(() => [...document.querySelectorAll(".messages tr[data-position]")].map((r) => r.dataset.position));
  await until(async () => (await shown()).at(-1) === all.at(-1));
  let most = 0, moved = 0;
  const note = (found) => ((most = Math.max(most, found.rows)), (moved = Math.max(moved, found.moved)));
  for (let first = (await shown())[0]; first !== all[0]; ) {
    note(await look(page, "start", (first) => document.querySelector(".messages tr[data-position]").dataset.position !== first, first));
    [first] = await shown();
  }
  await see(page, "Earlier messages are not kept.");
  assert.deepEqual(await shown(), all.slice(0, 1000));
  // New messages, and a click on an old one, do not move it either.
  const [next] = await publishAll(server, "long", ["new"]);
  note(await look(page, "start", () => document.querySelector(".messages button.strong")?.textContent === "Newest (1 more)"));
  await page.evaluate(() => (document.querySelector(".messages .scroll").scrollTop = 500));
  note(await look(page, "here", () => document.querySelector(".messages tr.current") || document.querySelector(`tr[data-position="${window.reader.position}"] a`).click()));
  for (let last = (await shown()).at(-1); last !== next; ) {
    note(await look(page, "end", (last) => [...document.querySelectorAll(".messages tr[data-position]")].at(-1).dataset.position !== last, last));
    last = (await shown()).at(-1);
  }
  assert.deepEqual(await shown(), [...all.slice(-999), next]);
  const colleague = await open(t, server.API, { hash: `#channel=long&message=${all[1]}` }); // which is not in the list
  await see(colleague, "No subscriber of that time is connected.");
  assert.deepEqual(await texts(colleague, "aside pre"), ['{\n  "number": 2\n}']);
  await colleague.evaluate(() => (location.hash = "#channel=long&message=1-1"));
  await see(colleague, /^The position belongs to another log: /);
  await colleague.accessible();
  assert.ok(most <= 1000 && moved <= 1, `at most ${most} rows, moved by ${moved} pixels`);
  if (process.env.M) { console.log(Date.now()-T0,JSON.stringify((await c.send("Performance.getMetrics")).metrics.filter((m) => /Duration|Count/.test(m.name)).map((m) => [m.name, m.value]))); }
  await page.healthy();
});

test("a reader that stalls is shown as behind: in the list, in its session, and in the message", async (t) => {
  const server = await serve(t, "--history_bytes=64MiB");
  const [quick, slow] = await Promise.all(["hare", "tortoise"].map(async (user) => {
    const { json } = await ask(server, "POST", "/v2/tokens", { user });
    return subscribe(t, server, json.token, "race");
  }));
  slow.socket.pause(); // it reads nothing from now on
  for (let i = 0; i < 24; i++) await ask(server, "POST", "/v2/channels/race/messages", `${i} ${randomBytes(675_000).toString("base64")}`);
  const [position] = await publishAll(server, "race", ["the last one"]);
  const page = await open(t, server.API, { hash: "#list=sessions" });
  const row = page.locator(".lists tr.late");
  await row.waitFor({ timeout: 50_000 });
  assert.deepEqual(await texts(page, ".lists tr.late td:nth-child(-n+2)"), [slow.session, "tortoise"]);
  await row.getByRole("link").click();
  await see(page, /^its connection has taken no byte for /);
  const behind = await page.locator("aside .facts .late").first().textContent();
  assert.match(behind, /^[1-9]\d* messages?$/);
  assert.deepEqual(await texts(page, "aside tr.late td:first-child"), ["race"]);
  await page.accessible();
  await page.evaluate((to) => (location.hash = to), `#list=sessions&channel=race&message=${position}`);
  await see(page, "Behind it");
  assert.deepEqual(await texts(page, "aside tr.late td:nth-child(-n+2)"), [slow.session, "tortoise"]);
  await see(page, "to 1 of 2 subscribers");
  await page.accessible();
  // The messages are so large that the first answer does not fill the list, which cannot be scrolled.
  const loaded = await page.locator(".messages tr[data-position]").count();
  await page.getByRole("button", { name: "Earlier messages" }).click();
  await until(async () => (await page.locator(".messages tr[data-position]").count()) > loaded);
  slow.socket.resume();
  await see(page, "Every subscriber has it.");
  await until(async () => (await page.locator(".lists tr.late").count()) === 0);
  await page.healthy();
  quick.socket.terminate();
});
