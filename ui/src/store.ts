// State outside of components: values that components follow, the route, and polls.
import { useEffect, useRef, useState } from "preact/hooks";

/** A value that components follow with useStore. */
export class Store<T> {
  private listeners = new Set<() => void>();
  constructor(private current: T) {}
  get value(): T {
    return this.current;
  }
  set value(next: T) {
    if (Object.is(next, this.current)) return;
    this.current = next;
    for (const listener of [...this.listeners]) listener();
  }
  follow(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
}

export function useStore<T>(store: Store<T>): T {
  const [, again] = useState(0);
  useEffect(() => {
    const unfollow = store.follow(() => again((n) => n + 1));
    again((n) => n + 1); // it may have changed before the effect
    return unfollow;
  }, [store]);
  return store.value;
}

/** Where the page is. It is the fragment of the URL, so that a link shows the same to a colleague. */
export type Route = { [name: string]: string | undefined };

const readRoute = (): Route => Object.fromEntries(new URLSearchParams(location.hash.slice(1)));

export const route = new Store<Route>(readRoute());
addEventListener("hashchange", () => (route.value = readRoute()));

// The details that the right pane can show. One replaces the others.
const details = ["session", "message", "refusal", "token", "key", "user", "inspect"];

/** The link to a route: the current one with changes. A detail replaces any other one. */
export function link(changes: Route): string {
  const next: Route = { ...route.value };
  if (details.some((name) => changes[name] !== undefined)) for (const name of details) delete next[name];
  Object.assign(next, changes);
  if (changes.channel !== undefined && next.list === "config" && !("list" in changes)) delete next.list; // the options have the middle pane
  if (changes.channel !== undefined && changes.channel !== route.value.channel && !("message" in changes)) delete next.message;
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(next)) if (value !== undefined && value !== "") query.set(name, value);
  return "#" + query;
}

/** The changes that close the detail. */
export const noDetail: Route = Object.fromEntries(details.map((name) => [name, undefined]));

export const go = (changes: Route): void => {
  location.hash = link(changes);
};

export const hasDetail = (r: Route): boolean => details.some((name) => r[name] !== undefined);

/** Whether the tab is visible. Polls and streams stop while it is not. */
export const shown = new Store(!document.hidden);
document.addEventListener("visibilitychange", () => (shown.value = !document.hidden));

export interface Polled<T> {
  data?: T;
  error?: Error;
  stop: () => void; // what was loaded has come to its end, and stays as it is
}

/**
 * Loads something now, and again ms after each answer while the tab is visible. It begins anew if the
 * name changes; undefined stops it. The last data stays after an error. It does not repeat a request that
 * fails again: until the tab is shown again, if the error is final.
 */
export function usePoll<T>(name: string | undefined, load: (signal: AbortSignal) => Promise<T>, ms: number): Polled<T> {
  const [state, set] = useState<{ name?: string; data?: T; error?: Error }>({});
  const latest = useRef(load);
  latest.current = load;
  const stop = useRef(() => {});
  useEffect(() => {
    if (name === undefined) return;
    let timer = 0;
    let running: AbortController | undefined;
    let ended = false;
    const run = async () => {
      clearTimeout(timer);
      if (ended || !shown.value) return;
      running?.abort();
      const own = (running = new AbortController());
      try {
        const data = await latest.current(own.signal);
        if (!own.signal.aborted) set({ name, data });
      } catch (error) {
        if (own.signal.aborted) return;
        set((old) => ({ name, data: old.name === name ? old.data : undefined, error: error as Error }));
        if ((error as { final?: boolean }).final) return;
      }
      if (!own.signal.aborted && ms > 0) timer = setTimeout(run, ms);
    };
    const unfollow = shown.follow(run);
    const end = (stop.current = () => {
      ended = true;
      unfollow();
      clearTimeout(timer);
      running?.abort();
    });
    run();
    return end;
  }, [name, ms]);
  const current = state.name === name ? state : {};
  return { data: current.data, error: current.error, stop: () => stop.current() };
}
