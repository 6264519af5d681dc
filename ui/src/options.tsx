// The options that are in force, and where they were set.
import { useState } from "preact/hooks";
import { get } from "./api";
import { visible } from "./format";
import { Back, Curl, Loading } from "./parts";
import { usePoll } from "./store";

export function Options() {
  const [filter, setFilter] = useState("");
  const [all, setAll] = useState(false);
  const config = usePoll("config", (signal) => get("v2/config", signal), 0);
  const options: any[] = config.data?.options ?? [];
  const wanted = filter.toLowerCase();
  const found = options.filter((o) => (all || wanted || o.from !== "default") && (o.name + " " + o.value).toLowerCase().includes(wanted));
  return (
    <section class="channel" aria-label="Options">
      <header>
        <Back />
        <h2>Options in force</h2>
        <span class="tools">
          <Curl path="v2/config" of="the options" />
        </span>
      </header>
      <div class="filter">
        <input type="search" aria-label="Filter the options" placeholder="Filter the options" value={filter} onInput={(e) => setFilter(e.currentTarget.value)} />
        <label class="inline">
          <input type="checkbox" checked={all} onChange={(e) => setAll(e.currentTarget.checked)} /> Also defaults
        </label>
      </div>
      <div class="scroll" tabIndex={0} role="region" aria-label="List of options">
        <Loading of={config} what="the options" />
        {config.data && found.length === 0 && <p class="empty">{wanted ? "No option has this text." : "Every option has its default."}</p>}
        {found.length > 0 && (
          <table>
            <thead>
              <tr>
                <th>Option</th>
                <th>Value</th>
                <th>From</th>
              </tr>
            </thead>
            <tbody>
              {found.map((o) => (
                <tr key={o.name}>
                  <td>
                    <code>{o.name}</code>
                  </td>
                  <td class="wide value">{o.secret ? <span class="note">{o.value ? "set, not shown" : ""}</span> : <code>{visible(String(o.value))}</code>}</td>
                  <td>{o.from === "default" ? <span class="note">default</span> : o.from}</td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </div>
    </section>
  );
}
