// The lists of the left pane.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { at, everywhere, get, lacks, may } from "./api";
import { count, duration, plural } from "./format";
import { Curl, curl, Empty, Loading, Name, Since, Time, To, useLater } from "./parts";
import { Store, noDetail, usePoll, useStore, route } from "./store";

const every = 2000;
const rows = 50; // of an ordered list
const page = 100; // of other lists

/** The lists, and the verbs of a key that may read them. */
export const lists: { id: string; name: string; verbs: string[]; one?: boolean }[] = [
  { id: "channels", name: "Channels", verbs: ["sessions", "view"] },
  { id: "sessions", name: "Sessions", verbs: ["sessions", "view"] },
  { id: "refusals", name: "Refusals", verbs: ["sessions", "view"] },
  { id: "tokens", name: "Tokens", verbs: ["tokens"] },
  { id: "keys", name: "Keys", verbs: ["admin"] },
  { id: "config", name: "Options", verbs: ["sessions", "view"] },
];

// The lists that the server cannot order by a column.
const unordered = new Store<string[]>([]);

/** Asks for a list in an order, or without it if the server does not know orders. */
async function ordered(path: string, query: Record<string, string | number | undefined>, signal: AbortSignal) {
  if (!unordered.value.includes(path)) {
    try {
      return await get(at(path, query), signal);
    } catch (error) {
      if (!query.order || !lacks(error)) throw error;
      unordered.value = [...unordered.value, path];
    }
  }
  return get(at(path, { ...query, order: undefined }), signal);
}

function Filter(p: { label: string; hint?: string; value: string; set: (text: string) => void; children?: ComponentChildren }) {
  return (
    <div class="filter">
      <input type="search" aria-label={p.label} placeholder={p.hint ?? p.label} value={p.value} onInput={(e) => p.set(e.currentTarget.value)} />
      {p.children}
    </div>
  );
}

function Order(p: { path: string; value: string; set: (order: string) => void; options: [string, string][] }) {
  if (useStore(unordered).includes(p.path)) return null;
  return (
    <select aria-label="Order" value={p.value} onChange={(e) => p.set(e.currentTarget.value)}>
      {p.options.map(([value, name]) => (
        <option key={value} value={value}>
          {name}
        </option>
      ))}
    </select>
  );
}

/**
 * Asks for channels. The ordered list has only those with subscribers, or with messages since the start.
 * While there are few of them, the others follow, so that no channel seems to be missing.
 */
async function channels(query: Record<string, string | number | undefined>, signal: AbortSignal) {
  const list: any = await ordered("v2/channels", query, signal);
  if (!query.order || list.channels.length >= rows) return list;
  const others: any = await get(at("v2/channels", { limit: rows }), signal);
  const known = new Set(list.channels.map((c: any) => c.channel));
  const more = others.channels.filter((c: any) => !known.has(c.channel));
  return { ...list, channels: [...list.channels, ...more].slice(0, rows) };
}

export function Channels() {
  const [filter, setFilter] = useState("");
  const [order, setOrder] = useState("subscribers");
  const prefix = useLater(filter);
  const now = useStore(route);
  const query = prefix ? { prefix, limit: page } : { order, limit: rows };
  const path = at("v2/channels", query);
  const list = usePoll(path, (signal) => channels(query, signal), every);
  const all: any[] = list.data?.channels ?? [];
  return (
    <>
      <Filter label="Channels that begin with" hint="Begins with" value={filter} set={setFilter}>
        {!prefix && <Order path="v2/channels" value={order} set={setOrder} options={[["subscribers", "by subscribers"], ["messages", "by messages"]]} />}
        <Curl path={path} of="the channels" />
      </Filter>
      <Loading of={list} what="channels" />
      {list.data && all.length === 0 && (
        <Empty command={curl("POST", "v2/channels/news/messages", '{"hello":1}')}>{prefix ? "No channel begins with this text." : "No channel has subscribers or messages. Publish the first message:"}</Empty>
      )}
      {all.length > 0 && (
        <table>
          <thead>
            <tr>
              <th>Channel</th>
              <th class="number">Subscribers</th>
              {all[0].published !== undefined && <th class="number">Messages</th>}
            </tr>
          </thead>
          <tbody>
            {all.map((c) => (
              <tr key={c.channel} class={now.channel === c.channel ? "current" : undefined}>
                <td class="wide">
                  <To to={{ ...noDetail, list: "channels", channel: c.channel, pane: undefined }} current={now.channel === c.channel}>
                    <Name text={c.channel} />
                  </To>
                </td>
                <td class="number">{count(c.subscribers)}</td>
                {c.published !== undefined && <td class="number">{count(c.published)}</td>}
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {list.data?.next && <p class="note">The list shows {plural(all.length, "channel")}. Filter to find others.</p>}
      {!prefix && all.length >= rows && !list.data?.next && <p class="note">The first {rows}. Filter to find others.</p>}
    </>
  );
}

const late = (s: any): boolean => s.behind > 0 || s.blocked_ms > 0;

export function Sessions() {
  const [filter, setFilter] = useState("");
  const [order, setOrder] = useState("behind");
  const user = useLater(filter);
  const now = useStore(route);
  const query = user ? { user, limit: page } : { order, limit: rows };
  const path = at("v2/sessions", query);
  const list = usePoll(path, (signal) => ordered("v2/sessions", query, signal), every);
  const all: any[] = list.data?.sessions ?? [];
  const behind = all[0]?.behind !== undefined;
  return (
    <>
      <Filter label="Sessions of user" value={filter} set={setFilter}>
        {!user && <Order path="v2/sessions" value={order} set={setOrder} options={[["behind", "slowest first"], ["since", "newest first"]]} />}
        <Curl path={path} of="the sessions" />
      </Filter>
      <Loading of={list} what="sessions" />
      {list.data && all.length === 0 && (
        <Empty command={user ? undefined : "boreas subscribe news"}>{user ? "This user has no session." : "Nobody is connected. Subscribe to a channel:"}</Empty>
      )}
      {all.length > 0 && (
        <table>
          <thead>
            <tr>
              <th>Session</th>
              <th>User</th>
              {behind ? <th class="number">Behind</th> : <th class="number">Channels</th>}
              {behind && order === "behind" ? <th class="number">Blocked</th> : <th class="number">Since</th>}
            </tr>
          </thead>
          <tbody>
            {all.map((s) => (
              <tr key={s.session} class={(now.session === s.session ? "current" : "") + (late(s) ? " late" : "")}>
                <td>
                  <To to={{ session: s.session }} current={now.session === s.session}>
                    <Name text={s.session} />
                  </To>
                </td>
                <td class="wide">{s.user ? <Name text={s.user} /> : <span class="note">{s.token ? "" : "anonymous"}</span>}</td>
                <td class="number">{count(behind ? s.behind : s.joined)}</td>
                <td class="number">{behind && order === "behind" ? (s.blocked_ms ? duration(s.blocked_ms) : "") : <Since at={s.since} />}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {all.length >= rows && !user && <p class="note">The first {rows}. Filter or search to find others.</p>}
    </>
  );
}

/** The name of a refusal in a route. */
export const refusalID = (r: any): string => [r.code, r.address, r.session, r.token, r.user, r.verb, r.channel].map((text) => text ?? "").join("|");

export function Refusals() {
  const [filter, setFilter] = useState("");
  const now = useStore(route);
  const query = { limit: page };
  const list = usePoll("refusals", (signal) => get(at("v2/refusals", query), signal), every);
  const all: any[] = list.data?.refusals ?? [];
  const wanted = filter.toLowerCase();
  const found = wanted ? all.filter((r) => Object.values(r).some((v) => String(v).toLowerCase().includes(wanted))) : all;
  return (
    <>
      <Filter label="Filter" value={filter} set={setFilter}>
        <Curl path={at("v2/refusals", query)} of="the refusals" />
      </Filter>
      <Loading of={list} what="refusals" />
      {list.data && found.length === 0 && <Empty>{wanted ? "No refusal has this text." : "The server has refused nothing since its start. If it refuses a client, you see here why."}</Empty>}
      {found.length > 0 && (
        <table>
          <thead>
            <tr>
              <th>Time</th>
              <th>Reason</th>
              <th>Client</th>
              <th class="number">Times</th>
            </tr>
          </thead>
          <tbody>
            {found.map((r, i) => {
              const id = refusalID(r);
              return (
                <tr key={id + i} class={now.refusal === id ? "current" : undefined}>
                  <td>
                    <Time at={r.time} />
                  </td>
                  <td>
                    <To to={{ refusal: id }} current={now.refusal === id}>
                      {r.code}
                    </To>
                  </td>
                  <td class="wide">
                    <Name text={r.user ?? r.address ?? r.session ?? ""} />
                  </td>
                  <td class="number">{count(r.count)}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      )}
    </>
  );
}

export function Tokens() {
  const [filter, setFilter] = useState("");
  const user = useLater(filter);
  const now = useStore(route);
  const path = at("v2/tokens", { user, limit: page });
  const list = usePoll(path, (signal) => get(path, signal), every);
  const all: any[] = list.data?.tokens ?? [];
  return (
    <>
      <Filter label="Tokens of user" value={filter} set={setFilter}>
        <To to={{ inspect: "token" }} class="button" current={now.inspect !== undefined}>
          Inspect a token
        </To>
        <Curl path={path} of="the tokens" />
      </Filter>
      <Loading of={list} what="tokens" />
      {list.data && all.length === 0 && (
        <Empty command={user ? undefined : curl("POST", "v2/tokens", '{"user":"ann","ttl":3600}')}>
          {user ? "The server has made no token for this user." : "The server has made no tokens. JWTs and tokens that a backend checks are not in this list. Make a token:"}
        </Empty>
      )}
      {all.length > 0 && (
        <table>
          <thead>
            <tr>
              <th>Token</th>
              <th>User</th>
              <th>Label</th>
            </tr>
          </thead>
          <tbody>
            {all.map((t) => (
              <tr key={t.id} class={now.token === t.id ? "current" : undefined}>
                <td>
                  <To to={{ token: t.id }} current={now.token === t.id}>
                    <Name text={t.id} />
                  </To>
                </td>
                <td class="wide">{t.user && <Name text={t.user} />}</td>
                <td class="wide">{t.label && <Name text={t.label} />}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {list.data?.next && <p class="note">The first {page}. Filter by user to find others.</p>}
    </>
  );
}

export function Keys() {
  const now = useStore(route);
  const list = usePoll("keys", (signal) => get("v2/keys", signal), every);
  const all: any[] = list.data?.keys ?? [];
  return (
    <>
      <div class="filter">
        <span class="note grow">Keys of this API</span>
        <Curl path="v2/keys" of="the keys" />
      </div>
      <Loading of={list} what="keys" />
      {list.data && all.length === 0 && (
        <Empty command="boreas key new operator --verbs=admin">No key exists, so the API is open to this machine and to no other one. Make the first key before you put a proxy in front of the API:</Empty>
      )}
      {all.length > 0 && (
        <table>
          <thead>
            <tr>
              <th>Name</th>
              <th>Verbs</th>
              <th class="number">Last used</th>
            </tr>
          </thead>
          <tbody>
            {all.map((k) => (
              <tr key={k.id} class={now.key === k.id ? "current" : undefined}>
                <td class="wide">
                  <To to={{ key: k.id }} current={now.key === k.id}>
                    <Name text={k.name} />
                  </To>
                </td>
                <td class="wide">{k.verbs.join(", ")}</td>
                <td class="number">{k.last_used ? <Since at={k.last_used} /> : "never"}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </>
  );
}

/** The groups of the left pane that the key may see. */
export const open = () => lists.filter((l) => may(...l.verbs) && everywhere());
