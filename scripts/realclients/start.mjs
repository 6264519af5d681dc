// Opens a web page from a file in Chromium, waits until its list has the given number of items, and
// prints them.
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const [file, count] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
try {
  const page = await browser.newPage();
  const told = []; // output of the browser's console, for a failing test
  page.on("console", (line) => told.push(line.text()));
  page.on("pageerror", (error) => told.push(String(error)));
  await page.goto(String(pathToFileURL(file)));
  await page.locator("li").nth(count - 1).waitFor({ timeout: 50_000 }).catch((error) => {
    throw new Error([error.message, ...told].join("\n"));
  });
  console.log((await page.locator("li").allTextContents()).join("\n"));
} finally {
  await browser.close();
}
