// Small parts that the views share.
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { APIError, hasKey } from "./api";
import { ago, quoted, time, visible } from "./format";
import { link, noDetail, route, Store, useStore, type Polled, type Route } from "./store";

/** The last copied text, for the line at the end of the page. */
export const copied = new Store<{ text: string; done: boolean } | undefined>(undefined);

export async function copy(text: string): Promise<void> {
  let done = true;
  try {
    await navigator.clipboard.writeText(text); // only with HTTPS or on localhost
  } catch {
    done = false;
  }
  copied.value = { text, done };
}

/** The command that makes the same request. The key is a variable of the shell. */
export function curl(method: string, path: string, body?: string, stream = false): string {
  const words = ["curl"];
  if (stream) words.push("-N");
  if (method !== "GET" && !(method === "POST" && body !== undefined)) words.push("-X", method);
  if (hasKey()) words.push("-H", '"Authorization: Bearer $BOREAS_KEY"');
  if (body !== undefined) words.push("-d", quoted(body));
  words.push(quoted(String(new URL(path, document.baseURI))));
  return words.join(" ");
}

/** A button that copies the request behind a view. */
export function Curl(p: { method?: string; path: string; body?: string; stream?: boolean; of: string; label?: string }) {
  return (
    <button type="button" class="quiet" title={`Copy the curl command for ${p.of}`} onClick={() => copy(curl(p.method ?? "GET", p.path, p.body, p.stream))}>
      {p.label ?? "curl"}<span class="unseen">: copy the curl command for {p.of}</span>
    </button>
  );
}

export function Copied() {
  const text = useStore(copied);
  return (
    <div class="copied" role="status">
      {text && (
        <>
          <span>{text.done ? "Copied:" : "Copy this:"}</span> <code>{text.text}</code>
          <button type="button" class="quiet" onClick={() => (copied.value = undefined)}>
            Close
          </button>
        </>
      )}
    </div>
  );
}

/** A link to another view. */
export function To(p: { to: Route; current?: boolean; class?: string; title?: string; children: ComponentChildren }) {
  return (
    <a href={link(p.to)} class={p.class} title={p.title} aria-current={p.current ? "true" : undefined}>
      {p.children}
    </a>
  );
}

/** On a phone: back to the lists, which have one pane of their own there. */
export const Back = () => (
  <To to={{ ...noDetail, channel: undefined, pane: undefined, list: route.value.list === "config" ? undefined : route.value.list }} class="back">
    ‹ Lists
  </To>
);

/** A name that somebody else chose. */
export const Name = ({ text }: { text: string }) => <bdi class="name">{visible(text)}</bdi>;

export function Time({ at, ms }: { at?: string; ms?: boolean }) {
  return at ? (
    <time dateTime={at} title={at}>
      {time(at, ms)}
    </time>
  ) : null;
}

export const Since = ({ at }: { at?: string }) => (at ? <time dateTime={at} title={at}>{ago(at)}</time> : null);

/** Facts in two columns. Rows without a value are left out. */
export function Facts({ rows }: { rows: [string, ComponentChildren][] }) {
  return (
    <dl class="facts">
      {rows.filter(([, value]) => value !== undefined && value !== null && value !== "" && value !== false).map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** A text of the server, in which backticks enclose code. */
export const Text = ({ of }: { of: string }) => <>{visible(of).split("`").map((part, i) => (i % 2 ? <code key={i}>{part}</code> : part))}</>;

export function Problem({ error }: { error?: Error }) {
  if (!error) return null;
  if (error instanceof APIError && (error.status === 0 || error.status === 401)) return null; // shown for the whole page
  return <p class="problem"><Text of={error.message} /></p>;
}

/** The error of a poll, or a note while it loads for the first time. */
export function Loading({ of, what }: { of: Polled<unknown>; what: string }) {
  return of.error ? <Problem error={of.error} /> : of.data === undefined ? <p class="note">Loading {what}…</p> : null;
}

/** A view without data says what to do first, with the command to copy. */
export function Empty({ children, command }: { children: ComponentChildren; command?: string }) {
  return (
    <div class="empty">
      <p>{children}</p>
      {command && (
        <p class="command">
          <code>{command}</code>{" "}
          <button type="button" class="quiet" onClick={() => copy(command)}>
            Copy
          </button>
        </p>
      )}
    </div>
  );
}

/** A button for what cannot be undone. It asks once more, and then shows the outcome. */
export function Confirm(p: { label: string; question: string; act: () => Promise<string> }) {
  const [step, set] = useState<"idle" | "asking" | "acting" | "done">("idle");
  const [outcome, say] = useState("");
  const act = async () => {
    set("acting");
    try {
      say(await p.act());
      set("done");
    } catch (error) {
      say((error as Error).message);
      set("idle");
    }
  };
  return (
    <div class="confirm">
      {step === "idle" ? (
        <button type="button" class="danger" onClick={() => (say(""), set("asking"))}>
          {p.label}
        </button>
      ) : step !== "done" && (
        <>
          <span>{p.question}</span>{" "}
          <button type="button" class="danger" disabled={step === "acting"} ref={focusOnce} onClick={act}>
            {p.label}
          </button>{" "}
          <button type="button" onClick={() => set("idle")}>
            Cancel
          </button>
        </>
      )}
      <span role="status">{visible(outcome)}</span>
    </div>
  );
}

const focused = new WeakSet<Element>();
const focusOnce = (e: HTMLElement | null) => {
  if (e && !focused.has(e)) {
    focused.add(e);
    e.focus();
  }
};

/** A value that follows another one after a pause, for filters. */
export function useLater<T>(value: T, ms = 200): T {
  const [later, set] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => set(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return later;
}
