// Tests examples/fastapi-backend, with the packages of Debian.
import { fileURLToPath } from "node:url";
import { testBackend } from "../backend.mjs";

const path = (name) => fileURLToPath(new URL(`../../../${name}`, import.meta.url));
testBackend("fastapi", ["/usr/bin/python3", "-B", path("examples/fastapi-backend/app.py")], { PYTHONPATH: path("clients/python/src") });
