import {connect} from "/boreas.js";
import {call, element, missed, showState, time} from "/page.js";

const most = 500; // lines on the page
const log = document.getElementById("log"); // the scrolling element
const list = document.getElementById("messages");
const people = document.getElementById("people");
const door = document.getElementById("door");
const form = document.getElementById("form");
const problem = document.getElementById("problem");

let session; // {server, channel, token, name}, from the backend
let unsure; // a message that may or may not have been published

// The backend gives a visitor a token, with which the page connects to the Boreas server.
async function enter(name) {
  session = await call("POST", "/session", {name});
  return session.token;
}

function listen() {
  const client = connect(session.server, {
    token: (reason) => (reason === "first" ? session.token : enter(session.name)),
  });
  showState(client, document.getElementById("state"));
  join(client, true);
}

// The client reconnects by itself and resumes where it was.
function join(client, presence) {
  const chat = client.subscribe(session.channel, {last: 50, presence, info: {name: session.name}});
  chat.on("message", ({message}) => show(message));
  chat.on("gap", (gap) => add(element("li", `Messages are missing: ${missed(gap)}.`, {className: "gap"})));
  chat.on("presence", () => showPeople(chat.presence));
  chat.on("error", (error) => {
    if (error.code === "presence_off") join(client, false); // the server has no such rule
    else problem.textContent = error.message;
  });
}

function show(message) {
  const item = document.createElement("li");
  item.append(element("b", message.name), " ", time(message.time), element("p", message.text));
  add(item);
}

function add(item) {
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 50;
  list.append(item);
  while (list.children.length > most) list.firstElementChild.remove();
  if (atEnd) log.scrollTop = log.scrollHeight;
}

// On a crowded channel only the number of users is known, and not every user has a name.
function showPeople({users, members}) {
  const names = members?.map(({info}) => info?.name ?? "somebody").sort() ?? [`${users} people`];
  people.replaceChildren(...names.map((name) => element("li", name)));
}

// The backend publishes messages. If the network fails, the message keeps its key, so that sending
// it again publishes it only once.
async function send(text) {
  if (unsure?.text !== text) unsure = {text, key: String(crypto.getRandomValues(new Uint32Array(4)))};
  try {
    await call("POST", "/messages", unsure, session.token);
  } catch (error) {
    if (error.status !== 401) throw error;
    await call("POST", "/messages", unsure, await enter(session.name)); // the backend has restarted
  }
  unsure = undefined;
}

function submit(form, what, action) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true; // prevent an impatient visitor from sending twice
    try {
      problem.textContent = "";
      await action(form.elements);
    } catch (error) {
      problem.textContent = `${what}: ${error.message}. Try again.`;
    } finally {
      button.disabled = false;
    }
  });
}

submit(door, "Not let in", async ({name}) => {
  await enter(name.value);
  localStorage.setItem("name", name.value);
  document.body.dataset.entered = "";
  form.elements.text.focus();
  listen();
});

submit(form, "Perhaps not sent", async ({text}) => {
  await send(text.value);
  text.value = "";
  text.focus();
});

door.elements.name.value = localStorage.getItem("name") ?? "";
door.elements.name.focus();
