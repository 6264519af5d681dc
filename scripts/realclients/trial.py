"""A subscriber for internal/trial that uses clients/python over server-sent events. It writes
each event as a line of JSON. It ends when its input ends."""

import json
import os
import random
import sys
import threading
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "clients", "python", "src"))
import boreas  # noqa: E402

options = json.loads(sys.argv[1])
source = random.Random(options["seed"])
# Short waits: the client would wait up to half a minute between two attempts, longer than a trial.
random.uniform = lambda low, high: low + (high - low) * 0.03 * source.random()


speaking = threading.Lock()


def say(**line):
    with speaking:
        sys.stdout.write(json.dumps(line, separators=(",", ":")) + "\n")
        sys.stdout.flush()


def token():
    with urllib.request.urlopen(options["api"] + "/token/", data=b"", timeout=1) as answer:
        return json.load(answer)["token"]


def end_with_input():
    for _ in sys.stdin:
        say(quiet=True)
    os._exit(0)


threading.Thread(target=end_with_input, daemon=True).start()
names = source.sample(options["channels"], 6)
subscriber = boreas.Subscriber(options["url"], names, token=token, heartbeat=1.0, timeout=1.0)
for event in subscriber:
    if event.type == "message":
        say(c=event.channel, message=event.data, position=event.position)
    elif event.type == "gap":
        say(c=event.channel, gap={"reason": event.reason, "from": event.from_position, "to": event.to_position})
    elif event.type == "joined" and event.error is not None and event.error.retry == "later":
        say(c=event.channel, later=str(event.error))  # a cluster elects a leader
    elif event.type == "joined" and event.error is not None:
        say(c=event.channel, trouble=str(event.error))
    elif event.type == "joined":
        joined = {"position": event.position}
        if event.recovered is not None:
            joined["recovered"] = event.recovered
        say(c=event.channel, joined=joined)
