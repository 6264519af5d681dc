// A subscriber for internal/trial that uses js/boreas.js. It joins and leaves channels at random
// and publishes, until it reads "quiet" from its input. It writes each result as a line of JSON. It
// ends when its input ends.
import { createInterface } from "node:readline";
import { WebSocket } from "ws";
import { connect } from "../../js/boreas.js";

const { url, api, name, seed, channels, transport } = JSON.parse(process.argv[2]);
const CHANNELS = 8; // maximum number of joined channels
const PAUSE = 240; // maximum pause between two actions, in milliseconds

// The seed determines all random numbers. Math.random returns small ones: otherwise the client would
// wait up to half a minute between two attempts, which is longer than a trial.
let state = BigInt(seed);
const random = () => {
  state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn;
  return Number(state >> 11n) / 2 ** 53;
};
Math.random = () => random() * 0.03;
const pick = (n) => Math.floor(random() * n);

const say = (line) => process.stdout.write(JSON.stringify(line) + "\n");

/** A message as in internal/trial/content.go. */
function content(c, n, noEcho) {
  let h = 14695981039346656037n;
  for (const byte of new TextEncoder().encode(`${name}/${n} on ${c}`)) h = ((h ^ BigInt(byte)) * 1099511628211n) & 0xffffffffffffffffn;
  let size = Number((h >> 8n) & 0xffffn) % 8000;
  if (h & 3n) size = Math.floor(size / 20);
  const pad = String.fromCharCode(97 + Number(h % 26n)).repeat(size);
  return noEcho ? { c, p: name, n, e: true, pad } : { c, p: name, n, pad };
}

const client = connect(url, {
  WebSocket,
  transport,
  token: async () => {
    const answer = await fetch(`${api}/token/`, { method: "POST", signal: AbortSignal.timeout(1000) });
    if (!answer.ok) throw new Error(`no token: ${answer.status}`); // a cluster elects a leader
    return (await answer.json()).token;
  },
  console: { ...console, warn: (text) => say({ trouble: text }), error: (...text) => say({ trouble: text.join(" ") }) },
});
client.on("state", (state, detail) => {
  if (state === "connected") say({ user: client.user });
  else say({ note: `${state} ${detail?.error?.message ?? detail?.reason ?? ""}` });
});
client.on("error", (error) => say({ trouble: `${error.message} (${error.code})` }));

const subscriptions = new Map();

function subscribe(c) {
  const subscription = client.subscribe(c, { presence: c.startsWith("room") || undefined });
  subscriptions.set(c, subscription);
  subscription.on("joined", ({ position, recovered }) => say({ c, joined: { position, recovered } }));
  subscription.on("message", ({ message, position }) => say({ c, message, position }));
  subscription.on("gap", ({ reason, from, to }) => say({ c, gap: { reason, from, to } }));
  subscription.on("presence", ({ event, user, users, members }) =>
    say({ c, presence: { event, user, users, members: members?.map(({ user }) => ({ user })) } }),
  );
  subscription.on("error", (error) => {
    const text = `${error.message} (${error.code})`;
    // A cluster refuses joins while it elects a leader. The client asks again by itself.
    say(error.retry === "later" ? { c, later: text } : { c, trouble: text });
  });
}

let quiet = false;
let publishing = 0;
let seq = 0;

async function publish() {
  publishing++;
  const rooms = channels.filter((c) => c.startsWith("room"));
  const c = rooms[pick(rooms.length)];
  const n = ++seq;
  const echo = random() < 0.5;
  const key = `${name}-${n}`;
  for (;;) {
    try {
      const { position } = await client.publish(c, content(c, n, !echo), { key, echo });
      say({ c, ack: { n, position } });
      break;
    } catch (error) {
      if (error.retry === "never") return say({ c, trouble: `publish: ${error.message} (${error.code})` });
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  publishing--;
}

function act() {
  if (quiet) return;
  const c = channels[pick(channels.length)];
  const what = pick(5);
  if (what === 0 && subscriptions.has(c)) {
    subscriptions.get(c).leave();
    subscriptions.delete(c);
    say({ c, left: true });
  } else if (what < 3 && !subscriptions.has(c) && subscriptions.size < CHANNELS) {
    subscribe(c);
  } else if (what > 2 && !publishing && transport === "websocket") {
    publish();
  }
  setTimeout(act, random() * PAUSE);
}
act();

const input = createInterface({ input: process.stdin });
input.on("line", () => {
  quiet = true;
  const done = () => (publishing ? setTimeout(done, 10) : say({ quiet: true }));
  done();
});
input.on("close", () => process.exit(0));
