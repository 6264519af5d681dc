// Requests to the API. The key is in this tab's session storage, and goes only into the header
// Authorization.
import { parse } from "./format";
import { Store } from "./store";

export interface Caller {
  key: string | null;
  name?: string;
  verbs: string[];
  channels: string[] | null;
  expires?: string;
  open?: boolean;
  node?: string;
  version?: string;
}

/** An error that the server returned, or that the request did not reach it. */
export class APIError extends Error {
  constructor(readonly status: number, readonly code: string, message: string, readonly body: any = {}) {
    super(message);
  }
  /** Whether the same request fails again. */
  get final(): boolean {
    return this.body.retry === "never";
  }
}

const storage = "boreas-key";

/** Who uses the page. undefined means that this is not known yet, null that the API needs a key. */
export const caller = new Store<Caller | null | undefined>(undefined);
/** Why the page needs another key. */
export const loginError = new Store("");
/** Why the server does not answer, or "" if it does. */
export const offline = new Store("");

let key = sessionStorage.getItem(storage) ?? "";

function headers(more?: Record<string, string>): Record<string, string> {
  return key ? { ...more, Authorization: `Bearer ${key}` } : { ...more };
}

/** Reports whether the key has one of the verbs. */
export function may(...verbs: string[]): boolean {
  const has = caller.value?.verbs ?? [];
  return has.includes("admin") || verbs.some((verb) => has.includes(verb));
}

/** Whether the key may read what is not about one channel. */
export const everywhere = (): boolean => !caller.value?.channels;

// What the API answers without a key. The form for the key says the same.
const plainRefusal = /^The API needs a key/;

export async function send(method: string, path: string, body?: string, signal?: AbortSignal, more?: Record<string, string>): Promise<Response> {
  let answer: Response;
  const used = key;
  try {
    answer = await fetch(path, { method, body, signal, headers: headers(more), cache: "no-store", credentials: "omit", redirect: "error" });
  } catch (error) {
    if (!signal?.aborted) offline.value = "The server does not answer. Trying again.";
    throw signal?.aborted ? error : new APIError(0, "offline", "The server does not answer.");
  }
  offline.value = "";
  if (answer.ok) return answer;
  const text = await answer.text();
  let fault: any = {};
  try {
    fault = JSON.parse(text).error ?? {};
  } catch {} // a proxy may answer with other text
  const error = new APIError(answer.status, fault.code ?? "", fault.message ?? `The server answered ${answer.status}.`, fault);
  if (answer.status === 401 && used === key) logout(used || !plainRefusal.test(error.message) ? error.message : "");
  throw error;
}

/** Returns the JSON of the answer, or undefined if it has no body. */
export async function ask(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<any> {
  const answer = await send(method, path, body === undefined ? undefined : JSON.stringify(body), signal);
  const text = await answer.text();
  return text ? parse(text) : undefined;
}

export const get = (path: string, signal?: AbortSignal): Promise<any> => ask("GET", path, undefined, signal);

/** A path with parameters; those without a value are left out. */
export function at(path: string, query: Record<string, string | number | undefined> = {}): string {
  const q = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined && value !== "") q.set(name, String(value));
  const text = q.toString();
  return text ? `${path}?${text}` : path;
}

export const channelPath = (name: string, rest = ""): string => `v2/channels/${encodeURIComponent(name)}${rest}`;

/** Whether the server lacks a part of the API: an older node, or an older server. */
export const lacks = (error: unknown): boolean =>
  error instanceof APIError && (error.status === 404 && error.code === "not_found" || error.status === 400 && error.message.startsWith("Unknown parameter"));

/** Finds out who the caller is, with the key of this tab or without one. */
export async function identify(): Promise<void> {
  try {
    caller.value = await get("v2/caller");
  } catch (error) {
    if (error instanceof APIError && error.status === 403) logout(error.message);
    else if (lacks(error)) caller.value = { key: null, verbs: ["admin"], channels: null };
    else if (!(error instanceof APIError) || error.status !== 401) setTimeout(identify, 1000);
  }
}

export function login(text: string): Promise<void> {
  key = text;
  sessionStorage.setItem(storage, key);
  loginError.value = "";
  return identify();
}

export function logout(why = ""): void {
  key = "";
  sessionStorage.removeItem(storage);
  loginError.value = why;
  caller.value = null;
}

/** Whether a key is in use. */
export const hasKey = (): boolean => key !== "";

/** An event of a stream. */
export interface Event {
  event: string;
  data: string;
}

// A line of a stream may hold a message, and a message at most max_body bytes of the server. More than
// this is not a stream of events.
const maxLine = 64 << 20;

/** Reads a stream of events until it ends. */
export async function* events(path: string, signal: AbortSignal): AsyncGenerator<Event> {
  const answer = await send("GET", path, undefined, signal, { Accept: "text/event-stream" });
  const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "", event = "", data: string[] = [];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const lines = (rest + value).split("\n");
      rest = lines.pop()!;
      if (rest.length > maxLine) throw new Error("The stream has a line that is too long.");
      for (const line of lines) {
        if (line === "") {
          if (data.length) yield { event: event || "message", data: data.join("\n") };
          (event = ""), (data = []);
        } else if (line.startsWith("event:")) event = line.slice(6).trim();
        else if (line.startsWith("data:")) data.push(line.slice(line[5] === " " ? 6 : 5));
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
