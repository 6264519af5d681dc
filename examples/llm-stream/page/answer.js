import { connect } from "/boreas.js";

const [form, state, text, problem] = ["form", "state", "answer", "problem"].map((id) => document.getElementById(id));
let client;

/** Makes a request to the backend. If it refuses, this throws the reason. */
async function call(method, path, body) {
  const answer = await fetch(path, { method, headers: { "Content-Type": "application/json" }, body: body && JSON.stringify(body) });
  const json = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(json.error ?? `the backend answered ${answer.status}`);
  return json;
}

/** Shows an answer from its beginning, whether it is complete or not. */
async function open(id) {
  client?.close();
  text.replaceChildren();
  problem.textContent = "";
  const get = () => call("GET", `/token?answer=${id}`);
  const first = await get();
  client = connect(first.server, { token: async (reason) => (reason === "first" ? first : await get()).token });
  client.on("error", (error) => { problem.textContent = error.message; });
  let last; // what the page told before the connection was lost
  client.on("state", (now) => {
    if (now === "waiting") show("waiting", "The connection is lost; the answer continues on the server.");
    else if (now === "connected" && last) show(...last);
  });
  const tell = (...what) => show(...(last = what));

  let [next, tokens] = [0, 0]; // the number of the next message, and the tokens so far
  // The history is the whole answer so far, and the live stream continues exactly after it.
  const answer = client.subscribe(first.channel, { last: 100_000 });
  answer.on("message", ({ message }) => {
    if (message.n > next) text.append(element(`[${message.n - next} parts are no longer kept]`, "missing"));
    next = message.n + 1;
    tokens += message.tokens;
    text.append(message.text); // as text, never as HTML
    const so = `${tokens} tokens in ${next} messages`;
    if (message.failed) tell("failed", `The model failed after ${so}.`);
    else if (message.done) tell("done", `Done: ${so}.`);
    else tell("streaming", so);
    if (message.done) client.close();
  });
  answer.on("gap", () => {}); // the next message shows it
  answer.on("error", (error) => { problem.textContent = error.message; });
}

function show(now, what) {
  state.dataset.state = now;
  state.textContent = what;
}

function element(textContent, className) {
  return Object.assign(document.createElement("span"), { textContent, className });
}

const failed = (error) => { problem.textContent = error.message; };

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const { id } = await call("POST", "/answers", { question: form.elements.question.value }).catch((error) => (failed(error), {}));
  if (id) location.hash = id; // the page can be reloaded, or opened in another window
});

const shown = () => /^#[0-9a-f]{32}$/.test(location.hash) && open(location.hash.slice(1)).catch(failed);
addEventListener("hashchange", shown);
shown();
