// The backend of the example: it publishes the tokens of an answer on a channel of that answer.
import { createHmac, randomBytes } from "node:crypto";
import { once, setMaxListeners } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { setTimeout } from "node:timers/promises";

const maxBody = 16 << 10; // bytes
const maxQuestion = 500; // characters
const maxAnswers = 100; // at once
const tokenLife = 10 * 60; // seconds
const patience = 60_000; // how long to repeat a publish that fails, in milliseconds

/**
 * Starts the backend, and returns its URL and a function that stops it.
 *
 * model: an async generator function, from a question to tokens.
 * gather: for how long tokens are gathered before they are published as one message, in milliseconds.
 */
export async function start({ host = "127.0.0.1", port = 0, api, boreas, secret, model, gather = 50 }) {
  const key = readFileSync(secret, "utf8").trimEnd();
  const stopping = new AbortController();
  setMaxListeners(0, stopping.signal); // one for each answer
  const answers = new Set(); // those that are being generated

  // With the key of a message, Boreas publishes it once even if the request is repeated.
  async function publish(channel, message) {
    for (let wait = 100, left = patience; ; left -= wait, wait *= 2) {
      const failure = await post(channel, message);
      if (!failure) return;
      if (failure.final || left <= wait) throw new Error(`publish on ${channel}: ${failure.reason}`);
      await setTimeout(wait, undefined, { signal: stopping.signal });
    }
  }

  async function post(channel, message) {
    try {
      const answer = await fetch(`${api}/v2/channels/${channel}/messages`, {
        method: "POST",
        headers: {
          "Content-Type": "application/json",
          "Idempotency-Key": `${channel}:${message.n}`,
          ...(process.env.API_KEY && { Authorization: `Bearer ${process.env.API_KEY}` }),
        },
        body: JSON.stringify(message),
        signal: AbortSignal.any([stopping.signal, AbortSignal.timeout(10_000)]),
      });
      if (answer.ok) return void (await answer.arrayBuffer());
      const { error } = await answer.json();
      return { reason: error.message, final: !["now", "later"].includes(error.retry) };
    } catch (error) {
      return { reason: error.cause?.message ?? error.message };
    }
  }

  // Generates an answer. Two loops share an array: one takes tokens from the model, and the other publishes
  // all that have come meanwhile. So a slow network makes larger messages, and never delays the model.
  async function answer(channel, question) {
    const waiting = [];
    let ended = false;
    let failed;
    let wake = () => {};
    stopping.signal.addEventListener("abort", () => wake(), { once: true });
    (async () => {
      try {
        for await (const token of model(question)) {
          if (stopping.signal.aborted) return;
          waiting.push(token);
          wake();
        }
      } catch (error) {
        console.error(`${channel}: the model failed:`, error);
        failed = true;
      } finally {
        ended = true;
        wake();
      }
    })();
    for (let n = 0, done = false; !done; n++) {
      if (!waiting.length && !ended) await new Promise((resolve) => { wake = resolve; });
      if (stopping.signal.aborted) return;
      if (!ended) await setTimeout(gather, undefined, { signal: stopping.signal });
      done = ended;
      const tokens = waiting.splice(0);
      // n lets the page see that the beginning is no longer kept. The last message is marked.
      await publish(channel, { n, text: tokens.join(""), tokens: tokens.length, done, failed });
    }
  }

  // A JSON Web Token that allows reading one answer.
  function token(channel) {
    const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const now = Math.floor(Date.now() / 1000);
    const claims = { sub: "reader", iat: now, exp: now + tokenLife, boreas: [{ channels: [channel], allow: ["join", "history"] }] };
    const text = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
    return `${text}.${createHmac("sha256", key).update(text).digest("base64url")}`;
  }

  const routes = {
    // Begins an answer and returns its ID. The answer continues without the page.
    async "POST /answers"(parameters, { question }) {
      if (typeof question !== "string" || !question.trim() || question.length > maxQuestion) throw refusal(400, `a question has 1 to ${maxQuestion} characters`);
      if (answers.size >= maxAnswers) throw refusal(503, "too many answers are under way: try again later");
      const id = randomBytes(16).toString("hex");
      const running = answer(`answer.${id}`, question.trim()).catch((error) => stopping.signal.aborted || console.error(error.message));
      answers.add(running);
      running.finally(() => answers.delete(running));
      return { id };
    },
    // In this example the ID is the permission: it is random, and only the page that asked has it.
    async "GET /token"(parameters) {
      const id = parameters.get("answer") ?? "";
      if (!/^[0-9a-f]{32}$/.test(id)) throw refusal(404, "there is no such answer");
      return { channel: `answer.${id}`, server: boreas, token: token(`answer.${id}`) };
    },
  };

  const kinds = { "/": ["index.html", "text/html"], "/answer.js": ["answer.js", "text/javascript"], "/style.css": ["style.css", "text/css"] };
  const files = Object.fromEntries(Object.entries(kinds).map(([path, [name, kind]]) => [path, { kind, body: readFileSync(new URL(`page/${name}`, import.meta.url)) }]));
  const policy = `default-src 'self'; img-src data:; script-src 'self' ${boreas}; connect-src 'self' ${boreas} ${boreas.replace(/^http/, "ws")}; ` +
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

  async function serve(request, response) {
    const [path, query] = request.url.split("?");
    response.setHeader("Content-Security-Policy", policy);
    response.setHeader("X-Content-Type-Options", "nosniff");
    response.setHeader("Referrer-Policy", "no-referrer");
    if (request.method === "GET" && path === "/boreas.js") {
      return response.writeHead(307, { Location: `${boreas}/boreas.js` }).end(); // the client in the server's version
    }
    if (request.method === "GET" && Object.hasOwn(files, path)) {
      const { kind, body } = files[path];
      return response.writeHead(200, { "Content-Type": `${kind}; charset=utf-8` }).end(body);
    }
    const route = `${request.method} ${path}`;
    if (!Object.hasOwn(routes, route)) throw refusal(404, "there is no such page");
    const body = await routes[route](new URLSearchParams(query), request.method === "POST" ? await bodyOf(request) : {});
    response.writeHead(200, { "Content-Type": "application/json", "Cache-Control": "no-store" }).end(JSON.stringify(body));
  }

  const server = createServer((request, response) =>
    serve(request, response).catch((error) => {
      if (!error.status) console.error(error);
      response.writeHead(error.status ?? 500, { "Content-Type": "application/json", Connection: "close" });
      response.end(JSON.stringify({ error: error.status ? error.message : "the backend failed" }));
    }),
  );
  server.listen(port, host);
  await once(server, "listening");
  return {
    url: `http://${host}:${server.address().port}`,
    async stop() {
      stopping.abort();
      server.close();
      server.closeAllConnections();
      await Promise.all(answers);
    },
  };
}

const refusal = (status, message) => Object.assign(new Error(message), { status });

async function bodyOf(request) {
  if (request.headers["content-type"] !== "application/json") throw refusal(415, "send application/json"); // which forms of other sites cannot
  const chunks = [];
  let length = 0;
  for await (const chunk of request) {
    length += chunk.length;
    if (length > maxBody) throw refusal(413, `the request has more than ${maxBody} bytes`);
    chunks.push(chunk);
  }
  try {
    return Object(JSON.parse(Buffer.concat(chunks)));
  } catch {
    throw refusal(400, "that is not JSON");
  }
}
