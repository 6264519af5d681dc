// The page: a channel with its messages, its users, and a form.
import { StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";
import { useChannel, useClient, useConnection } from "../useChannel.js";

const url = new URLSearchParams(location.search).get("boreas") ?? "http://127.0.0.1:8002";

function Channel({ client, name }) {
  const { items, presence, joined, error } = useChannel(client, name, { presence: true });
  const [text, setText] = useState("");
  const [problem, setProblem] = useState("");
  async function publish(event) {
    event.preventDefault();
    try {
      await client.publish(name, { text });
      setText("");
      setProblem("");
    } catch (failure) {
      setProblem(failure.message);
    }
  }
  return (
    <section>
      <p id="people">{presence ? `${presence.users} here` : ""}</p>
      <ol id="items">
        {items.map(({ key, message, gap }) =>
          gap ? <li key={key} className="gap">Messages are missing here ({gap}).</li> : <li key={key}>{message.text}</li>,
        )}
      </ol>
      <form onSubmit={publish}>
        <label>Message <input value={text} onChange={(event) => setText(event.target.value)} required /></label>
        <button disabled={!joined}>Publish</button>
      </form>
      <p role="alert">{error?.message ?? problem}</p>
    </section>
  );
}

function Connected() {
  const client = useClient(url);
  const state = useConnection(client);
  const [channel, setChannel] = useState("red");
  return (
    <>
      <p id="state" role="status">{state}</p>
      <select value={channel} onChange={(event) => setChannel(event.target.value)}>
        {["red", "green", "blue"].map((each) => <option key={each}>{each}</option>)}
      </select>
      <Channel client={client} name={channel} />
    </>
  );
}

function App() {
  const [open, setOpen] = useState(true);
  return (
    <>
      <button id="toggle" onClick={() => setOpen(!open)}>{open ? "Disconnect" : "Connect"}</button>
      {open && <Connected />}
    </>
  );
}

createRoot(document.getElementById("root")).render(<StrictMode><App /></StrictMode>);
