import {connect} from "/boreas.js";
import {call, element, missed, showState, time} from "/page.js";

const most = 100; // items on the page
const list = document.getElementById("items");
const form = document.getElementById("form");
const problem = document.getElementById("problem");
const following = new Map(); // topic: its subscription

// The backend gives a reader a token, with which the page connects to the Boreas server.
const {server, token, topics} = await call("POST", "/session", {}).catch((error) => {
  document.getElementById("state").textContent = `Not let in: ${error.message}`;
  throw error;
});
const client = connect(server, {
  token: async (reason) => (reason === "first" ? token : (await call("POST", "/session", {})).token),
});
showState(client, document.getElementById("state"));

// Each topic is a channel. The newest item comes first. After a lost connection the client resumes
// where it was.
function follow(topic) {
  const news = client.subscribe(topic, {last: 1});
  following.set(topic, news);
  news.on("message", ({message}) => show(topic, time(message.time), element("p", message.text)));
  news.on("gap", (gap) => show(topic, element("p", `Some is missing here: ${missed(gap)}.`, {className: "gap"})));
  news.on("error", (error) => { problem.textContent = error.message; });
}

function unfollow(topic) {
  following.get(topic).leave();
  following.delete(topic);
  for (const item of [...list.children]) if (item.dataset.topic === topic) item.remove();
}

// show puts an item at the top.
function show(topic, ...parts) {
  const item = document.createElement("li");
  item.dataset.topic = topic;
  item.append(element("b", topic), " ", ...parts);
  list.prepend(item);
  while (list.children.length > most) list.lastElementChild.remove();
}

// Leave out the topics that this reader had not selected the last time.
const left = new Set(JSON.parse(localStorage.getItem("left") ?? "[]"));
for (const topic of topics) {
  const box = element("input", "", {type: "checkbox", checked: !left.has(topic)});
  if (box.checked) follow(topic);
  box.addEventListener("change", () => {
    if (box.checked) follow(topic);
    else unfollow(topic);
    localStorage.setItem("left", JSON.stringify(topics.filter((each) => !following.has(each))));
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
    problem.textContent = "";
    await call("POST", "/items", {topic: topic.value, text: text.value});
    text.value = "";
  } catch (error) {
    problem.textContent = `Perhaps not published: ${error.message}`;
  }
});
