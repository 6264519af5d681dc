// The middle pane without a channel: everything that happens on the server, as the tail tells it.
import { useEffect, useRef, useState } from "preact/hooks";
import { at, events, lacks } from "./api";
import { bytes, parse, plural, visible } from "./format";
import { Back, Curl, Empty, Name, Problem, Time, To, curl, useLater } from "./parts";
import { shown, useStore } from "./store";

const maxRows = 500;
const pause = 1000; // before another attempt
const batch = 200; // events are shown together after this time
const kinds = ["message", "opened", "authenticated", "ended", "refused", "gap", "presence"];

interface Row {
  id: number;
  kind: string;
  e: any;
  raw: string;
  text?: string;
}

const maxPreview = 300; // characters of a message in a row

export function Live() {
  const [pattern, setPattern] = useState("");
  const [hidden, hide] = useState<string[]>([]);
  const [paused, setPaused] = useState(false);
  const [rows, setRows] = useState<Row[]>([]);
  const [missed, setMissed] = useState(0);
  const [state, setState] = useState<{ error?: Error; absent?: boolean; connected?: boolean }>({});
  const next = useRef(0);
  const visibleTab = useStore(shown);
  const wanted = useLater(pattern, 400);
  const on = kinds.filter((kind) => !hidden.includes(kind));
  const query = { channel: wanted || undefined, event: on.length < kinds.length ? on.join(",") : undefined };
  const path = at("v2/tail", query);
  useEffect(() => {
    if (paused || !visibleTab || on.length === 0) return;
    const stop = new AbortController();
    let queue: Row[] = [], timer = 0;
    const flush = () => {
      timer = 0;
      const add = queue;
      queue = [];
      setRows((old) => {
        const known = new Set(old.map((r) => r.raw)); // the tail begins with events that the page may have
        return [...add.filter((r) => !known.has(r.raw)).reverse(), ...old].slice(0, maxRows);
      });
    };
    (async () => {
      while (!stop.signal.aborted) {
        try {
          for await (const { event, data } of events(path, stop.signal)) {
            if (stop.signal.aborted) return;
            if (event === "hello") setState({ connected: true });
            else if (event === "missed") setMissed((n) => n + parse(data).count);
            else if (kinds.includes(event)) {
              const e = parse(data);
              const content = "message" in e && event === "message" ? e.message : e.data;
              const text = content === undefined ? undefined : visible(JSON.stringify(content).slice(0, maxPreview));
              if (event === "message") delete e.data, delete e.message;
              queue.push({ id: next.current++, kind: event, e, raw: event + data.slice(0, 1000), text });
              if (queue.length > maxRows) queue.shift();
              timer ||= setTimeout(flush, batch);
            }
          }
          if (!stop.signal.aborted) setState({});
        } catch (error) {
          if (stop.signal.aborted) return;
          if (lacks(error)) return setState({ absent: true });
          setState({ error: error as Error });
        }
        await new Promise((resolve) => setTimeout(resolve, pause));
      }
    })();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [path, paused, visibleTab]);
  useEffect(() => setRows([]), [path]);
  if (state.absent) return <section class="channel start" aria-label="Start"><Start /></section>;
  return (
    <section class="channel" aria-label="What happens now">
      <header>
        <Back />
        <h2>What happens now</h2>
        <span class="tools">
          <Curl path={path} stream of="the live tail" />
        </span>
      </header>
      <div class="filter">
        <input type="search" aria-label="Channels of this pattern" placeholder="All channels, or a pattern: chat.*" value={pattern} onInput={(e) => setPattern(e.currentTarget.value)} />
        <button type="button" class={paused ? "strong" : undefined} onClick={() => setPaused(!paused)}>
          {paused ? "Continue" : "Pause"}
        </button>
      </div>
      <fieldset class="kinds">
        <legend class="unseen">Events</legend>
        {kinds.map((kind) => (
          <label key={kind} class="inline">
            <input type="checkbox" checked={!hidden.includes(kind)} onChange={(e) => hide(e.currentTarget.checked ? hidden.filter((k) => k !== kind) : [...hidden, kind])} /> {kind}
          </label>
        ))}
      </fieldset>
      <div class="scroll" tabIndex={0} role="region" aria-label="List of events">
        <Problem error={state.error} />
        {missed > 0 && <p class="late">{plural(missed, "event")} left out, because there were more than this page could read.</p>}
        {rows.length === 0 && !state.error && <Start />}
        {rows.length > 0 && (
          <table>
            <thead>
              <tr>
                <th>Time</th>
                <th>Event</th>
                <th>What</th>
              </tr>
            </thead>
            <tbody>
              {rows.map((r) => (
                <tr key={r.id}>
                  <td>
                    <Time at={r.e.time} ms />
                  </td>
                  <td class={r.kind === "refused" || r.kind === "gap" ? "late" : undefined}>{r.kind}</td>
                  <td class="payload">
                    <What row={r} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </div>
    </section>
  );
}

const Start = () => (
  <Empty command={curl("POST", "v2/channels/news/messages", '{"hello":1}')}>Nothing has happened yet. Choose a channel, or publish a message:</Empty>
);

function What({ row: { kind, e, text } }: { row: Row }) {
  const channel = e.channel && (
    <To to={{ channel: e.channel }}>
      <Name text={e.channel} />
    </To>
  );
  const session = e.session && (
    <To to={{ session: e.session }}>
      <Name text={e.session} />
    </To>
  );
  const user = e.user && (
    <To to={{ user: e.user }}>
      <Name text={e.user} />
    </To>
  );
  switch (kind) {
    case "message":
      return (
        <>
          {channel} <To to={{ channel: e.channel, message: e.position }}>{e.position}</To> <span class="note">{bytes(e.size ?? 0)}</span> {text}
        </>
      );
    case "opened":
    case "authenticated":
      return (
        <>
          {session} {user} <span class="note">{visible(`${e.transport ?? ""} ${e.address ?? ""}`)}</span>
        </>
      );
    case "ended":
      return (
        <>
          {session} {user} {e.reason} <span class="note">{visible(e.message ?? "")}</span>
        </>
      );
    case "refused":
      return (
        <>
          <b>{e.code}</b> {visible(e.message ?? "")} {user || session || e.address} {channel}
        </>
      );
    case "gap":
      return (
        <>
          {session} {user} {channel} {e.reason}: after {e.from} up to {e.to}
        </>
      );
    default:
      return (
        <>
          {user} {e.action} {channel}
        </>
      );
  }
}
