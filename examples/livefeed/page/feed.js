import {call, showState, subscribe} from "./classic.js";

const most = 100; // items on the page
const list = document.getElementById("items");
const form = document.getElementById("form");
const problem = document.getElementById("problem");
const shown = new Set(); // the numbers of the items that were on the page
const followed = new Set();

// show puts an item into its place, newest first. It is only ever text.
function show(item) {
  if (shown.has(item.number) || !followed.has(item.topic)) return;
  shown.add(item.number);
  const element = document.createElement("li");
  element.dataset.number = item.number;
  element.dataset.topic = item.topic;
  const topic = document.createElement("b");
  topic.textContent = item.topic;
  const time = document.createElement("time");
  time.dateTime = item.time;
  time.textContent = new Date(item.time).toLocaleTimeString();
  const text = document.createElement("p");
  text.textContent = item.text;
  element.append(topic, " ", time, text);
  const next = [...list.children].find((other) => Number(other.dataset.number) < item.number);
  list.insertBefore(element, next ?? null);
  while (list.children.length > most) list.lastElementChild.remove();
}

// Topics that this reader left out the last time are left out again.
const left = new Set(JSON.parse(localStorage.getItem("left") ?? "[]"));
const topics = await call("GET", "/topics");
for (const topic of topics) if (!left.has(topic)) followed.add(topic);

const fetchAll = () => call("GET", "/items").then((all) => all.forEach(show), (error) => { problem.textContent = error.message; });
const feed = subscribe({
  session: () => call("POST", "/session"),
  channels: [...followed],
  message: (_, item) => show(item),
  state: showState(document.getElementById("state")),
  gap: fetchAll,
});

for (const topic of topics) {
  const box = document.createElement("input");
  box.type = "checkbox";
  box.checked = followed.has(topic);
  box.addEventListener("change", () => {
    if (box.checked) {
      followed.add(topic);
      feed.join(topic);
      fetchAll();
    } else {
      followed.delete(topic);
      feed.leave(topic);
      for (const element of [...list.children]) {
        if (element.dataset.topic !== topic) continue;
        shown.delete(Number(element.dataset.number));
        element.remove();
      }
    }
    localStorage.setItem("left", JSON.stringify(topics.filter((each) => !followed.has(each))));
  });
  const label = document.createElement("label");
  label.append(box, " ", topic);
  document.getElementById("topics").append(label);
  form.elements.topic.append(new Option(topic));
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const {topic, text} = form.elements;
  try {
    await call("POST", "/items", {topic: topic.value, text: text.value});
    problem.textContent = "";
    text.value = "";
  } catch (error) {
    problem.textContent = `Not published: ${error.message}`;
  }
});
