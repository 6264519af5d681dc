// Shared by the Node tests: starts a server from the binary that the environment names.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

const binary = process.env.TEST_BINARY;
assert.ok(binary, "TEST_BINARY is not set; run this by `go test ./scripts/realclients`");

/** Starts a server on free ports with additional flags, and stops it after the test. */
export async function serve(t, ...flags) {
  const child = spawn(binary, ["--api_port=0", "--ws_port=0", "--drain_time=0s", ...flags], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exited = once(child, "exit");
  const server = { stop: () => (child.kill("SIGTERM"), exited) };
  t.after(server.stop);
  const printed = [];
  const listens = /^(API|WebSocket) endpoint configured to listen on (.*)$/;
  await new Promise((running, failed) => {
    const line = (text) => {
      printed.push(text);
      const found = listens.exec(text);
      if (found) server[found[1]] = found[2];
      if (text === "Running...") running();
    };
    createInterface({ input: child.stdout }).on("line", line);
    createInterface({ input: child.stderr }).on("line", line);
    exited.then(() => failed(new Error("server ended:\n" + printed.join("\n"))));
  });
  return server;
}

/** Makes a request to the API. Returns the status and the JSON of the response, if any. */
export async function ask(server, method, path, body) {
  const answer = await fetch(`http://${server.API}${path}`, {
    method,
    headers: body === undefined ? {} : { "Content-Type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await answer.text();
  return { status: answer.status, json: text ? JSON.parse(text) : undefined };
}

/** Repeats a request until the response is as wanted, because a test cannot know when the server has handled a WebSocket frame. */
export async function until(server, path, want) {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const { json } = await ask(server, "GET", path);
    try {
      assert.deepEqual(json, want);
      return;
    } catch (difference) {
      if (Date.now() > deadline) throw difference;
    }
  }
}
