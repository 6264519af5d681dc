// The detail of a message: what it is, who has it, and who is behind.
import { at, channelPath, get, lacks, may } from "./api";
import { byteLength, bytes, count, duration, maxShown, plural, visible } from "./format";
import { Frame } from "./detail";
import { before } from "./log";
import { Curl, Facts, Loading, Name, Time, To, copy } from "./parts";
import { usePoll } from "./store";

export function Message({ channel, position }: { channel: string; position: string }) {
  const trace = channelPath(channel, `/messages/${encodeURIComponent(position)}`);
  const history = at(channelPath(channel, "/messages"), { since: before(position), limit: 1 });
  const traced = usePoll(trace, (signal) => get(trace, signal), 2000);
  const read = usePoll(may("sessions") ? history : undefined, (signal) => get(history, signal), 0);
  const m = read.data?.messages.find((m: any) => m.position === position);
  const data = m && ("message" in m ? m.message : m.data);
  const text: string | undefined = m && JSON.stringify(data, null, 2);
  const t = traced.error ? undefined : traced.data;
  const untraced = lacks(traced.error);
  const by = t?.by;
  return (
    <Frame title="Message" name={position} curl={<Curl path={untraced ? history : trace} of="this message" />}>
      {!untraced && <Loading of={traced} what="the message" />}
      {(t || m) && (
        <Facts
          rows={[
            ["Channel", <Name text={channel} />],
            ["Time", <Time at={t?.time ?? m?.time} ms />],
            ["Size", bytes(t?.size ?? byteLength(JSON.stringify(data)))],
            ["Published by", by && (by.user ? <To to={{ user: by.user }}><Name text={by.user} /></To> : by.key ? <span>key <Name text={by.key} /></span> : by.session ? <To to={{ session: by.session }}><Name text={by.session} /></To> : undefined)],
            ["Session", by?.session && by.user && <To to={{ session: by.session }}><Name text={by.session} /></To>],
            ["Delivered", t && `to ${count(t.delivered)} of ${plural(t.subscribers, "subscriber")}`],
            ["No answer", t?.nodes?.silent?.length > 0 && <span class="late">{t.nodes.silent.join(", ")}: their subscribers are not counted</span>],
          ]}
        />
      )}
      {t?.behind?.length > 0 && (
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
      {t && t.subscribers > 0 && !t.behind?.length && <p class="note">Every subscriber has it.</p>}
      {text !== undefined && (
        <>
          <h3>
            Content{" "}
            <button type="button" class="quiet" onClick={() => copy(JSON.stringify(data))}>
              Copy
            </button>
          </h3>
          <pre tabIndex={0}>{visible(text.slice(0, maxShown))}</pre>
          {text.length > maxShown && <p class="note">The first 16 KiB. The command above returns all of it.</p>}
        </>
      )}
      {may("sessions") && <Loading of={read} what="the content" />}
      {read.data && !m && <p class="note">The content is no longer kept.</p>}
      {!may("sessions") && <p class="note">The content needs a key with the verb sessions.</p>}
    </Frame>
  );
}
