// A backend in plain Node with login, tokens for Boreas, publishing and presence. See README.md.
import { createHmac, randomBytes, scryptSync, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { parseArgs } from "node:util";

const { values: options } = parseArgs({
  options: {
    listen: { type: "string", default: "127.0.0.1:8090" },
    api: { type: "string", default: "http://127.0.0.1:8001" }, // where this backend reaches Boreas
    boreas: { type: "string", default: "http://127.0.0.1:8002" }, // where browsers reach it
    secret: { type: "string", default: "secret" }, // the file that Boreas has as --jwt-keys=hs256:secret
  },
});
const secret = readFileSync(options.secret, "utf8").trimEnd();
if (Buffer.byteLength(secret) < 32) throw new Error(`${options.secret} has less than 32 bytes: make it with 'openssl rand -base64 32'`);

const channel = "room";
const maxBody = 16 << 10; // bytes
const maxText = 500; // characters
const tokenLife = 5 * 60; // seconds; the page gets another token in time
const sessionLife = 12 * 60 * 60 * 1000;
const maxSessions = 10_000;

// The users. Your application has its own; it keeps hashes of passwords, as here.
const hash = (password, salt) => scryptSync(password, salt, 32);
const users = new Map(
  [["ann", "Ann", "blue"], ["ben", "Ben", "green"], ["cleo", "Cleo", "red"]].map(([user, name, password]) => {
    const salt = randomBytes(16);
    return [user, { user, name, salt, hash: hash(password, salt) }];
  }),
);
const nobody = { salt: randomBytes(16), hash: randomBytes(32) }; // so that unknown users take as long

// A logged-in browser: the value of its cookie -> the user and the expiry.
const sessions = new Map();

function login(user, password) {
  const found = users.get(user) ?? nobody;
  if (!timingSafeEqual(hash(password, found.salt), found.hash) || found === nobody) throw refusal(401, "the name or the password is wrong");
  if (sessions.size >= maxSessions) sessions.delete(sessions.keys().next().value); // the oldest
  const id = randomBytes(24).toString("base64url");
  sessions.set(id, { user: found, expires: Date.now() + sessionLife });
  return id;
}

const cookie = (request) => /(?:^|; )session=([\w-]+)/.exec(request.headers.cookie ?? "")?.[1];

function loggedIn(request) {
  const session = sessions.get(cookie(request));
  if (!session || session.expires < Date.now()) throw refusal(401, "log in first");
  return session.user;
}

// A JSON Web Token (RFC 7519), which Boreas checks with the same secret. Boreas does not ask this backend.
function jwt(claims) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const text = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
  return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
}

// The token says who the user is, and what this user may do. Messages go through this backend, so
// publishing is not allowed. Others see the name in `info` as verified.
function token({ user, name }) {
  const now = Math.floor(Date.now() / 1000);
  return jwt({ sub: user, iat: now, exp: now + tokenLife, info: { name }, boreas: [{ channels: [channel], allow: ["join", "history", "presence"] }] });
}

// Makes a request to the API of Boreas.
async function boreas(method, path, body, headers) {
  let answer, json;
  try {
    const key = process.env.API_KEY && { Authorization: `Bearer ${process.env.API_KEY}` };
    answer = await fetch(`${options.api}/v2/channels/${channel}/${path}`, {
      method,
      headers: { "Content-Type": "application/json", ...key, ...headers },
      body: body && JSON.stringify(body),
      signal: AbortSignal.timeout(10_000),
    });
    json = await answer.json();
  } catch (error) {
    console.error("Boreas cannot be reached:", error.cause?.message ?? error.message);
    throw refusal(502, "Boreas cannot be reached");
  }
  if (answer.ok) return json;
  console.error("Boreas refused a request:", json.error?.message);
  throw refusal(502, `Boreas refused the request: ${json.error?.code}`);
}

const refusal = (status, message) => Object.assign(new Error(message), { status });

const routes = {
  async "POST /login"(request, { user, password }) {
    if (typeof user !== "string" || typeof password !== "string") throw refusal(400, "send a user and a password");
    return { cookie: `session=${login(user, password)}; HttpOnly; SameSite=Strict; Path=/; Max-Age=${sessionLife / 1000}`, body: {} };
  },
  async "POST /logout"(request) {
    sessions.delete(cookie(request));
    return { cookie: "session=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0", body: {} };
  },
  async "GET /session"(request) {
    const { user, name } = loggedIn(request);
    return { body: { user, name, channel, server: options.boreas } };
  },
  async "GET /token"(request) {
    return { body: { token: token(loggedIn(request)) } };
  },
  // The page makes the key. If it sends a message again after a lost answer, Boreas publishes it once.
  async "POST /messages"(request, { text, key }) {
    const { user, name } = loggedIn(request);
    if (typeof text !== "string" || !text.trim() || text.length > maxText) throw refusal(400, `a message has 1 to ${maxText} characters`);
    if (typeof key !== "string" || !/^[\w-]{8,64}$/.test(key)) throw refusal(400, "a key has 8 to 64 letters, digits, - and _");
    await boreas("POST", "messages", { from: name, text: text.trim() }, { "Idempotency-Key": `${user}:${key}` });
    return { body: {} };
  },
  async "GET /people"() {
    const { users } = await boreas("GET", "presence");
    return { body: { users } };
  },
};

const kinds = { "/": ["index.html", "text/html"], "/room.js": ["room.js", "text/javascript"], "/style.css": ["style.css", "text/css"] };
const files = Object.fromEntries(Object.entries(kinds).map(([path, [name, kind]]) => [path, { kind, body: readFileSync(new URL(`page/${name}`, import.meta.url)) }]));

const policy = [
  "default-src 'self'", "img-src data:", `script-src 'self' ${options.boreas}`, `connect-src 'self' ${options.boreas} ${options.boreas.replace(/^http/, "ws")}`,
  "base-uri 'none'", "form-action 'self'", "frame-ancestors 'none'",
].join("; ");

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

async function serve(request, response) {
  const path = request.url.split("?")[0];
  response.setHeader("Content-Security-Policy", policy);
  response.setHeader("X-Content-Type-Options", "nosniff");
  response.setHeader("Referrer-Policy", "no-referrer");
  if (request.method === "GET" && path === "/boreas.js") {
    return response.writeHead(307, { Location: `${options.boreas}/boreas.js` }).end(); // the client in the server's version
  }
  if (request.method === "GET" && Object.hasOwn(files, path)) {
    return response.writeHead(200, { "Content-Type": `${files[path].kind}; charset=utf-8` }).end(files[path].body);
  }
  const route = `${request.method} ${path}`;
  if (!Object.hasOwn(routes, route)) throw refusal(404, "there is no such page");
  const { cookie: value, body } = await routes[route](request, request.method === "POST" ? await bodyOf(request) : {});
  if (value) response.setHeader("Set-Cookie", value);
  response.writeHead(200, { "Content-Type": "application/json", "Cache-Control": "no-store" }).end(JSON.stringify(body));
}

const server = createServer((request, response) =>
  serve(request, response).catch((error) => {
    if (!error.status) console.error(error);
    response.writeHead(error.status ?? 500, { "Content-Type": "application/json", Connection: "close" });
    response.end(JSON.stringify({ error: error.status ? error.message : "the backend failed" }));
  }),
);
const [, host, port] = /^(.*):(\d+)$/.exec(options.listen) ?? [];
if (!port) throw new Error(`--listen=${options.listen}: give it as HOST:PORT`);
server.listen(Number(port), host, () => console.log(`The room is at http://${host}:${server.address().port}/`));
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => (server.close(), server.closeIdleConnections()));
