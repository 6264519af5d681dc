// The published package: its size, its types, and that it has no dependencies.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const file = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url));
const source = readFileSync(file("boreas.js"), "utf8");

// It was 8.5 KB before the client checked its arguments and remembered its own publications.
test("the module is less than 10.5 KB, as it is served", () => {
  const { length } = gzipSync(source, { level: 9 });
  assert.ok(length < 10.5 * 1024, `${length} bytes`);
});

test("it has no dependencies", () => {
  assert.doesNotMatch(source, /\bimport\b|\brequire\b|\bprocess\b|\bBuffer\b/);
  assert.equal(JSON.parse(readFileSync(file("package.json"))).dependencies, undefined);
});

test("the types are those of the module", () => {
  const options = ["--noEmit", "--strict", "--target", "es2022", "--module", "nodenext", "--lib", "es2022,dom,dom.iterable", "--types", ""];
  const types = "test/types.ts";
  try {
    execFileSync(file("node_modules/.bin/tsc"), [...options, types], { cwd: file("") });
  } catch (error) {
    assert.fail(`${error.message}\n${error.stdout}`);
  }
});

test("every name of the types exists", async () => {
  const { connect, BoreasError } = await import("../boreas.js");
  const declared = readFileSync(file("boreas.d.ts"), "utf8");
  const members = (name) => {
    const [, body] = new RegExp(`export interface ${name}[^{]*{\n(.*?)\n}`, "s").exec(declared);
    return [...new Set([...body.matchAll(/^ {2}(?:readonly )?(\w+)[(<:]/gm)].map((match) => match[1]))];
  };
  const client = connect("ws://127.0.0.1:1", { WebSocket: class { close() {} }, transport: "websocket" });
  for (const name of members("Client")) assert.ok(name in client, name);
  const subscription = client.subscribe("chat");
  for (const name of members("Subscription")) assert.ok(name in subscription, name);
  assert.ok(members("Client").length > 8 && members("Subscription").length > 4);
  assert.ok(new BoreasError({ code: "closed", message: "Closed." }) instanceof Error);
  client.close();
});
