// What the pages of both examples have in common.

// call asks the example's own backend, and throws its reason when it refuses.
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
    // Nothing, or a page of some proxy's.
  }
  if (!answer.ok) throw Object.assign(new Error(value?.error ?? `the server answered ${answer.status}`), {status: answer.status});
  return value;
}

// showState writes the state of the connection where visitors and screen readers find it.
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

// element makes an element. What others wrote is only ever text: textContent never
// makes elements of it.
export function element(kind, text, properties) {
  return Object.assign(document.createElement(kind), {textContent: text}, properties);
}

// time makes an element that shows a time of day.
export function time(text) {
  return element("time", new Date(text).toLocaleTimeString([], {timeStyle: "short"}), {dateTime: text});
}

// missed says why messages are missing, for a visitor.
export function missed({reason}) {
  return {
    expired: "the connection was away for too long",
    unknown_epoch: "the server has begun anew",
    ahead: "the server has lost the newest",
    slow: "they came faster than this page took them",
  }[reason] ?? reason;
}
