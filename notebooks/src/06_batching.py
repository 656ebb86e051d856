# %% [markdown]
# # Lesson 6. Batching
#
# Messages can travel one by one, or several together. A batch shares one request, one head, one
# transaction. But a message that waits for company is late. Who decides how long it waits?
#
# **After this lesson you can**
#
# - work out how long messages wait for a full batch, and for a *linger* time;
# - say what a batch saves, and when a larger one saves nothing more;
# - say what happens if the producer's side chooses the size, and what if the consumer does;
# - choose the size of a batch for a database, given a limit on latency.
#
# It takes about 60 minutes.

# %%
import tempfile
from itertools import islice
from pathlib import Path

import numpy as np

from lab import (
    LongPoll,
    Poisson,
    Scenario,
    Uniform,
    Webhook,
    WebSocketPush,
    Workload,
    compare,
    plots,
)
from lab.course import gap, lesson, show, show_table
from lab.faults import SlowConsumer
from lab.feed import ticks
from lab.feed.sinks.rate import insert_rate
from lab.metrics import Interval
from lab.plots import style
from lab.plots.series import Panel, Series

quiz = lesson(6)

RATE = 200  # messages a second, at random times


def steady(*strategies, duration=20, replications=3):
    """Return the scenario in which these strategies deliver RATE messages a second."""
    workload = Workload(arrivals=Poisson(rate=RATE), duration=duration, seed=6)
    return Scenario(workload=workload, strategies=strategies, replications=replications)


# %% [markdown]
# ## A full batch
#
# The broker collects messages until there are ten, and sends them together. (It would also send them
# after 0.3 s, its *linger*, but at 200 messages a second the ten are there long before.)
#
# How long does a message wait at the broker, on average? Think of the first of a batch, and of the
# last. Write down milliseconds.

# %%
# predicted = ...
### BEGIN SOLUTION
predicted = 9 / 2 / RATE * 1e3
### END SOLUTION

# %%
alone, tens = WebSocketPush(), WebSocketPush(batch_size=10, linger=0.3)
full = compare(steady(alone, tens), engines=["theory", "simulation"])
by = {(result.strategy, result.engine): result for result in full.results}
waits = by[tens.label, "simulation"].parts["broker residence"]
gap(predicted, "ms", simulated=waits.mean * 1e3)
show_table(full.results)

# %% [markdown]
# The *theory* row adds two things: the time of a lone message in an empty system, and the wait until
# the batch is full. The first of B messages waits for B − 1 others, the last for none. The others
# come 1/λ seconds apart, so the mean wait is (B − 1) / (2λ).

# %%
quiz.ask("6.1")

# %%
# answer = ...
### BEGIN SOLUTION
answer = waits.mean * 1e3
### END SOLUTION
quiz.check("6.1", answer, run=next(run for run in full.runs if run.strategy == tens.label))

# %% [markdown]
# ## Linger
#
# Usually a limit on time is wanted, too: send what there is when the first message of the batch has
# waited for the *linger* time L. If batches never get full, the first message waits L. Those that
# follow within L, on average λL of them, wait L/2 each. So the mean wait is
#
# $$ L \cdot \frac{1 + \lambda L/2}{1 + \lambda L} $$
#
# and a request carries 1 + λL messages. Simulated beside theory, for four linger times:

# %%
LINGERS = (0.005, 0.02, 0.05, 0.2)
lingering = {linger: Webhook(batch_size=1000, linger=linger) for linger in LINGERS}
swept = compare(steady(*lingering.values(), duration=8), engines=["theory", "simulation"])


def lines(results, engine):
    """Return the mean latency and the requests per message of one engine, over linger times."""
    mine = {result.strategy: result for result in results if result.engine == engine}
    both = [(linger, mine[s.label]) for linger, s in lingering.items() if s.label in mine]
    return [
        Series("Webhook", [(x, result.latency["mean"]) for x, result in both], "latency"),
        Series("Webhook", [(x, result.requests_per_message) for x, result in both], "requests"),
    ]


panels = [
    Panel("later ...", "mean latency (ms)", "linger (s)", "latency", scale=1e3),
    Panel("... and cheaper", "requests per message", "linger (s)", "requests"),
]
drawn = {engine: lines(swept.results, engine) for engine in ("theory", "simulation")}
show(plots.sweep(drawn, panels, "What does a longer linger cost, and buy?"))

# %% [markdown]
# Left: the latency grows with the linger time. Right: the requests get fewer. The dotted lines of
# theory lie under the simulated ones.

# %%
quiz.ask("6.2")

# %%
# answer = ...
### BEGIN SOLUTION
answer = 0.02 * (1 + RATE * 0.02 / 2) / (1 + RATE * 0.02) * 1e3
### END SOLUTION
quiz.check("6.2", answer, run=next(r for r in swept.runs if r.strategy == lingering[0.02].label))

# %% [markdown]
# ## Measure
#
# One of these linger times over real connections, and no linger at all. It takes some seconds. Will your
# machine be slower than the simulation, and if so, by how many milliseconds at a linger of 50 ms?

# %%
# predicted_difference = ...
### BEGIN SOLUTION
predicted_difference = 1
### END SOLUTION

# %%
some = [Webhook(), lingering[0.05]]
both = compare(steady(*some, duration=0.8, replications=2), engines=["simulation", "loopback"])
found = {(r.strategy, r.engine): r.latency["mean"].mean * 1e3 for r in both.results}
label = lingering[0.05].label
gap(predicted_difference, "ms", difference=found[label, "loopback"] - found[label, "simulation"])
show_table(both.results)

# %% [markdown]
# ## Explain the gap
#
# Waiting for the clock is the same on every machine; only the few tenths of a millisecond of work
# differ. So the longer the linger, the smaller is the difference between simulation and measurement,
# relative to the whole. (A timer also rings a little late, each time.)
#
# ## What a batch saves
#
# A request has a head, which all messages of a batch share. So the bytes for each message are
# **a + b/B** with a batch of B. Two runs are enough to know a and b.
#
# Find a and b from the batches of 1 and 10, and predict the bytes for each message with batches of
# 100. Then run on.

# %%
# predicted_bytes = ...
### BEGIN SOLUTION
predicted_bytes = 100
### END SOLUTION

# %%
sizes = [Webhook(), Webhook(batch_size=10, linger=1), Webhook(batch_size=100, linger=1)]
saved = compare(steady(*sizes, duration=10, replications=2), engines=["simulation"])
single, ten, hundred = (result.bytes_per_message.mean for result in saved.results)
print(f"batches of 1: {single:.1f} bytes a message; batches of 10: {ten:.1f} bytes a message")

# %%
quiz.ask("6.3")

# %%
# answer = ...
### BEGIN SOLUTION
b = (single - ten) / (1 - 1 / 10)
answer = single - b + b / 100
### END SOLUTION
quiz.check("6.3", answer, runs=saved.runs)

# %%
gap(predicted_bytes, "bytes", simulated=hundred)

# %% [markdown]
# From 1 to 10 the bytes fall by two thirds; from 10 to 100 hardly at all, since a message needs its own
# bytes in any case. The wait for the batch, however, has grown tenfold.
#
# ## Who chooses?
#
# With a push, the sender chooses the size of a batch. With a pull, the consumer takes what is there
# when it asks: one message if it is fast, many if it has been busy. Here the consumer needs 2 ms for
# a message on average, and 8 ms from 0.5 s to 1.5 s.

# %%
who = Scenario(
    workload=Workload(
        arrivals=Poisson(rate=RATE), work=Uniform(low=0.001, high=0.003), duration=2, seed=6
    ),
    strategies=[LongPoll(max_records=50), WebSocketPush(batch_size=20, linger=0.05)],
    faults=[SlowConsumer(at=0.5, duration=1, times=4)],
    replications=1,
)
chosen = compare(who, engines=["simulation", "loopback"])


def batches(trace):
    """Return when each batch left the broker, and how many messages it had."""
    return np.unique(trace.left_broker, return_counts=True)


figure = style.slide(12, 6)
for axes, run in zip(
    figure.subplots(2, 2, sharex=True, sharey=True).flat, chosen.runs, strict=True
):
    axes.stem(*batches(run.traces[0]), basefmt=" ", markerfmt=".")
    style.shade_faults(axes, run.traces[0])
    style.dress(axes)
    style.name_panel(axes, run.traces[0])
style.headline(figure, "Who makes batches larger? Grey: the consumer is slow")
figure.supxlabel("time since the start (s)", fontsize=style.LABEL)
figure.supylabel("messages in the batch", fontsize=style.LABEL)
show(figure)

# %% [markdown]
# Each line is a batch. While the consumer is slow, more messages come during the work on a batch
# than the batch had, so the next answer is larger, until the limit of 50. Nobody had to set
# anything. The pushed batches take no notice.

# %%
quiz.ask("6.4")

# %%
# answer = ...
### BEGIN SOLUTION
answer = RATE * 10 * 0.002 * 4
### END SOLUTION
quiz.check("6.4", answer, run=chosen.runs[0])

# %%
quiz.ask("6.5")

# %%
# answer = ...
### BEGIN SOLUTION
answer = "a"
### END SOLUTION
quiz.check("6.5", answer)

# %% [markdown]
# ## Into a database
#
# The usual work of a consumer is to insert rows. Each transaction has a price of its own, which all
# rows in it share. The next cell inserts 1,000 ticks of a price feed into a real SQLite file, in
# transactions of 1, 10, 100 and 1,000 rows, five times each in turn. How many times as many rows a
# second as with single rows do you expect with 100 in a transaction?

# %%
# predicted_times = ...
### BEGIN SOLUTION
predicted_times = 20
### END SOLUTION

# %%
rows = list(islice(ticks(np.random.default_rng(6)), 1_000))
BATCHES = (1, 10, 100, 1_000)
rates = {batch: [] for batch in BATCHES}
with tempfile.TemporaryDirectory() as folder:
    for repetition in range(5):
        for batch in BATCHES:
            inserted = insert_rate(batch, rows, Path(folder) / f"{batch}.{repetition}.db")
            rates[batch].append(inserted.rate)
for batch, found in rates.items():
    print(f"{batch:5} rows in a transaction: {np.mean(found):10,.0f} rows a second")
gap(predicted_times, "times", measured=np.mean(rates[100]) / np.mean(rates[1]))

# %%
points = [(batch, Interval.over(found)) for batch, found in rates.items()]
panel = Panel("", "rows per second", "rows in a transaction")
show(plots.sweep({"loopback": [Series("SQLite", points)]}, [panel], "How fast do rows go in?"))

# %%
quiz.ask("6.6")

# %%
# answer = ...
### BEGIN SOLUTION
answer = np.mean(rates[100]) / np.mean(rates[1])
### END SOLUTION
quiz.check("6.6", answer, rates=rates)

# %% [markdown]
# Again most is gained by the first steps. So choose the *smallest* batch that is fast enough, not the
# largest: rows wait until it is full.

# %%
quiz.ask("6.7")

# %%
# answer = ...
### BEGIN SOLUTION
answer = 1 + 2 * 1_000 * 0.010
### END SOLUTION
quiz.check("6.7", answer)

# %% [markdown]
# ## Exercise: a budget of requests
#
# At 200 messages a second, at most **one request for five messages** is allowed, and messages
# should be as fresh as that permits. Find the linger time, and answer with a run that shows it:
# `compare(steady(Webhook(batch_size=1000, linger=...)), engines=["simulation"])`.

# %%
quiz.ask("6.8")

# %%
# answer = ...
### BEGIN SOLUTION
answer = compare(steady(Webhook(batch_size=1000, linger=0.0205)), engines=["simulation"])
### END SOLUTION
quiz.check("6.8", answer)

# %% [markdown]
# ## What to take with you
#
# - A full batch of B costs (B − 1)/(2λ) of waiting: much if messages are rare. A linger time bounds
#   the wait.
# - What is shared becomes B times cheaper; what each message needs for itself does not. The first
#   steps save the most.
# - A consumer that pulls gets larger batches just when it needs them.

# %%
quiz.score()
