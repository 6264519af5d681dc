/** The Boreas client; see README.md. Times are in milliseconds. */
import type { ErrorCode, Retry } from "./codes.js";
export type { ErrorCode, Retry } from "./codes.js";

/** The client's own error codes. The server's codes are in docs/errors.md. */
export type LocalCode = "closed" | "connection_lost" | "same_token" | "timeout" | "too_many_requests" | "unavailable";

/** An error: a refusal by the server, or a failure in the client. */
export class BoreasError extends Error {
  constructor(error: { code: string; message: string });
  readonly code: ErrorCode | LocalCode | (string & {});
  /** When the same request can succeed. */
  readonly retry?: Retry;
  readonly retry_after_ms?: number;
  /** The URL of the error's description. */
  readonly docs?: string;
  /** If messages are no longer kept: the oldest position after which every message is kept. */
  readonly oldest?: Position;
  /** If the connection was lost: the WebSocket's close code. */
  readonly close_code?: number;
}

/** A position in a channel. Store it, and pass it back unchanged. */
export type Position = string;

export interface ConnectOptions {
  /**
   * The token, or a function that returns one. The function is called with "first", with "expiring" when the session's token
   * expires soon, or with the error code for which the last token was refused.
   */
  token?: string | ((reason: "first" | "expiring" | ErrorCode | LocalCode | (string & {})) => string | Promise<string>);
  /** "auto" (the default) uses server-sent events if no WebSocket can be opened. */
  transport?: "auto" | "websocket" | "sse";
  /** The WebSocket class, for Node before version 22: that of the npm package ws. Without one, the client uses only server-sent events. */
  WebSocket?: new (url: string) => unknown;
  fetch?: typeof fetch;
  /** Whether to reconnect when the server is silent for too long; true by default. */
  heartbeat?: boolean;
  /** The timeout of a request, including reconnects: 30,000 by default, 0 for no timeout. */
  timeout?: number;
  /** Closes the client. */
  signal?: AbortSignal;
  /** Receives warnings and errors. */
  console?: Pick<Console, "warn" | "error">;
}

/** Connects, and reconnects until the client is closed. The URL is the server's, ws: or http:; the client adds "/v2". */
export function connect(url: string | URL, options?: ConnectOptions): Client;

export type State = "connecting" | "connected" | "waiting" | "closed";

export interface StateDetail {
  /** For "connected". */
  transport?: "websocket" | "sse";
  /** For "waiting": the wait before the next attempt. */
  after?: number;
  /** For "waiting" and "closed": the reason. */
  error?: Error;
}

/** The server will close the connection soon. Without `reconnect`, the client does not reconnect. */
export interface Goodbye {
  error: { code: ErrorCode | (string & {}); message: string; retry: Retry };
  reconnect?: { after_ms?: number };
}

/** The session's token expires soon. With `error`: getting a new token failed, and the next attempt follows `after` milliseconds. */
export interface Expiring {
  /** RFC 3339, by the server's clock. */
  expires?: string;
  in_ms?: number;
  error?: Error;
  after?: number;
}

export interface RequestOptions {
  signal?: AbortSignal;
  timeout?: number;
}

export interface PublishOptions extends RequestOptions {
  /** The idempotency key, with which the client can repeat the request: random by default, null for none. */
  key?: string | null;
  /** false: this client does not receive the message, even after it has joined the channel again. */
  echo?: boolean;
}

export interface SubscribeOptions {
  /** The position to resume from: that of the last processed message. */
  since?: Position | null;
  /** How many of the newest messages come first. With `since` it applies only after a gap; if it is omitted, all kept messages follow a gap. */
  last?: number;
  /** Whether to receive presence. */
  presence?: boolean;
  /** Presence info of this user for other clients, if the token does not contain it. */
  info?: unknown;
  /** Leaves the channel. */
  signal?: AbortSignal;
}

export interface Item<M = unknown> {
  message: M;
  /** The message's position. */
  position: Position;
}

/** The messages after `from`, up to and including `to`, are not delivered. */
export interface Gap {
  channel: string;
  reason: "expired" | "unknown_epoch" | "ahead" | "purged" | "slow" | "conflated" | (string & {});
  from: Position;
  to: Position;
  /** For a gap at a join: the oldest position after which every message is kept. */
  oldest?: Position;
  /** The client itself dropped the messages, because the reader was too slow. */
  local?: true;
}

export interface Joined {
  position: Position;
  recovered?: boolean;
  gap?: Omit<Gap, "channel">;
}

export interface Member<I = unknown> {
  user: string;
  info?: I;
  /** `info` comes from the user's token. If missing, the user's client chose it. */
  verified?: true;
}

/** The users on a channel. Without `members`, the channel only counts users. */
export interface Presence<I = unknown> {
  users: number;
  sessions: number;
  members?: Member<I>[];
}

export interface PresenceEvent<I = unknown> {
  event: "join" | "leave" | "count" | "state";
  users: number;
  sessions: number;
  user?: string;
  info?: I;
  /** `info` comes from the user's token. If missing, the user's client chose it. */
  verified?: true;
  members?: (Member<I> & { sessions: string[] })[];
}

export interface HistoryOptions extends RequestOptions {
  /** Reads the oldest messages after this position. */
  since?: Position;
  /** Reads the newest messages before this position. Excludes `since`. */
  before?: Position;
  /** Reads this many of the newest messages. Excludes `since`, `before` and `limit`. */
  last?: number;
  limit?: number;
  /** Requests the times of the messages. */
  times?: boolean;
}

export interface History<M = unknown> {
  channel: string;
  /** Oldest first. `time` is in RFC 3339, if requested. */
  messages: (Item<M> & { time?: string })[];
  /** The end of the page: the `since` of the next page or of a subscription. */
  position: Position;
  /** More messages follow; with `before` or `last`, earlier ones are kept. */
  more: boolean;
}

/** Removes the listener. */
export type Off = () => void;

export interface Subscription<M = unknown> extends AsyncIterable<Item<M>> {
  readonly channel: string;
  /** The position after the last message or gap; undefined before the first join. */
  readonly position: Position | undefined;
  /** The users on the channel, if requested. Each change creates a new object. */
  readonly presence: Presence | undefined;
  /** The first listener or iterator receives the messages that arrived before it. */
  on(event: "message", listener: (item: Item<M>) => void): Off;
  on(event: "gap", listener: (gap: Gap) => void): Off;
  on(event: "recovered", listener: (at: { position: Position }) => void): Off;
  on(event: "joined", listener: (joined: Joined) => void): Off;
  on(event: "presence", listener: (event: PresenceEvent) => void): Off;
  on(event: "error", listener: (error: BoreasError) => void): Off;
  leave(): void;
  [Symbol.asyncIterator](): AsyncIterableIterator<Item<M>>;
}

export interface Client {
  readonly state: State;
  /** The session's name on the server. */
  readonly session: string | undefined;
  /** The name of the token's user, after the server has accepted the token. */
  readonly user: string | undefined;
  subscribe<M = unknown>(channel: string, options?: SubscribeOptions): Subscription<M>;
  publish(channel: string, message: unknown, options?: PublishOptions): Promise<{ position: Position; duplicate: boolean }>;
  history<M = unknown>(channel: string, options?: HistoryOptions): Promise<History<M>>;
  presence<I = unknown>(channel: string, options?: RequestOptions): Promise<PresenceState<I>>;
  ping(options?: RequestOptions): Promise<void>;
  on(event: "state", listener: (state: State, detail: StateDetail) => void): Off;
  on(event: "goodbye", listener: (goodbye: Goodbye) => void): Off;
  on(event: "expiring", listener: (expiring: Expiring) => void): Off;
  on(event: "error", listener: (error: Error) => void): Off;
  on(event: "gap", listener: (gap: Gap, subscription: Subscription) => void): Off;
  close(): void;
}

/** A snapshot from the server. */
export interface PresenceState<I = unknown> {
  channel: string;
  users: number;
  sessions: number;
  members?: (Member<I> & { sessions: string[] })[];
}
