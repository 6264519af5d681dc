/** The Boreas client. How to use it is in README.md. Times are in milliseconds. */
import type { ErrorCode, Retry } from "./codes.js";
export type { ErrorCode, Retry } from "./codes.js";

/** Codes of errors that are the client's own; the server's are in docs/errors.md. */
export type LocalCode = "closed" | "connection_lost" | "same_token" | "timeout" | "too_many_requests" | "unavailable";

/** Any failure: what the server refused, or what happened here. */
export class BoreasError extends Error {
  constructor(error: { code: string; message: string });
  readonly code: ErrorCode | LocalCode | (string & {});
  /** When the same request can succeed. */
  readonly retry?: Retry;
  readonly retry_after_ms?: number;
  /** Where the error is described. */
  readonly docs?: string;
  /** Of a history that is no longer kept: the oldest position from which everything is. */
  readonly oldest?: Position;
  /** Of a connection that was lost: the WebSocket's close code. */
  readonly close_code?: number;
}

/** A place in one channel's log. Keep it, and give it back unchanged. */
export type Position = string;

export interface ConnectOptions {
  /**
   * The token, or a function that gets one: asked with "first", with "expiring" when the session's token ends soon, and with
   * the code of the reason why the last one no longer serves.
   */
  token?: string | ((reason: "first" | "expiring" | ErrorCode | LocalCode | (string & {})) => string | Promise<string>);
  /** "auto" (the default) takes server-sent events where no WebSocket can be opened. */
  transport?: "auto" | "websocket" | "sse";
  /** For Node without WebSocket (before version 22): the class of the npm package ws. Without a WebSocket class the client uses only server-sent events. */
  WebSocket?: new (url: string) => unknown;
  fetch?: typeof fetch;
  /** Whether a silent connection is taken for dead; true by default. */
  heartbeat?: boolean;
  /** How long a request may take, with all reconnects; 30,000 by default, 0 for ever. */
  timeout?: number;
  /** Closes the client. */
  signal?: AbortSignal;
  /** Where warnings go. */
  console?: Pick<Console, "warn" | "error">;
}

/** Connects, and stays connected until it is closed. The URL is the server's, ws: or http:; "/v2" is added. */
export function connect(url: string | URL, options?: ConnectOptions): Client;

export type State = "connecting" | "connected" | "waiting" | "closed";

export interface StateDetail {
  /** When "connected". */
  transport?: "websocket" | "sse";
  /** When "waiting": until the next try. */
  after?: number;
  /** Why it waits, or is closed. */
  error?: Error;
}

/** The server is about to end the connection. Without `reconnect` the client does not come back. */
export interface Goodbye {
  error: { code: ErrorCode | (string & {}); message: string; retry: Retry };
  reconnect?: { after_ms?: number };
}

/** The session's token ends soon. Or, with `error`: there is no other one yet, and the client tries again `after` a while. */
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
  /** Makes it safe to send again: random by default; null for none. */
  key?: string | null;
  /** false: the server does not send it to this client, even after the client has joined the channel again. */
  echo?: boolean;
}

export interface SubscribeOptions {
  /** Where to begin: the position of the last message known. */
  since?: Position | null;
  /** How many of the newest messages come first. With `since` it applies only after a gap; if `last` is omitted, all kept messages come after a gap. */
  last?: number;
  /** Whether to keep book of who is there. */
  presence?: boolean;
  /** Presence info of this user for other clients, if the token does not contain it. */
  info?: unknown;
  /** Leaves the channel. */
  signal?: AbortSignal;
}

export interface Item<M = unknown> {
  message: M;
  /** The place after it. */
  position: Position;
}

/** The messages after `from`, up to and including `to`, are not delivered. */
export interface Gap {
  channel: string;
  reason: "expired" | "unknown_epoch" | "ahead" | "slow" | "conflated" | (string & {});
  from: Position;
  to: Position;
  /** The oldest position from which everything is kept, if the gap is of a join. */
  oldest?: Position;
  /** The client itself dropped them: the reader was too slow. */
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
  /** Whether `info` comes from the user's token. Otherwise it is a claim of the user's client. */
  verified?: true;
}

/** Who is there. Channels that are only counted have no members. */
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
  /** Whether `info` comes from the user's token. Otherwise it is a claim of the user's client. */
  verified?: true;
  members?: (Member<I> & { sessions: string[] })[];
}

export interface History<M = unknown> {
  channel: string;
  messages: Item<M>[];
  /** The `since` of the next page, or of a subscription that goes on from here. */
  position: Position;
  more: boolean;
}

/** Takes the listener away. */
export type Off = () => void;

export interface Subscription<M = unknown> extends AsyncIterable<Item<M>> {
  readonly channel: string;
  /** After the last message or gap that came; undefined before the first join. */
  readonly position: Position | undefined;
  /** Who is there, if it was asked for. A new object for each change. */
  readonly presence: Presence | undefined;
  /** Messages that nobody has read yet go to the first listener or iterator. */
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
  /** How others know this client, once its token was accepted. */
  readonly user: string | undefined;
  subscribe<M = unknown>(channel: string, options?: SubscribeOptions): Subscription<M>;
  publish(channel: string, message: unknown, options?: PublishOptions): Promise<{ position: Position; duplicate: boolean }>;
  history<M = unknown>(channel: string, options?: RequestOptions & { since?: Position; limit?: number }): Promise<History<M>>;
  presence<I = unknown>(channel: string, options?: RequestOptions): Promise<PresenceState<I>>;
  ping(options?: RequestOptions): Promise<void>;
  on(event: "state", listener: (state: State, detail: StateDetail) => void): Off;
  on(event: "goodbye", listener: (goodbye: Goodbye) => void): Off;
  on(event: "expiring", listener: (expiring: Expiring) => void): Off;
  on(event: "error", listener: (error: Error) => void): Off;
  on(event: "gap", listener: (gap: Gap, subscription: Subscription) => void): Off;
  close(): void;
}

/** A snapshot, as the server has it. */
export interface PresenceState<I = unknown> {
  channel: string;
  users: number;
  sessions: number;
  members?: (Member<I> & { sessions: string[] })[];
}
