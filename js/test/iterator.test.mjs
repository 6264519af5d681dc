// Reading a subscription by `for await`, and messages that wait for a reader.
import assert from "node:assert/strict";
import { test } from "node:test";
import { client, next, record, serve } from "./mock.mjs";

/** A client that has joined the channel chat at p0. */
async function joined(t) {
  const server = await serve(t);
  const c = client(t, server);
  const chat = c.subscribe("chat");
  const peer = await server.peer();
  const told = next(chat, "joined");
  await peer.join({ channel: "chat", position: "p0" });
  await told;
  const say = (from, to) => {
    for (let n = from; n <= to; n++) peer.send({ channel: "chat", message: n, position: `p${n}` });
  };
  /** Waits until the client has read everything that was sent. */
  const read = async () => {
    const ping = c.ping();
    for (;;) {
      const { id, ping: asked } = await peer.receive();
      if (!asked) continue;
      peer.send({ id, ping: {} });
      return ping;
    }
  };
  return { c, chat, peer, say, read };
}

test("messages that arrive before the first reader wait for it", async (t) => {
  const { chat, say, read } = await joined(t);
  say(1, 3);
  await read();
  const got = [];
  for await (const { message, position } of chat) {
    got.push([message, position]);
    if (message === 3) say(4, 4);
    if (message === 4) break;
  }
  assert.deepEqual(got, [[1, "p1"], [2, "p2"], [3, "p3"], [4, "p4"]]);
});

test("the first listener receives the waiting messages, in order and after it was added", async (t) => {
  const { chat, say, read } = await joined(t);
  say(1, 2);
  await read();
  let added = false;
  const told = record(chat, "gap");
  const off = chat.on("message", (item) => (assert.ok(added), told.put(item.message)));
  added = true;
  say(3, 3);
  assert.deepEqual([await told.take(), await told.take(), await told.take()], [1, 2, 3]);
  off();
  say(4, 4); // without a listener, the message waits again
  await read();
  chat.on("message", (item) => told.put(item.message));
  assert.equal(await told.take(), 4);
});

test("leaving the last loop leaves the channel", async (t) => {
  const { c, chat, peer, say } = await joined(t);
  const off = chat.on("message", () => {});
  say(1, 1);
  for await (const _ of chat) break;
  off();
  say(2, 2);
  for await (const _ of chat) break;
  await peer.expect({ leave: { channels: ["chat"] } });
  for await (const _ of chat) assert.fail("it was left");
  c.subscribe("chat");
  await peer.join({ channel: "chat", position: "p2" });
});

test("a loop that throws leaves the channel", async (t) => {
  const { chat, peer, say } = await joined(t);
  say(1, 1);
  await assert.rejects(async () => { for await (const _ of chat) throw new Error("oh"); }, { message: "oh" });
  await peer.expect({ leave: { channels: ["chat"] } });
});

test("each of several loops receives every message, and each of several reads one message", async (t) => {
  const { chat, say } = await joined(t);
  const [one, two] = [chat[Symbol.asyncIterator](), chat[Symbol.asyncIterator]()];
  const reads = [one.next(), one.next(), two.next()];
  say(1, 2);
  assert.deepEqual((await Promise.all(reads)).map(({ value }) => value.message), [1, 2, 1]);
  assert.equal((await two.next()).value.message, 2);
});

test("leaving the channel ends the loops at once", async (t) => {
  const { chat, say, read } = await joined(t);
  say(1, 2);
  await read();
  const got = [];
  for await (const { message } of chat) {
    got.push(message);
    chat.leave();
  }
  assert.deepEqual(got, [1]);
});

test("closing the client ends the loops after the received messages", async (t) => {
  const { c, chat, say, read } = await joined(t);
  say(1, 2);
  await read();
  c.close();
  const got = [];
  for await (const { message } of chat) got.push(message);
  assert.deepEqual(got, [1, 2]);
});

test("a reader that is too slow receives a gap", async (t) => {
  const { c, chat, say, read } = await joined(t);
  const iterator = chat[Symbol.asyncIterator]();
  say(1, 1);
  assert.equal((await iterator.next()).value.message, 1);
  const gaps = record(chat, "gap");
  say(2, 1001);
  await read();
  assert.equal(gaps.size, 0);
  say(1002, 1002);
  assert.deepEqual(await gaps.take(), { gap: { channel: "chat", reason: "slow", from: "p1", to: "p501", local: true } });
  for (let n = 502; n <= 1002; n++) assert.equal((await iterator.next()).value.message, n);
  assert.equal(chat.position, "p1002");
  assert.deepEqual(c.printed, []);
});

test("unread messages are bounded, and dropping them is a gap", async (t) => {
  const { c, say, read } = await joined(t);
  say(1, 1001);
  await read();
  assert.deepEqual(c.printed, ['boreas: channel "chat": the messages after p0 up to p500 are not delivered (slow), and nobody listens for "gap"']);
});
