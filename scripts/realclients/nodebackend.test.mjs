// Tests examples/node-backend.
import { fileURLToPath } from "node:url";
import { testBackend } from "./backend.mjs";

testBackend("node", [process.execPath, fileURLToPath(new URL("../../examples/node-backend/server.mjs", import.meta.url))]);
