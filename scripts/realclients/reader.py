"""A subscriber with clients/python for TestClientsLoseTheirNode. It writes each message, and everything
else that it is told about the channel, as a line. It ends when its input ends."""

import json
import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "clients", "python", "src"))
import boreas  # noqa: E402

url, token, channel = sys.argv[1:]


def end_with_input():
    sys.stdin.read()
    os._exit(0)


threading.Thread(target=end_with_input, daemon=True).start()
for event in boreas.Subscriber(url, [channel], token=token):
    if event.type == "message":
        print(event.position, json.dumps(event.data), flush=True)
    elif event.type == "gap":
        print("gap", event.reason, flush=True)
    elif event.type == "joined" and event.error is not None:
        print("error", event.error, flush=True)
    elif event.type == "joined":
        print("joined", "anew" if event.recovered is None else str(event.recovered).lower(), flush=True)
