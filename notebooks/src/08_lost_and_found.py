# %% [markdown]
# # Lesson 8. Lost and found
#
# Programs crash and networks break. Then some messages never arrive, and some are worked on twice.
# Which of the two it is, is not chance: it is decided by *when* somebody says "done".
#
# **After this lesson you can**
#
# - tell *at most once*, *at least once* and *effectively once* apart, and say what each needs;
# - say what an acknowledgement that comes too early turns duplicates into;
# - bound how many messages a crash can lose or repeat;
# - use the delivery checker on a trace, from Python and on the command line;
# - work out what retries achieve, and what they cost.
#
# It takes about 75 minutes.

# %%
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from lab import (
    HttpIngest,
    LongPoll,
    Periodic,
    Poisson,
    Scenario,
    Uniform,
    WebSocketPush,
    Workload,
    check,
    compare,
    oracles,
    plots,
)
from lab.course import gap, lesson, show
from lab.faults import ConsumerCrash, LostRequest, LostResponse, SlowConsumer
from lab.outcomes.fates import accounts
from lab.outcomes.guarantees import allowance
from lab.scenario import Producer
from lab.trace import Fate

quiz = lesson(8)

# %% [markdown]
# ## The setting
#
# 200 messages a second. At 0.6 s the consumer becomes slow, so that it falls behind a little; at
# 0.8 s it is killed, and at 1.6 s a new one begins, with nothing but what the old one had made
# safe. Six ways of delivering face this:
#
# | | who remembers what is done | when it is remembered |
# |---|---|---|
# | `WebSocketPush()` | nobody | – |
# | `WebSocketPush(acks=True)` | the broker, by acks | after the work |
# | `WebSocketPush(acks=True, ack_on="receipt")` | the broker, by acks | on receipt, before the work |
# | `LongPoll(commit="after_work")` | the consumer, by a cursor | after the work on an answer |
# | `LongPoll(commit="before_work")` | the consumer, by a cursor | before it |
# | `LongPoll(commit="each")` | the consumer, by a cursor | with each record, in one transaction with its result |
#
# "The work is done" here means: its result is there, say a row in a database.

# %%
silent = WebSocketPush()
late_ack = WebSocketPush(acks=True, credits=20)
early_ack = WebSocketPush(acks=True, credits=20, ack_on="receipt")
after, before, each = (
    LongPoll(max_records=20, commit=when) for when in ("after_work", "before_work", "each")
)


def crash(*strategies, replications=5):
    """Return the scenario in which the consumer is killed at 0.8 s, and begins anew at 1.6 s."""
    return Scenario(
        workload=Workload(
            arrivals=Poisson(rate=200), work=Uniform(low=0.001, high=0.005), duration=2.5, seed=8
        ),
        strategies=strategies,
        faults=[
            SlowConsumer(at=0.6, duration=0.2, times=5),
            ConsumerCrash(at=0.8, duration=0.8),
        ],
        replications=replications,
    )


# %% [markdown]
# ## Predict
#
# How many messages will `WebSocketPush()` lose in one run?

# %%
# predicted_lost = ...
### BEGIN SOLUTION
predicted_lost = 200 * 0.8
### END SOLUTION

# %%
scenario = crash(silent, late_ack, early_ack, after, before, each)
broken = compare(scenario, engines=["simulation"])


def what_became(scenario, runs):
    """Print how many messages of each strategy were delivered, lost, and worked on again."""
    print(f"{'':52} delivered  lost  done again")
    for account in accounts(scenario, runs):
        delivered, lost = account.fates["delivered"], account.fates["lost"]
        print(f"{account.strategy:52} {delivered:9} {lost:5} {account.done_again:11}")


what_became(scenario, broken.runs)
lost = {run.strategy: [np.sum(t.fate == Fate.LOST) for t in run.traces] for run in broken.runs}
gap(predicted_lost, "messages", simulated=np.mean(lost[silent.label]))

# %% [markdown]
# These are the sums of five runs. In them each way either loses, or repeats, or does neither.
#
# ## Explain the gap
#
# While the consumer was away, 0.8 s · 200/s = 160 messages were created. But those that it had not
# worked on when it died are gone as well: they were in its queue and in the sockets. Nobody else
# remembered them.

# %%
show(plots.offsets([run.traces[0] for run in (broken.runs[0], broken.runs[3])]))

# %% [markdown]
# The thick line is how many messages had come to the broker, the thin one how many the consumer was
# done with. Where nobody remembers, the consumer never comes back to the thick line.

# %%
quiz.ask("8.1")

# %%
# answer = ...
### BEGIN SOLUTION
answer = np.mean(lost[silent.label])
### END SOLUTION
quiz.check("8.1", answer, run=broken.runs[0])

# %%
quiz.ask("8.2")

# %%
# answer = ...
### BEGIN SOLUTION
answer = "b"
### END SOLUTION
quiz.check("8.2", answer)

# %%
quiz.ask("8.3")

# %%
# answer = ...
### BEGIN SOLUTION
answer = "d"
### END SOLUTION
quiz.check("8.3", answer)

# %% [markdown]
# ## How bad can it get?
#
# What was seen in five runs is no bound. But a bound can be worked out. With an early ack, a message
# is out of the broker's care as soon as the consumer has received it. How many can the consumer hold
# then? Its queue has room for 16, and up to 20 credits are under way besides.
#
# The lab works such bounds out for every strategy and fault, and judges each trace by them.

# %%
for strategy in (late_ack, early_ack, after, before, each):
    print(f"{strategy.label}: {allowance(scenario, strategy)}")

# %% [markdown]
# `commit=each` is allowed one, too: the message at which the consumer was when it died is begun anew.
# In a database the first beginning would be undone with its transaction.

# %%
quiz.ask("8.4")

# %%
# answer = ...
### BEGIN SOLUTION
answer = 20 + 16
### END SOLUTION
quiz.check("8.4", answer, bound=allowance(scenario, early_ack).lost)

# %% [markdown]
# ## Measure
#
# Now for real: a consumer that is a program of its own is killed, and another is started. It takes
# some seconds. Will anything be lost that the rules do not allow?

# %%
for_real = crash(silent, after, replications=1)
measured = compare(for_real, engines=["loopback"])
what_became(for_real, measured.runs)
print("broken promises:", measured.violations or "none")

# %% [markdown]
# The numbers differ from the simulation's, since it is chance how much is under way at the very moment
# of the crash. The *kind* of harm does not differ.
#
# ## The checker
#
# Every trace that `compare` makes is checked: each message must have exactly one fate, its
# stamps must be in order, and nothing may happen that the strategy's promise excludes. `check(trace)`
# returns what is wrong, and an empty list if nothing is.
#
# A checker that never finds anything is worth nothing. So let us lie to it: a forged trace claims
# that all lost messages were delivered.

# %%
honest = broken.runs[0].traces[0]
fate = np.where(honest.fate == Fate.LOST, Fate.DELIVERED, honest.fate).astype(np.int8)
forged = replace(honest, fate=fate)
print("honest:", check(honest) or "nothing is wrong")
for violation in check(forged)[:3]:
    print("forged: message", violation.message, "-", violation.text)

# %%
quiz.ask("8.5")

# %%
# answer = ...
### BEGIN SOLUTION
answer = check(forged)[0].message
### END SOLUTION
quiz.check("8.5", answer, honest=honest)

# %% [markdown]
# On the command line the same is `pushpull check FILE`. Other programs read its exit status.

# %%
with tempfile.TemporaryDirectory() as folder:
    for name, trace in {"honest": honest, "forged": forged}.items():
        file = Path(folder) / f"{name}.npz"
        trace.save(file)
        command = [sys.executable, "-m", "lab", "check", str(file)]
        done = subprocess.run(command, capture_output=True, check=False)
        print(f"{name}: exit status {done.returncode}")

# %%
quiz.ask("8.6")

# %%
# answer = ...
### BEGIN SOLUTION
answer = "b"
### END SOLUTION
quiz.check("8.6", answer)

# %% [markdown]
# ## Retries
#
# A sender that gets no answer tries again, at most n times in all. Say that each request is lost
# with probability p, and each answer with probability q, independently. If the *answer* is lost, the
# work was done, and the sender does not know: it repeats.
#
# With p = q = 0.3 and n = 3: how many times is a message delivered, on average?

# %%
# predicted_deliveries = ...
### BEGIN SOLUTION
predicted_deliveries = 1.3
### END SOLUTION

# %% [markdown]
# A simulation of a million messages in a few lines. Row by row: which of the three tries would get
# through, which would be answered, and which happen at all?

# %%
P, Q, TRIES = 0.3, 0.3, 3
chance = np.random.default_rng(8)
arrives = chance.random((1_000_000, TRIES)) >= P
answered = arrives & (chance.random((1_000_000, TRIES)) >= Q)
happens = np.ones_like(arrives)
happens[:, 1:] = np.cumsum(answered, axis=1)[:, :-1] == 0  # no try before it was answered
deliveries = (arrives & happens).sum(axis=1)
theory = oracles.retries(P, Q, TRIES)
gap(predicted_deliveries, "deliveries", theory=theory.deliveries, simulated=deliveries.mean())
print(
    f"never delivered: theory {theory.never_delivered:.2%}, simulated {np.mean(deliveries == 0):.2%}"
)
print(
    f"given up:        theory {theory.given_up:.2%}, simulated {np.mean(~answered.any(axis=1)):.2%}"
)

# %% [markdown]
# A try fails with probability f = 1 − (1 − p)(1 − q). So there are (1 − fⁿ)/(1 − f) tries on average,
# and a share 1 − p of them delivers. What is *given up* is not the same as what was never delivered:
# most of it had arrived, and only the answers were lost.

# %%
quiz.ask("8.7")

# %%
# answer = ...
### BEGIN SOLUTION
fails = 1 - (1 - P) * (1 - Q)
answer = (1 - P) * (1 - fails**TRIES) / (1 - fails)
### END SOLUTION
quiz.check("8.7", answer, theory=theory)

# %% [markdown]
# ## The first mile: acks for the producer
#
# So far the broker had every message. But the source sends them over a connection, too, and that
# breaks here ten times: five times a message is lost on its way to the broker, and five times the
# broker's ack on its way back. The source is called the **producer** here. It may
#
# - send and not care (`acks="none"`);
# - wait for an ack, and send again what was not acknowledged in time (`acks="retry"`);
# - number its messages besides (`acks="idempotent"`).
#
# Of 500 messages, how many will be lost without acks, and how many done twice with `"retry"`?

# %%
# predicted_lost = ...
# predicted_twice = ...
### BEGIN SOLUTION
predicted_lost = 5
predicted_twice = 5
### END SOLUTION

# %%
breaks = [
    LinkFault(at=at + 0.4 * i, link="ingest")
    for i in range(5)
    for LinkFault, at in ((LostRequest, 0.2), (LostResponse, 0.4))
]


def publish(acks):
    """Simulate 500 messages of a producer with these acks, to a long poll; return the trace."""
    scenario = Scenario(
        workload=Workload(arrivals=Periodic(rate=200), duration=2.5, seed=8),
        strategies=[after],
        producer=Producer(acks=acks, timeout=0.2),
        faults=breaks,
        replications=1,
    )
    return compare(scenario, engines=["simulation"]).runs[0].traces[0]


def done_again(trace):
    return int(np.maximum(trace.completions - 1, 0).sum())


published = {acks: publish(acks) for acks in ("none", "retry", "idempotent")}
for acks, trace in published.items():
    print(f"{acks:12} lost {np.sum(trace.fate == Fate.LOST)}, done again {done_again(trace)}")
gap(predicted_lost, "messages", lost=np.sum(published["none"].fate == Fate.LOST))
gap(predicted_twice, "messages", twice=done_again(published["retry"]))

# %% [markdown]
# It is the same choice once more. Who does not wait for an ack loses what was lost. Who repeats cannot
# know whether the message was lost or only its ack, and repeats both. That does no harm if the log
# can tell that it has the message already.

# %%
quiz.ask("8.8")

# %%
# answer = ...
### BEGIN SOLUTION
answer = "c"
### END SOLUTION
quiz.check("8.8", answer)

# %% [markdown]
# ## Exercise: nothing twice
#
# A source POSTs 200 messages to its target, and 30 answers are lost on their way back. The target
# does 30 messages twice.

# %%
losses = [LostResponse(at=0.1 + 0.06 * i) for i in range(30)]


def deliver(strategy):
    """Simulate 200 messages by `strategy` while 30 answers are lost; return the trace."""
    workload = Workload(arrivals=Periodic(rate=100), duration=2, seed=8)
    run = Scenario(workload=workload, strategies=[strategy], faults=losses, replications=1)
    return compare(run, engines=["simulation"]).runs[0].traces[0]


posted = deliver(HttpIngest(timeout=0.2, retry_first=0.02))
print(
    done_again(posted),
    "messages done again,",
    np.sum(posted.fate != Fate.DELIVERED),
    "not delivered",
)

# %% [markdown]
# Change the strategy so that no message is done twice, and none is lost, though the answers still are.
# `help(HttpIngest)` says what its knobs do. Answer with a run: `deliver(HttpIngest(...))`.

# %%
quiz.ask("8.9")

# %%
# answer = ...
### BEGIN SOLUTION
answer = deliver(HttpIngest(timeout=0.2, retry_first=0.02, method="PUT"))
### END SOLUTION
quiz.check("8.9", answer)

# %% [markdown]
# ## What to take with you
#
# - Remember before the work, and a crash loses; remember after it, and a crash repeats. Only what is
#   remembered *together* with the result does neither.
# - An ack says what its sender promises. "I have received it" is not "I have done it".
# - A bound on what is under way (credits, size of an answer) bounds the harm.
# - Retries deliver at least once, on each way: from the producer to the log, and from there to the
#   consumer. A name for each message (PUT, a key, a number) makes the repetition harmless.
# - A checker must be seen to find something.

# %%
quiz.score()
