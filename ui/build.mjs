// Builds the page from src into dist, or into the folder in the first argument. The output depends only
// on the sources and on the versions in package-lock.json.
import { copyFile, mkdir } from "node:fs/promises";
import { build } from "esbuild";

const out = process.argv[2] ?? "dist";
await mkdir(out, { recursive: true });
await build({
  entryPoints: { app: "src/app.tsx", "app-style": "src/style.css" },
  bundle: true,
  minify: true,
  format: "esm",
  target: ["es2022"],
  jsx: "automatic",
  jsxImportSource: "preact",
  charset: "utf8",
  legalComments: "none", // `boreas licenses` prints the licence of preact
  entryNames: "app",
  outdir: out,
});
await copyFile("src/index.html", `${out}/index.html`);
