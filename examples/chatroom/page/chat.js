import {call, showState, subscribe} from "./classic.js";

const log = document.getElementById("log"); // what scrolls
const list = document.getElementById("messages");
const form = document.getElementById("form");
const problem = document.getElementById("problem");
const shown = new Set(); // the numbers of the messages on the page

form.elements.name.value = localStorage.getItem("name") ?? "";
(form.elements.name.value ? form.elements.text : form.elements.name).focus();

// show puts a message into its place. What visitors write is only ever text:
// textContent never makes elements of it.
function show(message) {
  if (shown.has(message.number)) return;
  shown.add(message.number);
  const item = document.createElement("li");
  item.dataset.number = message.number;
  const name = document.createElement("b");
  name.textContent = message.name;
  const time = document.createElement("time");
  time.dateTime = message.time;
  time.textContent = new Date(message.time).toLocaleTimeString([], {hour: "2-digit", minute: "2-digit"});
  const text = document.createElement("p");
  text.textContent = message.text;
  item.append(name, " ", time, text);

  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 50;
  const next = [...list.children].find((other) => Number(other.dataset.number) > message.number);
  list.insertBefore(item, next ?? null);
  if (atEnd) log.scrollTop = log.scrollHeight;
}

subscribe({
  session: () => call("POST", "/session"),
  channels: ["chatroom"],
  message: (_, message) => show(message),
  state: showState(document.getElementById("state")),
  gap: () => call("GET", "/messages").then((all) => all.forEach(show), (error) => { problem.textContent = error.message; }),
});

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const {name, text} = form.elements;
  try {
    await call("POST", "/messages", {name: name.value, text: text.value});
    localStorage.setItem("name", name.value);
    problem.textContent = "";
    text.value = "";
    text.focus();
  } catch (error) {
    problem.textContent = `Not sent: ${error.message}`;
  }
});
