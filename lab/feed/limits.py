"""What `pushpull serve` puts up with, in one place: sizes in bytes, deadlines in seconds."""

from typing import Any

from lab.engines.loopback import settings

PORT = 8765
MESSAGE = 16 * 2**10  # one message as JSON
PUBLISHED = 1000  # messages in one request
BODY = 2**20  # of a request
ANSWER = 2**20  # of records in one answer, unless a single one is longer
HEADER = 8190  # the request line, and each header
HEADERS = 64
FRAME = 4 * 2**10  # a WebSocket frame from a client: a subscription or an ack
RECORDS = 1000  # in one answer
BATCH = 100  # records in one frame, event or webhook
CREDITS = 10_000
LOG_RECORDS = 100_000
LOG_BYTES = 64 * 2**20
KEYS = 10_000  # of PUT, remembered
CHUNK = 64  # records that a subscriber is given in one turn of the event loop
CONNECTIONS = 256
POLLS = 64  # requests for records at once, held ones included
STREAMS = 64  # WebSockets and event streams
HOOKS = 16
MEMBERS = 16  # of the consumer group
GROUP_RECORDS = 64  # in one answer to a member
URL = 2048

FIRST_FRAME = 10.0  # until a WebSocket says what it wants
FIRST_REQUEST = 10.0  # until a connection asks for anything
LOOK = 1.0  # between looks for such connections
IDLE = 75.0  # until a connection is closed on which nothing more is asked
HELD = 60.0  # the longest poll
HEARTBEAT = 15.0  # between signs of life on a stream where nothing else is sent
HOOK = 10.0  # for a webhook's target to answer
RETRY_AFTER = 3600.0  # the longest pause that a target may ask for

HTTP: dict[str, Any] = {
    **settings.SERVER,
    "keepalive_timeout": IDLE,
    "max_line_size": HEADER,
    "max_field_size": HEADER,
    "max_headers": HEADERS,
    "auto_decompress": False,
}
