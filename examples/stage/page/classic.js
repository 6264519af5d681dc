// The browser's part of the classic wire: a WebSocket that comes back by itself.
//
//   const feed = subscribe({
//     session:  async () => ({ws: "ws://…", token: "…"}),   asked before each connection
//     channels: ["chat"],
//     message:  (channel, message) => …,
//     state:    (state, detail) => …,    "connecting", "connected" or "waiting"
//     gap:      () => …,                 messages may have been missed: fetch what there is
//   });
//   feed.join("news"); feed.leave("chat");

const shortest = 500;   // milliseconds; the first wait is a random time up to this
const longest = 20_000; // and no wait is longer than this
const stable = 10_000;  // a connection that lasted so long was a good one

export function subscribe({session, channels, message, state, gap}) {
  const joined = new Set(channels);
  let socket = null;
  let failures = 0;

  const send = (request) => {
    if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(request));
  };

  async function connect() {
    state("connecting");
    let opened = 0;
    try {
      const {ws, token} = await session();
      socket = new WebSocket(ws);
      socket.onopen = () => {
        opened = Date.now();
        send({access_token: token});
        send({channels: {join: [...joined], leave: []}});
        state("connected");
        gap();
        // The classic wire does not tell when a join has been taken. What was
        // published just before it was is fetched a moment later.
        setTimeout(gap, 2000);
      };
      socket.onmessage = (event) => {
        const {channel, message: body} = JSON.parse(event.data);
        message(channel, body);
      };
      // onerror says nothing that onclose does not; onclose always comes.
      socket.onclose = () => retry(opened, "the connection was lost");
    } catch (error) {
      retry(0, error.message);
    }
  }

  function retry(opened, reason) {
    socket = null;
    if (opened && Date.now() - opened >= stable) failures = 0;
    // Full jitter: when a server goes away, its visitors do not all come back at once.
    const wait = Math.random() * Math.min(longest, shortest * 2 ** failures++);
    state("waiting", `${reason}; trying again in ${Math.ceil(wait / 1000)} s`);
    setTimeout(connect, wait);
  }

  connect();
  return {
    join(channel) {
      joined.add(channel);
      send({channels: {join: [channel], leave: []}});
    },
    leave(channel) {
      joined.delete(channel);
      send({channels: {join: [], leave: [channel]}});
    },
  };
}

// call asks the example's own backend, and throws its reason when it refuses.
export async function call(method, path, body) {
  const answer = await fetch(path, {
    method,
    headers: body === undefined ? {} : {"Content-Type": "application/json"},
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await answer.text();
  let value = null;
  try {
    value = text === "" ? null : JSON.parse(text);
  } catch {
    // Some proxies answer with a page of theirs.
  }
  if (!answer.ok) throw new Error(value?.error ?? `the server answered ${answer.status}`);
  return value;
}

// showState writes the state of the connection where visitors and screen readers find it.
export function showState(element) {
  return (state, detail) => {
    element.dataset.state = state;
    element.textContent = state === "waiting" ? `Not connected: ${detail}` : {connecting: "Connecting…", connected: "Connected"}[state];
  };
}
