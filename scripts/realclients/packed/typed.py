"""Checked by mypy, never run: the types of the installed package must accept this use."""

from typing import List, Optional

import boreas


def publish(api: boreas.ApiClient) -> Optional[str]:
    ack: boreas.Ack = api.publish("news", {"hello": 1}, key="k")
    for result in api.publish_many([("news", 1), ("news", 2, "key")]):
        if isinstance(result, boreas.ApiError):
            print(result.code, result.retry_after)
        else:
            print(result.position)
    print(api.presence("news")["users"], [time for time in api.history("news", times=True).times or []])
    return ack.position


def names(events: boreas.Subscriber) -> List[str]:
    return [event.channel or "" for event in events if event.type == "gap"]


def token() -> str:
    return "secret"


names(boreas.Subscriber("http://localhost:8002", ["news"], token=token, since={"news": "a-1"}))
publish(boreas.ApiClient(timeout="long"))  # type: ignore[arg-type] # or mypy reports the comment as unused
