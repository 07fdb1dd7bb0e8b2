"""Handlers for the gateway's tests."""

from __future__ import annotations

import json
import threading
from typing import Any

Event = dict[str, Any]

released = threading.Event()


def echo(event: Event, context: Any) -> Event:
    return {"statusCode": 200, "body": json.dumps({"event": event, "function": context.function_name})}


def fail(_event: Event, _context: object) -> Event:
    raise RuntimeError("the handler's own affair")


def babble(_event: Event, _context: object) -> Event:
    return {"statusCode": 200, "body": {"not": "a string"}}


def sleep(_event: Event, _context: object) -> Event:
    released.wait()
    return {"statusCode": 200}
