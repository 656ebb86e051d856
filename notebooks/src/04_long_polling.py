# %% [markdown]
# # Lesson 4. Long polling
#
# A long poll asks like a poll and is answered like a push: the broker *holds* the request until there
# is something, or until a time-out. Kafka's consumers work like that. Is it pull with the latency of
# push?
#
# **After this lesson you can**
#
# - say why a message needs between one and three transits (RFC 6202, section 2.2);
# - work out the mean wait for a request that is not there yet;
# - say what the time-out changes, and what it does not;
# - say what happens to a long poll under load.
#
# It takes about 50 minutes.

# %%
import numpy as np

from lab import LongPoll, Poisson, Scenario, WebSocketPush, Workload, compare, simulate
from lab.course import gap, lesson, show, show_table
from lab.metrics import summarise
from lab.physics import LinkPhysics, reference
from lab.plots import style

quiz = lesson(4)
near_by = reference().physics
push, poll = WebSocketPush(), LongPoll()


def run(strategy, rate, messages, costs):
    """Simulate `strategy` with so many Poisson messages of no work, about; return its trace."""
    workload = Workload(arrivals=Poisson(rate=rate), duration=messages / rate, seed=7)
    return simulate(Scenario(workload=workload, strategies=[strategy]), strategy, costs)


# %% [markdown]
# ## Far away
#
# On one machine the ways are so short that nothing can be seen. So let us simulate connections that
# are 20 ms long: a *transit*, one way, takes 20 ms, as between two continents' edges.

# %%
TRANSIT = 0.020  # seconds
far_away = near_by.model_copy(update={"link": LinkPhysics(delay=TRANSIT)})


def down(trace):
    """Return the seconds from the broker's having each message to the consumer's having it."""
    return trace.received - trace.at_broker


# %% [markdown]
# ## Predict
#
# At 20 messages a second a pushed message needs a little more than 20 ms from the broker to the
# consumer: one transit and a bit of computing. How long does it take by long poll, on average? (ms)

# %%
# predicted = ...
### BEGIN SOLUTION
predicted = 25
### END SOLUTION

# %%
pushed, polled = (run(strategy, 20, 2000, far_away) for strategy in (push, poll))
gap(predicted, "ms", pushed=down(pushed).mean() * 1e3, polled=down(polled).mean() * 1e3)

# %% [markdown]
# All messages of three runs: how many transits did each need?

# %%
traces = {rate: run(poll, rate, 2000, far_away) for rate in (2, 20, 200)}
figure = style.slide(12, 5)
for axes, (rate, trace) in zip(figure.subplots(1, 3, sharey=True), traces.items(), strict=True):
    share = np.full(len(trace), 100 / len(trace))
    axes.hist(down(trace) / TRANSIT, np.arange(0.9, 3.5, 0.1), weights=share, color=style.SKY)
    style.dress(axes, f"{rate} messages/s", "transits", "messages (%)" if rate == 2 else "")
show(figure)

# %% [markdown]
# ## Explain the gap
#
# If a request is there and held, the answer leaves at once: **one** transit. But after an answer the
# broker has no request for a while: the answer travels to the consumer, and the next request travels
# back. A message that comes right behind an answer waits for both, and then needs its own way down:
# **three** transits. That is the **re-arm gap** g, about a round trip.
#
# - At 2 messages a second the next message nearly always finds a request held.
# - At 200 a second something always comes during the gap; so a request is never held, and messages are
#   spread evenly over one to three transits, two on average.

# %%
quiz.ask("4.1")

# %%
# answer = ...
### BEGIN SOLUTION
answer = down(polled).max() / TRANSIT
### END SOLUTION
quiz.check("4.1", answer, trace=polled, transit=TRANSIT)

# %%
quiz.ask("4.2")

# %%
# answer = ...
### BEGIN SOLUTION
answer = (polled.left_broker - polled.at_broker < 0.001).mean() * 100
### END SOLUTION
quiz.check("4.2", answer, trace=polled)

# %% [markdown]
# With Poisson messages, gap g and time-out τ, theory says that the mean wait at the broker is
#
# $$ \frac{\lambda g^2/2}{\lambda g + k}, \qquad k = e^{-\lambda g}\,(1 - e^{-\lambda\tau}) $$
#
# λg messages come in a gap and wait g/2 each; k is the probability that a request is held and then
# answered with a message that did not wait. Here g = 2 transits = 40 ms, τ = 1 s. Work it out for 25
# messages a second. The check simulates it.

# %%
quiz.ask("4.3")

# %%
# answer = ...
### BEGIN SOLUTION
rate, g = 25, 0.040
k = np.exp(-rate * g) * (1 - np.exp(-rate * 1.0))
answer = rate * g**2 / 2 / (rate * g + k) * 1e3
### END SOLUTION
quiz.check("4.3", answer, trace=run(poll, 25, 2000, far_away))

# %% [markdown]
# ## The time-out
#
# A request is not held for ever. After `max_wait` the broker answers that there is nothing (HTTP 204),
# and the consumer asks again. Servers and proxies in between give up connections that say nothing for
# a minute or so, and a peer that has died must be noticed some time.
#
# One message a second comes; `max_wait` is 0.5 s or 5 s. By how many *per cent* does the mean latency
# grow if the time-out is ten times as long? Near by again, without the 20 ms.

# %%
# predicted_growth = ...
### BEGIN SOLUTION
predicted_growth = 0
### END SOLUTION

# %%
impatient, patient = (run(LongPoll(max_wait=wait), 1, 300, near_by) for wait in (0.5, 5.0))
gap(predicted_growth, "%", simulated=(patient.latency.mean() / impatient.latency.mean() - 1) * 100)
for name, trace in (("0.5 s", impatient), ("5 s", patient)):
    told = summarise(trace)
    print(
        f"max_wait {name}: {told.latency['mean'] * 1e3:.2f} ms,"
        f" {told.requests_per_message:.2f} requests per message, {told.empty_replies:.0%} of them empty"
    )

# %% [markdown]
# The time-out is no pause. A held request is answered the moment something comes, however long it might
# have waited. So a long time-out costs no latency and saves requests. What is left of the difference is
# less than a tenth of a millisecond: a broker that has just had something to do wakes up a little faster.

# %%
quiz.ask("4.4")

# %%
# answer = ...
### BEGIN SOLUTION
answer = 3600 / 30
### END SOLUTION
quiz.check("4.4", answer)

# %%
quiz.ask("4.5")

# %%
# answer = ...
### BEGIN SOLUTION
answer = np.exp(-1 * 2.0) * 100
### END SOLUTION
quiz.check("4.5", answer, trace=run(LongPoll(max_wait=2.0), 1, 400, near_by))

# %%
quiz.ask("4.6")

# %%
# answer = ...
### BEGIN SOLUTION
answer = "d"
### END SOLUTION
quiz.check("4.6", answer)

# %% [markdown]
# ## Under load, measured
#
# On one machine a transit takes tenths of a millisecond. At 50 messages a second a request is held
# nearly always. At 2,000 a second the gap between messages, 0.5 ms, is as long as the re-arm gap. How
# many messages will an answer hold on average, at 2,000 a second on your machine?

# %%
# predicted_batch = ...
### BEGIN SOLUTION
predicted_batch = 1.5
### END SOLUTION

# %%
results, real = [], {}
for rate in (50, 2000):
    scenario = Scenario(
        workload=Workload(arrivals=Poisson(rate=rate), duration=1, seed=7),
        strategies=[push, poll],
        replications=1,
    )
    measured = compare(scenario, engines=["simulation", "loopback"])
    results += measured.results
    real |= {(r.strategy, rate): r.traces[0] for r in measured.runs if r.engine == "loopback"}
slow, fast = real[poll.label, 50], real[poll.label, 2000]
gap(predicted_batch, "messages", measured=1 / summarise(fast).requests_per_message)
show_table(results)

# %% [markdown]
# The first four rows are at 50 messages a second, the others at 2,000. With the load two things change:
# the long poll falls behind the push, as more and more messages meet the gap; and its requests per
# message become fewer, as those that meet the gap travel together. So it becomes cheaper just when there
# is more to do. In the limit the long poll is a poll without a pause, which is never empty.

# %%
quiz.ask("4.7")

# %%
# answer = ...
### BEGIN SOLUTION
answer = 1 / summarise(fast).requests_per_message
### END SOLUTION
quiz.check("4.7", answer, trace=fast)

# %%
quiz.ask("4.8")

# %%
# answer = ...
### BEGIN SOLUTION
medians = {place: np.median(trace.latency) for place, trace in real.items()}
answer = medians[poll.label, 2000] / medians[push.label, 2000]
### END SOLUTION
quiz.check("4.8", answer, push=real[push.label, 2000], poll=fast)

# %% [markdown]
# ## What to take with you
#
# - A long poll needs one transit if a request is held, and up to three if it is not.
# - The re-arm gap is a round trip (and the work, if the consumer works before it asks again).
# - The time-out costs requests, not latency.
# - Under load the latency tends to two transits, and batches form by themselves.

# %%
quiz.score()
