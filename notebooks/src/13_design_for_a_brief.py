# %% [markdown]
# # Lesson 13. Design for a brief
#
# An open project. Somebody tells you what they need; you choose how to deliver it, predict what
# it will do, run it, and defend it with figures. There is more than one good answer, and there are
# several tempting bad ones.
#
# **After this lesson you can**
#
# - turn a request in words into a scenario with limits;
# - choose a strategy and its knobs for a reason, and reject another for a reason;
# - predict a figure, measure it, and say how far off you were;
# - write down a decision so that somebody else can check it.
#
# It takes about two hours, alone or in pairs, and a week if the report is marked. It builds on
# lessons 3 to 9.

# %%
import lab
from lab import plots
from lab.course import gap, lesson, show
from lab.course.briefs import BRIEFS
from lab.course.questions.lesson_13 import p90
from lab.metrics import summarise_run

quiz = lesson(13)

# %% [markdown]
# ## 1. Choose a brief

# %%
for name, brief in BRIEFS.items():
    print(f"{name}: {brief.story}")
    for fault in brief.faults:
        print(f"    goes wrong: {fault}")
    for criterion in brief.criteria:
        print(f"    at most {criterion.limit:g} {criterion.unit}: {criterion.name}")
    print()

# %% [markdown]
# `sensors` asks for push or pull over a bad network, `prices` for many consumers one of which is
# slow, `invoices` for good manners towards somebody else's server. Put the one you chose here.

# %%
brief = BRIEFS["sensors"]

# %% [markdown]
# ## 2. Choose a design, and predict
#
# Before you write any code, answer on paper:
#
# 1. Who should decide when a message moves, the sender or the receiver? Why here?
# 2. What may be lost, what may come twice, and who notices?
# 3. Where do messages wait when something is slow or broken, and how many can wait there?
# 4. What is paid for each message?
#
# Then **predict** p90 of the latency of your design, in seconds, faults included.

# %%
# predicted = ...
### BEGIN SOLUTION
predicted = 0.4
### END SOLUTION

# %% [markdown]
# Now the scenario. The brief brings the messages and the faults; you bring the strategies, your
# design first and at least one rival behind it, and whatever else a scenario has: `durable`,
# `retention`, `producer`. The strategies are those of `lab.STRATEGIES`, as `lab.Webhook(timeout=1)`;
# their knobs are explained by `help(lab.Webhook)`. For instance
# `scenario = brief.scenario(lab.LongPoll(max_records=10), lab.Webhook())`.

# %%
# scenario = ...
### BEGIN SOLUTION
# PUT names each reading, so a repetition does nothing; ten readings share the head of a request.
design = lab.HttpIngest(
    method="PUT", batch_size=10, linger=0.3, timeout=0.4, retry_first=0.05, attempts=12
)
scenario = brief.scenario(design, lab.LongPoll(timeout=0.4), lab.WebSocketPush(acks=True))
### END SOLUTION

# %%
quiz.ask("13.1")

# %%
# answer = ...
### BEGIN SOLUTION
answer = scenario
### END SOLUTION
quiz.check("13.1", answer, brief=brief)

# %% [markdown]
# ## 3. Simulate
#
# Every strategy is run three times with different messages; each line tells the worst of the three.
# Go back and change the scenario until the first one meets everything. `runs` has an entry for each
# strategy, in your order: `runs[0]` is the design, `runs[-1]` the last rival. Some of the answers that
# are asked for are such runs.

# %%
runs = brief.simulate(scenario)

# %%
quiz.ask("13.2")

# %%
# answer = ...
### BEGIN SOLUTION
answer = runs[0]
### END SOLUTION
quiz.check("13.2", answer, brief=brief)

# %%
quiz.ask("13.3")

# %%
# answer = ...
### BEGIN SOLUTION
answer = runs[0]
### END SOLUTION
quiz.check("13.3", answer, brief=brief)

# %%
quiz.ask("13.4")

# %%
# answer = ...
### BEGIN SOLUTION
answer = runs[0]
### END SOLUTION
quiz.check("13.4", answer, brief=brief)

# %% [markdown]
# Where does the time go? The figure shows the mean latency of each strategy in parts.

# %%
show(plots.anatomy([summarise_run(run) for run in runs])) if runs else None

# %% [markdown]
# ## 4. Against a rival
#
# A design is chosen *against* something. The last strategy of your scenario is the rival that you
# argue with. `brief.judge(run)` returns the criteria with the figures, the last one that of cost:
# `brief.judge(runs[0])[-1].worst`.

# %%
quiz.ask("13.5")

# %%
# answer = ...
### BEGIN SOLUTION
answer = "readings worked on twice"
### END SOLUTION
quiz.check("13.5", answer, brief=brief, runs=runs)

# %%
quiz.ask("13.6")

# %%
# answer = ...
### BEGIN SOLUTION
costs = [brief.judge(run)[-1].worst for run in (runs[0], runs[-1])]
answer = costs[1] / costs[0]
### END SOLUTION
quiz.check("13.6", answer, brief=brief, runs=runs)

# %% [markdown]
# ## 5. Measure
#
# The same scenario on real connections, the faults made by a proxy between the sides. This takes
# as long as the messages take, once for each strategy: so `short` has the design only, as in
# `short = brief.scenario(design)`.

# %%
# short = ...
### BEGIN SOLUTION
short = brief.scenario(scenario.strategies[0])
### END SOLUTION
measured = brief.measure(short)

# %%
quiz.ask("13.7")

# %%
# answer = ...
### BEGIN SOLUTION
answer = measured[0]
### END SOLUTION
quiz.check("13.7", answer, brief=brief)

# %%
quiz.ask("13.8")

# %%
# answer = ...
### BEGIN SOLUTION
found = p90(measured[0])
answer = max(predicted / found, found / predicted)
### END SOLUTION
quiz.check("13.8", answer, predicted=predicted, measured=measured)

# %%
if runs and measured:
    gap(predicted, "s", simulated=p90(runs[0]), measured=p90(measured[0]))
show(plots.ecdf([*runs[:1], *measured[:1]])) if runs and measured else None

# %% [markdown] tags=["solution"]
# ## For the teacher: the other two briefs
#
# These are not the only solutions. For the sensors, `WebSocketPush(replay=True)`,
# `ServerSentEvents()`, `ShortPoll(interval=0.2, timeout=0.4)` and a long poll with `min_records=10`
# are as good by the criteria; then the defence must say who listens, and what a frame costs a radio.

# %% tags=["solution"]
# Few credits: what is sent and not yet worked on grows old in a socket, out of the broker's reach.
prices = BRIEFS["prices"]
runs_of_prices = prices.simulate(
    prices.scenario(
        lab.WebSocketPush(acks=True, credits=1, buffer=1, overflow="drop_oldest"),
        lab.WebSocketPush(buffer=1, overflow="drop_oldest"),
    )
)
# One request at a time does not run into the limit ten times over; twenty attempts outlast the outage.
invoices = BRIEFS["invoices"]
partner = {"rate_limit": 80, "burst": 20}
runs_of_invoices = invoices.simulate(
    invoices.scenario(
        lab.Webhook(**partner, idempotent=True, attempts=20, timeout=1), lab.Webhook(**partner)
    )
)

# %% [markdown]
# ## 6. Defend it
#
# Two pages at most. Whoever reads them must be able to run what you ran.
#
# | | 0 points | 1 point | 2 points |
# |---|---|---|---|
# | **The question** | retells the brief | says what matters most, and why | also says what the brief leaves open, and how you read it |
# | **The choice** | names a strategy | gives a reason for the strategy and for each knob that was turned | the reasons are mechanisms (where messages wait, who asks again), not adjectives |
# | **The prediction** | none, or made afterwards | a number, made before | a number with bounds and the calculation behind it |
# | **The evidence** | a single number | simulated and measured, with the number of runs and their spread | also a figure whose axes and units say what is to be seen |
# | **The rival** | none | one, with the criterion that it misses | also a criterion by which the rival is the better one |
# | **The gap** | not mentioned | says how far prediction, simulation and measurement are apart | explains the largest gap by a part of the latency or a fault |
# | **The limits** | none | says for which load and faults it was tested | names what would break it first, and shows the run in which it does |
#
# 14 points. Nine and more with all eight questions answered is a pass.

# %%
quiz.score()
