// Boreas for browsers and Node: see README.md. Numbers such as 8.4 are clauses of docs/protocol.md.
// Names with an underscore are private to this file. Times are in milliseconds.

const BOUND = 1000; // of messages in a queue, and of pending requests
const OWN = 10_000; // how many publications without echo to remember (6.2)
const HELLO_WAIT = 15_000;
const PROBE_WAIT = 5_000; // for the reply after a change of the network
const GOOD = 1000; // a connection that lasts this long after its joins is good (8.4)
const UPGRADE_WAIT = 300_000; // between attempts to replace streams by a WebSocket
const MAX = 2 ** 31 - 1; // of a timer; as `last`, all kept messages
const URL_LENGTH = 4000; // proxies refuse longer URLs

const nothing = () => {};
const bytes = (text) => new Blob([text]).size;
const no = (what) => {
  throw new TypeError(what);
};

// Invalid input fails here, before it is sent together with other requests.
function checkChannel(channel) {
  if (typeof channel !== "string" || !channel) no("a channel's name is text");
  if (/[\p{Cc}\p{Cs}]/u.test(channel)) no("a channel's name has no control characters, and no half of a surrogate pair");
  if (bytes(channel) > 255) no("a channel's name has at most 255 bytes");
}

function checkSince(since, name = "since") {
  if (!(since == null || (typeof since === "string" && /^[\w-]{1,64}$/.test(since)))) no(`${name} is a position, as the server gave it`);
}

const isInteger = (n, least) => n === undefined || (Number.isSafeInteger(n) && n >= least);
const isFlag = (flag) => flag === undefined || typeof flag === "boolean";

// Random waits, up to a bound that doubles with each failure (8.4).
class Backoff {
  #doublings = 0;
  #began;

  good() {
    this.#doublings = 0;
    this.#began = undefined;
  }

  later() {
    this.#doublings = Math.max(this.#doublings, 3);
  }

  // While no server answers, the bound stays small for a minute.
  next(mute) {
    const now = performance.now();
    this.#began ??= now;
    const limit = mute && now - this.#began < 60_000 ? 4000 : 30_000;
    const bound = Math.min(limit, 1000 * 2 ** this.#doublings);
    if (bound < limit) this.#doublings++;
    return Math.random() * bound;
  }
}

export class BoreasError extends Error {
  constructor({ message, ...more }) {
    super(message);
    Object.assign(this, more, { name: "BoreasError" });
  }
}

const same = (reason) => new BoreasError({ code: "same_token", message: `the token function gave the same token again (${reason})` });
const closed = () => new BoreasError({ code: "closed", message: "the client is closed" });
const unavailable = () => new BoreasError({ code: "unavailable", message: "server-sent events only receive: this needs a WebSocket (option WebSocket)" });

export function connect(url, options = {}) {
  return new Client(url, options);
}

class Events {
  #listeners;

  constructor(types, log) {
    this.#listeners = new Map(types.map((type) => [type, new Set()]));
    this._log = log;
  }

  on(type, listener) {
    const listeners = this.#listeners.get(type);
    if (!listeners) throw new TypeError(`there is no event ${type}`);
    const entry = { listener };
    listeners.add(entry);
    return () => void listeners.delete(entry);
  }

  // Reports whether there is a listener.
  _emit(type, ...values) {
    const listeners = [...this.#listeners.get(type)];
    for (const { listener } of listeners) {
      try {
        listener(...values);
      } catch (error) {
        this._log.error("boreas: a listener failed:", error);
      }
    }
    return listeners.length > 0;
  }

  _heard(type) {
    return this.#listeners.get(type).size > 0;
  }
}

// Messages that wait for a reader. A full queue drops its older half: a gap.
class Queue {
  #items = [];
  #readers = [];
  #ended = false;
  #error;

  constructor(lost) {
    this.lost = lost;
  }

  // position is the position before the item.
  push(item, position) {
    if (!this.#items.length) this.position = position;
    this.#items.push(item);
    this.#serve();
    if (this.#items.length <= BOUND) return;
    const from = this.position;
    this.position = this.#items.splice(0, BOUND / 2).at(-1).position;
    this.lost({ reason: "slow", from, to: this.position, local: true });
  }

  shift() {
    const item = this.#items.shift();
    if (item) this.position = item.position;
    return item;
  }

  next() {
    return new Promise((resolve, reject) => {
      this.#readers.push({ resolve, reject });
      this.#serve();
    });
  }

  end(error, drop) {
    if (drop) this.#items = [];
    this.#ended = true;
    this.#error = error;
    this.#serve();
  }

  #serve() {
    while (this.#readers.length && (this.#items.length || this.#ended)) {
      const { resolve, reject } = this.#readers.shift();
      const value = this.shift();
      if (value || !this.#error) resolve({ done: !value, value });
      else reject(this.#error), (this.#error = undefined);
    }
  }
}

class Subscription extends Events {
  _asked; // the connection on which the join was sent
  _joined; // the connection on which the join was accepted
  presence;
  _later;
  #client;
  #queues = new Set();
  #backlog; // messages for the first reader
  #ended = false;
  #error;

  constructor(client, channel, options) {
    super(["message", "gap", "recovered", "joined", "presence", "error"], client._log);
    this.#client = client;
    this.channel = channel;
    this.position = options.since ?? undefined;
    this._options = options;
    this._backoff = new Backoff();
    this.#backlog = this.#queue();
  }

  on(type, listener) {
    const off = super.on(type, listener);
    if (type === "message") queueMicrotask(() => this.#drain());
    return off;
  }

  leave() {
    this.#client._leave(this);
    this.#backlog = undefined;
    this._end(undefined, true);
  }

  [Symbol.asyncIterator]() {
    const queue = this.#backlog ?? this.#queue();
    this.#backlog = undefined;
    this.#queues.add(queue);
    if (this.#ended) queue.end(this.#error);
    return {
      next: () => queue.next(),
      // When the last reader has gone, leave the channel.
      return: async () => {
        this.#queues.delete(queue);
        queue.end();
        if (!this.#queues.size && !this._heard("message")) this.leave();
        return { done: true, value: undefined };
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  // After a gap, request all messages that are left (4.8).
  _join() {
    const { channel, position: since } = this;
    const { last, presence, info } = this._options;
    return { channel, since, last: this._joined || (since && last === undefined) ? MAX : last, presence, info };
  }

  _taken({ position, recovered, gap, oldest, presence }) {
    this._backoff.good();
    this.position = position;
    this._emit("joined", { position, recovered, gap });
    if (gap) this.#lost({ ...gap, oldest });
    else if (recovered) this._emit("recovered", { position });
    if (presence) this._present({ event: "state", ...presence });
  }

  _message(message, position) {
    if (position === this.position) return;
    const before = this.position;
    this.position = position;
    const item = { message, position };
    if (!this.#backlog && !this.#queues.size && !this._heard("message")) this.#backlog = this.#queue();
    if (this.#backlog) return this.#backlog.push(item, before);
    this._emit("message", item);
    for (const queue of this.#queues) queue.push(item, before);
  }

  _gap(gap) {
    this.position = gap.to;
    this.#lost(gap);
  }

  // 9.4 to 9.8. Each change creates a new state object.
  _present(event) {
    const { event: kind, user, users, sessions } = event;
    let members = kind === "join" || kind === "leave" ? this.presence?.members : event.members;
    members = members?.filter((member) => member.user !== user);
    if (kind === "join") members?.push(event);
    members = members?.map(({ user, info, verified }) => ({ user, info, ...(verified && { verified }) }));
    members?.sort((a, b) => (a.user < b.user ? -1 : 1));
    this.presence = { users, sessions, members };
    this._emit("presence", event);
  }

  _fail(error, end) {
    const heard = this._emit("error", error) || (end && this.#queues.size);
    if (!heard) this._warn(`${error.message} (${error.code})`);
    if (end) this._end(error);
  }

  _end(error, drop) {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    clearTimeout(this._later);
    for (const queue of this.#queues) queue.end(error, drop);
  }

  #queue() {
    return new Queue((gap) => this.#lost(gap));
  }

  #drain() {
    while (this.#backlog && this._heard("message")) {
      const item = this.#backlog.shift();
      if (item) this._emit("message", item);
      else this.#backlog = undefined;
    }
  }

  _warn(text) {
    this._log.warn(`boreas: channel ${JSON.stringify(this.channel)}: ${text}`);
  }

  #lost(gap) {
    const told = { channel: this.channel, ...gap };
    const heard = this._emit("gap", told);
    if (this.#client._emit("gap", told, this) || heard) return;
    this._warn(`the messages after ${gap.from} up to ${gap.to} are not delivered (${gap.reason}), and nobody listens for "gap"`);
  }
}

class Client extends Events {
  state;
  session;
  user;
  #options;
  #url;
  #WebSocket;
  #life = new AbortController();
  #subscriptions = new Map();
  #requests = new Map();
  #joins = new Map();
  #id = 0; // of the last request; 0 is for auth
  #link;
  #next; // a WebSocket that may replace Streams
  #try = 0; // to ignore late results of older attempts
  #ready; // the token was accepted
  #joinedAt; // when all joins were answered for the first time
  #greeted;
  #heard;
  #limits = {};
  #goodbye;
  #backoff = new Backoff();
  #renewal = new Backoff();
  #own = new Set(); // channels and positions of publications without echo
  #blocked = 0; // failures in a row before the hello
  #told; // the server has set the wait
  #token;
  #mine; // the session's token
  #refused = nothing; // the last refused token
  #refreshes = 0; // attempts in a row
  #stale; // the reason for a new token, if one is needed
  #renewed;
  #timers = {};

  constructor(url, options) {
    super(["state", "goodbye", "error", "gap", "expiring"], options.console ?? console);
    const { transport = "auto", signal, token } = options;
    this.#options = { fetch: globalThis.fetch, timeout: 30_000, ...options, transport };
    this.#WebSocket = options.WebSocket ?? globalThis.WebSocket;
    if (!["auto", "websocket", "sse"].includes(transport)) throw new TypeError(`there is no transport ${transport}`);
    if (!this.#WebSocket && transport !== "sse") {
      const missing = "there is no WebSocket: give one as the option WebSocket, such as that of the npm package ws";
      if (transport === "websocket") no(missing);
      this._log.warn(`boreas: ${missing}. Until then messages come by server-sent events, and requests fail.`);
    }
    let address;
    try {
      address = new URL(url, globalThis.location?.href);
    } catch {
      no("the URL is not valid"); // URL's error would show a password
    }
    address.protocol = address.protocol.replace("http", "ws");
    address.pathname = address.pathname.replace(/(\/v2)?\/*$/, "/v2");
    address.search = address.hash = "";
    this.#url = address.href;
    if (typeof token === "function") this.#stale = "first";
    else this.#token = token;
    if (signal?.aborted) return void this.close();
    signal?.addEventListener("abort", () => this.close(), { signal: this.#life.signal });
    const listen = (type, listener) => globalThis.addEventListener?.(type, listener, { signal: this.#life.signal });
    listen("online", () => {
      if (this.state !== "waiting") this.#probe();
      else if (!this.#told) this.#open();
    });
    listen("offline", () => this.#probe());
    // A page in the back/forward cache keeps no connection.
    listen("pagehide", (event) => {
      if (event.persisted) this.#drop(), this.#set("waiting");
    });
    listen("pageshow", (event) => {
      if (event.persisted && !this.#link) this.#open();
    });
    this.#open();
  }

  subscribe(channel, options = {}) {
    const { since, last, presence, signal } = options;
    if (this.state === "closed") throw closed();
    checkChannel(channel);
    checkSince(since);
    if (!isInteger(last, 0)) no("last is an integer from 0");
    if (!isFlag(presence)) no("presence is true or false");
    if (signal != null && typeof signal.addEventListener !== "function") no("signal is an AbortSignal");
    const info = jsonOf("info", options.info ?? null); // a copy, because it is sent repeatedly
    if (this.#subscriptions.has(channel)) {
      throw new BoreasError({ code: "already_joined", message: `${channel} is subscribed already: leave it first` });
    }
    const subscription = new Subscription(this, channel, { since, last, presence, info: options.info === undefined ? undefined : JSON.parse(info) });
    this.#subscriptions.set(channel, subscription);
    this.#soon();
    if (signal?.aborted) subscription.leave();
    signal?.addEventListener("abort", () => subscription.leave(), { signal: this.#life.signal });
    return subscription;
  }

  // The key makes it safe to send again until there is a reply.
  async publish(channel, message, { key = randomKey(), echo, ...options } = {}) {
    checkChannel(channel);
    jsonOf("the message", message);
    if (!(key === null || (typeof key === "string" && key && !/\p{Cs}/u.test(key) && bytes(key) <= 128))) no("a key is text of 1 to 128 bytes, or null");
    if (!isFlag(echo)) no("echo is true or false");
    const body = { channel, message, key: key ?? undefined, echo };
    const { position, duplicate = false } = await this.#request("publish", body, options, key !== null, echo === false && channel);
    return { position, duplicate };
  }

  async history(channel, { since, before, last, limit, times, ...options } = {}) {
    checkChannel(channel);
    checkSince(since);
    checkSince(before, "before");
    if (!isInteger(limit, 1)) no("limit is an integer from 1");
    if (!isInteger(last, 1)) no("last is an integer from 1");
    if (!isFlag(times)) no("times is true or false");
    return this.#request("history", { channel, since: since ?? undefined, before: before ?? undefined, last, limit, times }, options);
  }

  async presence(channel, options) {
    checkChannel(channel);
    return this.#request("presence", { channel }, options);
  }

  ping(options) {
    return this.#request("ping", {}, options).then(nothing);
  }

  close() {
    this.#end();
  }

  _leave(subscription) {
    const { channel, _asked } = subscription;
    if (this.#subscriptions.get(channel) !== subscription) return;
    this.#subscriptions.delete(channel);
    if (!_asked || _asked !== this.#link) return;
    if (_asked.sse) this.#reopen();
    else this.#send({ leave: { channels: [channel] } });
  }

  #open() {
    this.#drop();
    this.#set("connecting");
    this.#withToken(() => {
      const { transport, fetch } = this.#options;
      const WebSocket = this.#WebSocket;
      const blocked = !WebSocket || (this.#blocked > 1 && this.#blocked % 2 === 0);
      const subscriptions = [...this.#subscriptions.values()];
      if (transport === "websocket" || (transport === "auto" && (!blocked || (WebSocket && !subscriptions.length)))) {
        return this.#adopt(new WebSocket(this.#url));
      }
      if (!subscriptions.length) return this.#set("waiting");
      const link = new Streams(this.#url.replace("ws", "http") + "/events", fetch, this.#token, subscriptions.map((each) => each._join()));
      for (const subscription of subscriptions) subscription._asked = link;
      this.#adopt(link);
    });
  }

  // Gets a new token if needed, then calls go unless a newer attempt has begun.
  async #withToken(go) {
    const attempt = this.#try;
    try {
      const token = this.#stale ? await this.#options.token(this.#stale) : this.#token;
      if (attempt !== this.#try) return;
      if (this.#stale && token === this.#refused) return this.#end(same(this.#stale));
      this.#token = token;
      this.#stale = undefined;
      go();
    } catch (error) {
      if (attempt === this.#try) this.#lost({ error });
    }
  }

  #adopt(link) {
    this.#link = link;
    this.#heard = performance.now();
    link.onmessage = ({ data }) => link === this.#link && this.#hear(data);
    link.onclose = (event) => link === this.#link && this.#lost(event);
    // Node 20's own WebSocket says only "error", and stays CONNECTING, when it cannot connect.
    link.onerror = () => link === this.#link && link.readyState === 0 && this.#lost({});
    this.#watch(HELLO_WAIT);
  }

  #drop() {
    Object.values(this.#timers).forEach(clearTimeout);
    this.#timers = {};
    this.#try++;
    this.#refreshes = 0;
    this.#ready = this.#greeted = this.#told = false;
    this.#goodbye = this.#joinedAt = undefined;
    this.#renewal.good();
    this.#joins.clear();
    const links = [this.#link, this.#next];
    this.#link = this.#next = undefined;
    for (const link of links) link?.close();
    for (const [id, request] of this.#requests) {
      if (!request.sent || request.safe) {
        request.again ||= request.sent;
        request.sent = false;
      } else this.#settle(id, new BoreasError({ code: "connection_lost", message: "the connection was lost before the reply" }));
    }
  }

  // After a lost connection or a failed attempt: decide whether and when to reconnect (8.4, 8.6).
  #lost({ code = 1006, reason, error, after = error?.retry_after_ms, mute = code < 4000 && (!error || error instanceof Error) }) {
    const goodbye = this.#goodbye;
    const range = Math.floor(code / 100);
    error = goodbye?.error ?? error ?? { code: "connection_lost", message: reason || `the connection was lost (${code})`, close_code: code };
    const cause = error instanceof Error ? error : new BoreasError(error);
    if (range === 42) this.#backoff.later();
    else if (performance.now() - this.#joinedAt >= GOOD) this.#backoff.good();
    // If streams fail too, WebSockets are not blocked.
    if (this.#link && !this.#greeted) this.#blocked = this.#link.sse && mute ? 0 : this.#blocked + 1;
    else if (this.#link?.sse) this.#blocked = 1;
    this.#drop();
    if ((goodbye && !goodbye.reconnect) || range === 44 || cause.retry === "never") return this.#end(cause);
    if (range === 43 || cause.retry === "new_token") {
      if (typeof this.#options.token !== "function") return this.#end(cause);
      this.#stale = cause.code;
      if (cause.code !== "auth_timeout") this.#refused = this.#token;
    }
    const slot = goodbye?.reconnect?.after_ms;
    this.#told = (slot ?? after) !== undefined;
    const wait = this.#backoff.next(mute); // spread a wait that all clients receive
    after = slot === undefined ? wait + (after ?? 0) : Math.max(0, goodbye.at + slot - performance.now());
    this.#after("retry", after, () => this.#open());
    this.#set("waiting", { after, error: cause });
  }

  #end(error) {
    if (this.state === "closed") return;
    this.#drop();
    this.#life.abort();
    for (const id of [...this.#requests.keys()]) this.#settle(id, error ?? closed());
    for (const subscription of this.#subscriptions.values()) subscription._end(error);
    this.#subscriptions.clear();
    this.#set("closed", { error });
    if (error) this.#fail(error);
  }

  // The channels of streams can't change.
  #reopen() {
    this.#drop();
    this.#set("waiting");
    this.#soon();
  }

  #hear(data) {
    this.#heard = performance.now();
    clearTimeout(this.#timers.probe);
    let it;
    try {
      it = typeof data === "string" && JSON.parse(data);
    } catch {
      // A stream's comment, or an unknown message (1.2).
    }
    it ||= {};
    if (it.hello) this.#hello(it.hello);
    else if (it.channel) this.#deliver(it);
    else if (it.goodbye) this.#farewell(it.goodbye);
    else if (it.expiring) this.#expiring(it.expiring);
    else if (it.id === 0) this.#authenticated(it);
    else if (this.#joins.has(it.id)) this.#joined(it);
    else if (this.#requests.has(it.id)) this.#reply(it);
    else if (it.join && this.#link.sse) {
      this.#joinedAt ??= performance.now();
      for (const each of it.join.channels) this.#result(this.#subscriptions.get(each.channel), each);
    }
    else if (it.error && it.id === undefined) {
      if (it.error.code === "rate_limited") this.#lost(it); // a leave (2.9)
      else this.#fail(new BoreasError(it.error));
    }
  }

  #hello({ session, user = this.user, heartbeat, limits }) {
    this.session = session;
    this.user = user; // 3.10
    this.#limits = limits ?? {};
    this.#greeted = true;
    this.#watch(this.#options.heartbeat === false || !heartbeat ? Infinity : heartbeat * 1500); // 8.1
    if (this.#link.sse) {
      this.#upgrade(this.#link, 0);
      return this.#begin();
    }
    this.#blocked = 0;
    if (this.#token === undefined) this.#begin();
    else this.#authenticate();
  }

  #authenticate() {
    this.#send({ id: 0, auth: { token: this.#token } });
  }

  #authenticated({ auth, error }) {
    if (!error) {
      this.user = auth.user;
      this.#mine = this.#token;
      this.#refreshes = 0;
      this.#renewal.good();
      return this.#ready || this.#begin();
    }
    if (error.retry === "new_token") this.#refused = this.#token;
    if (this.#ready) return this.#stay(new BoreasError(error));
    // 3.3: once more on this connection, then reconnect with growing waits.
    if (error.retry !== "new_token" || typeof this.#options.token !== "function" || this.#renewed === this.#link) return this.#lost({ error });
    this.#renewed = this.#link;
    this.#stale = error.code;
    this.#withToken(() => this.#authenticate());
  }

  // 3.8. Streams can't change their token, so new ones are opened (10.11).
  #expiring(expiring) {
    const renews = typeof this.#options.token === "function";
    if (!this._emit("expiring", expiring) && !renews) this._log.warn("boreas: the token ends soon, and no function gives another");
    if (renews && !this.#refreshes) this.#refresh();
  }

  async #refresh() {
    const attempt = this.#try;
    this.#refreshes++;
    try {
      const token = await this.#options.token("expiring");
      if (attempt !== this.#try) return;
      if (token === this.#mine || token === this.#refused) throw same("expiring");
      this.#token = token;
      if (this.#link.sse) this.#reopen();
      else this.#authenticate();
    } catch (error) {
      if (attempt === this.#try) this.#stay(error);
    }
  }

  // Keeps the session's token, and tries again later.
  #stay(error) {
    const after = Math.max(error.retry_after_ms ?? 0, this.#renewal.next());
    this.#after("refresh", after, () => this.#refresh());
    if (!this._emit("expiring", { error, after })) this._log.warn(`boreas: no other token yet: ${error.message}`);
  }

  #begin() {
    this.#ready = true;
    this.#mine = this.#token;
    // Publications without echo must be known before channels are joined again.
    for (const [id, request] of this.#requests) if (request.own && request.again) this.#transmit(id, request);
    this.#flush();
    for (const [id, request] of this.#requests) this.#transmit(id, request);
    if (this.#ready && !this.#link.sse) this.#settled();
    if (this.#ready) this.#set("connected", { transport: this.#link.sse ? "sse" : "websocket" });
  }

  #watch(limit) {
    const left = this.#heard + limit - performance.now();
    if (left > 0) this.#after("watch", left, () => this.#watch(limit));
    else this.#lost({ reason: `nothing was heard for ${Math.round(limit / 1000)} s` });
  }

  // The network has changed: check the connection.
  #probe() {
    if (!this.#greeted || this.#link.sse) return;
    this.#send({ id: ++this.#id, ping: {} });
    this.#after("probe", PROBE_WAIT, () => this.#lost({ reason: "the network has changed" }));
  }

  // 8.5: the connection works until the client's slot.
  #farewell(goodbye) {
    this.#goodbye = { ...goodbye, at: performance.now() };
    this._emit("goodbye", goodbye);
    const slot = goodbye.reconnect?.after_ms;
    if (slot !== undefined && this.#link) this.#after("slot", slot, () => this.#lost({}));
  }

  // While streams are in use, try a WebSocket from time to time.
  #upgrade(streams, wait) {
    if (this.#options.transport !== "auto" || !this.#WebSocket) return;
    this.#after("upgrade", wait, () => {
      this.#upgrade(streams, UPGRADE_WAIT);
      this.#next?.close();
      const socket = (this.#next = new this.#WebSocket(this.#url));
      socket.onerror = nothing;
      socket.onmessage = ({ data }) => {
        if (streams !== this.#link) return;
        this.#next = undefined;
        this.#drop();
        this.#adopt(socket);
        this.#hear(data);
      };
    });
  }

  #soon() {
    queueMicrotask(() => {
      if (this.state === "waiting" && !this.#timers.retry) this.#open();
      else this.#flush();
    });
  }

  #settled() {
    if (!this.#joins.size) this.#joinedAt ??= performance.now();
  }

  // Sends missing joins, in requests that the server accepts (1.3).
  #flush() {
    if (!this.#ready) return;
    const fresh = [...this.#subscriptions.values()].filter((each) => each._asked !== this.#link && !each._later);
    if (this.#link.sse && fresh.length) return this.#reopen();
    const limit = (this.#limits.frame_bytes ?? Infinity) - 100;
    let some = [];
    let length = 0;
    const join = () => {
      this.#join(some);
      some = [];
      length = 0;
    };
    for (const subscription of fresh) {
      const more = bytes(JSON.stringify(subscription._join())) + 1;
      if (more > limit) {
        this.#result(subscription, { error: { code: "too_large", message: "the join is too long", retry: "never" } });
        continue;
      }
      if (length + more > limit) join();
      subscription._asked = this.#link;
      some.push(subscription);
      length += more;
    }
    if (some.length) join();
  }

  #join(subscriptions) {
    const id = ++this.#id;
    this.#joins.set(id, subscriptions);
    this.#send({ id, join: { channels: subscriptions.map((each) => each._join()) } });
  }

  #joined({ id, join, error }) {
    const subscriptions = this.#joins.get(id).filter((each) => this.#subscriptions.get(each.channel) === each || join);
    const { length } = subscriptions;
    this.#joins.delete(id);
    if (error?.retry === "new_token") return this.#lost({ error });
    // One join made the whole request fail: split it until that one fails alone.
    if (error?.retry === "never" && length > 1) {
      this.#join(subscriptions.slice(0, length / 2));
      return this.#join(subscriptions.slice(length / 2));
    }
    this.#settled();
    subscriptions.forEach((subscription, i) => this.#result(subscription, error ? { error } : join.channels[i]));
  }

  #result(subscription, result) {
    if (!subscription || this.#subscriptions.get(subscription.channel) !== subscription) return;
    if (!result.error) {
      subscription._joined = this.#link;
      return subscription._taken(result);
    }
    const error = new BoreasError(result.error);
    const again = error.retry === "now" || error.retry === "later" || error.code === "token_expired";
    if (again) {
      subscription._asked = undefined;
      subscription._later = setTimeout(() => {
        subscription._later = undefined;
        this.#after("flush", 0, () => this.#flush()); // together with other joins
      }, error.retry_after_ms ?? subscription._backoff.next()); // requests over the rate limit share one wait
    } else this.#subscriptions.delete(subscription.channel);
    subscription._fail(error, !again);
  }

  #deliver({ channel, message, position, gap, presence }) {
    const subscription = this.#subscriptions.get(channel);
    if (!subscription || subscription._joined !== this.#link) return;
    if (gap) subscription._gap(gap);
    else if (presence) subscription._present(presence);
    else if (message === undefined || typeof position !== "string") return;
    else if (this.#own.has(`${channel}\n${position}`)) subscription.position = position;
    else subscription._message(message, position);
  }

  #request(kind, body, { signal, timeout = this.#options.timeout } = {}, safe = true, own) {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      if (this.state === "closed") throw closed();
      if (!this.#WebSocket || this.#options.transport === "sse") throw unavailable();
      if (this.#requests.size >= BOUND) throw new BoreasError({ code: "too_many_requests", message: `${BOUND} requests wait already` });
      const id = ++this.#id;
      const request = { kind, text: JSON.stringify({ id, [kind]: body }), safe, own, resolve, reject, off: nothing };
      if (timeout) {
        const late = () => this.#settle(id, new BoreasError({ code: "timeout", message: `no reply within ${timeout} ms` }));
        request.timer = setTimeout(late, Math.min(MAX, timeout));
      }
      if (signal) {
        const aborted = () => this.#settle(id, signal.reason);
        signal.addEventListener("abort", aborted);
        request.off = () => signal.removeEventListener("abort", aborted);
      }
      this.#requests.set(id, request);
      this.#transmit(id, request);
    });
  }

  #transmit(id, request) {
    if (!this.#ready || request.sent) return;
    if (this.#link.sse) return this.#settle(id, unavailable());
    const limit = this.#limits.frame_bytes;
    const length = bytes(request.text);
    if (length > limit) return this.#settle(id, new BoreasError({ code: "too_large", message: `${length} bytes are more than ${limit}`, retry: "never" }));
    if (!request.own || !request.again) this.#flush(); // earlier subscriptions receive this publication
    request.sent = true;
    this.#link.send(request.text);
  }

  #reply({ id, error, ...reply }) {
    const request = this.#requests.get(id);
    if (!error && request.own) {
      this.#own.add(`${request.own}\n${reply.publish.position}`);
      if (this.#own.size > OWN) this.#own.delete(this.#own.values().next().value);
    }
    if (error?.code === "shutting_down" && request.safe) request.sent = false;
    else this.#settle(id, error && new BoreasError(error), reply[request.kind]);
  }

  #settle(id, error, value) {
    const request = this.#requests.get(id);
    if (!request) return;
    this.#requests.delete(id);
    clearTimeout(request.timer);
    request.off();
    if (error) request.reject(error);
    else request.resolve(value);
  }

  #send(request) {
    this.#link.send(JSON.stringify(request));
  }

  #after(name, wait, go) {
    clearTimeout(this.#timers[name]);
    this.#timers[name] = setTimeout(go, Math.min(MAX, wait));
  }

  #set(state, detail = {}) {
    this.state = state;
    this._emit("state", state, detail);
  }

  #fail(error) {
    if (!this._emit("error", error)) this._log.error(`boreas: ${error.message} (${error.code})`);
  }
}

// Server-sent events (10) with the interface of a WebSocket that has sent a join.
class Streams {
  sse = true;
  #abort = new AbortController();
  #greeted = false;

  // Channels with the same options share a stream (10.1, 10.6).
  constructor(url, fetch, token, joins) {
    const streams = [];
    const open = {};
    for (const { channel, since, last, presence } of joins) {
      const kind = new URLSearchParams({ ...(last !== undefined && { last }), ...(presence && { presence }) });
      const query = "&" + new URLSearchParams({ channel, ...(since && { ["since." + channel]: since }) });
      let stream = open[kind];
      if (!stream || stream.channels.length === 64 || stream.query.length + query.length > URL_LENGTH) {
        streams.push((stream = open[kind] = { channels: [], query: `${kind}` }));
      }
      stream.channels.push(channel);
      stream.query += query;
    }
    const { username, password } = new URL(url); // fetch does not accept them in a URL
    const headers = {};
    if (token !== undefined) headers.Authorization = `Bearer ${token}`;
    else if (username || password) headers.Authorization = `Basic ${btoa(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`)}`;
    url = url.replace(/^(\w+:\/\/)[^/]*@/, "$1");
    // Do not send the token to other servers.
    const init = { headers, signal: this.#abort.signal, redirect: "error" };
    for (const { channels, query } of streams) {
      this.#run(() => fetch(`${url}?${query}`, init), channels).catch((error) => this.#close({ error }));
    }
  }

  close() {
    this.#abort.abort();
  }

  #close(event) {
    this.close();
    this.onclose(event);
  }

  #say(data) {
    this.onmessage({ data });
  }

  #join(data, heartbeat = 60) {
    if (!this.#greeted) this.#say(JSON.stringify({ hello: { heartbeat } }));
    this.#greeted = true;
    this.#say(`{"join":${data}}`);
  }

  async #run(begin, channels) {
    const answer = await begin();
    const type = answer.headers.get("Content-Type") ?? "";
    if (!answer.ok || !type.startsWith("text/event-stream")) {
      const { error } = await answer.json().catch(() => ({}));
      // 10.3: none of these channels can be joined.
      if (error?.retry === "never") return this.#join(JSON.stringify({ channels: channels.map((channel) => ({ channel, error })) }));
      const after = answer.headers.get("Retry-After");
      const mute = !error && !after && answer.status >= 502 && answer.status <= 504; // a proxy's response
      return this.#close({ error, reason: `the server answered ${answer.status}`, after: after ? after * 1000 : undefined, mute });
    }
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let event = {};
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return this.#close({});
      this.#say("");
      const lines = (rest + value).split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop();
      for (const line of lines) {
        const [, name, text] = /^([^:]*):? ?(.*)$/s.exec(line);
        if (line) event[name] = name === "data" && event.data !== undefined ? `${event.data}\n${text}` : text;
        else this.#event(event), (event = {});
      }
    }
  }

  #event({ event, data }) {
    if (data === undefined) return;
    if (event === "join") this.#join(data, JSON.parse(data).heartbeat);
    else if (event === "goodbye" || event === "expiring") this.#say(`{"${event}":${data}}`);
    else this.#say(data);
  }
}

function jsonOf(what, value) {
  const text = JSON.stringify(value);
  return text ?? no(`${what} has no JSON form`);
}

function randomKey() {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(36)).join("-");
}
