# %% [markdown]
# # Lesson 1. One message, both ways
#
# A message is created. How does it get to the one who wants it?
#
# *Push*: it is sent on as soon as it is there. *Pull*: the consumer asks for it. This lesson
# follows a single message both ways, first in simulation and then over real connections.
#
# **After this lesson you can**
#
# - say step by step what happens to a message that is pushed, and to one that is polled;
# - read a sequence diagram and the anatomy of a latency;
# - say where most of the latency of a poll comes from, and most of that of a push;
# - say why a measured latency differs from a simulated one.
#
# It takes about 45 minutes. Run the cells from top to bottom with Shift-Enter.

# %%
from lab import (
    Periodic,
    Poisson,
    Scenario,
    ShortPoll,
    WebSocketPush,
    Workload,
    compare,
    plots,
    simulate,
)
from lab.course import gap, lesson, show, show_table
from lab.metrics import Run
from lab.physics import reference

quiz = lesson(1)

# %% [markdown]
# ## The setting
#
# Three programs take part. The **source** creates messages and hands each to the **broker** at
# once. The broker keeps them in a **log**. The **consumer** is to get every message and to work on
# it; it runs on the side that is called *target* in the figures. The two ways differ only between
# broker and consumer:
#
# | | `WebSocketPush()` | `ShortPoll(interval=0.1)` |
# |---|---|---|
# | at the start | the consumer opens a WebSocket, which stays open | the consumer asks: "anything new?" |
# | then | it waits | it asks again, 0.1 s after it had the last answer |
# | a message comes | the broker writes it into the WebSocket | it waits in the log for the next question |
#
# The **latency** of a message is the time from the moment at which it was *meant* to be created to
# the end of the work on it. Here the work takes no time.

# %%
costs = reference().physics  # what each step costs, as measured on the lab's reference machine
push, poll = WebSocketPush(), ShortPoll(interval=0.1)


def one_message(at, strategy):
    """Simulate a single message that is created `at` seconds after the start; return its trace."""
    workload = Workload(arrivals=Periodic(rate=1, offset=at), duration=1)
    scenario = Scenario(workload=workload, strategies=[strategy])
    return simulate(scenario, strategy, costs)


# %% [markdown]
# ## Predict
#
# The message is created 0.130 s after the start. The poller asks for the first time at the start.
# How long does the message take if it is pushed, and how long if it is polled? Write down two
# numbers, in milliseconds, before you run on. They are not graded.

# %%
# predicted_push = ...
# predicted_poll = ...
### BEGIN SOLUTION
predicted_push = 1
predicted_poll = 70
### END SOLUTION

# %% [markdown]
# ## Run

# %%
pushed, polled = one_message(0.130, push), one_message(0.130, poll)
gap(predicted_push, "ms", pushed=pushed.latency[0] * 1e3)
gap(predicted_poll, "ms", polled=polled.latency[0] * 1e3)

# %% [markdown]
# A run returns a **trace**: one row for each message, with the time of every step in seconds since
# the start. This is the row of the polled message.

# %%
for step in ("created", "sent", "at_broker", "left_broker", "received", "started", "done"):
    print(f"{step:>12} at {getattr(polled, step)[0] * 1e3:8.3f} ms")

# %% [markdown]
# The differences between these times are the **parts** of the latency. They add up to it exactly.

# %%
print(f"{'':>18} {'pushed':>9} {'polled':>9}  (ms)")
for part in pushed.parts():
    print(f"{part:>18} {pushed.parts()[part][0] * 1e3:9.3f} {polled.parts()[part][0] * 1e3:9.3f}")
print(f"{'latency':>18} {pushed.latency[0] * 1e3:9.3f} {polled.latency[0] * 1e3:9.3f}")

# %% [markdown]
# The same as a sequence diagram. Time runs downwards; mind that the scales differ. A bar is time
# spent in one place, an arrow is time on the way between two places.

# %%
runs = [Run(push.label, "simulation", [pushed]), Run(poll.label, "simulation", [polled])]
show(plots.sequence(runs))

# %% [markdown]
# ## Explain the gap
#
# *Pushed*: nothing waits. What remains is the price of four steps that each take a few tenths of a
# millisecond: the source notices that it is time to send (schedule delay), the message travels to
# the broker, the broker writes it into the WebSocket, the message travels to the consumer. Most of
# this is not the wire. It is the time in which sleeping programs wake up.
#
# *Polled*: the same steps, and one more, which is longer than all others together: in the log the
# message waits for the next question. Who predicted 70 ms thought that polls come at 0, 100 and
# 200 ms. But this poller waits 0.1 s after it *had* the answer. A question and its answer take time
# as well, and a timer rings a little late, so each poll comes a bit later than you would think.

# %%
quiz.ask("1.1")

# %%
# answer = ...
### BEGIN SOLUTION
answer = "b"
### END SOLUTION
quiz.check("1.1", answer)

# %%
quiz.ask("1.2")

# %%
# answer = ...
### BEGIN SOLUTION
answer = polled.left_broker[0] * 1e3
### END SOLUTION
quiz.check("1.2", answer, trace=polled)

# %%
quiz.ask("1.3")

# %%
# answer = ...
### BEGIN SOLUTION
answer = polled.parts()["broker residence"][0] / polled.latency[0] * 100
### END SOLUTION
quiz.check("1.3", answer, trace=polled)

# %% [markdown]
# Now use what you have seen for another message. Answer first; the check runs it.

# %%
quiz.ask("1.4")

# %%
# answer = ...
### BEGIN SOLUTION
answer = polled.left_broker[0] * 1e3 - 150 + 1  # the same poll takes it; 1 ms to be on its way
### END SOLUTION
quiz.check("1.4", answer, trace=one_message(0.150, poll))

# %% [markdown]
# ## Many messages
#
# One message may be lucky. So here are 25 messages a second, which come at random times
# (lesson 2 says what that means exactly), for 20 s. Polls of two intervals face the very same
# messages as the push.
#
# Before you run it: what will the mean latency be with `ShortPoll(interval=0.4)`? (ms)

# %%
# predicted = ...
### BEGIN SOLUTION
predicted = 200
### END SOLUTION

# %%
rare_poll = ShortPoll(interval=0.4)
scenario = Scenario(
    workload=Workload(arrivals=Poisson(rate=25), duration=20, seed=7),
    strategies=[push, poll, rare_poll],
    replications=3,
)
simulated = compare(scenario, engines=["simulation"])
gap(predicted, "ms", simulated=simulated.results[2].latency["mean"].mean * 1e3)
show_table(simulated.results)

# %% [markdown]
# The table has a row for each strategy: the mean latency, its median (p50), the latency that one
# message in a hundred exceeds (p99), and what it costs: requests for each message, the share of them
# that found nothing, bytes and CPU time for each message. ± is half of the 95 % interval over three
# runs with different messages. A knob that has its usual value is not named: the row `ShortPoll` is
# the one with an interval of 0.1 s.

# %%
show(plots.anatomy(simulated.results))

# %% [markdown]
# A message finds the poller at any point of its pause. The luckiest comes just before a poll, the
# unluckiest just after one. On average it waits half of the interval, and never longer than one
# interval and one round trip.

# %%
quiz.ask("1.5")

# %%
# answer = ...
### BEGIN SOLUTION
answer = simulated.results[2].latency["mean"].mean / simulated.results[1].latency["mean"].mean
### END SOLUTION
quiz.check("1.5", answer, rare=simulated.runs[2], often=simulated.runs[1])

# %%
quiz.ask("1.6")

# %%
# answer = ...
### BEGIN SOLUTION
answer = "d"
### END SOLUTION
quiz.check("1.6", answer)

# %% [markdown]
# ## Measure
#
# Until now no message existed. The next cell starts source, broker and consumer as programs of their
# own and sends real messages over real connections on your machine; it takes about 6 s. Source,
# broker and consumer decide by the same code as in the simulation; only time and connections are real.
#
# How many times as long as in the simulation will a pushed message take on your machine?
# Write down a number, then run on.

# %%
# predicted_ratio = ...
### BEGIN SOLUTION
predicted_ratio = 1
### END SOLUTION

# %%
short = Scenario(
    workload=Workload(arrivals=Poisson(rate=25), duration=2, seed=7),
    strategies=[push, poll],
    replications=1,
)
measured = compare(short, engines=["simulation", "loopback"])
by = {(run.strategy, run.engine): run.traces[0] for run in measured.runs}
real_push, real_poll = by[push.label, "loopback"], by[poll.label, "loopback"]
ratio = real_push.latency.mean() / by[push.label, "simulation"].latency.mean()
gap(predicted_ratio, "times", measured=ratio)
show_table(measured.results)

# %%
show(plots.sequence([run for run in measured.runs if run.engine == "loopback"]))

# %% [markdown]
# ## Explain the gap
#
# The simulation charges what the steps cost on the machine on which the lab was calibrated. Your
# machine is faster or slower, its processor may doze more deeply, and other programs disturb it. So
# the *push*, which consists of nothing but such steps, may take half as long, or several times as long. The *poll*
# hardly differs: it consists of waiting for a clock, and all clocks run equally fast. Lesson 11
# calibrates your own machine; then the simulation speaks of yours.
#
# If even the push took a hundred times as long, and most of it was *schedule delay*, then the machine
# was busy with other programs: end them and run the cell again.

# %%
quiz.ask("1.7")

# %%
# answer = ...
### BEGIN SOLUTION
answer = real_poll.latency.mean() / real_push.latency.mean()
### END SOLUTION
quiz.check("1.7", answer, push=real_push, poll=real_poll)

# %%
quiz.ask("1.8")

# %%
# answer = ...
### BEGIN SOLUTION
parts = {name: values.mean() for name, values in real_push.parts().items()}
longest = max(parts, key=parts.get)
letters = {"schedule delay": "a", "to the broker": "b", "broker residence": "c", "on the way": "d"}
answer = letters.get(longest, "e")
### END SOLUTION
quiz.check("1.8", answer, push=real_push)

# %% [markdown]
# ## What to take with you
#
# - Push and pull differ in who decides *when*. Here the consumer opens the connection both times.
# - A pushed message pays for steps: wake-ups and short ways. A polled one pays for waiting, half of
#   the interval on average.
# - A latency begins when the message was meant to be created. Its parts add up to it.
# - What consists of waiting is the same on every machine; what consists of computing is not.

# %%
quiz.score()
