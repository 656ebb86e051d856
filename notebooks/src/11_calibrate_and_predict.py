# %% [markdown]
# # Lesson 11. Calibrate and predict
#
# So far the simulation used the costs of somebody else's machine. Now it learns those of yours,
# says what it expects of runs that nobody has made yet, and you make them.
#
# **After this lesson you can**
#
# - calibrate a machine, and say what a calibration knows and what it does not;
# - predict quantiles *with intervals*, and read from them how sure the prediction is;
# - judge an error of prediction beside the noise of the measurement;
# - say where a prediction ends, before somebody relies on it.
#
# It takes about 60 minutes, about a minute of it in one cell, and builds on lessons 1, 2 and 10.

# %%
import numpy as np

from lab import (
    Poisson,
    Scenario,
    ServerSentEvents,
    ShortPoll,
    Webhook,
    Workload,
    compare,
    predict,
    simulate,
)
from lab.course import gap, lesson
from lab.course.costs import costs
from lab.course.questions.lesson_11 import error, medians
from lab.physics import reference
from lab.validation.judge import leave_one_out

quiz = lesson(11)

# %% [markdown]
# ## 1. Calibrate
#
# `costs("now")` measures short runs of a few strategies at a few loads and looks for the costs with
# which the simulation repeats them: what an event loop takes to wake up, what a message costs on
# each kind of connection, how much slower everything is after a sleep. Close what else is running;
# a busy machine is calibrated as a slow one.
#
# If you have no half minute: `costs("before")` takes the last one you made, `costs("reference")`
# the one that is shipped, which is of another machine.

# %%
found = costs("now")

# %% [markdown]
# Each line is one sentence of what was learned. *Not told apart* means that several values of that
# cost would explain the runs equally well: predictions are known better than single costs.
#
# ## 2. Predict
#
# None of these three was calibrated. The event stream (server-sent events) is no part of the
# calibration at all: its costs are put together from those of a WebSocket.

# %%
scenario = Scenario(
    question="What will these three take on this machine?",
    workload=Workload(arrivals=Poisson(rate=120), duration=0.8, seed=11),
    strategies=[ServerSentEvents(), Webhook(), ShortPoll(interval=0.02)],
    replications=3,
)

# %% [markdown]
# **Predict first, without the machine.** What is the median latency of each, in milliseconds? Which
# is fastest, and what does the short poll's interval of 20 ms do to it?

# %%
# predicted_stream = ...
# predicted_webhook = ...
# predicted_poll = ...
### BEGIN SOLUTION
predicted_stream = 0.5
predicted_webhook = 0.8
predicted_poll = 11
### END SOLUTION

# %%
forecast = predict(scenario, found, limits=False)
print(f"{'':<26}{'p50, ms':>24}{'p99, ms':>24}")
for outlook in forecast.outlooks:
    cells = [
        f"{1e3 * e.value:7.2f} ({1e3 * e.low:.2f} to {1e3 * e.high:.2f})"
        for e in (outlook.latency["p50"], outlook.latency["p99"])
    ]
    print(f"{outlook.strategy:<26}{cells[0]:>24}{cells[1]:>24}")
print()
guesses = (predicted_stream, predicted_webhook, predicted_poll)
for guess, outlook in zip(guesses, forecast.outlooks, strict=True):
    gap(guess, "ms", **{outlook.strategy: 1e3 * outlook.latency["p50"].value})

# %% [markdown]
# In brackets: 95 of 100 runs should lie there. The interval holds the chance of a single run *and*
# what the calibration left uncertain.

# %%
quiz.ask("11.1")

# %%
# answer = ...
### BEGIN SOLUTION
push, post, poll = (outlook.latency["p50"].value for outlook in forecast.outlooks)
answer = poll / push
### END SOLUTION
quiz.check("11.1", answer, forecast=forecast)

# %%
quiz.ask("11.2")

# %%
# answer = ...
### BEGIN SOLUTION
p99 = forecast.outlooks[1].latency["p99"]
answer = p99.high / p99.low
### END SOLUTION
quiz.check("11.2", answer, forecast=forecast)

# %% [markdown]
# How much can the webhook take? The lab looks for the load beyond which messages queue up, by
# simulating overloads, and for what is busy all the time when it is reached.

# %%
alone = scenario.model_copy(update={"strategies": [Webhook()]})
limits = predict(alone, found)
saturation = limits.outlooks[0].saturation
low, high = saturation.rate.low, saturation.rate.high
print(f"full at {saturation.rate.value:,.0f} messages/s ({low:,.0f} to {high:,.0f})")
print(f"limited by: {saturation.resource.name}")

# %%
quiz.ask("11.3")

# %%
# answer = ...
### BEGIN SOLUTION
kind = limits.outlooks[0].saturation.resource.kind
answer = {"core": "a", "work": "b", "waiting": "c", None: "d"}[kind]
### END SOLUTION
quiz.check("11.3", answer, limits=limits)

# %% [markdown]
# ## 3. Measure what was predicted
#
# Three runs of each, in an order drawn at random. *Noise* is how far one run is from the others, on
# average: if you used two runs to predict the third, that would be your error.

# %%
measured = compare(scenario, engines=["loopback"]).runs
for run in measured:
    told = ", ".join(f"{1e3 * m:.2f}" for m in medians(run))
    noise = leave_one_out(np.array(medians(run)))
    print(
        f"{run.strategy:<26} medians {told} ms; error {error(forecast, run):.1%}, noise {noise:.1%}"
    )

# %% [markdown]
# **The gap.** The short poll is predicted best: it consists of waiting, and a clock is a clock. The
# other two consist of wake-ups and work, which depend on what else the machine is doing *now*. If
# their error is several times the noise, the machine is not the one that was calibrated: it is another
# one, or it has become busier or calmer since.

# %%
quiz.ask("11.4")

# %%
# answer = ...
### BEGIN SOLUTION
webhook = next(run for run in measured if run.strategy == "Webhook")
answer = 100 * error(forecast, webhook)
### END SOLUTION
quiz.check("11.4", answer, forecast=forecast, measured=measured)

# %%
quiz.ask("11.5")

# %%
# answer = ...
### BEGIN SOLUTION
answer = 100 * leave_one_out(np.array(medians(webhook)))
### END SOLUTION
quiz.check("11.5", answer, measured=measured)

# %%
quiz.ask("11.6")

# %%
# answer = ...
### BEGIN SOLUTION
answer = 0
for outlook in forecast.outlooks:
    run = next(run for run in measured if run.strategy == outlook.strategy)
    p50 = outlook.latency["p50"]
    answer += sum(p50.low <= m <= p50.high for m in medians(run))
### END SOLUTION
quiz.check("11.6", answer, forecast=forecast, measured=measured)

# %%
quiz.ask("11.7")

# %%
# answer = ...
### BEGIN SOLUTION
answer = "a"
### END SOLUTION
quiz.check("11.7", answer)

# %% [markdown]
# ## 4. Where the promise ends
#
# A prediction that does not say when it must not be trusted is a wish. The lab says it:

# %%
for text in forecast.caveats:
    print("-", text)

# %%
quiz.ask("11.8")

# %%
# answer = ...
### BEGIN SOLUTION
answer = 0.85 * limits.outlooks[0].saturation.rate.value
### END SOLUTION
quiz.check("11.8", answer, limits=limits)

# %% [markdown]
# And what if you had believed somebody else's machine? Here are the medians that the reference
# machine would have, simulated. (If your costs *are* the reference, they are nearly the same.)

# %%
there = reference().physics.steady()
elsewhere = {
    s.label: float(np.median(simulate(scenario, s, there).latency)) for s in scenario.strategies
}
for outlook in forecast.outlooks:
    here = 1e3 * outlook.latency["p50"].value
    print(
        f"{outlook.strategy:<26} here {here:.2f} ms, there {1e3 * elsewhere[outlook.strategy]:.2f} ms"
    )

# %%
quiz.ask("11.9")

# %%
# answer = ...
### BEGIN SOLUTION
answer = elsewhere["ServerSentEvents"] / push
### END SOLUTION
quiz.check("11.9", answer, forecast=forecast, elsewhere=elsewhere)

# %% [markdown]
# ## What to take home
#
# 1. A model that was fitted to a run proves nothing by repeating it. Predict what was not fitted.
# 2. An error has a meaning only beside the noise of the measurement.
# 3. What comes from waiting (an interval, a linger) is the same on every machine; what comes from
#    work is not.
# 4. Machines drift. A calibration is of a machine *and of an hour*.
#
# **Further:** change the scenario to 4,000 messages/s, predict, and see which caveat appears.

# %%
quiz.score()
