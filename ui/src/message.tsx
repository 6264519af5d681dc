// The detail of a message: what it is, who has it, and who is behind.
import { useEffect, useState } from "preact/hooks";
import { channelPath, get, may } from "./api";
import { bytes, count, duration, maxShown, plural, visible } from "./format";
import { Frame } from "./detail";
import { Curl, Facts, Loading, Name, Time, To, copy } from "./parts";
import { usePoll } from "./store";

const every = 2000;
const everyLarge = 10_000; // because each answer has the whole message
const large = 64 << 10; // bytes

export function Message({ channel, position }: { channel: string; position: string }) {
  const path = channelPath(channel, `/messages/${encodeURIComponent(position)}`);
  const [ms, setPace] = useState(every);
  const traced = usePoll(path, (signal) => get(path, signal), ms);
  const t = traced.data;
  const by = t?.by;
  useEffect(() => {
    if (t?.size > large) setPace(everyLarge);
  }, [t?.size]);
  const text: string | undefined = t && "message" in t ? JSON.stringify(t.message, null, 2) : undefined;
  return (
    <Frame title="Message" name={position} curl={<Curl path={path} of="this message" />}>
      <Loading of={traced} what="the message" />
      {t && (
        <Facts
          rows={[
            ["Channel", <Name text={channel} />],
            ["Time", <Time at={t.time} ms />],
            ["Size", bytes(t.size)],
            ["Published by", by && (by.user ? <To to={{ user: by.user }}><Name text={by.user} /></To> : by.key ? <span>key {may("admin") ? <To to={{ key: by.key }}><Name text={by.name ?? by.key} /></To> : <Name text={by.name ?? by.key} />}</span> : by.session ? <To to={{ session: by.session }}><Name text={by.session} /></To> : undefined)],
            ["Session", by?.session && by.user && <To to={{ session: by.session }}><Name text={by.session} /></To>],
            ["Delivered", `to ${count(t.delivered)} of ${plural(t.subscribers, "subscriber")}`],
            ["No answer", t.nodes?.silent.length > 0 && <span class="late">{t.nodes.silent.join(", ")}: their subscribers are not counted</span>],
          ]}
        />
      )}
      {t?.behind.length > 0 && (
        <>
          <h3>Behind it</h3>
          <table>
            <thead>
              <tr>
                <th>Session</th>
                <th>User</th>
                <th class="number">Behind</th>
                <th class="number">Blocked</th>
              </tr>
            </thead>
            <tbody>
              {t.behind.map((s: any) => (
                <tr key={s.session} class="late">
                  <td>
                    <To to={{ session: s.session }}>
                      <Name text={s.session} />
                    </To>
                  </td>
                  <td class="wide">{s.user && <Name text={s.user} />}</td>
                  <td class="number">{count(s.behind)}</td>
                  <td class="number">{s.blocked_ms ? duration(s.blocked_ms) : ""}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </>
      )}
      {t && !t.behind.length && <p class="note">{t.subscribers ? "Every subscriber has it." : "No subscriber of that time is connected."}</p>}
      {text !== undefined && (
        <>
          <h3>
            Content{" "}
            <button type="button" class="quiet" onClick={() => copy(JSON.stringify(t.message))}>
              Copy
            </button>
          </h3>
          <pre tabIndex={0}>{visible(text.slice(0, maxShown))}</pre>
          {text.length > maxShown && <p class="note">The first 16 KiB. The command above returns all of it.</p>}
        </>
      )}
      {!may("sessions") && <p class="note">The content needs a key with the verb sessions.</p>}
    </Frame>
  );
}
