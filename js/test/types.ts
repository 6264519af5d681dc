// Compiled by package.test.mjs, never run: the types must accept this use.
import { BoreasError, connect, type Client, type Gap, type Subscription } from "../boreas.js";

interface Line {
  from: string;
  text: string;
}

const stop = new AbortController();
const client: Client = connect("wss://push.example.com", {
  token: async (reason) => (reason === "invalid_token" ? "new" : "old"),
  transport: "auto",
  signal: stop.signal,
  console,
});
client.on("state", (state, { after, error }) => console.log(state === "waiting" ? `${after} ms, ${error?.message}` : state));
client.on("expiring", ({ in_ms, error, after }) => console.log(error ? `${after} ms, ${error.message}` : in_ms));
client.on("goodbye", ({ error, reconnect }) => console.log(error.code, reconnect?.after_ms));

const chat: Subscription<Line> = client.subscribe<Line>("chat", { last: 50, presence: true, info: { name: "Ann" } });
const off: () => void = chat.on("message", ({ message, position }) => console.log(message.text, position));
chat.on("gap", (gap: Gap) => console.log(gap.reason, gap.from, gap.to, gap.oldest));
chat.on("presence", () => console.log(chat.presence?.users, chat.presence?.members?.map((member) => member.user)));
off();
for await (const { message } of chat) console.log(message.from);

const { position, duplicate } = await client.publish("chat", { from: "Ann", text: "hi" }, { key: "k", echo: false, timeout: 1000 });
console.log(position.length, duplicate);
const page = await client.history<Line>("chat", { since: position, limit: 10, signal: stop.signal });
for (const { message } of page.messages) console.log(message.text);
const newest = await client.history<Line>("chat", { last: 10, times: true });
const earlier = await client.history<Line>("chat", { before: newest.messages[0].position, limit: 10 });
console.log(newest.messages[0].time?.length, earlier.more);
console.log((await client.presence("chat")).members?.[0]?.sessions.length);
await client.ping().catch((error: BoreasError) => console.log(error.code === "timeout", error.retry === "later", error.oldest));

// @ts-expect-error there is no such event
chat.on("mesage", () => {});
// @ts-expect-error a transport is one of three
connect("", { transport: "tcp" });
// @ts-expect-error the message of this channel is a Line
chat.on("message", ({ message }) => message.nothing);
chat.leave();
client.close();
