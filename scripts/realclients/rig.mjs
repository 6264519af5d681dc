// What the tests with connections that break and with a browser have in common.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer as createProxy } from "node:net";
import { chromium } from "playwright-core";

/** Listens on a free port until the end of the test, and returns where. */
export async function listen(t, listener) {
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  t.after(() => listener.close());
  return `127.0.0.1:${listener.address().port}`;
}

/**
 * A proxy before one of a server's ports, whose connections can be cut. It leads to the
 * server that is set; without one it leads nowhere.
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

/** Waits until the condition holds. The client's own waiting takes some seconds. */
export async function until(condition) {
  const deadline = Date.now() + 50_000;
  while (!(await condition())) {
    assert.ok(Date.now() < deadline, `never came: ${condition}`);
    await new Promise(setImmediate);
  }
}

/** Starts a browser, and ends it after the test. */
export async function browse(t) {
  const browser = await chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
  t.after(() => browser.close());
  return browser;
}
