import { connect } from "/boreas.js";

const at = (id) => document.getElementById(id);
const [door, room, form, list, problem, state] = ["door", "room", "form", "messages", "problem", "state"].map(at);
const most = 200; // lines on the page

/** Makes a request to the backend. If it refuses, this throws the reason. */
async function call(method, path, body) {
  const answer = await fetch(path, { method, headers: { "Content-Type": "application/json" }, body: body && JSON.stringify(body) });
  const json = await answer.json().catch(() => ({}));
  if (!answer.ok) throw Object.assign(new Error(json.error ?? `the backend answered ${answer.status}`), { status: answer.status });
  return json;
}

let client;

/** Shows the room if this browser is logged in, otherwise the form. */
async function show() {
  const session = await call("GET", "/session").catch((error) => {
    if (error.status !== 401) throw error;
  });
  door.hidden = Boolean(session);
  room.hidden = !session;
  if (session) return join(session);
  state.textContent = "Not logged in";
  state.dataset.state = "out";
  const { users } = await call("GET", "/people");
  at("inside").textContent = `In the room: ${users}`;
}

function join({ server, channel, name }) {
  list.replaceChildren();
  // The client asks for a token at first, and again before the token expires.
  client = connect(server, { token: async () => (await call("GET", "/token")).token });
  client.on("state", (now, { error }) => {
    state.dataset.state = now;
    state.textContent = now === "connected" ? `Connected as ${name}` : error ? `${now}: ${error.message}` : now;
  });
  client.on("error", (error) => { problem.textContent = error.message; });
  const messages = client.subscribe(channel, { last: 50, presence: true });
  messages.on("message", ({ message }) => add(`${message.from}: ${message.text}`));
  messages.on("gap", ({ reason }) => add(`Messages are missing here (${reason}).`, "gap"));
  messages.on("presence", () => {
    // Only the info of a token is true: a client can claim anything.
    const names = messages.presence.members?.map((member) => (member.verified ? member.info.name : "somebody")).sort();
    at("people").textContent = names?.join(", ") ?? `${messages.presence.users} people`;
  });
  messages.on("error", (error) => { problem.textContent = error.message; });
}

function add(text, className = "") {
  list.append(Object.assign(document.createElement("li"), { textContent: text, className })); // never HTML
  while (list.children.length > most) list.firstElementChild.remove();
}

function submit(form, action) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    problem.textContent = "";
    await action(form.elements).catch((error) => { problem.textContent = error.message; });
    button.disabled = false;
  });
}

submit(door, async ({ user, password }) => {
  await call("POST", "/login", { user: user.value, password: password.value });
  password.value = "";
  await show();
});

let unsure; // a message that may or may not have been published
submit(form, async ({ text }) => {
  if (unsure?.text !== text.value) unsure = { text: text.value, key: crypto.randomUUID() };
  await call("POST", "/messages", unsure);
  unsure = undefined;
  text.value = "";
});

at("out").addEventListener("click", async () => {
  client.close();
  await call("POST", "/logout", {});
  await show();
});

await show().catch((error) => { problem.textContent = error.message; });
