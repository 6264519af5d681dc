// Tests the examples as people use them: their pages in Chromium.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { browse, proxy, until } from "./rig.mjs";
import { serve } from "./server.mjs";

/** Runs an example with the server at the two addresses, or with its own. Returns the URL of its page. */
async function run(t, name, api, ws, ...flags) {
  const boreas = api ? [`--api=http://${api}`, `--ws=ws://${ws}/`] : [];
  const child = spawn(join(process.env.TEST_EXAMPLES, name), ["--listen=127.0.0.1:0", ...boreas, ...flags], { stdio: ["ignore", "ignore", "pipe"] });
  const exited = once(child, "exit");
  t.after(() => (child.kill("SIGTERM"), exited));
  const lines = createInterface({ input: child.stderr });
  const url = await Promise.race([once(lines, "line"), exited]);
  const found = /^The \w+ is at (\S+) /.exec(url[0]);
  assert.ok(found, `${name} printed ${url[0]}`);
  return found[1];
}

let failures; // errors of the pages of one test

/** A test with a browser. Its pages must not report errors. */
const browsing = (name, steps) => test(name, async (t) => {
  failures = [];
  await steps(t, await browse(t));
  assert.deepEqual(failures, []);
});

/** Opens a page in a new browser context, like another person's browser. */
async function open(browser, url, script = "") {
  const context = await browser.newContext();
  await context.addInitScript(script);
  const page = await context.newPage();
  page.on("pageerror", (error) => failures.push(String(error)));
  page.on("console", (message) => /Content Security Policy|boreas: a listener/.test(message.text()) && failures.push(message.text()));
  await page.goto(url);
  return page;
}

const texts = (page, selector) => page.locator(selector).allTextContents();
const state = (page) => page.locator("#state").getAttribute("data-state");

/** Waits until a list has the wanted items. */
async function reads(list, want) {
  let got;
  try {
    await until(async () => JSON.stringify((got = await list())) === JSON.stringify(want));
  } catch {
    assert.deepEqual(got, want);
  }
}

/** A visitor of the chatroom: the content of the page, and the visitor's actions. */
async function enter(browser, url, name, script) {
  const page = await open(browser, url, script);
  // Record each change of the list of people, so that the test also sees a flicker.
  await page.evaluate(() => {
    window.seen = [];
    const people = document.getElementById("people");
    new MutationObserver(() => {
      const now = [...people.children].map((each) => each.textContent).join();
      if (now !== window.seen.at(-1)) window.seen.push(now);
    }).observe(people, { childList: true });
  });
  await page.fill("#name", name);
  await page.click("#door button");
  await until(async () => (await state(page)) === "connected");
  return {
    page,
    name,
    people: () => texts(page, "#people li"),
    seen: () => page.evaluate("window.seen"),
    // The name and text of each message; for a gap, its text.
    lines: () => page.locator("#messages li").evaluateAll((items) => items.map((item) => {
      const [name, text] = [item.querySelector("b"), item.querySelector("p")];
      return name ? `${name.textContent}: ${text.textContent}` : item.textContent;
    })),
    async say(text) {
      await page.fill("#text", text);
      await page.click("#form button");
      await until(async () => (await page.inputValue("#text")) === "");
    },
    async away(way) {
      way.server = undefined; // first, because the client reconnects at once
      await page.context().setOffline(true);
      way.cut();
      await until(async () => (await state(page)) === "waiting");
    },
    async back(way, server) {
      way.server = server;
      await page.context().setOffline(false);
      await until(async () => (await state(page)) === "connected");
    },
  };
}

/** A chatroom with a server, and with Ada and Ben in it. Ada connects through a proxy that can be cut. */
async function chatroom(t, browser, ...flags) {
  const server = await serve(t, ...flags);
  const way = await proxy(t, server);
  const ada = await enter(browser, await run(t, "chatroom", server.API, way.address), "Ada");
  const ben = await enter(browser, await run(t, "chatroom", server.API, server.WebSocket), "Ben");
  return { server, way, ada, ben };
}

const numbers = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => `Ben: ${from + i}`);

// clauses 4.6, 4.7, 5.2, 8.4, 9.4, 9.6
browsing("the chatroom: a visitor who was offline misses nothing, and others do not see a leave", async (t, browser) => {
  // Longer than any wait of this test, so a lost connection does not remove a user.
  const { server, way, ada, ben } = await chatroom(t, browser, "--rules=chatroom presence", "--presence_linger=1m");
  for (const each of [ada, ben]) await reads(each.people, ["Ada", "Ben"]);
  await ada.say("hello <b>Ben</b>");
  const said = ["Ada: hello <b>Ben</b>"];
  await reads(ben.lines, said);
  await ben.say("hello Ada");
  said.push("Ben: hello Ada");
  for (const each of [ada, ben]) await reads(each.lines, said);

  await ada.away(way);
  for (let n = 1; n <= 20; n++) await ben.say(String(n));
  said.push(...numbers(1, 20));
  await reads(ben.lines, said);
  assert.deepEqual(await ada.lines(), said.slice(0, 2));
  // A message that cannot be sent stays in the form.
  await ada.page.fill("#text", "I was away");
  await ada.page.click("#form button");
  await until(async () => (await texts(ada.page, "#problem"))[0].startsWith("Perhaps not sent: "));
  await ada.back(way, server);
  await reads(ada.lines, said);
  await ada.page.click("#form button");
  said.push("Ada: I was away");

  for (const each of [ada, ben]) {
    await reads(each.lines, said);
    await reads(each.people, ["Ada", "Ben"]);
  }
  // A new visitor gets the history.
  const cleo = await enter(browser, ben.page.url(), "Cleo");
  await reads(cleo.lines, said);
  await reads(ben.people, ["Ada", "Ben", "Cleo"]);
  // A closed window leaves at once, without lingering.
  await cleo.page.close();
  await reads(ben.people, ["Ada", "Ben"]);
  await ada.page.close();
  await reads(ben.people, ["Ben"]);
  assert.deepEqual(await ben.seen(), ["Ada,Ben", "Ada,Ben,Cleo", "Ada,Ben", "Ben"]);
});

// clauses 4.8, 5.3, 5.4
browsing("the chatroom: a gap is shown in the place of missing messages", async (t, browser) => {
  const { server, way, ada, ben } = await chatroom(t, browser, "--rules=chatroom history_messages=5");
  await ben.say("0");
  await reads(ada.lines, ["Ben: 0"]);
  await ada.away(way);
  for (let n = 1; n <= 12; n++) await ben.say(String(n));
  await ada.back(way, server);
  const gap = "Messages are missing: the connection was away for too long.";
  await reads(ada.lines, ["Ben: 0", gap, ...numbers(8, 12)]);
  await ben.say("13");
  await reads(ada.lines, ["Ben: 0", gap, ...numbers(8, 13)]);
  assert.deepEqual(await ada.people(), []); // the server has no such rule
});

// clause 6.3
browsing("the chatroom: a message that is sent again after a lost answer is published once", async (t, browser) => {
  const ada = await enter(browser, await run(t, "chatroom"), "Ada"); // the example starts its own server
  await ada.page.route("**/messages", async (route) => {
    await route.fetch();
    await route.abort();
  }, { times: 1 });
  await ada.page.fill("#text", "once");
  await ada.page.click("#form button");
  await until(async () => (await texts(ada.page, "#problem"))[0].startsWith("Perhaps not sent: "));
  await ada.page.click("#form button");
  await until(async () => (await ada.page.inputValue("#text")) === "");
  await ada.say("twice");
  await ada.say("twice");
  await reads(ada.lines, ["Ada: once", "Ada: twice", "Ada: twice"]);
  await reads(ada.people, ["Ada"]);
});

// clauses 10.1, 10.4, 10.6, 10.8
browsing("the chatroom: a page without WebSockets receives the same events over a stream", async (t, browser) => {
  const url = await run(t, "chatroom");
  const ben = await enter(browser, url, "Ben");
  await ben.say("before");
  const ada = await enter(browser, url, "Ada", "delete window.WebSocket");
  await ada.say("after");
  for (const each of [ada, ben]) {
    await reads(each.lines, ["Ben: before", "Ada: after"]);
    await reads(each.people, ["Ben", "somebody"]); // a client cannot send info over a stream
  }
  await ada.page.close();
  await reads(ben.people, ["Ben"]);
});

// clauses 3.3, 4.6, 4.7, 4.12, 5.4
browsing("the live feed resumes where it was, and continues with another server", async (t, browser) => {
  const server = await serve(t);
  const api = await proxy(t, server, "API");
  const way = await proxy(t, server);
  const url = await run(t, "livefeed", api.address, way.address, "--every=0");
  const publish = async (topic, ...all) => {
    for (const text of all) {
      const { status } = await fetch(url + "items", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ topic, text }) });
      assert.equal(status, 201);
    }
  };
  await publish("trains", "old", "late");
  const page = await open(browser, url);
  const items = (topic) => texts(page, `#items li[data-topic="${topic}"] p`);
  await until(async () => (await state(page)) === "connected");
  await reads(() => items("trains"), ["late"]);

  way.server = undefined;
  way.cut();
  await until(async () => (await state(page)) === "waiting");
  await publish("trains", "1", "2", "3");
  await publish("weather", "rain", "snow");
  way.server = server;
  await reads(() => items("trains"), ["3", "2", "1", "late"]);
  await reads(() => items("weather"), ["snow", "rain"]);

  await page.uncheck("text=trains");
  await publish("trains", "4", "5");
  await publish("weather", "sun");
  await reads(() => items("weather"), ["sun", "snow", "rain"]);
  assert.deepEqual(await items("trains"), []);
  await page.check("text=trains");
  await reads(() => items("trains"), ["5"]);

  // Another server knows neither the token nor the messages.
  api.server = way.server = await serve(t);
  await server.stop();
  const gap = "Some is missing here: the server has begun anew.";
  await reads(() => items("weather"), [gap, "sun", "snow", "rain"]);
  await publish("weather", "fog");
  await reads(() => items("weather"), ["fog", gap, "sun", "snow", "rain"]);
  await reads(() => items("trains"), [gap, "5"]);
});
