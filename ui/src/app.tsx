// The page: who is asked for a key, the header, and the three panes.
import { render } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { caller, everywhere, get, hasKey, identify, login, loginError, logout, may, offline } from "./api";
import { visible } from "./format";
import { Channel } from "./channel";
import { Refusal, Session, User } from "./detail";
import { Channels, Keys, Refusals, Sessions, Tokens, lists, open } from "./lists";
import { Live } from "./live";
import { Message } from "./message";
import { Options } from "./options";
import { Copied, Name, To } from "./parts";
import { Search } from "./search";
import { hasDetail, noDetail, route, useStore } from "./store";
import { NodesLine, Strip, historyLimit } from "./strip";
import { Inspect, Key, Token } from "./tokens";

function Login() {
  const why = useStore(loginError);
  const [text, setText] = useState("");
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => input.current?.focus(), []);
  return (
    <main class="login">
      <h1>Boreas</h1>
      <p>This server needs a key of its API. The page shows what the key may see.</p>
      <form
        onSubmit={(e) => {
          e.preventDefault();
          login(text.trim());
        }}
      >
        <label>
          Key
          <input ref={input} type="password" value={text} autocomplete="off" spellcheck={false} required onInput={(e) => setText(e.currentTarget.value)} />
        </label>
        <button type="submit" class="strong">
          Open
        </button>
      </form>
      <p role="alert" class="problem">
        {visible(why)}
      </p>
      <p class="note">
        The key stays in this tab until you close it or log out. Make one that only reads, on the server: <code>boreas key new viewer --verbs=view</code>
      </p>
    </main>
  );
}

function Header() {
  const now = useStore(route);
  const who = useStore(caller)!;
  const trouble = useStore(offline);
  return (
    <header class="top">
      <h1>
        <a href="#">Boreas</a>
      </h1>
      {may("sessions", "view") && everywhere() && (
        <To to={{ ...noDetail, list: now.list === "config" ? undefined : now.list, channel: undefined, pane: "live" }} current={now.pane === "live" && !now.channel}>
          Live
        </To>
      )}
      {who.node && !may("stats", "view") && <Name text={who.node} />}
      <NodesLine />
      <Search />
      <span class="who">
        {who.version && <span class="note">{visible(who.version)}</span>}
        {hasKey() ? (
          <>
            <span title={`Verbs: ${who.verbs.join(", ")}`}>
              <Name text={who.name ?? who.key ?? "key"} />
            </span>
            <button type="button" onClick={() => logout()}>
              Log out
            </button>
          </>
        ) : (
          <span class="note" title="No key exists. Every program on this machine may use the API.">
            open, no key
          </span>
        )}
      </span>
      <p role="alert" class="trouble">
        {trouble}
      </p>
    </header>
  );
}

/** One line that says why parts of the page are not shown. */
function Limits() {
  const who = useStore(caller)!;
  const missing = lists.filter((l) => !may(...l.verbs));
  const lines: string[] = [];
  if (who.channels) lines.push(`This key is only for the channels ${who.channels.join(", ")}. Enter a channel in the search box.`);
  else if (missing.length || !may("publish")) {
    const hidden = [...missing.map((l) => l.name.toLowerCase()), ...(may("stats", "view") ? [] : ["figures"]), ...(may("publish") ? [] : ["publishing"]), ...(may("sessions") ? [] : ["content of messages"])];
    lines.push(`This key has the verbs ${who.verbs.join(", ")}. Not shown: ${hidden.join(", ")}.`);
  }
  return lines.length ? <p class="limits note">{visible(lines[0]!)}</p> : null;
}

const bodies: Record<string, () => any> = { channels: Channels, sessions: Sessions, refusals: Refusals, tokens: Tokens, keys: Keys };

function Lists() {
  const now = useStore(route);
  const may = open();
  const current = may.find((l) => l.id === now.list) ?? may[0];
  const Body = current && (bodies[current.id] ?? bodies[may[0]!.id]);
  return (
    <section class="lists" aria-label="Lists">
      {may.length > 0 && (
        <nav aria-label="Lists">
          {may.map((l) => (
            <To key={l.id} to={{ list: l.id }} current={l === current}>
              {l.name}
            </To>
          ))}
        </nav>
      )}
      <Limits />
      <div class="scroll" tabIndex={-1}>
        {Body && current!.id !== "config" && <Body key={current!.id} />}
        {current?.id === "config" && <Channels />}
      </div>
    </section>
  );
}

function Middle() {
  const now = useStore(route);
  if (now.list === "config" && may("sessions", "view") && everywhere()) return <Options />;
  if (now.channel) return <Channel key={now.channel} name={now.channel} />;
  return may("sessions", "view") && everywhere() ? <Live /> : <section class="channel" aria-label="Channel" />;
}

function Right() {
  const now = useStore(route);
  if (now.session) return <Session key={now.session} id={now.session} />;
  if (now.message && now.channel) return <Message key={now.message} channel={now.channel} position={now.message} />;
  if (now.refusal) return <Refusal key={now.refusal} id={now.refusal} />;
  if (now.token) return <Token key={now.token} id={now.token} />;
  if (now.inspect) return <Inspect />;
  if (now.key) return <Key key={now.key} id={now.key} />;
  if (now.user) return <User key={now.user} name={now.user} />;
  return null;
}

/** Reads the limit of the history once. */
function useHistoryLimit(): void {
  useEffect(() => {
    if (!may("sessions", "view") || !everywhere()) return;
    get("v2/config").then(
      ({ options }: { options: { name: string; value: string }[] }) => {
        const value = (name: string) => options.find((o) => o.name === name)?.value ?? "";
        const sizes: Record<string, number> = { B: 1, KiB: 1 << 10, MiB: 1 << 20, GiB: 1 << 30, TiB: 2 ** 40 };
        const engine = value("engine");
        const [, n, unit] = /^([\d.]+)([KMGT]?i?B)?$/.exec(value(engine === "disk" ? "history_disk" : "history_memory")) ?? [];
        if (n) historyLimit.value = Number(n) * (sizes[unit ?? "B"] ?? 1);
      },
      () => {}, // an older server
    );
  }, []);
}

function Page() {
  const now = useStore(route);
  useHistoryLimit();
  const pane = hasDetail(now) ? "detail" : now.channel || now.list === "config" || now.pane === "live" ? "middle" : "lists";
  return (
    <div class={`page on-${pane}`}>
      <Header />
      <Strip />
      <main>
        <Lists />
        <Middle />
        <aside aria-label="Details">
          <Right />
        </aside>
      </main>
      <Copied />
    </div>
  );
}

function App() {
  const who = useStore(caller);
  const trouble = useStore(offline);
  if (who === undefined) return <main class="wait"><p role="status">{trouble}</p></main>;
  return who ? <Page key={who.key ?? ""} /> : <Login />;
}

identify();
render(<App />, document.getElementById("app")!);
