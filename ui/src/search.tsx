// The search box: a channel, user, address, session, token or position, and why it was refused.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { ask, at, everywhere, get, lacks, may } from "./api";
import { plural, visible } from "./format";
import { refusalID } from "./lists";
import { Name } from "./parts";
import { go, link, route, type Route } from "./store";

interface Hit {
  kind: string;
  to: Route;
  name: string;
  note?: ComponentChildren;
}

// The texts of tokens and keys. They are sent in a body only, and the page does not show them.
const isSecret = (text: string): boolean => /^(bt_|bk_)/.test(text) || /^[\w-]+\.[\w-]+\.[\w-]*$/.test(text) && text.startsWith("ey") || /^[A-Za-z0-9]{128}-\d{10}$/.test(text);
const isPosition = (text: string): boolean => /^[0-9a-z]{1,13}-[0-9a-z]{1,13}$/.test(text);
const isAddress = (text: string): boolean => /^\d{1,3}(\.\d{1,3}){3}$/.test(text) || /^[0-9a-f:]+:[0-9a-f:]*$/i.test(text) && text.includes(":");
const some = 5;

async function search(text: string, signal: AbortSignal): Promise<Hit[]> {
  const sees = may("sessions", "view") && everywhere();
  const quiet = <T,>(p: Promise<T>): Promise<T | undefined> => p.catch(() => undefined);
  if (isSecret(text)) {
    if (text.startsWith("bk_")) return [{ kind: "Key", to: {}, name: "This is the text of a key. Search for its ID." }];
    const t = may("tokens") ? await ask("POST", "v2/tokens/inspect", { token: text }, signal) : undefined;
    if (!t) return [{ kind: "Token", to: {}, name: "To inspect a token you need a key with the verb tokens." }];
    if (!t.valid) return [{ kind: "Token", to: { list: "tokens", inspect: "token" }, name: t.error.code, note: t.error.message }];
    return [
      t.id.startsWith("tok_") ? { kind: "Token", to: { list: "tokens", token: t.id }, name: t.id, note: "valid" } : { kind: "Token", to: { list: "tokens", inspect: "token" }, name: `valid, of kind ${t.kind}` },
      ...(t.user ? [{ kind: "User", to: { user: t.user }, name: t.user }] : []),
    ];
  }
  const found: Hit[] = [];
  const channel = route.value.channel;
  if (isPosition(text) && channel) found.push({ kind: "Message", to: { channel, message: text }, name: text, note: <>on <Name text={channel} /></> });
  if (!sees) {
    if (may("sessions", "view", "publish")) found.push({ kind: "Channel", to: { channel: text }, name: text });
    return found;
  }
  const refusals = (query: Record<string, string>) => quiet(get(at("v2/refusals", { ...query, limit: 1 }), signal));
  const asked = await Promise.all([
    quiet(get(at("v2/channels", { prefix: text, limit: some }), signal)),
    quiet(get(at("v2/sessions", { user: text, limit: 100 }), signal)),
    refusals({ user: text }),
    refusals({ address: text }),
    text.startsWith("s_") ? quiet(get(`v2/sessions/${encodeURIComponent(text)}`, signal)) : undefined,
    text.startsWith("s_") ? refusals({ session: text }) : undefined,
    /^(tok|key)_/.test(text) ? refusals({ token: text }) : undefined,
    text.startsWith("tok_") && may("tokens") ? quiet(get(`v2/tokens/${encodeURIComponent(text)}`, signal)) : undefined,
    text.startsWith("tok_") ? quiet(get(at("v2/sessions", { token: text, limit: 100 }), signal)) : undefined,
    isAddress(text) ? quiet(get(at("v2/sessions", { limit: 1000 }), signal)) : undefined,
  ]);
  const [channels, ofUser, refusedUser, refusedAddress, session, refusedSession, refusedToken, token, ofToken, everybody] = asked;
  for (const c of channels?.channels ?? []) found.push({ kind: "Channel", to: { channel: c.channel }, name: c.channel, note: plural(c.subscribers, "subscriber") });
  if (ofUser?.sessions.length) found.push({ kind: "User", to: { user: text }, name: text, note: plural(ofUser.sessions.length, "session") + (ofUser.next ? " or more" : "") });
  if (session) found.push({ kind: "Session", to: { session: text }, name: text, note: session.user && <Name text={session.user} /> });
  if (token) found.push({ kind: "Token", to: { list: "tokens", token: text }, name: text, note: token.user && <Name text={token.user} /> });
  for (const s of (ofToken?.sessions ?? []).slice(0, some)) found.push({ kind: "Session", to: { session: s.session }, name: s.session, note: "of this token" });
  const near = (everybody?.sessions ?? []).filter((s: any) => s.address && (s.address === text || s.address.replace(/:\d+$/, "").replace(/[[\]]/g, "") === text));
  for (const s of near.slice(0, some)) found.push({ kind: "Session", to: { session: s.session }, name: s.session, note: s.address });
  if (near.length > some) found.push({ kind: "Session", to: { list: "sessions" }, name: `${near.length - some} more`, note: "among the first 1,000 sessions" });
  const refused = [refusedUser, refusedAddress, refusedSession, refusedToken].flatMap((r) => r?.refusals ?? []);
  for (const r of refused) found.push({ kind: "Refused", to: { list: "refusals", refusal: refusalID(r) }, name: r.code, note: visible(r.message) });
  if (/^key_/.test(text) && may("admin")) found.push({ kind: "Key", to: { list: "keys", key: text }, name: text });
  if (!found.some((hit) => hit.kind === "Channel" && hit.name === text) && !/^(s|tok|key)_/.test(text)) found.push({ kind: "Channel", to: { channel: text }, name: text, note: "no message, no subscriber" });
  return found;
}

export function Search() {
  const [text, setText] = useState("");
  const [hits, setHits] = useState<Hit[]>();
  const [error, fail] = useState("");
  const running = useRef<AbortController | undefined>(undefined);
  const box = useRef<HTMLFormElement>(null);
  const close = () => {
    running.current?.abort();
    setHits(undefined);
    fail("");
  };
  useEffect(() => {
    const outside = (e: Event) => box.current?.contains(e.target as Node) || close();
    const slash = (e: KeyboardEvent) => {
      if (e.key !== "/" || e.ctrlKey || e.metaKey || e.altKey || /^(input|textarea|select)$/i.test((e.target as Element).tagName)) return;
      e.preventDefault();
      box.current?.querySelector("input")?.focus();
    };
    document.addEventListener("click", outside);
    document.addEventListener("keydown", slash);
    return () => {
      document.removeEventListener("click", outside);
      document.removeEventListener("keydown", slash);
    };
  }, []);
  const submit = async (e: Event) => {
    e.preventDefault();
    const wanted = text.trim();
    if (!wanted) return close();
    running.current?.abort();
    const own = (running.current = new AbortController());
    try {
      const found = await search(wanted, own.signal);
      if (own.signal.aborted) return;
      fail("");
      setHits(found);
      if (isSecret(wanted)) setText("");
    } catch (error) {
      if (!own.signal.aborted) fail(lacks(error) ? "The server cannot answer this." : (error as Error).message);
    }
  };
  const keys = (e: KeyboardEvent) => {
    if (e.key === "Escape") return close();
    if (e.key !== "ArrowDown" && e.key !== "ArrowUp") return;
    const links = [...box.current!.querySelectorAll<HTMLElement>(".hits a")];
    if (!links.length) return;
    e.preventDefault();
    const i = links.indexOf(document.activeElement as HTMLElement) + (e.key === "ArrowDown" ? 1 : -1);
    (links[i] ?? box.current!.querySelector("input"))?.focus();
  };
  return (
    <form class="search" role="search" ref={box} onSubmit={submit} onKeyDown={keys}>
      <input type="search" aria-label="Search: channel, user, address, session, token or position" placeholder="Channel, user, address, session, token or position   /" value={text} autocomplete="off" spellcheck={false} onInput={(e) => setText(e.currentTarget.value)} />
      {(hits || error) && (
        <div class="hits">
          <p role="status" class={error ? "problem" : "unseen"}>
            {error ? visible(error) : plural(hits!.length, "result")}
          </p>
          {hits && hits.length === 0 && <p class="note">Nothing has this name.</p>}
          {hits && hits.length > 0 && (
            <ul>
              {hits.map((hit, i) => (
                <li key={i}>
                  {Object.keys(hit.to).length ? (
                    <a
                      href={link(hit.to)}
                      onClick={(e) => {
                        e.preventDefault();
                        go(hit.to);
                        close();
                      }}
                    >
                      <span class="kind">{hit.kind}</span> <Name text={hit.name} /> <span class="note">{hit.note}</span>
                    </a>
                  ) : (
                    <span class="note">{hit.name}</span>
                  )}
                </li>
              ))}
            </ul>
          )}
        </div>
      )}
    </form>
  );
}
