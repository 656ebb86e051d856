"""Webhook signatures as Standard Webhooks has them: HMAC-SHA256 over id, time and body.

Pure functions: the time is an argument. A secret is `whsec_` and the base64 of 24 to 64 bytes.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping

PREFIX = "whsec_"
WINDOW = 300.0  # seconds that a time stamp may be off


class BadSignature(Exception):
    """A message whose signature or time is not right; the text says what."""


def secret_of(data: bytes) -> str:
    """Return the secret with these 24 to 64 random bytes, as it is written."""
    return PREFIX + base64.b64encode(data).decode()


def key_of(secret: str) -> bytes:
    """Return the bytes of a secret. Raises ValueError if it is none."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(PREFIX) or not 24 <= len(key) <= 64:
        raise ValueError(f"a secret is {PREFIX} and the base64 of 24 to 64 bytes")
    return key


def signed(secret: str, message_id: str, now: float, body: bytes) -> dict[str, str]:
    """Return the headers that sign `body`."""
    stamp = str(int(now))
    return {
        "webhook-id": message_id,
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{_mac(secret, message_id, stamp, body)}",
    }


def verify(secret: str, headers: Mapping[str, str], body: bytes, now: float) -> str:
    """Return the id of a message that is signed with `secret` and not older than the window.

    Raises `BadSignature`. Signatures are compared in constant time; one of several is enough.
    """
    message_id, stamp, signatures = (
        headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature")
    )
    if not message_id or not (stamp.isascii() and stamp.isdigit() and len(stamp) < 16):
        raise BadSignature("webhook-id or webhook-timestamp is missing")
    expected = _mac(secret, message_id, stamp, body).encode()
    given = [each.partition(",") for each in signatures.split(" ")]
    matches = [
        hmac.compare_digest(value.encode(), expected)
        for version, _, value in given
        if version == "v1"
    ]
    if not any(matches):
        raise BadSignature("the signature is not right")
    if abs(now - int(stamp)) > WINDOW:
        raise BadSignature(f"the time is off by more than {WINDOW:g} s")
    return message_id


def _mac(secret: str, message_id: str, stamp: str, body: bytes) -> str:
    content = f"{message_id}.{stamp}.".encode() + body
    return base64.b64encode(hmac.digest(key_of(secret), content, hashlib.sha256)).decode()
