// Text for people. Names and messages may come from anybody: every text here ends in a text node, and
// characters that change how other text is shown are escaped.

/** The maximum number of characters of a message that the page shows. */
export const maxShown = 16 << 10;

// Control characters, and the marks that change the direction of text or are invisible.
const unsafe = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

/** Escapes invisible characters as in JSON, so that the text is shown as it is. */
export const visible = (text: string): string =>
  text.replace(unsafe, (c) => (c === "\t" ? c : "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0")));

// Numbers that JavaScript would print in another way.
const delicate = /\d{16}|\d\.\d*0(?!\d)|\d[eE]/;

type Reviver = (key: string, value: unknown, context?: { source?: string }) => unknown;
const rawJSON = (JSON as { rawJSON?: (text: string) => unknown }).rawJSON;
const keepNumbers: Reviver = (_, value, context) =>
  typeof value === "number" && rawJSON && context?.source !== undefined && context.source !== String(value) ? rawJSON(context.source) : value;

/** Parses JSON, and keeps numbers as they are written if the browser can. */
export const parse = (text: string): any => (delicate.test(text) ? (JSON.parse as (t: string, r: Reviver) => unknown)(text, keepNumbers) : JSON.parse(text));

/** The number of bytes of a text in UTF-8. */
export const byteLength = (text: string): number => new TextEncoder().encode(text).length;

/** 1234567 becomes "1,234,567"; large numbers are rounded. */
export function count(n: number): string {
  if (n >= 1e7) return three(n / 1e6) + " M";
  if (n >= 1e5) return three(n / 1e3) + " k";
  return Math.round(n).toLocaleString("en-US");
}

/** A rate: small ones with a decimal. */
export const rate = (n: number): string => (n > 0 && n < 10 ? n.toFixed(1) : count(n));

const three = (n: number): string => (n < 10 ? n.toFixed(2) : n < 100 ? n.toFixed(1) : n.toFixed(0));

export function bytes(n: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let i = 0;
  for (; n >= 1024 && i < units.length - 1; i++) n /= 1024;
  return (i === 0 || n >= 100 ? Math.round(n).toString() : n.toFixed(1)) + " " + units[i];
}

/** A duration in milliseconds, with its largest unit. */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const s = ms / 1000;
  if (s < 60) return `${s < 10 ? s.toFixed(1) : Math.round(s)} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d`;
}

const two = (n: number): string => String(n).padStart(2, "0");

/** The time of day in the browser's time zone; with the date if it is not today. */
export function time(text: string | undefined, ms = false): string {
  if (!text) return "";
  const d = new Date(text);
  if (isNaN(+d)) return visible(text);
  let shown = `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
  if (ms) shown += "." + String(d.getMilliseconds()).padStart(3, "0");
  if (d.toDateString() !== new Date().toDateString()) shown = `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${shown}`;
  return shown;
}

/** How long ago a time was. */
export const ago = (text: string): string => duration(Math.max(0, Date.now() - +new Date(text)));

export const plural = (n: number, one: string, many = one + "s"): string => `${count(n)} ${n === 1 ? one : many}`;

/** A text for a POSIX shell. */
export const quoted = (text: string): string => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);
