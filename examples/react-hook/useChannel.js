// React hooks for Boreas. Copy this file into your project.
import { useEffect, useRef, useState, useSyncExternalStore } from "react";
import { connect } from "@boreas-pubsub/client";

/**
 * Connects while the component is mounted, and returns the client; undefined before that. Use it once, near
 * the root of the application, and pass the client on. Another URL makes another client. The options, such as
 * token, are those of the first render with a URL.
 */
export function useClient(url, options) {
  const [client, setClient] = useState();
  const first = useRef(options);
  useEffect(() => {
    const made = connect(url, first.current);
    setClient(made);
    return () => {
      made.close();
      setClient(undefined);
    };
  }, [url]);
  return client;
}

/** Returns the state of a client's connection: "connecting", "connected", "waiting" or "closed". */
export function useConnection(client) {
  return useSyncExternalStore(
    (changed) => client?.on("state", changed) ?? (() => {}),
    () => client?.state ?? "connecting",
    () => "connecting",
  );
}

const empty = { items: [], presence: undefined, joined: false, error: undefined };

/**
 * Subscribes to a channel while the component is mounted. Returns an object with
 *
 *   items     the newest messages, oldest first, at most `keep`. Each has a `key`, and a `message` or the
 *             reason of a `gap`: the messages that were there are missing.
 *   presence  the users on the channel, if requested by `presence: true`
 *   joined    whether the server has accepted the subscription
 *   error     why it has not
 *
 * One component at a time may subscribe to a channel of a client: pass the items on to others.
 */
export function useChannel(client, channel, { last = 50, presence = false, keep = 200 } = {}) {
  const [state, setState] = useState(empty);
  useEffect(() => {
    if (!client) return;
    const change = (next) => setState((old) => ({ ...old, ...next(old) }));
    const add = (item) => change(({ items }) => ({ items: [...items, item].slice(-keep) }));
    // A new subscription begins with the newest messages again, also when React mounts a component twice.
    setState({ ...empty, client, channel });
    let subscription;
    try {
      subscription = client.subscribe(channel, { last, presence });
    } catch (error) {
      change(() => ({ error }));
      return;
    }
    subscription.on("message", ({ message, position }) => add({ key: position, message }));
    subscription.on("gap", ({ reason, to }) => add({ key: `gap ${to}`, gap: reason }));
    subscription.on("joined", () => change(() => ({ joined: true, error: undefined })));
    subscription.on("presence", () => change(() => ({ presence: subscription.presence })));
    subscription.on("error", (error) => change(() => ({ joined: false, error })));
    return () => subscription.leave(); // which also ends the events
  }, [client, channel, last, presence, keep]);
  // The first render with another channel must not show the items of the previous one.
  return state.client === client && state.channel === channel ? state : empty;
}
