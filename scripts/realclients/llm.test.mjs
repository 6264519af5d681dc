// Tests examples/llm-stream with a model that waits for the test, so that a reload is always in the
// middle of an answer.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { start } from "../../examples/llm-stream/backend.mjs";
import { model, tokens } from "../../examples/llm-stream/model.mjs";
import { start as run, serveJWT } from "./backend.mjs";
import { browse, until } from "./rig.mjs";
import { ask } from "./server.mjs";

const question = "What is <b>Boreas</b>?";
const all = tokens(question);
const text = (end = all.length) => all.slice(0, end).join("");

/** A model that stops before each of the given tokens until `on` is called. */
function gated(...stops) {
  const gates = stops.map((at) => ({ at, open: Promise.withResolvers?.() ?? withResolvers() }));
  return {
    on: () => gates.find(({ open }) => !open.used && (open.used = true)).open.resolve(),
    async *model(asked) {
      for (const [i, token] of tokens(asked).entries()) {
        await gates.find(({ at }) => at === i)?.open.promise;
        yield token;
      }
    },
  };
}

function withResolvers() {
  const it = {};
  it.promise = new Promise((resolve) => { it.resolve = resolve; });
  return it;
}

async function setUp(t, model, ...flags) {
  const server = await serveJWT(t, ...flags);
  const backend = await start({ api: `http://${server.API}`, boreas: `http://${server.WebSocket}`, secret: server.secret, model, gather: 10 });
  t.after(backend.stop);
  return { ...server, url: backend.url };
}

/** Asks the question in a new page. */
async function asked(t, url) {
  const browser = await browse(t);
  const page = await browser.newPage();
  page.on("pageerror", (error) => assert.fail(error));
  await page.goto(url);
  await page.fill("input", question);
  await page.click("button");
  await page.waitForURL(/#/);
  return { browser, page };
}

/** Waits until the page has this text, in this state. */
async function reads(page, want, state) {
  let got;
  await until(async () => {
    got = await page.evaluate(() => [document.getElementById("answer").textContent, document.getElementById("state").dataset.state]);
    return got[0].length >= want.length && got[1] === state;
  }).catch(() => {});
  assert.deepEqual(got, [want, state]);
}

test("an answer survives reloads in its middle, without loss and repetition", async (t) => {
  const { model, on } = gated(50, 100, 150);
  const server = await setUp(t, model);
  const { browser, page } = await asked(t, server.url);
  await reads(page, text(50), "streaming");
  await page.reload();
  await reads(page, text(50), "streaming"); // from the history

  const { href, hash } = new URL(page.url());
  const kept = async () => (await ask(server, "GET", `/v2/channels/answer.${hash.slice(1)}/messages?limit=1000`)).json.messages.map(({ message }) => message);
  const textOf = (messages) => messages.map((each) => each.text).join("");
  await page.goto("about:blank");
  on(); // the answer continues without a page
  await until(async () => textOf(await kept()) === text(100));
  await page.goto(href);
  await reads(page, text(100), "streaming");

  on();
  await page.reload(); // while tokens arrive
  await reads(page, text(150), "streaming");
  on();
  await reads(page, text(), "done");

  const messages = await kept();
  assert.deepEqual(messages.map(({ n, done }) => [n, done]), messages.map((_, n) => [n, n === messages.length - 1]));
  assert.equal(messages.reduce((sum, each) => sum + each.tokens, 0), all.length);
  assert.ok(messages.length < all.length / 4, `${all.length} tokens came in ${messages.length} messages`);
  assert.equal(await page.textContent("#state"), `Done: ${all.length} tokens in ${messages.length} messages.`);

  // A complete answer, in a window of its own.
  const other = await browser.newPage();
  await other.goto(href);
  await reads(other, text(), "done");
});

test("a page that comes too late for the beginning of an answer says so", async (t) => {
  const { model, on } = gated(50);
  const server = await setUp(t, model, "--rules=answer.* history_messages=1");
  const { page } = await asked(t, server.url);
  await reads(page, text(50), "streaming");
  const first = Number(/in (\d+) messages/.exec(await page.textContent("#state"))[1]);
  const { href } = new URL(page.url());
  await page.goto("about:blank");
  on();
  let newest;
  await until(async () => {
    const { json: { channels } } = await ask(server, "GET", "/v2/channels?prefix=answer.");
    ({ json: { messages: [{ message: newest }] } } = await ask(server, "GET", `/v2/channels/${channels[0].channel}/messages`));
    return newest.done;
  });
  assert.ok(newest.n >= first);
  await page.goto(href);
  await reads(page, `[${newest.n} parts are no longer kept]${newest.text}`, "done");
});

test("an answer whose model fails ends, and the next one replaces it", async (t) => {
  const server = await setUp(t, async function* (asked) {
    yield `${asked} is `;
    if (asked === question) throw new Error("out of words");
  });
  t.mock.method(console, "error", () => {});
  const { page } = await asked(t, server.url);
  await reads(page, `${question} is `, "failed");
  await page.fill("input", "Notus");
  await page.click("button");
  await page.locator('#state[data-state="done"]').waitFor();
  await reads(page, "Notus is ", "done");
});

test("the command line starts the example, and refuses invalid requests", async (t) => {
  const server = await serveJWT(t);
  const program = fileURLToPath(new URL("../../examples/llm-stream/server.mjs", import.meta.url));
  const url = await run(t, [process.execPath, program, "--listen=127.0.0.1:0", `--api=http://${server.API}`, `--boreas=http://${server.WebSocket}`, `--secret=${server.secret}`, "--pace=0"]);
  const post = async (body, type = "application/json") => (await fetch(`${url}/answers`, { method: "POST", headers: { "Content-Type": type }, body: JSON.stringify(body) })).status;
  assert.deepEqual([await post({}), await post({ question: " " }), await post({ question: "x".repeat(501) }), await post({ question: "x" }, "text/plain"), await post({ question: "x" })], [400, 400, 400, 415, 200]);
  for (const answer of ["", "..", "0123", "*"]) assert.equal((await fetch(`${url}/token?answer=${answer}`)).status, 404);
  const { token, channel } = await (await fetch(`${url}/token?answer=${"0".repeat(32)}`)).json();
  const { json } = await ask(server, "POST", "/v2/tokens/inspect", { token, can: [channel, "answer.1"].map((each) => ({ verb: "join", channel: each })) });
  assert.deepEqual(json.can.map((each) => each.allowed), [true, false]);
});

test("the stand-in for a model gives the same answer each time", async () => {
  const got = [];
  for await (const token of model("x", 0)) got.push(token);
  assert.deepEqual(got, tokens("x"));
  assert.notDeepEqual(tokens("y").slice(4), tokens("x").slice(4));
  assert.match(got.join(""), /^You asked: x\n\n\w.*\. ?$/s);
});
