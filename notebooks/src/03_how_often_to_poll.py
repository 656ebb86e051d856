# %% [markdown]
# # Lesson 3. How often to poll
#
# A poller that asks often has fresh data and wastes requests. One that asks rarely saves requests and
# is late. This lesson makes that exact, and finds out when polling is even cheaper than push.
#
# **After this lesson you can**
#
# - work out mean and largest latency, requests and empty answers of a short poll by hand;
# - choose the interval for a deadline;
# - read the plane of freshness and requests, and see which strategies are never the best choice;
# - say at which rate polling costs fewer bytes than push.
#
# It takes about 50 minutes.

# %%
import numpy as np

from lab import (
    LongPoll,
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
from lab.metrics import summarise
from lab.physics import reference
from lab.plots import style

quiz = lesson(3)
costs = reference().physics
push = WebSocketPush()


def run(strategy, rate, duration):
    """Simulate `strategy` with Poisson messages of no work; return its trace."""
    workload = Workload(arrivals=Poisson(rate=rate), duration=duration, seed=7)
    return simulate(Scenario(workload=workload, strategies=[strategy]), strategy, costs)


# %% [markdown]
# ## Predict
#
# Messages come at random, 20 a second. A poller asks every 0.05 s, which is once for each message on
# average. Which share of its requests finds nothing? Write down a percentage.

# %%
# predicted = ...
### BEGIN SOLUTION
predicted = 10
### END SOLUTION

# %%
polls = [ShortPoll(interval=interval) for interval in (0.01, 0.05, 0.2, 1.0)]
scenario = Scenario(
    workload=Workload(arrivals=Poisson(rate=20), duration=30, seed=7),
    strategies=[push, LongPoll(), *polls],
    replications=3,
)
found = compare(scenario, engines=["theory", "simulation"])
by = {(result.strategy, result.engine): result for result in found.results}
gap(predicted, "%", simulated=by[polls[1].label, "simulation"].empty_replies.mean * 100)
show_table(found.results)

# %% [markdown]
# ## Explain the gap
#
# One request for each message *on average* does not mean that each request finds one. Some find two or
# three, and then others find none. A cycle lasts P = T + RTT: the interval T, and the round trip of a
# request and its answer. In it come λP messages on average, and by Poisson none at all with
# probability exp(−λP): with λP ≈ 1 that is 36 %.
#
# | of a short poll without work | |
# |---|---|
# | wait in the log | uniform between 0 and P, so P/2 on average |
# | requests per message | 1/(λP) |
# | share of empty answers | exp(−λP) |
#
# To the wait comes the transit, which a pushed message needs as well: about 1 ms here.
#
# Now predict three figures for `ShortPoll(interval=0.1)`, which is not in the table, at the same 20
# messages a second. Work them out from the formulas with T in place of P, or with a guess of RTT. The
# check simulates it.

# %%
quiz.ask("3.1")

# %%
# answer = ...
### BEGIN SOLUTION
answer = np.exp(-20 * 0.1015) * 100
### END SOLUTION
between = run(ShortPoll(interval=0.1), rate=20, duration=200)
quiz.check("3.1", answer, trace=between)

# %%
quiz.ask("3.2")

# %%
# answer = ...
### BEGIN SOLUTION
answer = 1 / (20 * 0.1015)
### END SOLUTION
quiz.check("3.2", answer, trace=between)

# %% [markdown]
# ## A deadline
#
# The wait is uniform, so its quantiles are easy: a share q of the messages waits less than qP.

# %%
quiz.ask("3.3")

# %%
# answer = ...
### BEGIN SOLUTION
transit = by[push.label, "simulation"].latency["mean"].mean * 1e3
answer = (100 - transit) / 0.99 - 2 * transit
### END SOLUTION
quiz.check("3.3", answer, trace=between)

# %% [markdown]
# ## What freshness costs
#
# The plane of latency and requests shows all strategies at once. Further left is fresher, further down
# is cheaper. A strategy is *dominated* if another is at least as good in both, and better in one.

# %%
show(plots.cost_plane(found.results))

# %% [markdown]
# The short polls lie on a straight line of this doubly logarithmic plane. Whatever the interval, mean
# wait times requests per message is the same: P/2 · 1/(λP) = 1/(2λ). You buy freshness with requests,
# and the price is fixed by the rate of the messages.

# %%
quiz.ask("3.4")

# %%
# answer = ...
### BEGIN SOLUTION
answer = 1 / (2 * 20) * 1e3
### END SOLUTION
quiz.check("3.4", answer, runs=found.runs)

# %%
quiz.ask("3.5")

# %%
# answer = ...
### BEGIN SOLUTION
answer = "c"
### END SOLUTION
quiz.check("3.5", answer)

# %% [markdown]
# ## Polling is always more expensive?
#
# "Pull costs more bandwidth" is often said. A poll has an HTTP head in each direction, and a push has
# none. But an answer to a poll may hold many messages. What happens at high rates?
#
# How many bytes per message will `ShortPoll(interval=0.05)` cost at 1,000 messages a second, if a
# pushed message of 100 bytes costs 130?

# %%
# predicted_bytes = ...
### BEGIN SOLUTION
predicted_bytes = 150
### END SOLUTION

# %%
rates = (10, 20, 50, 100, 200, 500, 1000)
duration = {rate: max(2, 200 / rate) for rate in rates}
polled = {rate: run(polls[1], rate, duration[rate]) for rate in rates}
pushed = {rate: run(push, rate, duration[rate]) for rate in rates}
gap(predicted_bytes, "bytes", simulated=summarise(polled[1000]).bytes_per_message)

figure = style.slide(12, 5.5)
axes = figure.add_subplot()
for traces, name, colour, marker in (
    (pushed, push.label, style.BLUE, "o"),
    (polled, polls[1].label, style.VERMILLION, "s"),
):
    amounts = [summarise(trace).bytes_per_message for trace in traces.values()]
    axes.loglog(rates, amounts, color=colour, marker=marker, markersize=8, label=name)
style.log_ticks(axes.xaxis)
style.log_ticks(axes.yaxis)
axes.legend(fontsize=style.TICK, frameon=False)
style.dress(
    axes, "Above some rate polls cost fewer bytes", "messages (per second)", "bytes (per message)"
)
show(figure)

# %%
print("messages/s  messages/request  bytes/message polled, pushed")
for rate in rates:
    mine, other = summarise(polled[rate]), summarise(pushed[rate])
    each = 1 / mine.requests_per_message
    print(f"{rate:10} {each:17.2f} {mine.bytes_per_message:14.1f} {other.bytes_per_message:14.1f}")

# %% [markdown]
# Bytes per message of a poll are r + h/k: r for the record itself, and the heads h of a request and its
# answer, shared by the k messages in it. Find r and h from two rows of the table, and the k at which
# both ways cost the same. Take rows from 100 messages a second on, where hardly any answer is empty: an
# empty one has a shorter head.

# %%
quiz.ask("3.6")

# %%
# answer = ...
### BEGIN SOLUTION
few, many = summarise(polled[100]), summarise(polled[1000])
heads = (few.bytes_per_message - many.bytes_per_message) / (
    few.requests_per_message - many.requests_per_message
)
record = many.bytes_per_message - heads * many.requests_per_message
answer = heads / (130 - record)
### END SOLUTION
quiz.check("3.6", answer, polled=polled, pushed=pushed)

# %% [markdown]
# In fairness: a push can be batched as well (lesson 6), and one that sends ten messages in a frame
# saves as much. What saves is the batch, not the direction. But a poller gets its batches for nothing:
# they form by themselves while it sleeps.
#
# ## Rare updates
#
# At the other end: two messages *an hour*, and a reader who is content with data that are one minute
# old on average.

# %%
quiz.ask("3.7")

# %%
# answer = ...
### BEGIN SOLUTION
answer = 3600 / 120 / 2
### END SOLUTION
quiz.check("3.7", answer)

# %% [markdown]
# ## Measure
#
# Two intervals over real connections, 3 s each. Predict the measured mean latency with interval 0.05
# (ms) on your machine.

# %%
# predicted_latency = ...
### BEGIN SOLUTION
predicted_latency = 27
### END SOLUTION

# %%
real_polls = [ShortPoll(interval=0.02), ShortPoll(interval=0.05)]
real = Scenario(
    workload=Workload(arrivals=Poisson(rate=40), duration=3, seed=5),
    strategies=real_polls,
    replications=1,
)
measured = compare(real, engines=["simulation", "loopback"])
traces = {(run.strategy, run.engine): run.traces[0] for run in measured.runs}
often, seldom = (traces[poll.label, "loopback"] for poll in real_polls)
gap(predicted_latency, "ms", measured=seldom.latency.mean() * 1e3)
show_table(measured.results)

# %%
quiz.ask("3.8")

# %%
# answer = ...
### BEGIN SOLUTION
answer = often.counters.elapsed / often.counters.requests * 1e3
### END SOLUTION
quiz.check("3.8", answer, trace=often)

# %% [markdown]
# ## What to take with you
#
# - With T the interval and P = T + RTT: mean wait P/2, at most P; 1/(λP) requests per message; a share
#   exp(−λP) of them for nothing.
# - Freshness times requests is constant. Halving the wait doubles the requests.
# - A poll collects batches while it sleeps. At high rates it costs fewer bytes per message than a push
#   of single messages.
# - What decides is λP, the number of messages in a cycle, not "poll" or "push".

# %%
quiz.score()
