// The messages of a channel, as a window of bounded size into its history: it grows at both ends.
import { APIError, at, channelPath, events, get, lacks, may } from "./api";
import { byteLength, maxShown, parse, visible } from "./format";
import { shown } from "./store";

export interface Row {
  position: string;
  time?: string;
  text?: string; // at most maxShown characters; undefined if the key may not see it
  size: number; // in bytes
  by?: string; // who published it, if the tail knows it
}

const maxRows = 1000;
const page = 100;
const pause = 1000; // before another attempt, in milliseconds
const batch = 100; // new messages are shown together after this time

const asRow = (m: any): Row => {
  const data = "message" in m ? m.message : m.data;
  const text = data === undefined ? undefined : JSON.stringify(data);
  const by = m.user ?? m.key ?? m.session;
  return {
    position: m.position, time: m.time, size: m.size ?? (text === undefined ? 0 : byteLength(text)),
    text: text === undefined ? undefined : visible(text.slice(0, maxShown)), by: by === undefined ? undefined : visible(by),
  };
};

// The offset has 64 bits, more than a number of JavaScript.
const split = (position: string): [epoch: string, offset: bigint] => {
  const dash = position.lastIndexOf("-");
  return [position.slice(0, dash), [...position.slice(dash + 1)].reduce((sum, digit) => sum * 36n + BigInt(parseInt(digit, 36) || 0), 0n)];
};

/** Whether b comes after a. A position of another log of the channel does. */
const follows = (a: string, b: string): boolean => {
  const [epoch, offset] = split(a), [otherEpoch, other] = split(b);
  return epoch !== otherEpoch || other > offset;
};

/** A channel's messages. It calls changed after each change, and grew before rows come in at the start. */
export class Log {
  rows: Row[] = [];
  older = false; // earlier messages are kept
  detached = false; // newer messages are not in rows
  waiting = 0; // the number of newer messages that the tail has shown since then
  paused = false;
  loaded = false;
  arrived = 0; // messages of the tail since the start
  private lacking = false; // the server has no history that goes backwards
  missed = 0; // messages that the tail left out
  error?: Error;

  private end?: string; // the position after which messages are new
  private busy = false;
  private queue: Row[] = [];
  private flushing = 0;
  private stream?: AbortController;
  private readonly life = new AbortController();
  private readonly unfollow: () => void;

  constructor(readonly channel: string, private readonly changed: () => void, private readonly following: () => boolean) {
    this.unfollow = shown.follow(() => (shown.value ? this.run() : this.stream?.abort()));
    this.run();
  }

  close(): void {
    this.unfollow();
    this.life.abort();
    this.stream?.abort();
    clearTimeout(this.flushing);
  }

  private read(query: Record<string, string | number>, signal = this.life.signal): Promise<any> {
    return get(at(channelPath(this.channel, "/messages"), { ...query, times: "true" }), signal);
  }

  /** Shows the newest messages, and follows them. */
  async newest(): Promise<void> {
    if (!may("sessions") || this.lacking) {
      this.loaded = true;
      this.rows = [];
      this.detached = this.paused = false;
      this.waiting = 0;
      return this.changed();
    }
    const found = await this.read({ last: page });
    this.rows = found.messages.map(asRow);
    this.end = found.position;
    this.older = found.more;
    this.detached = this.paused = false;
    this.waiting = 0;
    this.loaded = true;
    this.error = undefined;
    this.changed();
  }

  private async guarded(action: () => Promise<void>): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    try {
      await action();
    } catch (error) {
      if (!this.life.signal.aborted) {
        this.error = error as Error;
        this.changed();
      }
    } finally {
      this.busy = false;
    }
  }

  /** Loads the page before the rows. */
  earlier(): Promise<void> {
    return this.guarded(async () => {
      if (!this.older || !this.rows.length) return;
      const found = await this.read({ before: this.rows[0]!.position, limit: page });
      const rows = [...found.messages.map(asRow), ...this.rows];
      this.older = found.more;
      if (rows.length > maxRows) this.detached = true;
      this.rows = rows.slice(0, maxRows);
      this.changed();
    });
  }

  /** Loads the page after the rows, if newer messages are missing there. */
  later(): Promise<void> {
    return this.guarded(async () => {
      if (!this.detached || this.paused || !this.rows.length) return;
      const found = await this.read({ since: this.rows.at(-1)!.position, limit: page });
      this.append(found.messages.map(asRow), true);
      // The tail may have shown a message that is newer than the answer: then the next page has it.
      if (!found.more && !(found.messages.length && follows(this.rows.at(-1)!.position, this.end!))) {
        this.detached = false;
        this.waiting = 0;
      }
      this.changed();
    });
  }

  pause(): void {
    this.paused = this.detached = true;
    this.changed();
  }

  private append(rows: Row[], force = false): void {
    for (const row of rows) {
      if (this.end !== undefined && !follows(this.end, row.position) && !force) continue;
      if (this.end === undefined || follows(this.end, row.position)) this.end = row.position;
      if (this.detached && !force) this.waiting++;
      else if (this.rows.length >= maxRows && !force && !this.following()) {
        this.detached = true;
        this.waiting++;
      } else this.rows.push(row);
    }
    this.rows = this.rows.length > maxRows ? ((this.older = true), this.rows.slice(-maxRows)) : [...this.rows];
  }

  /** Loads the messages since the end, which the tail may not have shown. Anew means after a failure. */
  private async fill(anew = false): Promise<void> {
    if (anew && this.end !== undefined && may("sessions") && !this.lacking) {
      const { position, oldest } = await get(channelPath(this.channel), this.life.signal);
      if (split(position)[0] !== split(this.end)[0] || follows(this.end, oldest)) return this.newest();
    }
    for (let pages = 0; this.end !== undefined && may("sessions") && !this.lacking; pages++) {
      if (pages > maxRows / page) return this.newest();
      try {
        const found = await this.read({ since: this.end, limit: page });
        this.append(found.messages.map(asRow));
        if (!found.more) break;
      } catch (error) {
        if (error instanceof APIError && error.status === 410) return this.newest();
        throw error;
      }
    }
    this.error = undefined;
    this.changed();
  }

  private flush = (): void => {
    this.flushing = 0;
    this.append(this.queue);
    this.queue = [];
    this.changed();
  };

  /** Follows the tail while the tab is visible, and reconnects. */
  private async run(): Promise<void> {
    this.stream?.abort();
    if (!shown.value || this.life.signal.aborted) return;
    const stream = (this.stream = new AbortController());
    const ended = () => stream.signal.aborted || this.life.signal.aborted;
    for (let anew = this.loaded; !ended(); anew = true) {
      try {
        if (!this.loaded) await this.newest();
        if (ended()) return;
        for await (const e of events(at("v2/tail", { channel: this.channel, event: "message" }), stream.signal)) {
          if (ended()) return;
          if (e.event === "hello") await this.fill(anew);
          else if (e.event === "missed") {
            this.missed += parse(e.data).count;
            await this.fill();
          } else if (e.event === "message") {
            const m = parse(e.data);
            if (m.channel !== this.channel) continue; // a name with a star is a pattern, too
            this.arrived++;
            this.queue.push(asRow(m));
            this.flushing ||= setTimeout(this.flush, batch);
          }
        }
      } catch (error) {
        if (ended()) return;
        if (lacks(error) && !this.loaded) {
          this.lacking = this.loaded = true; // then it shows new messages only
          this.changed();
          continue;
        }
        if (lacks(error)) await this.fill().catch(() => {}); // without a tail it asks again and again
        else {
          this.error = error as Error;
          this.changed();
          if (error instanceof APIError && error.final) return;
        }
      }
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }
}
