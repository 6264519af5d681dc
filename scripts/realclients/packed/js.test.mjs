// Tests the npm package as its users get it: packed, installed into a project, and bundled.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { browse, listen } from "../rig.mjs";
import { ask, serve } from "../server.mjs";

const run = promisify(execFile);
const here = fileURLToPath(new URL(".", import.meta.url));
const bin = (name) => join(here, "node_modules/.bin", name);
const name = "@boreas-pubsub/client";

async function folder(t) {
  const dir = await mkdtemp(join(tmpdir(), "boreas-packed-"));
  t.after(() => rm(dir, { recursive: true }));
  return dir;
}

/** Packs the client and returns the path of the package. */
async function pack(t, version = "2.3.4-rc.1", umask = "022") {
  const dir = await folder(t);
  const { stdout } = await run("sh", ["-c", `umask ${umask}; exec "$0" "$@"`, join(here, "../../pack-js.sh"), dir, version]);
  return join(dir, stdout.trim());
}

/** A project that has the package installed, and ws. */
async function project(t) {
  const dir = await folder(t);
  await writeFile(join(dir, "package.json"), JSON.stringify({ private: true, type: "module" }));
  await run("npm", ["install", "--offline", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", await pack(t), join(here, "node_modules/ws")], { cwd: dir });
  return dir;
}

test("the package has the same bytes each time, its version, and only the files of the client", async (t) => {
  const [one, other] = [await pack(t), await pack(t, undefined, "077")];
  assert.deepEqual(await readFile(one), await readFile(other));
  const { stdout: list } = await run("tar", ["tf", one]);
  assert.deepEqual(list.trim().split("\n").sort(), ["LICENSE", "README.md", "boreas.d.ts", "boreas.js", "codes.d.ts", "package.json"].map((each) => `package/${each}`));
  const content = async (file) => (await run("tar", ["xOf", one, `package/${file}`])).stdout;
  const { version, scripts, devDependencies } = JSON.parse(await content("package.json"));
  assert.deepEqual([version, scripts, devDependencies], ["2.3.4-rc.1", undefined, undefined]);
  const readme = await content("README.md");
  const links = [...readme.matchAll(/\]\(([^)]*)\)/g)].map((match) => match[1]);
  assert.ok(links.length > 3);
  for (const link of links) assert.match(link, /^(https:\/\/github\.com\/boreas-pubsub\/boreas\/blob\/v2\.3\.4-rc\.1\/[A-Za-z]|#)/);
  assert.equal(await content("boreas.js"), await readFile(join(here, "../../../js/boreas.js"), "utf8"));
});

test("a version that npm would refuse is refused", async (t) => {
  for (const version of ["v2.0.0", "2.0", "2.0.0;", ""]) await assert.rejects(pack(t, version), { code: 2, stderr: /such as 2\.0\.0/ });
});

test("publint and attw find nothing", async (t) => {
  const file = await pack(t);
  await run(bin("publint"), ["--strict", file]);
  await run(bin("attw"), ["--profile", "esm-only", "--no-color", file]);
});

test("TypeScript finds the types, as Node and as a bundler", async (t) => {
  const dir = await project(t);
  const source = (await readFile(join(here, "../../../js/test/types.ts"), "utf8")).replace('"../boreas.js"', `"${name}"`);
  await writeFile(join(dir, "types.ts"), source);
  for (const [module, resolution] of [["node16", "node16"], ["esnext", "bundler"]]) {
    const options = ["--noEmit", "--strict", "--target", "es2022", "--lib", "es2022,dom,dom.iterable", "--types", "", "--module", module, "--moduleResolution", resolution];
    await run(bin("tsc"), [...options, "types.ts"], { cwd: dir }).catch(({ stdout }) => assert.fail(`${resolution}: ${stdout}`));
    await writeFile(join(dir, "wrong.ts"), `import { nothing } from "${name}"; nothing();`);
    await assert.rejects(run(bin("tsc"), [...options, "wrong.ts"], { cwd: dir }), { stdout: /no exported member 'nothing'/ });
  }
});

const program = (url, socket) => `
import { connect } from "${name}";
${socket}
const client = connect("${url}", { WebSocket, transport: "websocket" });
for await (const { message } of client.subscribe("news", { last: 1 })) {
  console.log(JSON.stringify(message));
  client.close();
  break;
}`;

for (const [title, socket, flags] of [
  ["the npm package ws", 'import { WebSocket } from "ws";', []],
  ["the WebSocket of Node itself", "", process.versions.node.startsWith("20.") ? ["--experimental-websocket"] : []],
]) {
  test(`the installed package receives a message in Node with ${title}`, async (t) => {
    const [dir, server] = [await project(t), await serve(t, "--require_auth=false")];
    await ask(server, "POST", "/v2/channels/news/messages", { hello: 1 });
    await writeFile(join(dir, "main.js"), program(`http://${server.WebSocket}`, socket));
    const { stdout } = await run("node", [...flags, "main.js"], { cwd: dir, timeout: 60_000 });
    assert.equal(stdout, '{"hello":1}\n');
  });
}

test("esbuild bundles the package for a browser, which receives a message", async (t) => {
  const [dir, server] = [await project(t), await serve(t, "--require_auth=false")];
  const bundle = async (source) => {
    const { outputFiles } = await build({ stdin: { contents: source, resolveDir: dir }, bundle: true, minify: true, format: "esm", write: false, logLevel: "silent" });
    return outputFiles[0].contents;
  };
  assert.equal((await bundle(`import "${name}";`)).length, 0); // without side effects
  const code = await bundle(`import { connect } from "${name}"; window.connect = connect;`);
  t.diagnostic(`minified ${code.length} bytes, with gzip ${gzipSync(code, { level: 9 }).length} bytes`);
  const address = await listen(t, createServer((request, response) => {
    response.setHeader("Content-Type", request.url === "/" ? "text/html" : "text/javascript");
    response.end(request.url === "/" ? '<!doctype html><script type="module" src="app.js"></script>' : code);
  }));
  const page = await (await browse(t)).newPage();
  await page.goto(`http://${address}/`);
  await page.waitForFunction("window.connect");
  await ask(server, "POST", "/v2/channels/news/messages", { hello: 2 });
  const got = await page.evaluate(async (url) => {
    for await (const { message } of window.connect(url).subscribe("news", { last: 1 })) return message;
  }, `http://${server.WebSocket}`);
  assert.deepEqual(got, { hello: 2 });
});
