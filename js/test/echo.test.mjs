// clause 6.2: this client does not receive its own publications without echo, even after a rejoin.
import assert from "node:assert/strict";
import { test } from "node:test";
import { client, record, serve, still, tick } from "./mock.mjs";

test("own messages without echo are not received after a rejoin at an older position", async (t) => {
  still(t);
  const server = await serve(t);
  const c = client(t, server);
  const chat = c.subscribe("chat");
  const told = record(chat, "message");
  let peer = await server.peer();
  await peer.join({ channel: "chat", position: "p0" });
  const published = c.publish("chat", "mine", { echo: false, key: "k1" });
  const first = await peer.receive();
  peer.send({ id: first.id, publish: { position: "p1" } });
  assert.deepEqual(await published, { position: "p1", duplicate: false });
  const echoed = c.publish("chat", "echoed", { key: "k2" });
  const second = await peer.receive();
  peer.send({ id: second.id, publish: { position: "p2" } });
  await echoed;
  // The reply to a third publication is lost with the connection. The client sends it again before
  // it joins the channel.
  const lost = c.publish("chat", "lost", { echo: false, key: "k3" });
  await peer.receive();
  peer.socket.terminate();
  tick(t, (await c.until("waiting")).after);
  peer = await server.peer();
  const again = await peer.receive();
  assert.deepEqual(again.publish, { channel: "chat", message: "lost", key: "k3", echo: false });
  const { id, join } = await peer.receive();
  assert.deepEqual(join.channels, [{ channel: "chat", since: "p0", last: 2147483647 }]);
  peer.send({ id: again.id, publish: { position: "p3", duplicate: true } }, { id, join: { channels: [{ channel: "chat", position: "p0", recovered: true }] } });
  for (const [i, message] of ["mine", "echoed", "lost", "theirs"].entries()) peer.send({ channel: "chat", message, position: `p${i + 1}` });
  assert.deepEqual(await told.take(), { message: { message: "echoed", position: "p2" } });
  assert.deepEqual(await told.take(), { message: { message: "theirs", position: "p4" } });
  assert.equal((await lost).duplicate, true);
  // Another channel has its own positions.
  const other = record(c.subscribe("other"), "message");
  await peer.join({ channel: "other", position: "p0" });
  peer.send({ channel: "other", message: 1, position: "p1" });
  assert.deepEqual(await other.take(), { message: { message: 1, position: "p1" } });
});

test("the position advances with messages that are not delivered", async (t) => {
  still(t);
  const server = await serve(t);
  const c = client(t, server);
  const chat = c.subscribe("chat", { since: "p0" });
  const peer = await server.peer();
  const { id, join } = await peer.receive();
  assert.deepEqual(join.channels, [{ channel: "chat", since: "p0", last: 2147483647 }]); // after a gap, all kept messages
  peer.send({ id, join: { channels: [{ channel: "chat", position: "p0", recovered: true }] } });
  const published = c.publish("chat", "mine", { echo: false });
  const request = await peer.receive();
  peer.send({ id: request.id, publish: { position: "p1" } }, { channel: "chat", message: "mine", position: "p1" });
  await published;
  const pinged = c.ping();
  const { id: last } = await peer.receive();
  peer.send({ id: last, ping: {} });
  await pinged;
  assert.equal(chat.position, "p1");
});
