"""Standard Webhooks 1.0 from the specification alone: the server is not its own judge."""

import base64
import hashlib
import hmac
import secrets as random_bytes
import time

PREFIX = "whsec_"
TOLERANCE_S = 300


def new_secret(size=32):
    return PREFIX + base64.b64encode(random_bytes.token_bytes(size)).decode()


def sign(secret, message_id, timestamp, body):
    """One item of webhook-signature."""
    key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    content = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()


def headers(secret, message_id, body, timestamp=None):
    """The three headers of a message that is signed now, or at `timestamp`."""
    at = int(time.time()) if timestamp is None else timestamp
    return {"webhook-id": message_id, "webhook-timestamp": str(at),
            "webhook-signature": sign(secret, message_id, at, body)}


def complaint(secret, message, body, now=None):
    """What a receiver would refuse a message for; None when it is good. `message`: its headers."""
    message_id, timestamp = message.get("webhook-id"), message.get("webhook-timestamp")
    if not message_id or "." in message_id:
        return f"webhook-id is {message_id!r}"
    if not timestamp or not timestamp.isdecimal():
        return f"webhook-timestamp is {timestamp!r}"
    age = (time.time() if now is None else now) - int(timestamp)
    if abs(age) > TOLERANCE_S:
        return f"webhook-timestamp is {age} s old"
    wanted = sign(secret, message_id, timestamp, body)
    items = message.get("webhook-signature", "").split(" ")
    return None if wanted in items else f"no signature of {items} is {wanted}"
