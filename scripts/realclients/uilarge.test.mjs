// Tests of the operator's page that take minutes. `make soak` runs them.
import { test } from "node:test";
import { ask, serve } from "./server.mjs";
import { open, subscribe } from "./uirig.mjs";

test("every view is accessible, in both schemes and on a phone", async (t) => {
  const server = await serve(t, "--rules=chat.* presence client_publish");
  const { json: token } = await ask(server, "POST", "/v2/tokens", { user: "ann", label: "phone" });
  const { session } = await subscribe(t, server, token.token, "chat.1");
  await ask(server, "POST", "/v2/channels/chat.1/messages", { hello: 1 });
  const views = [
    ["#channel=chat.1", "Publish a message"],
    [`#list=sessions&session=${session}`, "End this session"],
    ["#list=config", "Options in force"],
    ["#pane=live", /happen/],
    [`#list=tokens&token=${token.id}`, "Revoke this token"],
    ["#list=tokens&inspect=token", "Inspect a token"],
    ["#list=keys", /Keys/],
    ["#user=ann", "1 session"],
  ];
  for (const [count, options] of [[8, { colorScheme: "light" }], [2, { colorScheme: "dark" }], [2, { colorScheme: "light", viewport: { width: 400, height: 800 } }]]) {
    const page = await open(t, server.API, options);
    for (const [hash, shown] of views.slice(0, count)) {
      await page.evaluate((to) => (location.hash = to), hash);
      await page.getByText(shown).filter({ visible: true }).first().waitFor({ timeout: 50_000 });
      await page.accessible();
    }
    await page.healthy();
  }
});
