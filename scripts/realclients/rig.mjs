// Shared by the tests that interrupt connections and those that use a browser.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer as createProxy } from "node:net";
import { setTimeout } from "node:timers/promises";
import { chromium } from "playwright-core";

/** Listens on a free port until the end of the test, and returns the address. */
export async function listen(t, listener) {
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  t.after(() => listener.close());
  return `127.0.0.1:${listener.address().port}`;
}

/**
 * A proxy in front of a server's port. Its connections can be cut. It connects to the server in
 * its field `server`; without one it refuses connections.
 */
export async function proxy(t, server, port = "WebSocket") {
  const ends = new Set();
  const way = { server, cut: () => ends.forEach((end) => end.destroy()) };
  const listener = createProxy((near) => {
    if (!way.server) return near.on("error", () => {}).resetAndDestroy();
    const [host, number] = way.server[port].split(":");
    const far = connect(number, host);
    for (const [end, other] of [[near, far], [far, near]]) {
      ends.add(end);
      end.on("error", () => {});
      end.on("close", () => (ends.delete(end), other.destroy()));
      end.pipe(other);
    }
  });
  way.address = await listen(t, listener);
  t.after(way.cut);
  return way;
}

// A pause between two looks, in milliseconds. Without it, looking takes the time of the program that
// should change the condition.
const pause = 20;

/** Waits until the condition is true. The client's own waits take some seconds. */
export async function until(condition) {
  const deadline = Date.now() + 50_000;
  while (!(await condition())) {
    assert.ok(Date.now() < deadline, `never came: ${condition}`);
    await setTimeout(pause);
  }
}

/** Starts a browser, and closes it after the test. */
export async function browse(t) {
  const browser = await chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
  t.after(() => browser.close());
  return browser;
}
