// The middle pane with a channel: its messages, who is present, and a form to publish.
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { at, channelPath, get, may, send } from "./api";
import { bytes, count, plural, visible } from "./format";
import { Log, type Row } from "./log";
import { Back, Curl, Empty, Facts, Loading, Name, Problem, Time, To, curl, useLater } from "./parts";
import { route, usePoll, useStore } from "./store";

const every = 2000;
const near = 300; // pixels from an end at which the next page is loaded
const end = 8; // so many pixels from the end the newest message is visible

const below = (element: HTMLElement): number => element.scrollHeight - element.scrollTop - element.clientHeight;

function Messages({ channel }: { channel: string }) {
  const box = useRef<HTMLDivElement>(null);
  const bottom = useRef(true); // the newest message is visible
  const pinned = useRef(0); // where the list was scrolled to then
  const anchor = useRef<{ position: string; top: number } | undefined>(undefined);
  const [, again] = useState(0);
  const [filter, setFilter] = useState("");
  const wanted = useLater(filter).toLowerCase();
  const now = useStore(route);
  const [log, setLog] = useState<Log>();
  useEffect(() => {
    const made = new Log(channel, () => {
      keep();
      again((n) => n + 1);
    }, () => bottom.current);
    setLog(made);
    return () => made.close();
  }, [channel]);

  // The event that the reader has scrolled away from the newest message may come after the next change.
  const left = (element: HTMLElement) => {
    if (element.scrollTop < pinned.current - end && below(element) >= end) bottom.current = false;
  };
  // Remembers the first visible row, which stays where it is when rows come in before it.
  const keep = () => {
    const element = box.current;
    anchor.current = undefined;
    if (!element) return;
    left(element);
    if (bottom.current) return;
    for (const row of element.querySelectorAll<HTMLElement>("tr[data-position]")) {
      if (row.offsetTop + row.offsetHeight > element.scrollTop) {
        anchor.current = { position: row.dataset.position!, top: row.offsetTop - element.scrollTop };
        return;
      }
    }
  };
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    left(element);
    if (bottom.current && !log?.detached) {
      element.scrollTop = element.scrollHeight;
      pinned.current = element.scrollTop;
      return;
    }
    const kept = anchor.current;
    const row = kept && element.querySelector<HTMLElement>(`tr[data-position="${CSS.escape(kept.position)}"]`);
    if (row) element.scrollTop = row.offsetTop - kept.top;
    anchor.current = undefined; // or a later change of something else would go back to it
  });
  const scrolled = () => {
    const element = box.current!;
    if ((bottom.current = below(element) < end)) pinned.current = element.scrollTop;
    if (element.scrollTop < near) log?.earlier();
    if (below(element) < near) log?.later();
  };
  const resume = () => {
    bottom.current = true;
    pinned.current = 0;
    log?.newest().catch(() => {});
  };

  const earlier = () => {
    bottom.current = false;
    log?.earlier();
  };

  const rows = log?.rows ?? [];
  const found = wanted ? rows.filter((r) => (r.text + "|" + r.position + "|" + (r.by ?? "")).toLowerCase().includes(wanted)) : rows;
  const historyPath = at(channelPath(channel, "/messages"), { last: 100, times: "true" });
  const known = rows.some((r) => r.by);
  return (
    <section class="messages" aria-label="Messages">
      <div class="filter">
        <input type="search" aria-label="Filter these messages" placeholder="Filter these messages" value={filter} onInput={(e) => setFilter(e.currentTarget.value)} />
        {log?.detached ? (
          <button type="button" class="strong" onClick={resume}>
            {log.waiting ? `Newest (${count(log.waiting)} more)` : log.paused ? "Continue" : "Newest"}
          </button>
        ) : (
          <button type="button" onClick={() => log?.pause()}>
            Pause
          </button>
        )}
        {may("sessions") && <Curl path={historyPath} of="the history" label="curl history" />}
        <Curl path={at("v2/tail", { channel })} stream of="the live tail" label="curl tail" />
      </div>
      <div class="scroll" ref={box} onScroll={scrolled} tabIndex={0} role="region" aria-label="List of messages">
        {log?.error && <Problem error={log.error} />}
        {log && !log.loaded && !log.error && <p class="note">Loading messages…</p>}
        {log?.loaded && !rows.length && (
          <Empty command={curl("POST", channelPath(channel, "/messages"), '{"hello":1}')}>
            {may("sessions") ? "No message is kept. New ones appear here. Publish one:" : "New messages appear here, without their content: the key has only the verb view."}
          </Empty>
        )}
        {rows.length > 0 && (
          <table>
            <thead>
              <tr>
                <th>Time</th>
                <th>Position</th>
                {known && <th>By</th>}
                <th class="number">Size</th>
                <th>Message</th>
              </tr>
            </thead>
            <tbody>
              <tr>
                <td colSpan={known ? 5 : 4} class="note">
                  {log!.older ? (
                    <button type="button" class="quiet" onClick={earlier}>
                      Earlier messages
                    </button>
                  ) : may("sessions") ? (
                    "Earlier messages are not kept."
                  ) : (
                    "To read earlier messages you need a key with the verb sessions."
                  )}
                </td>
              </tr>
              {found.map((r) => (
                <Line key={r.position} row={r} channel={channel} current={now.message === r.position} known={known} />
              ))}
            </tbody>
          </table>
        )}
        {wanted && rows.length > 0 && <p class="note">{plural(found.length, "message")} of the {count(rows.length)} that are loaded.</p>}
      </div>
      <Summary log={log} />
    </section>
  );
}

function Line({ row, channel, current, known }: { row: Row; channel: string; current: boolean; known: boolean }) {
  return (
    <tr data-position={row.position} class={current ? "current" : undefined}>
      <td>
        <Time at={row.time} ms />
      </td>
      <td>
        <To to={{ channel, message: row.position }} current={current}>
          {row.position}
        </To>
      </td>
      {known && <td>{row.by && <bdi>{row.by}</bdi>}</td>}
      <td class="number">{bytes(row.size)}</td>
      <td class="payload">{row.text === undefined ? <span class="note">not shown</span> : row.text.slice(0, 500)}</td>
    </tr>
  );
}

/** Says how many messages came in, for people who cannot see the list. The list itself is not announced. */
function Summary({ log }: { log?: Log }) {
  const [text, say] = useState("");
  useEffect(() => {
    let last = log?.arrived ?? 0;
    const timer = setInterval(() => {
      const now = log?.arrived ?? 0;
      if (now > last) say(`${plural(now - last, "new message")} in ten seconds`);
      else say("");
      last = now;
    }, 10_000);
    return () => clearInterval(timer);
  }, [log]);
  return (
    <p class="summary">
      <span role="status" class="unseen">
        {text}
      </span>
      {log?.missed ? <span class="late">{plural(log.missed, "message")} left out by the tail, because this page was slow. They are in the history.</span> : null}
    </p>
  );
}

function Presence({ channel }: { channel: string }) {
  const path = channelPath(channel, "/presence");
  const state = usePoll(path, (signal) => get(path, signal), every);
  const members: any[] = state.data?.members ?? [];
  if (state.error) return <Problem error={state.error} />;
  if (!state.data) return <p class="note">Loading presence…</p>;
  return (
    <>
      <p class="note">
        {plural(state.data.users, "user")} in {plural(state.data.sessions, "session")} <Curl path={path} of="presence" />
      </p>
      <ul class="rows members">
        {members.slice(0, 1000).map((m) => (
          <li key={m.user}>
            <To to={{ user: m.user }}>
              <Name text={m.user} />
            </To>{" "}
            {m.sessions.length > 1 && <span class="note">{m.sessions.length} sessions</span>}
            {m.info !== undefined && <code class="payload">{visible(JSON.stringify(m.info))}</code>}
          </li>
        ))}
      </ul>
    </>
  );
}

function Publish({ channel }: { channel: string }) {
  const [text, setText] = useState('{"hello":1}');
  const [key, setKey] = useState("");
  const [dry, setDry] = useState(false);
  const [outcome, say] = useState<{ text: string; bad?: boolean; position?: string }>();
  const path = at(channelPath(channel, "/messages"), { dry_run: dry ? "true" : undefined });
  const submit = async (e: Event) => {
    e.preventDefault();
    try {
      const answer = await (await send("POST", path, text, undefined, key ? { "Idempotency-Key": key } : {})).json();
      say(
        dry
          ? { text: "The message is valid, and you may publish it. Nothing was published." }
          : { text: `${answer.duplicate ? "Published before" : "Published"} to ${plural(answer.subscribers ?? 0, "subscriber")}:`, position: answer.position },
      );
    } catch (error) {
      say({ text: (error as Error).message, bad: true });
    }
  };
  return (
    <form class="publish" onSubmit={submit}>
      <label>
        Message, any JSON value
        <textarea rows={3} value={text} spellcheck={false} onInput={(e) => setText(e.currentTarget.value)} />
      </label>
      <div class="filter">
        <label class="inline grow">
          Idempotency key <input value={key} maxLength={128} onInput={(e) => setKey(e.currentTarget.value)} />
        </label>
        <label class="inline">
          <input type="checkbox" checked={dry} onChange={(e) => setDry(e.currentTarget.checked)} /> Check only
        </label>
        <button type="submit" class="strong">
          {dry ? "Check" : "Publish"}
        </button>
        <Curl method="POST" path={path} body={text} of="this message" />
      </div>
      <p role="status" class={outcome?.bad ? "problem" : "note"}>
        {outcome && visible(outcome.text)} {outcome?.position && <To to={{ channel, message: outcome.position }}>{outcome.position}</To>}
      </p>
    </form>
  );
}

export function Channel({ name }: { name: string }) {
  const path = channelPath(name);
  const sees = may("sessions", "view");
  const info = usePoll(sees ? path : undefined, (signal) => get(path, signal), every);
  const c = info.data;
  const rule: string | null | undefined = c?.rule;
  const presence = !!rule && /(^|\s)presence(\s|$)/.test(rule);
  return (
    <section class="channel" aria-label="Channel">
      <header>
        <Back />
        <h2>
          <Name text={name} />
        </h2>
        <span class="tools">
          <Curl path={path} of="this channel" />
          <To to={{ channel: undefined, message: undefined }} class="close" title="Close the channel">
            ×
          </To>
        </span>
      </header>
      {info.error ? <Loading of={info} what="the channel" /> : null}
      {c && (
        <Facts
          rows={[
            ["Subscribers", count(c.subscribers)],
            ["Published", c.published !== undefined && count(c.published)],
            ["Newest", <code>{c.position}</code>],
            ["Rule", rule ? <code>{visible(rule)}</code> : "none"],
          ]}
        />
      )}
      {sees ? <Messages key={name} channel={name} /> : <p class="note">To read a channel you need a key with the verb sessions or view.</p>}
      {presence && (
        <details>
          <summary>Presence</summary>
          <Presence channel={name} />
        </details>
      )}
      {may("publish") && (
        <details>
          <summary>Publish a message</summary>
          <Publish key={name} channel={name} />
        </details>
      )}
    </section>
  );
}
