# %% [markdown]
# # Lesson 10. The lying benchmark
#
# A server stands still for one second. Every message sent meanwhile is late. And yet many
# benchmarks would report that all is well, and they would report it to three decimals.
#
# **After this lesson you can**
#
# - say what *coordinated omission* is, show it, and avoid it;
# - say which clock a latency must start from, and why;
# - tell a tail that was measured from one that was made up from too few messages;
# - refuse to compare two means that come without intervals.
#
# It takes about 60 minutes, and builds on lessons 1 and 2.

# %%
from dataclasses import replace

import numpy as np

from lab import (
    IDEAL,
    Exponential,
    HttpIngest,
    Periodic,
    Poisson,
    Scenario,
    WebSocketPush,
    Workload,
    measure,
    plots,
    simulate,
)
from lab.course import gap, lesson, show
from lab.faults import StalledLoop
from lab.metrics import Interval, Run
from lab.physics import reference

quiz = lesson(10)

# %% [markdown]
# ## 1. One bad second in a hundred
#
# A source sends 1,000 messages a second for 100 s, evenly spaced. At 50 s the server stands still
# for one second: a pause of the garbage collector, a blocking call, a disk. `StalledLoop` is that
# fault.

# %%
STALL, SECONDS, RATE = 1.0, 100, 1000


def experiment(stall, seconds, rate, side="broker", strategy=None):
    """A steady source, and one side that stands still for `stall` seconds in the middle."""
    return Scenario(
        workload=Workload(arrivals=Periodic(rate=rate), duration=seconds),
        strategies=[strategy or WebSocketPush()],
        faults=[StalledLoop(at=seconds / 2, duration=stall, side=side)],
    )


scenario = experiment(STALL, SECONDS, RATE)
print(*scenario.faults)

# %% [markdown]
# **Predict first.** On a good day a message takes about 0.3 ms. What will p99.5 be (one message in
# 200 is slower), and p99.9 (one in 1,000 is slower)? Write your guesses down, in seconds, before
# you go on.

# %%
# predicted_p995 = ...
# predicted_p999 = ...
### BEGIN SOLUTION
predicted_p995 = 0.5
predicted_p999 = 0.9
### END SOLUTION

# %%
trace = simulate(scenario, scenario.strategies[0], reference().physics)
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "p99.5": 0.995, "p99.9": 0.999, "max": 1.0}


def row(name, latency):
    """Print the quantiles of `latency` in milliseconds, and how many messages they are from."""
    values = np.quantile(latency, list(QUANTILES.values())) * 1e3
    told = "  ".join(f"{q} {v:7.2f}" for q, v in zip(QUANTILES, values, strict=True))
    print(f"{name:<12} {told}  ms, from {len(latency):,} messages")


print(f"median {1e3 * np.median(trace.latency):.2f} ms, of {len(trace):,} messages")

# %% [markdown]
# The source of this lab is an **open loop**: it sends when a message is due, whatever became of the
# one before, and each latency starts at the time at which the message was *meant* to be sent. Work
# the two answers out before you look at more of the trace.

# %%
quiz.ask("10.1")

# %%
# answer = ...
### BEGIN SOLUTION
answer = 0.5
### END SOLUTION
quiz.check("10.1", answer, trace=trace)

# %%
quiz.ask("10.2")

# %%
# answer = ...
### BEGIN SOLUTION
answer = 0.9
### END SOLUTION
quiz.check("10.2", answer, trace=trace)

# %%
row("open loop", trace.latency)
gap(predicted_p995, "s", p995=np.quantile(trace.latency, 0.995))
gap(predicted_p999, "s", p999=np.quantile(trace.latency, 0.999))

# %% [markdown]
# **The gap.** 1,000 of the 100,000 messages are due while the server stands still. The first waits a
# second, the last hardly at all, the others evenly in between: so half of them, one in 200 of all,
# wait longer than 0.5 s. That it is a little more comes from the end of the stall: 1,000 messages
# have piled up, and the server needs about 20 ms to work them off.
#
# ## 2. The client that waits
#
# Most home-made benchmarks are a loop: send a request, wait for the answer, note the time, repeat.
# That is a **closed loop**. While the server stands still, such a client stands still with it. It
# sends nothing, so it has nothing to note.
#
# Which of our messages would it have sent? Those that were due when it was not waiting.


# %%
def closed_loop(trace):
    """Return the rows that a client sends which waits for each message before the next."""
    kept, free_at = [], 0.0
    for row, (due_at, done_at) in enumerate(zip(trace.created, trace.done, strict=True)):
        if due_at >= free_at:
            kept.append(row)
            free_at = done_at
    return kept


kept = closed_loop(trace)
row("open loop", trace.latency)
row("closed loop", trace.latency[kept])

# %%
seen = replace(trace, **{name: column[kept] for name, column in trace.columns().items()})
show(
    plots.ecdf([Run("open loop", "simulation", [trace]), Run("closed loop", "simulation", [seen])])
)

# %% [markdown]
# The figure shows which share of the messages takes longer than a time. The two curves are the same
# system in the same run. The flat shoulder of the open loop is the stall. The closed loop has one
# single point there.

# %%
quiz.ask("10.3")

# %%
# answer = ...
### BEGIN SOLUTION
due = np.flatnonzero((trace.created >= 50) & (trace.created < 51))
answer = len(np.setdiff1d(due, kept))
### END SOLUTION
quiz.check("10.3", answer, trace=trace, kept=kept)

# %%
quiz.ask("10.4")

# %%
# answer = ...
### BEGIN SOLUTION
answer = np.quantile(trace.latency, 0.995) / np.quantile(trace.latency[kept], 0.995)
### END SOLUTION
quiz.check("10.4", answer, trace=trace, kept=kept)

# %% [markdown]
# The client and the server *coordinate*: when one stops, the other stops measuring. Gil Tene called
# it **coordinated omission**. The bad second is not averaged away. It is left out.
#
# ## 3. The sender that is late itself
#
# An open loop does not help if the clock starts too late. Let the *source* stand still: its own
# garbage collector this time. When it wakes up it sends all that is due, at once. A latency can start
# from `created`, when a message was meant to be sent, or from `sent`, when it was.

# %%
late = experiment(STALL, SECONDS / 10, RATE, side="source")
late_trace = simulate(late, late.strategies[0], reference().physics)
row("from created", late_trace.done - late_trace.created)
row("from sent", late_trace.done - late_trace.sent)

# %% [markdown]
# (This run is only 10 s long, so a stall of 1 s hits a tenth of it.)

# %%
quiz.ask("10.5")

# %%
# answer = ...
### BEGIN SOLUTION
answer = "b"
### END SOLUTION
quiz.check("10.5", answer)

# %% [markdown]
# That is why a trace of this lab has both stamps, and why its latency is always `done - created`.
# The time between them is shown as *schedule delay*: see the parts of the latency in lesson 1.
#
# ## 4. Is it so on real connections?
#
# A run of 100 s is too long for a lesson. Half a second in 5 s is a tenth of the run instead of a
# hundredth, so the same rule now speaks of p95 and of p99. **Predict** both, for the open loop,
# before you run the cell.

# %%
# predicted_p95 = ...
# predicted_p99 = ...
### BEGIN SOLUTION
predicted_p95 = 0.25
predicted_p99 = 0.45
### END SOLUTION

# %%
short = experiment(0.5, 5, RATE)
measured = measure(short, short.strategies[0])
row("open loop", measured.latency)
row("closed loop", measured.latency[closed_loop(measured)])
gap(predicted_p95, "s", p95=np.quantile(measured.latency, 0.95))
gap(predicted_p99, "s", p99=np.quantile(measured.latency, 0.99))

# %%
quiz.ask("10.6")

# %%
# answer = ...
### BEGIN SOLUTION
answer = float(np.quantile(measured.latency, 0.95))
### END SOLUTION
quiz.check("10.6", answer, measured=measured)

# %% [markdown]
# So far the closed loop was worked out from an open one. Here is a real one: HTTP POSTs, one at a
# time, 300 a second, to a target that stands still for a whole second. `left_broker` is when a
# request left, `acked` when its answer was there: this is what such a client would report. The same
# run is simulated, too.

# %%
posts = HttpIngest(concurrency=1)
waiting_scenario = experiment(1.0, 4, 300, side="target", strategy=posts)
for engine, run in (
    ("simulated", simulate(waiting_scenario, posts, reference().physics)),
    ("measured", measure(waiting_scenario, posts)),
):
    print(engine)
    row("open loop", run.latency)
    row("closed loop", run.acked - run.left_broker)
waiting = run  # the measured one

# %%
quiz.ask("10.7")

# %%
# answer = ...
### BEGIN SOLUTION
answer = "d"
### END SOLUTION
quiz.check("10.7", answer, waiting=waiting)

# %% [markdown]
# ## 5. Three smaller lies
#
# **The cold start.** A queue with one worker, busy 80 % of the time, has a mean latency that theory
# knows: 1/(μ - λ) = 40 ms for λ = 100 messages/s and 8 ms of work each, where μ = 1/(8 ms). Here are
# 200 runs of 1 s that start with an empty queue, and 100 runs of 5 s that count only the last one:

# %%
strategy = WebSocketPush()
theory = 1 / (1 / 0.008 - 100)


def means(seconds, warm_up, replications, first=0):
    """Simulate a queue that is busy 80 % of the time, on a machine that costs nothing."""
    workload = Workload(
        arrivals=Poisson(rate=100), work=Exponential(mean=0.008), duration=seconds, seed=3
    )
    queue = Scenario(workload=workload, strategies=[strategy], drain=60)
    found = []
    for replication in range(first, first + replications):
        trace = simulate(queue, strategy, IDEAL, replication)
        found.append(float(trace.latency[trace.created >= warm_up].mean()))
    return found


short_runs, warm_runs = means(1, 0, 200), means(5, 4, 100, first=1000)
for name, found in (("short", short_runs), ("warmed up", warm_runs)):
    mean, low, high = (1e3 * x for x in vars(Interval.over(found)).values())
    print(f"{name:<10} mean {mean:6.1f} ms, 95 % interval {low:6.1f} to {high:6.1f} ms")
print(f"{'theory':<10} mean {1e3 * theory:6.1f} ms")

# %%
quiz.ask("10.8")

# %%
# answer = ...
### BEGIN SOLUTION
answer = 100 * (1 - np.mean(short_runs) / theory)
### END SOLUTION
quiz.check("10.8", answer, means=short_runs, theory=theory)

# %% [markdown]
# **Too few messages.** The true p99.9 of this queue is -ln(0.001) × 40 ms = 276 ms. Ten runs of 500
# messages each report it like this:

# %%
workload = Workload(arrivals=Poisson(rate=100), work=Exponential(mean=0.008), duration=10, seed=4)
queue = Scenario(workload=workload, strategies=[strategy], drain=60)
for replication in range(10):
    latency = simulate(queue, strategy, IDEAL, replication).latency[-500:]
    p999, longest = np.quantile(latency, [0.999, 1.0])
    print(f"p99.9 {1e3 * p999:6.0f} ms   maximum {1e3 * longest:6.0f} ms")
samples = 500

# %% [markdown]
# What is printed as p99.9 is hardly more than the maximum, another one each time.

# %%
quiz.ask("10.9")

# %%
# answer = ...
### BEGIN SOLUTION
answer = 0.5
### END SOLUTION
quiz.check("10.9", answer, samples=samples)

# %% [markdown]
# This lab therefore gives no p99.9 from fewer than 10,000 messages without a warning.
#
# **Means without intervals.** A and B below are the same system, run with different messages. The
# first run of each would make a fine headline.

# %%
a, b = means(6, 1, 5, first=2000), means(6, 1, 5, first=3000)
print(f"one run each: A {1e3 * a[0]:.0f} ms, B {1e3 * b[0]:.0f} ms: {b[0] / a[0] - 1:+.0%}")
for name, found in (("A", a), ("B", b)):
    mean, low, high = (1e3 * x for x in vars(Interval.over(found)).values())
    print(f"{name}: mean of five {mean:.0f} ms, 95 % interval {low:.0f} to {high:.0f} ms")

# %%
quiz.ask("10.10")

# %%
# answer = ...
### BEGIN SOLUTION
answer = "c"
### END SOLUTION
quiz.check("10.10", answer, means_a=a, means_b=b)

# %% [markdown]
# ## What to take home
#
# 1. Load must not wait for the system under test: use an open loop.
# 2. A latency starts when the message was *meant* to be sent.
# 3. Say how many messages a tail is from. Warm up. Repeat, and give an interval.
# 4. A report without its maximum hides the one number that would have told you.
#
# **Further:** simulate the first experiment with `ShortPoll(interval=0.2)`. Which part of the stall
# can its curve still show, and why?

# %%
quiz.score()
