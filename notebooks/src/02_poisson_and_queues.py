# %% [markdown]
# # Lesson 2. Poisson and queues
#
# A consumer that is fast enough on average still has a queue. This lesson says how long it is, in
# three ways that must agree: by theory, by simulation, by measurement.
#
# **After this lesson you can**
#
# - say what Poisson arrivals are, and see in data whether arrivals are like that;
# - work out utilisation, and the mean latency of the queues M/M/1 and M/D/1;
# - compute every single wait with Lindley's recursion;
# - check a run with Little's law;
# - say when theory, simulation and measurement agree, and why an interval belongs to each figure.
#
# It takes about 60 minutes.

# %%
import numpy as np

from lab import (
    IDEAL,
    Constant,
    Exponential,
    Poisson,
    Scenario,
    WebSocketPush,
    Workload,
    compare,
    oracles,
    simulate,
)
from lab.course import gap, lesson, show
from lab.metrics import Interval, summarise
from lab.plots import style

quiz = lesson(2)
push = WebSocketPush()

# %% [markdown]
# ## Arrivals at random
#
# *Poisson arrivals* of rate λ come independently of one another: that one has just come says nothing
# about when the next will. In a short time dt one comes with probability λ·dt. A workload is drawn
# from a seed, so that every strategy faces the same messages: here 100 a second for 40 s.
#
# The gaps between messages are 10 ms on average. Which share of them is *shorter* than 10 ms?
# Write down a percentage before you look.

# %%
# predicted = ...
### BEGIN SOLUTION
predicted = 50
### END SOLUTION

# %%
workload = Workload(arrivals=Poisson(rate=100), work=Exponential(mean=0.008), duration=40, seed=7)
messages = workload.draw()  # arrays: created, size, work
gaps = np.diff(messages.created)
gap(predicted, "%", found=(gaps < 0.010).mean() * 100)

# %%
figure = style.slide(12, 5)
axes = figure.add_subplot()
axes.hist(gaps * 1e3, bins=50, density=True, color=style.SKY, label="drawn")
times = np.linspace(0, 60, 200)
axes.plot(times, np.exp(-times / 10) / 10, color=style.BLACK, label="theory: λ·exp(-λt)")
axes.legend(fontsize=style.TICK, frameon=False)
style.dress(axes, "Short gaps are the most frequent ones", "gap (ms)", "density (per ms)")
show(figure)

# %% [markdown]
# The gaps are exponential: the probability that one is shorter than t is 1 − exp(−λt). Many are
# short and a few are very long, so messages come in clusters without anybody having planned it.
# That is why there are queues.

# %%
quiz.ask("2.1")

# %%
# answer = ...
### BEGIN SOLUTION
answer = (gaps < 0.005).mean() * 100
### END SOLUTION
quiz.check("2.1", answer, created=messages.created)

# %% [markdown]
# ## One server
#
# Each message occupies its consumer for some time, its *work*: here 8 ms on average, exponential as
# well. The **utilisation** ρ = λ·E[work] is the share of time that the consumer works: 100/s times
# 0.008 s is 0.8. In a fifth of the time it has nothing to do.
#
# Queueing theory calls this M/M/1: Poisson arrivals, exponential work, one server. How long does a
# message take on average, from its creation to the end of its work? (ms)

# %%
# predicted_latency = ...
### BEGIN SOLUTION
predicted_latency = 8 / (1 - 0.8)
### END SOLUTION

# %% [markdown]
# Five runs with different draws. `IDEAL` is a machine on which nothing costs anything but the work
# itself: that is what theory assumes. The interval says how far the mean of five runs may be off.

# %%


def mean_latency(workload, replications=5):
    """Return the mean latency in seconds over replications, with its 95 % interval."""
    scenario = Scenario(workload=workload, strategies=[push])
    traces = [simulate(scenario, push, IDEAL, number) for number in range(replications)]
    return Interval.over(summarise(trace).latency["mean"] for trace in traces)


queue = mean_latency(workload)
print(
    f"simulated: {queue.mean * 1e3:.1f} ms, 95 % interval {queue.low * 1e3:.1f} to {queue.high * 1e3:.1f}"
)
gap(predicted_latency, "ms", theory=oracles.mm1_sojourn_mean(rate=100, service_rate=125) * 1e3)

# %% [markdown]
# ## Explain the gap
#
# Theory says W = 1/(μ − λ), where μ = 1/E[work] = 125/s is what the consumer could do: 1/(125 − 100)
# = 40 ms, five times the work. Who said 8 ms forgot the queue, and who said 10 ms divided by the rate.
# An idle fifth does not help the messages that come in a cluster.
#
# The interval is wide although 20,000 messages were simulated. A queue at ρ = 0.8 remembers: a long
# busy time makes hundreds of messages late together, so they are no independent samples. A figure
# without an interval says little here.

# %%
quiz.ask("2.2")

# %%
# answer = ...
### BEGIN SOLUTION
answer = 1 / (125 - 112.5) / (1 / (125 - 100))
### END SOLUTION
quiz.check("2.2", answer)

# %% [markdown]
# ## The hockey stick
#
# The same for utilisations from 0.2 to 0.9, for exponential work and for work that is always 8 ms
# (M/D/1). Points are simulated, with intervals; dotted lines are theory.

# %%
figure = style.slide()
axes = figure.add_subplot()
loads = np.linspace(0.05, 0.95, 100)
kinds = {
    "exponential work": (Exponential(mean=0.008), style.BLUE, "o"),
    "constant work": (Constant(value=0.008), style.VERMILLION, "s"),
}
for name, (work, colour, marker) in kinds.items():
    exact = [
        oracles.mg1_sojourn_mean(load / 0.008, 0.008, work.second_moment) * 1e3 for load in loads
    ]
    axes.plot(loads, exact, ":", color=colour, linewidth=2.5, label=f"{name}, theory")
    for load in (0.2, 0.4, 0.6, 0.8, 0.9):
        found = mean_latency(
            Workload(
                arrivals=Poisson(rate=load / 0.008), work=work, duration=30, warm_up=2, seed=7
            ),
            4,
        )
        error = found.half_width * 1e3
        shown = axes.errorbar(
            load, found.mean * 1e3, error, color=colour, marker=marker, markersize=8, capsize=4
        )
    shown.set_label(f"{name}, simulated")
axes.set_ylim(0, 150)
axes.legend(fontsize=style.TICK, frameon=False, loc="upper left")
style.dress(
    axes, "Latency explodes before the consumer is full", "utilisation", "mean latency (ms)"
)
show(figure)

# %% [markdown]
# Half of the wait comes from irregular arrivals and the other half from irregular work: with
# constant work the mean *wait* (not the latency) is half as long, ρ·D/(2(1 − ρ)).

# %%
quiz.ask("2.3")

# %%
# answer = ...
### BEGIN SOLUTION
answer = 8 + 0.8 * 8 / (2 * (1 - 0.8))
### END SOLUTION
quiz.check("2.3", answer)

# %% [markdown]
# ## Every single wait
#
# For given arrivals and work nothing is left to chance. A message waits if the one before it is not
# done yet (Lindley, 1952):
#
# $$ \text{wait}_{i+1} = \max(0,\ \text{wait}_i + \text{work}_i - \text{gap}_i) $$
#
# where $\text{gap}_i$ is the time between the arrivals of $i$ and $i+1$. Write the loop for
# `messages.created` and `messages.work`, and work out the mean wait.

# %%
quiz.ask("2.4")

# %%
# answer = ...
### BEGIN SOLUTION
wait, waits = 0.0, [0.0]
for work, between in zip(messages.work[:-1], gaps, strict=True):
    wait = max(0.0, wait + work - between)
    waits.append(wait)
answer = np.mean(waits) * 1e3
### END SOLUTION
quiz.check("2.4", answer, messages=messages)

# %% [markdown]
# The simulation knows nothing of Lindley's formula; it moves messages between programs. On the same
# draws it must still give the same waits, to rounding:

# %%
trace = simulate(Scenario(workload=workload, strategies=[push]), push, IDEAL)
difference = trace.started - trace.created - oracles.lindley(messages.created, messages.work)
print(f"largest difference of {len(trace):,} waits: {np.abs(difference).max():.1e} s")

# %% [markdown]
# ## Little's law
#
# How many messages are in the system (created and not done) on average? Little (1961): the mean
# number present is L = λ·W, rate times mean latency. There is no condition on distributions. From
# empty to empty it holds exactly, for every single run: both sides count the same area.
#
# λ and W are those of this run: all messages over the time from 0 to the end of the last work.

# %%
quiz.ask("2.5")

# %%
# answer = ...
### BEGIN SOLUTION
answer = len(trace) / trace.done.max() * trace.latency.mean()
### END SOLUTION
quiz.check("2.5", answer, trace=trace)

# %% [markdown]
# ## Measure
#
# Now the same queue for real: messages come through a WebSocket, and the consumer is busy with each
# for its work, 8 ms on average. At 75 messages a second for 6 s the utilisation should be 0.6 and the
# latency 20 ms by theory. What will be measured? (ms)

# %%
# predicted_measured = ...
### BEGIN SOLUTION
predicted_measured = 21
### END SOLUTION

# %%
busy = Workload(arrivals=Poisson(rate=75), work=Exponential(mean=0.008), duration=6, seed=11)
measured = compare(Scenario(workload=busy, strategies=[push], replications=1), engines=["loopback"])
real, drawn = measured.runs[0].traces[0], busy.draw()
gap(predicted_measured, "ms", measured=np.nanmean(real.latency) * 1e3)
print(f"theory, steady state: {oracles.mm1_sojourn_mean(75, 125) * 1e3:.1f} ms")
print(
    f"Lindley on the same draws: {(oracles.lindley(drawn.created, drawn.work) + drawn.work).mean() * 1e3:.1f} ms"
)

# %% [markdown]
# ## Explain the gap
#
# Three things lie between theory and measurement.
#
# 1. *Chance*. Theory speaks of the steady state, a run of 450 messages of one path. Lindley on the same
#    draws takes chance out of the comparison.
# 2. *The way*. A message needs its way to the consumer, before it can queue there.
# 3. *The work is not what was asked for*. Work is a wait for a timer, and timers ring late. So the true
#    utilisation is larger than 0.6, and latency grows with 1/(1 − ρ).
#
# How much longer did the work take, on average, than was drawn? Compare `real.done - real.started`
# with `drawn.work`. (On a very busy machine some messages may still be under way at the end: their
# times are NaN, which `np.nanmean` leaves out.)

# %%
quiz.ask("2.6")

# %%
# answer = ...
### BEGIN SOLUTION
answer = np.nanmean(real.done - real.started - drawn.work) * 1e3
### END SOLUTION
quiz.check("2.6", answer, trace=real, messages=drawn)

# %% [markdown]
# Put what was measured into Lindley's recursion: the measured arrivals at the consumer, and the
# measured work.

# %%
waits = oracles.lindley(real.received, real.done - real.started)
print(f"Lindley, measured work: mean wait {waits.mean() * 1e3:.2f} ms")
print(f"measured              : mean wait {(real.started - real.received).mean() * 1e3:.2f} ms")

# %%
quiz.ask("2.7")

# %%
# answer = ...
### BEGIN SOLUTION
answer = "a"
### END SOLUTION
quiz.check("2.7", answer)

# %% [markdown]
# ## What to take with you
#
# - Poisson arrivals cluster: 63 % of the gaps are shorter than the mean gap.
# - M/M/1: W = 1/(μ − λ). At utilisation 0.8 a message takes five times its work, at 0.9 ten times.
# - Half of the wait in M/M/1 comes from irregular work.
# - Little's law and Lindley's recursion hold for every path. Use them to check runs and programs.
# - Where theory and measurement differ, ask which assumption does not hold, and put the measured
#   quantity in its place.

# %%
quiz.score()
