// A server whose behaviour each test scripts: the test contains what the server receives and sends.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, get } from "node:http";
import { Readable } from "node:stream";
import { WebSocket, WebSocketServer } from "ws";
import { connect } from "../boreas.js";

export const hello = { protocol: 2, session: "s_1", heartbeat: 25, limits: { frame_bytes: 65536, channels: 1000, channel_bytes: 255, key_bytes: 128, history: 1000, info_bytes: 1024 } };

/** A queue of items that can be awaited one by one. */
export class Inbox {
  #items = [];
  #waiting = [];
  put(item) {
    const next = this.#waiting.shift();
    next ? next(item) : this.#items.push(item);
  }
  take() {
    return this.#items.length ? Promise.resolve(this.#items.shift()) : new Promise((next) => this.#waiting.push(next));
  }
  get size() {
    return this.#items.length;
  }
}

/** One WebSocket from a client. */
class Peer {
  #inbox = new Inbox();
  constructor(socket) {
    this.socket = socket;
    this.closed = once(socket, "close").then(([code]) => code);
    socket.on("message", (data) => this.#inbox.put(JSON.parse(data)));
  }
  receive() {
    return this.#inbox.take();
  }
  async expect(want) {
    assert.deepEqual(await this.receive(), want);
  }
  send(...messages) {
    for (const message of messages) this.socket.send(typeof message === "string" ? message : JSON.stringify(message));
  }
  /** Receives a join and replies with these results. */
  async join(...results) {
    const { id, join } = await this.receive();
    assert.deepEqual(join?.channels.map((each) => each.channel), results.map((each) => each.channel));
    this.send({ id, join: { channels: results } });
    return join.channels;
  }
  close(code = 1011) {
    this.socket.close(code);
  }
}

/** One request for server-sent events. */
class Stream {
  constructor(request, answer) {
    this.request = request;
    this.answer = answer;
    this.url = new URL(request.url, "http://server");
    this.ended = once(answer, "close");
  }
  begin(results, more) {
    this.answer.writeHead(200, { "Content-Type": "text/event-stream" });
    this.answer.write("retry: 1234\n\n");
    this.say("join", { channels: results, ...more }, "i");
  }
  say(event, data, id) {
    this.answer.write(`${event ? `event: ${event}\n` : ""}${id ? `id: ${id}\n` : ""}data: ${JSON.stringify(data)}\n\n`);
  }
  refuse(status, error, headers = {}) {
    this.answer.writeHead(status, { "Content-Type": "application/json", ...headers }).end(JSON.stringify({ error }));
  }
}

/** Starts a server. If its `websockets` is false, it refuses WebSockets, like some proxies. */
export async function serve(t) {
  const http = createServer((request, answer) => mock.streams.put(new Stream(request, answer)));
  const sockets = new WebSocketServer({ noServer: true });
  const mock = { peers: new Inbox(), streams: new Inbox(), refused: new Inbox(), websockets: true, attempts: 0, clients: [], opened: [] };
  http.on("upgrade", (request, socket, head) => {
    mock.attempts++;
    mock.path = request.url;
    if (!mock.websockets) mock.refused.put();
    if (!mock.websockets) return socket.end("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
    sockets.handleUpgrade(request, socket, head, (each) => {
      mock.opened.push(each);
      mock.peers.put(new Peer(each));
    });
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  t.after(async () => {
    for (const each of mock.clients) each.close();
    // ws has a timer for an unanswered close. It must end before another test stops the clock.
    await Promise.all(mock.opened.map((each) => each.readyState === WebSocket.CLOSED || new Promise((gone) => each.on("close", gone))));
    http.closeAllConnections();
    http.close();
  });
  mock.url = `http://127.0.0.1:${http.address().port}`;
  /** The next connection, after the hello. */
  mock.peer = async (greeting = hello) => {
    const peer = await mock.peers.take();
    if (greeting) peer.send({ hello: greeting });
    return peer;
  };
  return mock;
}

/** The parts of fetch that the client uses. Node's own fetch has timers, which break when a test stops the clock. */
async function fetch(url, { headers, signal }) {
  const request = get(url, { headers, signal, agent: false });
  const [answer] = await once(request, "response");
  return {
    ok: answer.statusCode === 200,
    status: answer.statusCode,
    headers: new Headers(answer.headers),
    body: Readable.toWeb(answer),
    json: async () => JSON.parse(Buffer.concat(await answer.toArray())),
  };
}

/** A client of the server, with its output and its states. */
export function client(t, server, options = {}) {
  const printed = [];
  const log = { warn: (text) => printed.push(text), error: (...all) => printed.push(all.join(" ")) };
  class Opened extends WebSocket {
    constructor(url) {
      super(url);
      server.opened.push(this);
    }
  }
  const it = connect(server.url, { WebSocket: Opened, fetch, console: log, ...options });
  server.clients.push(it);
  const states = new Inbox();
  it.on("state", (state, detail) => states.put({ state, ...detail }));
  return Object.assign(it, {
    printed,
    states,
    /** Waits until the client is in the state, and returns the detail. */
    async until(state) {
      for (;;) {
        const detail = await states.take();
        if (detail.state === state) return detail;
      }
    },
  });
}

/** The next event of the given type. */
export const next = (source, type) =>
  new Promise((resolve) => {
    const off = source.on(type, (value) => (off(), resolve(value)));
  });

/** A queue of all events of a subscription, in order. */
export function record(subscription, ...types) {
  const inbox = new Inbox();
  for (const type of types) subscription.on(type, (value) => inbox.put({ [type]: value }));
  return inbox;
}

/** Stops the clock, and makes the client's random waits as long as possible. */
export function still(t) {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1e12 });
  const elapsed = Date.now; // the mocked clock
  t.mock.method(performance, "now", () => elapsed() - 1e12);
  t.mock.method(Math, "random", () => 1);
}

/** Sets the machine's clock while the test's clock is stopped. */
export function setClock(t, by) {
  const now = Date.now;
  t.mock.method(Date, "now", () => now() + by);
}

export const tick = (t, ms) => t.mock.timers.tick(ms);
