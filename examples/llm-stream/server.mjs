// Starts the example from the command line. See README.md.
import { parseArgs } from "node:util";
import { start } from "./backend.mjs";
import { model } from "./model.mjs";

const { values: options } = parseArgs({
  options: {
    listen: { type: "string", default: "127.0.0.1:8091" },
    api: { type: "string", default: "http://127.0.0.1:8001" }, // where this backend reaches Boreas
    boreas: { type: "string", default: "http://127.0.0.1:8002" }, // where browsers reach it
    secret: { type: "string", default: "secret" }, // the file that Boreas has as --jwt-keys=hs256:secret
    pace: { type: "string", default: "30" }, // of the model: milliseconds per token
  },
});
const [, host, port] = /^(.*):(\d+)$/.exec(options.listen) ?? [];
if (!port) throw new Error(`--listen=${options.listen}: give it as HOST:PORT`);
const pace = Number(options.pace);
const { url, stop } = await start({ ...options, host, port: Number(port), model: (question) => model(question, pace) });
console.log(`The page is at ${url}/`);
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, stop);
