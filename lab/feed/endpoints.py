"""What `pushpull serve` says when it starts: every endpoint, with a line that can be pasted."""

from lab.feed.guard import ALL_ADDRESSES


def examples(host: str, port: int, token: bool = False) -> list[str]:
    """Return the endpoints of a server, each with a command line to try it."""
    name = "127.0.0.1" if host in ALL_ADDRESSES else f"[{host}]" if ":" in host else host
    where = f"{name}:{port}"
    auth = '-H "Authorization: Bearer $PUSHPULL_TOKEN" ' if token else ""
    header = '--headers "Authorization: Bearer $PUSHPULL_TOKEN" ' if token else ""
    curl = f"curl {auth}"
    lines = {
        "what there is": f"{curl}http://{where}/",
        "WebSocket": f"wsdump {header}ws://{where}/stream"
        """ --text '{"subscribe":"ticks","offset":"earliest"}'""",
        "server-sent events": f"{curl}-N http://{where}/events",
        "short poll": f"{curl}-i 'http://{where}/records?offset=0&max_records=10'",
        "anything new?": f"{curl}-i http://{where}/head",
        "long poll": f"{curl}-i 'http://{where}/records?offset=latest&max_wait=10'",
        "consumer group": f"{curl}-X POST 'http://{where}/group/join?consumer=0'",
        "publish": f"""{curl}-d '{{"symbol":"BTC/USD","price":64000,"time":0}}'"""
        f" http://{where}/messages",
        "publish once": f"""{curl}-X PUT -d '{{"hello":"world"}}' http://{where}/messages/my-key""",
        "webhook": f"""{curl}-X PUT -d '{{"url":"http://127.0.0.1:9000/"}}'"""
        f" http://{where}/webhooks/mine",
    }
    width = max(map(len, lines))
    return [f"{what:<{width}}  {line}" for what, line in lines.items()]
