// The strip of six figures, each with a line of the last ten minutes.
import { useEffect, useRef, useState } from "preact/hooks";
import { at, everywhere, get, may } from "./api";
import { bytes, count, rate } from "./format";
import { Name } from "./parts";
import { Store, usePoll, useStore } from "./store";

const every = 2000; // between two requests for the counters
const span = 600_000; // the lines show this time, in milliseconds
const minute = 60_000;

export interface Nodes {
  answered: number;
  silent: string[];
}

/** The nodes in the last answer about counters; undefined without a cluster. */
export const nodes = new Store<Nodes | undefined>(undefined);

/** The limit of the history, as soon as the configuration is known. */
export const historyLimit = new Store(0);

interface Sample {
  t: number;
  sessions: number;
  published: number;
  delivered: number;
  gaps: number;
  refused?: number;
  history: number;
  messages: number;
  channels: number;
  nodes?: number; // the sums of other nodes cannot be compared
}

const sum = (o: Record<string, number> | undefined): number => Object.values(o ?? {}).reduce((a, b) => a + b, 0);

// Counters start again with the server.
const grown = (from: number, to: number): number => (to >= from ? to - from : to);

type Point = [t: number, value: number];

/** The growth between samples: per unit of time, in milliseconds, or as it is. */
function growth(samples: Sample[], of: (s: Sample) => number | undefined, unit = 0): Point[] {
  const points: Point[] = [];
  for (let i = 1; i < samples.length; i++) {
    const [a, b] = [samples[i - 1]!, samples[i]!];
    const [from, to] = [of(a), of(b)];
    if (from === undefined || to === undefined || a.nodes !== b.nodes || b.t - a.t > 10 * every) continue;
    points.push([b.t, unit ? (grown(from, to) * unit) / (b.t - a.t) : grown(from, to)]);
  }
  return points;
}

/** For each point the total of the minute before it. */
function perMinute(points: Point[]): Point[] {
  let total = 0, first = 0;
  return points.map(([t, value]) => {
    total += value;
    while (points[first]![0] <= t - minute) total -= points[first++]![1];
    return [t, Math.max(0, total)];
  });
}

const width = 120, height = 26;

function Line({ points, what }: { points: Point[]; what: string }) {
  const now = points.at(-1)?.[0] ?? 0;
  const most = points.reduce((m, p) => Math.max(m, p[1]), 0);
  const d = points.map(([t, value], i) => `${i ? "L" : "M"}${(width - ((now - t) / span) * width).toFixed(1)} ${(height - 1.5 - (most ? (value / most) * (height - 4) : 0)).toFixed(1)}`).join("");
  return (
    <svg viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" role="img" aria-label={`${what}, last ten minutes, highest ${count(most)}`}>
      <path class="ground" d={`M0 ${height - 1.5}H${width}`} />
      <path d={d} />
    </svg>
  );
}

function Figure(p: { name: string; value: string; unit?: string; points: Point[]; bad?: boolean }) {
  return (
    <li class={p.bad ? "figure bad" : "figure"}>
      <span class="label">{p.name}</span>
      <span class="value">
        {p.value}
        {p.unit && <small> {p.unit}</small>}
      </span>
      <Line points={p.points} what={p.name} />
    </li>
  );
}

export function Strip() {
  const samples = useRef<Sample[]>([]);
  const [, again] = useState(0);
  const limit = useStore(historyLimit);
  const counters = usePoll(may("stats", "view") ? "stats" : undefined, async (signal) => {
    const asked = performance.now();
    const [stats, refusals] = await Promise.all([
      get("v2/stats", signal),
      may("sessions", "view") && everywhere() ? get(at("v2/refusals", { limit: 1 }), signal).catch(() => undefined) : undefined,
    ]);
    const t = (asked + performance.now()) / 2; // the server counted at some time between the two
    return { t, stats, refused: refusals?.total as number | undefined };
  }, every);
  useEffect(() => {
    if (!counters.data) return;
    const { t, stats, refused } = counters.data;
    nodes.value = stats.nodes;
    samples.current.push({
      t, sessions: stats.anonymous + stats.authenticated, published: stats.publishes, delivered: stats.deliveries,
      gaps: sum(stats.gaps), refused, history: stats.engine.bytes, messages: stats.engine.publications, channels: stats.channels, nodes: stats.nodes?.answered,
    });
    const old = performance.now() - span;
    while (samples.current[0]!.t < old) samples.current.shift();
    again((n) => n + 1);
  }, [counters.data]);
  if (!may("stats", "view")) return null;
  const all = samples.current, last = all.at(-1);
  const published = growth(all, (s) => s.published, 1000), delivered = growth(all, (s) => s.delivered, 1000);
  const gaps = perMinute(growth(all, (s) => s.gaps)), refused = perMinute(growth(all, (s) => s.refused));
  const now = (points: Point[], show = rate) => (points.length ? show(points.at(-1)![1]) : last ? "0" : "–");
  const plain = (of: (s: Sample) => number): Point[] => all.map((s) => [s.t, of(s)]);
  return (
    <section class="strip" aria-label="Figures">
      <ul>
        <Figure name="Sessions" value={last ? count(last.sessions) : "–"} points={plain((s) => s.sessions)} />
        <Figure name="Published" value={now(published)} unit="/s" points={published} />
        <Figure name="Delivered" value={now(delivered)} unit="/s" points={delivered} />
        <Figure name="Gaps" value={now(gaps, count)} unit="/min" points={gaps} bad={(gaps.at(-1)?.[1] ?? 0) >= 0.5} />
        <Figure name="Refused" value={last && last.refused === undefined ? "–" : now(refused, count)} unit="/min" points={refused} bad={(refused.at(-1)?.[1] ?? 0) >= 0.5} />
        <Figure name="History" value={last ? bytes(last.history) : "–"} unit={limit ? `/ ${bytes(limit)}` : last ? `in ${count(last.messages)} msgs` : ""} points={plain((s) => s.history)} />
      </ul>
    </section>
  );
}

/** The nodes of a cluster, and which of them do not answer. */
export function NodesLine() {
  const all = useStore(nodes);
  const live = usePoll(all && may("stats", "view") ? "nodes" : undefined, (signal) => get("v2/nodes", signal), every);
  if (!all) return null;
  const names: string[] = (live.data?.live ?? []).map((n: { node: string }) => n.node);
  const dead: string[] = live.data?.peers?.filter((name: string) => !names.includes(name)) ?? [];
  const silent = [...new Set([...all.silent, ...dead])];
  return (
    <ul class="nodes" aria-label="Nodes">
      {[...new Set([...names, ...silent])].sort().map((name) => (
        <li key={name} class={silent.includes(name) ? "node silent" : "node"}>
          <Name text={name} />
          {silent.includes(name) && " does not answer"}
        </li>
      ))}
    </ul>
  );
}
