// The right pane: a session, a message, a refusal, a token, a key or a user.
import type { ComponentChildren } from "preact";
import { ask, at, everywhere, get, may } from "./api";
import { count, duration, plural, visible } from "./format";
import { refusalID } from "./lists";
import { Confirm, Curl, Facts, Loading, Name, Text, Time, To } from "./parts";
import { link, noDetail, usePoll } from "./store";

const every = 2000;

/** The frame of a detail: its name, its command, and the link that closes it. */
export function Frame(p: { title: string; name?: string; curl?: ComponentChildren; children: ComponentChildren }) {
  return (
    <section class="detail" aria-label={p.title}>
      <header>
        <h2>
          {p.title} {p.name && <Name text={p.name} />}
        </h2>
        <span class="tools">
          {p.curl}
          <a class="close" href={link(noDetail)} aria-label="Close the details">
            ×
          </a>
        </span>
      </header>
      <div class="body">{p.children}</div>
    </section>
  );
}

/** The latest refusals of a session, token, user or address. */
export function RefusalsOf({ query }: { query: Record<string, string> }) {
  const path = at("v2/refusals", { ...query, limit: 5 });
  const list = usePoll(may("sessions", "view") && everywhere() ? path : undefined, (signal) => get(path, signal), every);
  const all: any[] = list.data?.refusals ?? [];
  if (!all.length) return null;
  return (
    <>
      <h3>Refusals</h3>
      <ul class="rows">
        {all.map((r) => (
          <li key={refusalID(r)}>
            <Time at={r.time} /> <To to={{ list: "refusals", refusal: refusalID(r) }}>{r.code}</To> <span class="note">{visible(r.message)}</span>
          </li>
        ))}
      </ul>
    </>
  );
}

export function Rules({ rules }: { rules?: any[] }) {
  if (!rules) return <p>It has no rules, so it allows everything.</p>;
  if (!rules.length) return <p>Its list of rules is empty, so it allows nothing.</p>;
  return (
    <ol class="rules">
      {rules.map((r, i) => (
        <li key={i}>
          {r.allow && <><b>allow</b> {r.allow.join(", ")} </>}
          {r.deny && <><b>deny</b> {r.deny.join(", ")} </>}
          on <code>{visible((r.channels ?? []).join(", "))}</code>
        </li>
      ))}
    </ol>
  );
}

/** The rules of a session's token, if the server made it. */
function TokenRules({ id }: { id: string }) {
  const token = usePoll(may("tokens") && id.startsWith("tok_") ? id : undefined, (signal) => get(`v2/tokens/${encodeURIComponent(id)}`, signal), 10_000);
  return token.data ? (
    <>
      <h3>Rules of its token</h3>
      <Rules rules={token.data.rules} />
    </>
  ) : null;
}

export function Session({ id }: { id: string }) {
  const path = `v2/sessions/${encodeURIComponent(id)}`;
  const session = usePoll(path, (signal) => get(path, signal), every);
  const s = session.error ? undefined : session.data;
  const places: any[] | undefined = s?.places ?? s?.channels?.map((channel: string) => ({ channel }));
  return (
    <Frame title="Session" name={id} curl={<Curl path={path} of="this session" />}>
      <Loading of={session} what="the session" />
      {s && (
        <>
          <Facts
            rows={[
              ["User", s.user ? <To to={{ user: s.user }}><Name text={s.user} /></To> : "anonymous"],
              ["Token", s.token && (s.token.startsWith("tok_") && may("tokens") ? <To to={{ token: s.token }}><Name text={s.token} /></To> : <Name text={s.token} />)],
              ["Expires", s.expires && <Time at={s.expires} />],
              ["Transport", s.transport],
              ["Address", s.address],
              ["Since", <Time at={s.since} />],
              ["Node", s.node && <Name text={s.node} />],
              ["Behind", s.behind !== undefined && <span class={s.behind ? "late" : undefined}>{plural(s.behind, "message")}</span>],
              ["Blocked", s.blocked_ms !== undefined && <span class={s.blocked_ms ? "late" : undefined}>{s.blocked_ms ? `its connection has taken no byte for ${duration(s.blocked_ms)}` : "no"}</span>],
              ["Gaps", s.gaps !== undefined && count(s.gaps)],
              ["Sent", s.sent !== undefined && plural(s.sent, "message")],
            ]}
          />
          {may("sessions") && (
            <Confirm
              label="End this session"
              question="Its client is told not to reconnect. The token stays valid."
              act={async () => {
                await ask("DELETE", path);
                session.stop();
                return "Ended.";
              }}
            />
          )}
          <h3>{plural(s.joined, "channel")}</h3>
          {places && places.length > 0 && (
            <table>
              <thead>
                <tr>
                  <th>Channel</th>
                  {places[0].position && <th>Position</th>}
                  {places[0].behind !== undefined && <th class="number">Behind</th>}
                </tr>
              </thead>
              <tbody>
                {places.slice(0, 1000).map((p) => (
                  <tr key={p.channel} class={p.behind ? "late" : undefined}>
                    <td class="wide">
                      <To to={{ channel: p.channel }}>
                        <Name text={p.channel} />
                      </To>
                    </td>
                    {p.position && <td><Name text={p.position} /></td>}
                    {p.behind !== undefined && <td class="number">{count(p.behind)}</td>}
                  </tr>
                ))}
              </tbody>
            </table>
          )}
          {s.token && <TokenRules id={s.token} />}
        </>
      )}
      <RefusalsOf query={{ session: id }} />
    </Frame>
  );
}

export function Refusal({ id }: { id: string }) {
  const list = usePoll("refusal", (signal) => get(at("v2/refusals", { limit: 1000 }), signal), 5000);
  const r = list.data?.refusals.find((r: any) => refusalID(r) === id);
  return (
    <Frame title="Refusal" curl={<Curl path={at("v2/refusals", r?.session ? { session: r.session } : { address: r?.address })} of="the refusals of this client" />}>
      <Loading of={list} what="the refusal" />
      {list.data && !r && <p class="note">This refusal is no longer among the last 1,000.</p>}
      {r && (
        <>
          <p class="reason">
            <b>{r.code}</b> {visible(r.message)}
          </p>
          {r.do && (
            <>
              <h3>What to do</h3>
              <p>
                <Text of={r.do} />
              </p>
            </>
          )}
          <h3>What was refused</h3>
          <Facts
            rows={[
              ["Request", r.verb && <Name text={r.verb} />],
              ["Channel", r.channel && <To to={{ channel: r.channel }}><Name text={r.channel} /></To>],
              ["Rule", r.rule && <code>{visible(r.rule)}</code>],
              ["User", r.user && <To to={{ user: r.user }}><Name text={r.user} /></To>],
              ["Session", r.session && <To to={{ session: r.session }}><Name text={r.session} /></To>],
              ["Token or key", r.token && (r.token.startsWith("tok_") && may("tokens") ? <To to={{ token: r.token }}><Name text={r.token} /></To> : <Name text={r.token} />)],
              ["Address", r.address],
              ["Transport", r.transport],
              ["Times", plural(r.count, "time") + (r.count > 1 ? " in a row" : "")],
              ["Latest", <Time at={r.time} />],
            ]}
          />
        </>
      )}
    </Frame>
  );
}

export function User({ name }: { name: string }) {
  const path = at("v2/sessions", { user: name, limit: 100 });
  const list = usePoll(path, (signal) => get(path, signal), every);
  const all: any[] = list.data?.sessions ?? [];
  return (
    <Frame title="User" name={name} curl={<Curl path={path} of="the sessions of this user" />}>
      <Loading of={list} what="the sessions" />
      {list.data && (
        <>
          <h3>{plural(all.length, "session")}{list.data.next ? " and more" : ""}</h3>
          <ul class="rows">
            {all.map((s) => (
              <li key={s.session}>
                <To to={{ session: s.session }}>
                  <Name text={s.session} />
                </To>{" "}
                {s.transport} {s.address} {s.behind > 0 && <span class="late">{plural(s.behind, "message")} behind</span>}
              </li>
            ))}
          </ul>
        </>
      )}
      <RefusalsOf query={{ user: name }} />
    </Frame>
  );
}
