# %% [markdown]
# # Lesson 5. What a connection costs
#
# Data travels over connections. A connection can be kept open for the next message, or opened anew
# for each one. A WebSocket stays open even while nothing happens. What does each of these cost?
#
# **After this lesson you can**
#
# - say what a new connection for each request costs, in time and in bytes;
# - say what an idle WebSocket costs, and who pays for it;
# - work out from which rate on an open connection is the cheaper one;
# - say which price does not show on loopback, and add it by hand.
#
# It takes about 60 minutes.

# %%
import numpy as np

from lab import Constant, Periodic, Scenario, Webhook, WebSocketPush, Workload, compare, plots
from lab.course import gap, lesson, show, show_table
from lab.idle import idle_cost
from lab.library import find
from lab.metrics import Interval
from lab.wire.formats import websocket_size

quiz = lesson(5)

# %% [markdown]
# ## The setting
#
# One message of 60 bytes comes every 5 ms. It is pushed in three ways:
#
# - `WebSocketPush()`: one connection, opened once; each message is a *frame* in it;
# - `Webhook()`: each message is an HTTP POST; the connection is kept for the next one
#   (*keep-alive*, which HTTP/1.1 does unless told otherwise);
# - `Webhook(keep_alive=False)`: each message is a POST over a connection of its own.

# %%
ways = [WebSocketPush(), Webhook(), Webhook(keep_alive=False)]


def messages(size=60, duration=4, replications=4):
    """Return the scenario: messages of `size` bytes, 200 a second, for `duration` seconds."""
    workload = Workload(
        arrivals=Periodic(rate=200), size=Constant(value=size), duration=duration, seed=5
    )
    return Scenario(workload=workload, strategies=ways, replications=replications)


# %% [markdown]
# ## Predict
#
# 1. How many times as long does a POST take (at the median) if it has to open a connection?
# 2. How many times as many bytes as a frame of the WebSocket does a POST need?

# %%
# predicted_time = ...
# predicted_bytes = ...
### BEGIN SOLUTION
predicted_time = 2
predicted_bytes = 3
### END SOLUTION

# %% [markdown]
# ## Run: simulation

# %%
simulated = compare(messages(), engines=["simulation"])
stream, kept, new = simulated.results
gap(predicted_time, "times", simulated=new.latency["p50"].mean / kept.latency["p50"].mean)
gap(predicted_bytes, "times", simulated=kept.bytes_per_message.mean / stream.bytes_per_message.mean)
show_table(simulated.results)

# %% [markdown]
# The anatomy shows where the time goes. The three ways differ in one part only, *on the way*.

# %%
show(plots.anatomy(simulated.results))

# %%
quiz.ask("5.1")

# %%
# answer = ...
### BEGIN SOLUTION
answer = new.latency["p50"].mean / kept.latency["p50"].mean
### END SOLUTION
quiz.check("5.1", answer, kept=simulated.runs[1], new=simulated.runs[2])

# %%
quiz.ask("5.2")

# %%
# answer = ...
### BEGIN SOLUTION
answer = kept.bytes_per_message.mean / stream.bytes_per_message.mean
### END SOLUTION
quiz.check("5.2", answer, stream=simulated.runs[0], kept=simulated.runs[1])

# %% [markdown]
# ## Run: measurement
#
# The same on your machine, over real connections, in three short runs of each way. It takes some
# seconds. The median of each run with new connections is divided by that of the run with a kept one.

# %%
measured = compare(messages(duration=0.4, replications=3), engines=["loopback"])


def times_as_long(runs, others):
    """Return the interval of the ratio of median latencies, over pairs of runs."""
    pairs = zip(runs.traces, others.traces, strict=True)
    return Interval.over(np.median(a.latency) / np.median(b.latency) for a, b in pairs)


ratio = times_as_long(measured.runs[2], measured.runs[1])
print(f"a new connection takes {ratio.low:.2f} to {ratio.high:.2f} times as long (95 %)")
gap(predicted_time, "times", measured=ratio.mean)
show_table(measured.results)

# %%
show(plots.ecdf([*simulated.runs, *measured.runs]))

# %% [markdown]
# Each curve says which share of the messages takes longer than a time; further left is faster. Solid
# is simulated, dashed is measured.

# %%
quiz.ask("5.3")

# %%
# answer = ...
### BEGIN SOLUTION
answer = "a" if ratio.low > 1 else "b" if ratio.high < 1 else "c"
### END SOLUTION
quiz.check("5.3", answer, kept=measured.runs[1], new=measured.runs[2])

# %% [markdown]
# ## Explain the gap
#
# Simulation charges two fixed prices for a new connection, one to each side, as they were measured
# on the machine on which the lab was calibrated. On yours they may be higher or lower. The bytes are
# the same everywhere, but for the digits of a few numbers, since the same heads are written.
#
# More important is what *neither* of the two shows. On loopback the other side is next door. A new
# TCP connection needs a round trip before the first byte of the request can leave, and TLS one
# more (in version 1.3). At a distance, this is most of the price.

# %%
quiz.ask("5.4")

# %%
# answer = ...
### BEGIN SOLUTION
answer = "c"
### END SOLUTION
quiz.check("5.4", answer)

# %% [markdown]
# ## An update every half hour
#
# Now the other extreme: one small update every 30 minutes. Simulated, for hours on end. In
# between, a WebSocket does nothing at all here. The others ask: the long poll is answered after 30 s
# at the latest and asks again, the short poll and the check (poll, then pull) ask once a minute.
#
# How many requests for each update will the long poll need?

# %%
# predicted_requests = ...
### BEGIN SOLUTION
predicted_requests = 60
### END SOLUTION

# %%
rare = compare(find("rare_updates").quick(), engines=["simulation"])
by_name = {result.strategy: result for result in rare.results}
held = by_name["LongPoll(max_wait=30)"]
gap(predicted_requests, "requests", simulated=held.requests_per_message.mean)
show_table(rare.results)

# %% [markdown]
# To be fresh, the short poll and the check would have to ask far more often: their latency is half a
# minute. The long poll is as fresh as a push, and pays for it with a request every 30 s.

# %%
quiz.ask("5.5")

# %%
# answer = ...
### BEGIN SOLUTION
answer = held.requests_per_message.mean
### END SOLUTION
quiz.check("5.5", answer, run=rare.runs[2])

# %% [markdown]
# ## The price of an idle WebSocket, in bytes
#
# In this lab an idle WebSocket is silent. In practice it is not: routers and proxies forget
# connections on which nothing moves, so one side sends a *ping* now and then, and the other answers
# with a *pong*. The Python library `websockets` does so every 20 s.
#
# So below some rate a POST over a new connection is cheaper, and above it the open WebSocket.
# At the break-even both need the same number of bytes an hour:
#
# $$ r \cdot \text{bytes of a POST} = r \cdot \text{bytes of a frame} + 3600/20 \cdot (\text{ping} + \text{pong}) $$

# %%
ping, pong = websocket_size(4, masked=True), websocket_size(4, masked=False)
post = by_name["HttpIngest(keep_alive=False)"].bytes_per_message.mean
frame = by_name["WebSocketPush"].bytes_per_message.mean
print(f"ping {ping} B, pong {pong} B, a POST {post:.0f} B, a frame {frame:.0f} B")

# %%
quiz.ask("5.6")

# %%
# answer = ...
### BEGIN SOLUTION
answer = 3600 / 20 * (ping + pong) / (post - frame)
### END SOLUTION
quiz.check("5.6", answer, post=rare.runs[1], stream=rare.runs[0], ping_and_pong=ping + pong)

# %% [markdown]
# All this counts what programs write. The network adds the heads of TCP and IP, 40 bytes a packet:
# three packets for ping and pong, two for a frame, about ten for a POST over a new connection. Work
# it out if you like: the break-even moves to some 43 updates an hour. Either way, an update every
# half hour is far below.
#
# ## The price of an idle WebSocket, in memory
#
# An open connection also occupies memory, on both sides, all the time. The next cell opens 100
# connections, sends one message over each, and looks by how much the programs have grown.

# %%
idle = idle_cost(WebSocketPush(), seconds=0.1, engine="loopback", replications=1, memory_with=100)
print(f"an idle WebSocket holds {idle.memory.mean / 1e3:.1f} kB, both of its ends together")

# %%
quiz.ask("5.7")

# %%
# answer = ...
### BEGIN SOLUTION
answer = 1e9 / idle.memory.mean
### END SOLUTION
quiz.check("5.7", answer, idle=idle)

# %% [markdown]
# The kernel keeps a few kilobytes for each connection besides, and buffers while data flow. A
# consumer has few connections and does not notice. The one who has all of them is the broker.
#
# ## Exercise: when do heads no longer matter?
#
# With messages of 60 bytes a POST is mostly head. From which size on do heads hardly matter? Find the
# size at which a POST over a kept connection needs **1.1** times as many bytes as a frame, and
# answer with a run that shows it: `compare(messages(size=...), engines=["simulation"])`.

# %%
quiz.ask("5.8")

# %%
# answer = ...
### BEGIN SOLUTION
answer = compare(messages(size=2_040, duration=1), engines=["simulation"])
### END SOLUTION
quiz.check("5.8", answer)

# %% [markdown]
# ## What to take with you
#
# - HTTP does not open a connection for each request unless it is told to. If it does, that costs
#   a tenth of a millisecond of work or more, and at a distance a whole round trip.
# - A POST of a small message is mostly head. For large messages the head does not matter.
# - An idle WebSocket costs a few bytes now and then, and memory, mostly at the broker.
# - For an update every half hour a POST is cheaper. At an update a minute it is not.

# %%
quiz.score()
