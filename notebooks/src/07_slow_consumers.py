# %% [markdown]
# # Lesson 7. Slow consumers
#
# A consumer may be slower than its source: for a moment, or for good. Then messages wait. Where,
# how many, for how long, and what if there is no room for them?
#
# **After this lesson you can**
#
# - say why latency explodes long before a consumer is fully busy;
# - work out how far a consumer falls behind, and how long it needs to catch up;
# - say where messages pile up with each way of delivering, and which bound holds there;
# - choose what to do when a buffer is full, and a number of credits.
#
# It takes about 75 minutes.

# %%
import numpy as np

from lab import (
    Exponential,
    LongPoll,
    Periodic,
    Poisson,
    Scenario,
    WebSocketPush,
    Workload,
    compare,
    plots,
)
from lab.course import gap, lesson, show
from lab.faults import AddedLatency, SlowConsumer
from lab.library import find
from lab.outcomes.fates import peaks
from lab.outcomes.recovery import recovery
from lab.plots.series import Panel, Series
from lab.trace import Fate

quiz = lesson(7)

# %% [markdown]
# ## Nearly busy
#
# Work on a message takes 10 ms on average (exponential), so the consumer can do μ = 100 messages a
# second. They come at random times, λ a second. The share of time in which the consumer works is its
# *utilisation* ρ = λ/μ.
#
# How many times as long as at ρ = 0.5 will the mean latency be at ρ = 0.95?

# %%
# predicted = ...
### BEGIN SOLUTION
predicted = (1 - 0.5) / (1 - 0.95)
### END SOLUTION

# %%
LOADS = (0.5, 0.8, 0.9, 0.95)


def busy(load):
    """Return the theory and three simulated runs of 30 s of a consumer at that utilisation."""
    workload = Workload(
        arrivals=Poisson(rate=100 * load), work=Exponential(mean=0.01), duration=30, seed=7
    )
    scenario = Scenario(workload=workload, strategies=[WebSocketPush()], replications=3)
    return compare(scenario, engines=["theory", "simulation"]).results


loaded = {load: busy(load) for load in LOADS}
drawn = {
    engine: [Series("mean latency", [(x, loaded[x][i].latency["mean"]) for x in LOADS])]
    for i, engine in enumerate(("theory", "simulation"))
}
theory = {load: theory.latency["mean"].mean for load, (theory, _) in loaded.items()}
gap(predicted, "times", theory=theory[0.95] / theory[0.5])
show(plots.sweep(drawn, [Panel("", "mean latency (ms)", "utilisation", scale=1e3)], "Nearly busy"))

# %% [markdown]
# Theory (dotted) says W = 1/(μ − λ) and the time of the empty system. Simulated points have bars: the 95 %
# interval over three runs of 30 s. At ρ = 0.95 the bar is so long that it says next to nothing.

# %%
quiz.ask("7.1")

# %%
# answer = ...
### BEGIN SOLUTION
answer = theory[0.95] / theory[0.5]
### END SOLUTION
quiz.check("7.1", answer, half=loaded[0.5][0], most=loaded[0.95][0])

# %%
quiz.ask("7.2")

# %%
# answer = ...
### BEGIN SOLUTION
answer = "b"
### END SOLUTION
quiz.check("7.2", answer)

# %% [markdown]
# ## Too slow for a while
#
# Now a consumer that has enough to spare, μ = 500 a second, with λ = 200 evenly spaced messages a
# second. From 0.4 s to 0.9 s something holds it up, and work takes 25 times as long: 20 messages a
# second.
#
# Predict the *lag* at 0.9 s (messages that were created and are not done), and how long after 0.9 s the
# consumer has caught up.

# %%
# predicted_lag = ...
# predicted_seconds = ...
### BEGIN SOLUTION
predicted_lag = (200 - 20) * 0.5
predicted_seconds = predicted_lag / (500 - 200)
### END SOLUTION

# %%
fault = SlowConsumer(at=0.4, duration=0.5, times=25)
held_up = Scenario(
    workload=Workload(arrivals=Periodic(rate=200), work=0.002, duration=1.6, seed=7),
    strategies=[WebSocketPush(), LongPoll(max_records=20)],
    faults=[fault],
    replications=1,
)
slow = compare(held_up, engines=["simulation", "loopback"])
first = {run.engine: recovery(run.traces[0], fault) for run in reversed(slow.runs)}
simulated, measured = first["simulation"], first["loopback"]
gap(predicted_lag, "messages", simulated=simulated.peak, measured=measured.peak)
gap(predicted_seconds, "s", simulated=simulated.seconds, measured=measured.seconds)

# %%
show(plots.backlog(slow.runs))

# %% [markdown]
# The lag grows in a straight line by λ − μ a second, and falls in a straight line by μ − λ.
# Push and pull fall behind alike: the consumer is the bottleneck, and it does not matter who asks.

# %%
quiz.ask("7.3")

# %%
# answer = ...
### BEGIN SOLUTION
answer = (200 - 20) * 0.5
### END SOLUTION
quiz.check("7.3", answer, run=slow.runs[0])

# %%
quiz.ask("7.4")

# %%
# answer = ...
### BEGIN SOLUTION
answer = 90 / (500 - 200)
### END SOLUTION
quiz.check("7.4", answer, run=slow.runs[0])

# %% [markdown]
# ## Explain the gap
#
# It takes a little longer than the formula says: for each message the consumer needs the 2 ms of
# work and some tenths of a millisecond to receive it and to set a clock. So μ is less than 500.
# When you plan, measure μ; do not compute it from the work alone.
#
# ## Where do they wait?
#
# Larger messages now, of 50 kB, 200 a second, and a consumer that is too slow for two seconds. In each
# panel, heights are messages, and hatches say where they wait.

# %%
names = ["WebSocketPush", "WebSocketPush(acks=True, credits=20)", "LongPoll(max_records=20)"]
overload = find("overload")
three = [strategy for strategy in overload.strategies if strategy.label in names]
usual = {"socket_buffer": None}  # buffers as the system has them; the scenario's are smaller
overload = overload.model_copy(update={"strategies": three, "replications": 1, **usual})
piled = compare(overload, engines=["simulation"])
show(plots.places([run.traces[0] for run in piled.runs]))

# %% [markdown]
# *WebSocket, no acks*: the broker writes as fast as it can. The consumer stops reading, so the
# kernel's buffers fill; then the broker's writing blocks, and the rest waits in the broker. What is in
# the kernel is out of the broker's hands: if the consumer dies now, it is gone.
#
# *Credits, long poll*: the broker sends only what the consumer can take. All else waits in the broker.

# %%
for run in piled.runs:
    print(f"{run.strategy}: at most", {k: v for k, v in peaks(run.traces[0]).items() if v > 1})

# %%
quiz.ask("7.5")

# %%
# answer = ...
### BEGIN SOLUTION
answer = peaks(piled.runs[0].traces[0])["kernel"] * 50_000 / 1e6
### END SOLUTION
quiz.check("7.5", answer, trace=piled.runs[0].traces[0])

# %% [markdown]
# ## No room
#
# The broker's buffer may be bounded. Say that it holds 20 messages, one more is at the consumer
# (`credits=1`), and the consumer is slow for three seconds: 50 ms a message. A message that finds the
# buffer full is dropped (`drop_newest`), or the oldest in the buffer is (`drop_oldest`).
#
# As many are lost either way. But how old are those that arrive? Predict how many times as old as
# with `drop_oldest` they are with `drop_newest`.

# %%
# predicted_times = ...
### BEGIN SOLUTION
predicted_times = 7
### END SOLUTION

# %%
long_fault = SlowConsumer(at=0.4, duration=3, times=25)


def bounded(buffer, *policies):
    """Return a scenario in which the broker's buffer holds that many messages."""
    ways = [WebSocketPush(acks=True, credits=1, buffer=buffer, overflow=p) for p in policies]
    workload = Workload(arrivals=Periodic(rate=200), work=0.002, duration=3.6, seed=7)
    return Scenario(workload=workload, strategies=ways, faults=[long_fault], replications=1)


def age(run):
    """Return the median latency of what was done in the second half of the slow time."""
    trace = run.traces[0]
    late = (trace.done > long_fault.at + 1.5) & (trace.done < long_fault.until)
    return np.median(trace.latency[late])


dropping = compare(bounded(20, "drop_newest", "drop_oldest"), engines=["simulation"])
newest, oldest = dropping.runs
for run in dropping.runs:
    dropped = np.count_nonzero(run.traces[0].fate == Fate.DROPPED)
    print(f"{run.strategy}: {dropped} dropped, typical age {age(run):.3f} s")
gap(predicted_times, "times", simulated=age(newest) / age(oldest))

# %% [markdown]
# With `drop_newest` a message that gets into the buffer waits for all those before it, 50 ms each.
# With `drop_oldest` the buffer always holds the last 20 messages, and they came within 20/λ = 0.1 s.
# For prices or positions, where only the latest counts, that is what you want.
#
# There are two other policies: `block` has the producer wait (and whatever it does besides), and
# `disconnect` cuts the slow consumer off, so that it must come back and find out what it missed.

# %%
quiz.ask("7.6")

# %%
# answer = ...
### BEGIN SOLUTION
answer = age(newest) / age(oldest)
### END SOLUTION
quiz.check("7.6", answer, newest=newest, oldest=oldest)

# %% [markdown]
# ## How many credits?
#
# With K credits at most K messages are unacknowledged. A credit comes back after a round trip and
# the work, RTT + S. So at most K/(RTT + S) messages a second pass, whatever the consumer could do.
#
# Here every way takes 10 ms (a distance, made by a proxy), work takes 1 ms, and 400 messages come a
# second. How many pass with **5** credits?

# %%
# predicted_rate = ...
### BEGIN SOLUTION
predicted_rate = 5 / (0.020 + 0.001)
### END SOLUTION

# %%
DURATION = 1.2


def far(credits):
    """Return a scenario with a consumer 10 ms away that gives that many credits."""
    return Scenario(
        workload=Workload(arrivals=Periodic(rate=400), work=0.001, duration=DURATION, seed=7),
        strategies=[WebSocketPush(acks=True, credits=credits)],
        faults=[AddedLatency(at=0, duration=DURATION, delay=0.01)],
        replications=1,
    )


def passed(run):
    """Return how many messages were done each second, while the distance was there."""
    done = run.traces[0].done
    return np.count_nonzero((done > 0.3) & (done < DURATION - 0.1)) / (DURATION - 0.4)


narrow = compare(far(5), engines=["simulation", "loopback"])
by_engine = {run.engine: run for run in narrow.runs}
rates = {engine: passed(run) for engine, run in by_engine.items()}
gap(predicted_rate, "a second", simulated=rates["simulation"], measured=rates["loopback"])

# %%
quiz.ask("7.7")

# %%
# answer = ...
### BEGIN SOLUTION
answer = rates["simulation"]
### END SOLUTION
quiz.check("7.7", answer, passed=rates["simulation"])

# %% [markdown]
# ## Exercise: a bound on age
#
# Back to the bounded buffer with `drop_newest`. No message may be older than **0.33 s** when it is
# done, even while the consumer needs 50 ms for each. What is the largest buffer with which that
# holds? Answer with a run that shows it: `compare(bounded(..., "drop_newest"), engines=["simulation"])`.

# %%
quiz.ask("7.8")

# %%
# answer = ...
### BEGIN SOLUTION
answer = compare(bounded(5, "drop_newest"), engines=["simulation"])
### END SOLUTION
if answer is not ...:
    print(f"largest latency: {np.nanmax(answer.runs[0].traces[0].latency):.3f} s")
quiz.check("7.8", answer)

# %% [markdown]
# ## What to take with you
#
# - Latency grows as 1/(1 − ρ). Near ρ = 1 it is not only long but different in every run.
# - A consumer that is too slow falls behind by λ − μ a second and catches up by μ − λ.
# - Without acks, megabytes wait in the kernel, out of reach. Credits and pulls keep them in the
#   broker.
# - A full buffer needs a policy. A small one keeps messages fresh, a large one keeps them all.
# - Credits bound what is under way, and so the throughput over a distance.

# %%
quiz.score()
