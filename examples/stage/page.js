// Functions that the pages of both examples use.

// call makes a request to the example's backend. If the backend refuses, call throws the reason.
export async function call(method, path, body, token) {
  const answer = await fetch(path, {
    method,
    headers: {"Content-Type": "application/json", ...(token && {Authorization: `Bearer ${token}`})},
    body: JSON.stringify(body),
  });
  const text = await answer.text();
  let value = null;
  try {
    value = JSON.parse(text);
  } catch {
    // The body is empty, or the page of a proxy.
  }
  if (!answer.ok) throw Object.assign(new Error(value?.error ?? `the server answered ${answer.status}`), {status: answer.status});
  return value;
}

// showState shows the state of the connection to visitors and screen readers.
export function showState(client, element) {
  client.on("state", (state, {after, error}) => {
    element.dataset.state = state;
    element.textContent = {
      connecting: () => "Connecting…",
      connected: () => "Connected",
      waiting: () => `Not connected${error ? `: ${error.message}` : ""}${after ? `; trying again in ${Math.ceil(after / 1000)} s` : ""}`,
      closed: () => `Closed: ${error?.message ?? "good bye"}`,
    }[state]();
  });
}

// element creates an element. Its text is set as textContent, so text from other visitors never
// becomes HTML.
export function element(kind, text, properties) {
  return Object.assign(document.createElement(kind), {textContent: text}, properties);
}

// time creates an element that shows a time of day.
export function time(text) {
  return element("time", new Date(text).toLocaleTimeString([], {timeStyle: "short"}), {dateTime: text});
}

// missed returns for a visitor why messages are missing.
export function missed({reason}) {
  return {
    expired: "the connection was away for too long",
    purged: "an operator has deleted them",
    unknown_epoch: "the server has begun anew",
    ahead: "the server has lost the newest",
    slow: "they came faster than this page took them",
  }[reason] ?? reason;
}
