# %% [markdown]
# # Lesson 9. Replay and groups
#
# A *log* keeps messages after they were delivered. Each reader has its own place in it, an *offset*.
# So a reader may come late, go back, or share the work with others, and nobody else notices. But
# a log does not keep everything for ever.
#
# **After this lesson you can**
#
# - read, rewind and expire a log by hand, and say what an offset is;
# - say what a late subscriber gets with and without a log, and how long it takes to catch up;
# - work out when a reader that is too slow begins to lose messages, and how many;
# - say how a consumer group shares partitions, and what the crash of a member costs.
#
# It takes about 75 minutes.

# %%
import numpy as np

from lab import (
    ConsumerGroup,
    Exponential,
    LongPoll,
    Periodic,
    Poisson,
    Retention,
    Scenario,
    WebSocketPush,
    Workload,
    compare,
    oracles,
    plots,
    roles,
)
from lab.course import gap, lesson, show
from lab.faults import ConsumerCrash
from lab.outcomes.recovery import recovery
from lab.trace import Fate

quiz = lesson(9)

# %% [markdown]
# ## A log by hand
#
# This is the log that the lab's brokers use. It keeps at most five records here, and it knows no
# clock: times are given to it. Twelve records come, one every 10 ms.

# %%
log = roles.Log(roles.Retention(count=5), keeps_times=True)
for message in range(12):
    log.append([message], now=message * 0.010)
    log.expire(now=message * 0.010)
print(f"it has the offsets {log.start} to {log.end - 1}")

# %% [markdown]
# Reading is: "give me up to three, from this offset on". It changes nothing in the log. To go back
# (*seek*) is to ask for a lower offset. A point in time is an offset, too. An offset that is not
# there is refused, and the answer names those that are; the last of them is that of the next record
# to come, which a reader that is up to date asks for.

# %%
print("from 8: ", list(log.read(8, 3)))
print("again:  ", list(log.read(8, 3)))
print("seek back to what came 90 ms after the start:", list(log.read(log.offset_at(0.090), 3)))
try:
    log.read(2, 3)
except LookupError as error:
    print("from 2: ", error)

# %%
quiz.ask("9.1")

# %%
# answer = ...
### BEGIN SOLUTION
answer = log.start
### END SOLUTION
quiz.check("9.1", answer, log=log)

# %% [markdown]
# ## A late subscriber
#
# 200 messages a second; work takes 2 ms, so a consumer can do 500 a second. It comes 0.8 s late.
#
# How many messages does it miss if the broker has no log? And if the broker has one: how long after
# 0.8 s has the consumer caught up?

# %%
# predicted_missed = ...
# predicted_seconds = ...
### BEGIN SOLUTION
predicted_missed = 200 * 0.8
predicted_seconds = 160 / (500 - 200)
### END SOLUTION

# %%
late = ConsumerCrash(at=0, duration=0.8)  # as if it had died at the start
subscribers = Scenario(
    workload=Workload(arrivals=Periodic(rate=200), work=0.002, duration=1.8, seed=9),
    strategies=[WebSocketPush(), LongPoll(max_records=50)],
    faults=[late],
    replications=1,
)
came = compare(subscribers, engines=["simulation", "loopback"])
pushed = {run.engine: run for run in came.runs if run.strategy == "WebSocketPush"}
pulled = {run.engine: run for run in came.runs if run.strategy != "WebSocketPush"}
missed = {e: int(np.sum(run.traces[0].fate == Fate.LOST)) for e, run in pushed.items()}
seconds = {e: recovery(run.traces[0], late).seconds for e, run in pulled.items()}
gap(predicted_missed, "messages", simulated=missed["simulation"], measured=missed["loopback"])
gap(predicted_seconds, "s", simulated=seconds["simulation"], measured=seconds["loopback"])

# %%
show(plots.offsets([run.traces[0] for run in came.runs]))

# %% [markdown]
# The thick line is how many messages have come to the broker (the end of its log, if it has one), the
# thin one how far the consumer is. With a push and no log,
# it stays below for ever by what it missed. With the log it climbs more steeply until it is at the end.
#
# ## Explain the gap
#
# A real consumer is a new program, and starting and connecting it takes a moment, so it comes a little
# later than planned. And to catch up takes longer than the formula says, since μ is a little less
# than 1/2 ms: receiving a message takes time as well.

# %%
quiz.ask("9.2")

# %%
# answer = ...
### BEGIN SOLUTION
answer = 200 * 0.8
### END SOLUTION
quiz.check("9.2", answer, run=pushed["simulation"])

# %%
quiz.ask("9.3")

# %%
# answer = ...
### BEGIN SOLUTION
answer = 160 / (500 - 200)
### END SOLUTION
quiz.check("9.3", answer, run=pulled["simulation"])

# %% [markdown]
# ## Where to begin
#
# A consumer that has no cursor yet may choose where it begins: at the earliest record, at the latest, at
# an offset, or at a time. Four consumers that come 0.8 s late, simulated:

# %%
begins = {
    "earliest": LongPoll(max_records=50),
    "latest": LongPoll(max_records=50, begin="latest"),
    "offset 120": LongPoll(max_records=50, from_offset=120),
    "0.7 s after the start": LongPoll(max_records=50, from_time=0.7),
}
chosen = subscribers.model_copy(update={"strategies": list(begins.values())})
for name, run in zip(begins, compare(chosen, engines=["simulation"]).runs, strict=True):
    fate = run.traces[0].fate
    print(
        f"{name:22} delivered {np.sum(fate == Fate.DELIVERED)}, skipped {np.sum(fate == Fate.SKIPPED)}"
    )

# %% [markdown]
# What a consumer skips by its own choice is not lost: it can still come back for it.

# %%
quiz.ask("9.4")

# %%
# answer = ...
### BEGIN SOLUTION
answer = 200 * 0.5
### END SOLUTION
later = LongPoll(max_records=50, from_time=0.5)
sought = subscribers.model_copy(update={"strategies": [later]})
quiz.check("9.4", answer, run=compare(sought, engines=["simulation"]).runs[0])

# %% [markdown]
# ## Away for too long
#
# Now the log keeps only the last 80 records. A consumer is away for one second, in which 200
# messages come.

# %%
forgetful = Scenario(
    workload=Workload(arrivals=Periodic(rate=200), duration=2, seed=9),
    strategies=[LongPoll(max_records=50)],
    faults=[ConsumerCrash(at=0.4, duration=1)],
    retention=Retention(count=80),
    replications=1,
)
away = compare(forgetful, engines=["simulation"]).runs[0]
print(
    {fate.name: int(np.sum(away.traces[0].fate == fate)) for fate in (Fate.DELIVERED, Fate.EXPIRED)}
)

# %%
quiz.ask("9.5")

# %%
# answer = ...
### BEGIN SOLUTION
answer = 200 - 80
### END SOLUTION
quiz.check("9.5", answer, run=away)

# %% [markdown]
# The broker says so: it answers a fetch from an expired offset with an error that names the valid
# range, as the log by hand did. The consumer knows that it has lost something, and how much. A
# push without a log tells nobody.
#
# ## Too slow for good
#
# The log keeps the last R = 0.5 s. The consumer needs 1/150 s for a message, and 200 come a second. It
# falls further and further behind. At time t it reads what was written at t·μ/λ, which is then
# t·(1 − μ/λ) seconds old. So at t = R/(1 − μ/λ) it arrives at the end of what is kept.
#
# When will the first message expire unread (s), and which share will be lost in the long run (%)?

# %%
# predicted_start = ...
# predicted_share = ...
### BEGIN SOLUTION
predicted_start = 0.5 / (1 - 150 / 200)
predicted_share = 25
### END SOLUTION

# %%
KEPT = 0.5  # seconds


def too_slow(work):
    """Simulate a consumer that needs `work` seconds for each of 200 messages a second; for 12 s."""
    scenario = Scenario(
        workload=Workload(arrivals=Periodic(rate=200), work=work, duration=12, seed=9),
        strategies=[LongPoll(max_records=10)],
        retention=Retention(age=KEPT),
        replications=1,
    )
    return compare(scenario, engines=["simulation"]).runs[0]


def expiry(run):
    """Return when the first message expired, and the share of the later half that expired."""
    trace = run.traces[0]
    expired = trace.fate == Fate.EXPIRED
    return trace.at_broker[expired].min() + KEPT, expired[trace.created > 6].mean()


slow = too_slow(1 / 150)
starts, share = expiry(slow)
gap(predicted_start, "s", theory=oracles.overload_expiry_starts(200, 150, KEPT), simulated=starts)
gap(predicted_share, "%", theory=oracles.overload_loss(200, 150) * 100, simulated=share * 100)

# %%
trace = slow.traces[0]
gone = trace.created[trace.fate == Fate.EXPIRED]
figure = plots.style.slide(12, 5)
axes = figure.subplots()
axes.plot(trace.created, trace.latency, ".", color=plots.style.BLUE, label="delivered")
axes.plot(gone, 0 * gone, "|", color=plots.style.VERMILLION, label="expired unread")
plots.style.dress(axes, "How late is it?", "created at (s since the start)", "latency (s)")
axes.legend(fontsize=plots.style.TICK, loc="center right")
show(figure)

# %% [markdown]
# Each point is a message that was delivered, each stroke at the bottom one that expired. Lateness grows
# until it is half a second. From then on the consumer stays half a second late, and jumps over what
# has expired. This begins a little earlier than theory says, and costs a little more, because the work
# is not all that a message needs: μ is less than 150.

# %%
quiz.ask("9.6")

# %%
# answer = ...
### BEGIN SOLUTION
answer = starts
### END SOLUTION
quiz.check("9.6", answer, run=slow)

# %% [markdown]
# ## Many hands
#
# In a *consumer group* the log is split into partitions, and its members share them. Each message is
# worked on by one member. Here are 200 messages a second with 5 ms of work each: a single consumer
# would be busy all the time. Three members share six partitions. At 0.5 s one of them dies.
#
# The broker notices when it has heard nothing from it for the *session time-out* of 0.5 s. How long
# does the unluckiest message take?

# %%
# predicted_longest = ...
### BEGIN SOLUTION
predicted_longest = 0.5
### END SOLUTION

# %%
group = Scenario(
    workload=Workload(
        arrivals=Poisson(rate=200), work=Exponential(mean=0.005), consumers=3, duration=2, seed=9
    ),
    strategies=[ConsumerGroup(max_records=20, session_timeout=0.5, heartbeat=0.1)],
    faults=[ConsumerCrash(at=0.5, duration=1, consumer=1)],
    replications=1,
)
shared = compare(group, engines=["simulation", "loopback"])
simulated, measured = shared.runs
longest = {run.engine: np.nanmax(run.traces[0].latency) for run in shared.runs}
gap(predicted_longest, "s", simulated=longest["simulation"], measured=longest["loopback"])
print("simulated, what the broker did:", simulated.traces[0].counters.events)

# %% [markdown]
# Each point is a message; its colour and shape say in which partition it is. The two partitions of
# the dead member wait, the others do not. (Grey is the time without the member.)

# %%
figure = plots.style.slide(12, 5.5)
looks = plots.style.looks(f"partition {number}" for number in range(6))
for axes, run in zip(figure.subplots(1, 2, sharey=True), shared.runs, strict=True):
    trace = run.traces[0]
    plots.style.shade_faults(axes, trace)
    for number, (name, (colour, marker)) in enumerate(looks.items()):
        mine = trace.message % 6 == number
        axes.scatter(
            trace.created[mine], trace.latency[mine], 30, colour, marker=marker, label=name
        )
    plots.style.dress(axes, "", "created at (s since the start)", "latency (s)")
    plots.style.name_panel(axes, trace)
plots.style.headline(figure, "Who waits when a member dies?")
axes.legend(fontsize=plots.style.TICK, loc="center right")
show(figure)

# %%
quiz.ask("9.7")

# %%
# answer = ...
### BEGIN SOLUTION
answer = longest["simulation"]
### END SOLUTION
quiz.check("9.7", answer, run=simulated)

# %%
quiz.ask("9.8")

# %%
# answer = ...
### BEGIN SOLUTION
answer = "a"
### END SOLUTION
quiz.check("9.8", answer)

# %% [markdown]
# A shorter time-out would find the dead sooner. It would also take a member for dead that is only slow
# for a moment; its partitions would move, and what it had not committed would be done twice.
#
# ## Exercise: lose 40 %
#
# With the log of 0.5 s and 200 messages a second: how slow must a consumer be for **40 %** of the
# messages to expire unread in the long run? Work it out, and then answer with a run, `too_slow(...)`,
# in which it is so. You may have to try more than once: the work is not all.

# %%
quiz.ask("9.9")

# %%
# answer = ...
### BEGIN SOLUTION
answer = too_slow(0.008)
### END SOLUTION
if answer is not ...:
    print(f"expired in the later half: {expiry(answer)[1]:.0%}")
quiz.check("9.9", answer)

# %% [markdown]
# ## What to take with you
#
# - An offset is a place in a log. Reading takes nothing away, so readers do not disturb each other.
# - With a log, being late costs time: lag/(μ − λ). Without one, it costs messages.
# - Retention is a promise with an end. Whoever is slower than the source for good reaches it after
#   R/(1 − μ/λ), and then loses 1 − μ/λ.
# - A group shares partitions, not messages. When a member dies, its partitions wait for the session
#   time-out.

# %%
quiz.score()
