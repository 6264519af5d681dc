// The details of tokens and keys.
import { useState } from "preact/hooks";
import { ask, at, get, may } from "./api";
import { plural, visible } from "./format";
import { Frame, RefusalsOf, Rules } from "./detail";
import { Confirm, Curl, Facts, Loading, Name, Problem, Time, To } from "./parts";
import { usePoll } from "./store";

const many = 1000; // the number of sessions that one request returns

export function Token({ id }: { id: string }) {
  const path = `v2/tokens/${encodeURIComponent(id)}`;
  const token = usePoll(path, (signal) => get(path, signal), 5000);
  const t = token.error ? undefined : token.data;
  const sessionsPath = at("v2/sessions", { token: id, limit: many });
  const live = usePoll(may("sessions", "view") ? sessionsPath : undefined, (signal) => get(sessionsPath, signal), 5000);
  const sessions: any[] = live.data?.sessions ?? [];
  const number = t?.sessions ?? (live.data ? sessions.length : undefined);
  const shown = number === undefined ? "its sessions" : plural(number, "session") + (live.data?.next ? " or more" : "");
  return (
    <Frame title="Token" name={id} curl={<Curl path={path} of="this token" />}>
      <Loading of={token} what="the token" />
      {t && (
        <>
          <Facts
            rows={[
              ["User", t.user && <To to={{ user: t.user }}><Name text={t.user} /></To>],
              ["Label", t.label && <Name text={t.label} />],
              ["Created", <Time at={t.created} />],
              ["Expires", t.expires ? <Time at={t.expires} /> : "never"],
              ["Made by", t.key && <Name text={t.key} />],
              ["Sessions", number !== undefined && shown],
            ]}
          />
          <Confirm
            label="Revoke this token"
            question={`This ends ${shown}. It cannot be undone.`}
            act={async () => {
              const answer = await ask("DELETE", path);
              token.stop();
              return `Revoked. ${plural(answer?.sessions ?? 0, "session")} ended.`;
            }}
          />
          <h3>Rules</h3>
          <Rules rules={t.rules} />
        </>
      )}
      <RefusalsOf query={{ token: id }} />
    </Frame>
  );
}

const verbs = ["join", "publish", "history", "presence"];

/** What a token of any kind allows. Its text stays in this form: it is in no URL. */
export function Inspect({ text = "" }: { text?: string }) {
  const [token, setToken] = useState(text);
  const [verb, setVerb] = useState("join");
  const [channel, setChannel] = useState("");
  const [answer, set] = useState<any>();
  const [error, fail] = useState<Error>();
  const submit = async (e: Event) => {
    e.preventDefault();
    try {
      set(await ask("POST", "v2/tokens/inspect", { token: token.trim(), ...(channel && { can: [{ verb, channel }] }) }));
      fail(undefined);
    } catch (error) {
      set(undefined);
      fail(error as Error);
    }
  };
  return (
    <Frame title="Inspect a token">
      <form class="publish" onSubmit={submit}>
        <label>
          The token's text
          <textarea rows={3} value={token} spellcheck={false} autocomplete="off" onInput={(e) => setToken(e.currentTarget.value)} />
        </label>
        <div class="filter">
          <label class="inline">
            Can it{" "}
            <select value={verb} onChange={(e) => setVerb(e.currentTarget.value)}>
              {verbs.map((v) => (
                <option key={v}>{v}</option>
              ))}
            </select>
          </label>
          <input class="grow" aria-label="Channel" placeholder="channel" value={channel} onInput={(e) => setChannel(e.currentTarget.value)} />
          <button type="submit" class="strong" disabled={!token.trim()}>
            Inspect
          </button>
        </div>
      </form>
      <Problem error={error} />
      <div role="status">
        {answer?.can?.map((c: any) => (
          <p key={c.channel} class={c.allowed ? "reason" : "reason problem"}>
            <b>{c.allowed ? "Yes." : "No."}</b> {visible(c.by)}
          </p>
        ))}
        {answer && !answer.valid && (
          <p class="problem">
            <b>{answer.error.code}</b> {visible(answer.error.message)}
          </p>
        )}
      </div>
      {answer?.valid && (
        <>
          <Facts
            rows={[
              ["Kind", answer.kind],
              ["ID", <Name text={answer.id} />],
              ["User", answer.user && <Name text={answer.user} />],
              ["Issued", <Time at={answer.issued} />],
              ["Expires", answer.expires ? <Time at={answer.expires} /> : "never"],
              ["Made by", answer.key && <Name text={answer.key} />],
              ["Info", answer.info !== undefined && <code>{visible(JSON.stringify(answer.info))}</code>],
            ]}
          />
          {answer.warnings?.map((w: string) => (
            <p key={w} class="problem">
              {visible(w)}
            </p>
          ))}
          <h3>Rules</h3>
          <Rules rules={answer.rules} />
        </>
      )}
    </Frame>
  );
}

export function Key({ id }: { id: string }) {
  const keys = usePoll("keys", (signal) => get("v2/keys", signal), 5000);
  const k = keys.data?.keys.find((k: any) => k.id === id);
  return (
    <Frame title="Key" name={k?.name} curl={<Curl path="v2/keys" of="the keys" />}>
      <Loading of={keys} what="the key" />
      {keys.data && !k && <p class="note">There is no such key, or it was revoked.</p>}
      {k && (
        <>
          <Facts
            rows={[
              ["ID", <Name text={k.id} />],
              ["Verbs", k.verbs.join(", ")],
              ["Channels", k.channels ? <code>{visible(k.channels.join(", "))}</code> : "all"],
              ["Created", <Time at={k.created} />],
              ["Expires", k.expires ? <Time at={k.expires} /> : "never"],
              ["Last used", k.last_used ? <Time at={k.last_used} /> : "never"],
            ]}
          />
          <Confirm
            label="Revoke this key"
            question="This also revokes every token that the key made, and ends their sessions. It cannot be undone."
            act={async () => {
              const answer = await ask("DELETE", `v2/keys/${encodeURIComponent(id)}`);
              keys.stop();
              return `Revoked, with ${plural(answer?.tokens ?? 0, "token")} and ${plural(answer?.sessions ?? 0, "session")}.`;
            }}
          />
        </>
      )}
      <RefusalsOf query={{ token: id }} />
    </Frame>
  );
}
