# %% [markdown]
# # Lesson 12. Find the planted bug
#
# Five programs, A to E. Each makes a promise, each has one bug, and each passes the tests that its
# author thought of. You are the second reader, and you may break things.
#
# **After this lesson you can**
#
# - turn a promise into the experiment that could refute it;
# - choose the fault that tells right from wrong, instead of trying everything;
# - read a checker's finding and the trace behind it, down to the single message;
# - say what a test without faults has shown.
#
# It takes about 60 minutes, and builds on lessons 8 and 9. Everything here is simulated, and quick.

# %%
import numpy as np

from lab import check, plots
from lab.course import gap, hunt, lesson, show
from lab.trace import Fate

quiz = lesson(12)

for letter, claim in hunt.CLAIMS.items():
    print(f"{letter}: {claim}")

# %% [markdown]
# ## 1. The tools
#
# `hunt.run("A")` runs program A on some 300 messages and returns the trace; faults follow the letter.
# `hunt.run("A", sound=True)` runs it without the bug. `check(trace)` is the delivery checker of
# lesson 8: it knows what each strategy promises under which fault, and lists what is broken.
#
# All runs of this lesson are simulated, since the bugs are planted into the program that runs this
# notebook. Measured sources, brokers and consumers are programs of their own, which do not have them.
# What is decided, rightly or wrongly, is decided by the same code in both.


# %%
def attempt(letter, *faults, sound=False):
    """Run a program, and print what became of its messages and what the checker says."""
    trace = hunt.run(letter, *faults, sound=sound)
    fates = {f.name.lower(): int((trace.fate == f).sum()) for f in Fate if (trace.fate == f).any()}
    print(f"{letter}: {fates}, done again {(trace.completions > 1).sum()},", end=" ")
    print(f"p50 {np.nanquantile(trace.latency, 0.5):.3f} s, max {np.nanmax(trace.latency):.3f} s")
    for violation in check(trace)[:3]:
        print(f"   {violation.kind}: message {violation.message}: {violation.text}")
    return trace


a = attempt("A")

# %% [markdown]
# A is clean, as its author said: without a fault every message arrives once.
#
# ## 2. Predict
#
# These are the faults you have:

# %%
for name, faults in hunt.FAULTS.items():
    print(f"{name:<28}", *faults)

# %% [markdown]
# **Predict first.** For each program, which fault would show that its promise is broken? One name for
# each, in quotes; do not run anything yet. And how many of the five bugs will show without any fault?

# %%
# fault_for_a = ...
# fault_for_b = ...
# fault_for_c = ...
# fault_for_d = ...
# fault_for_e = ...
# predicted = ...
### BEGIN SOLUTION
fault_for_a = "consumer crash"
fault_for_b = "slow consumer"
fault_for_c = "lost answer to the producer"
fault_for_d = "link down"
fault_for_e = "nothing"
predicted = 1
### END SOLUTION

# %% [markdown]
# ## 3. Hunt
#
# Now run your experiments, for instance `attempt("A", *hunt.FAULTS["slow consumer"])`. What the sound
# program does under the same fault is a good second question. When you have found the fault that
# breaks A, keep the traces of both: `broken` with the bug, `sound` without it.

# %%
# broken = ...
# sound = ...
### BEGIN SOLUTION
for letter in hunt.CLAIMS:
    for name, faults in hunt.FAULTS.items():
        if check(hunt.run(letter, *faults)):
            print(f"{letter} under {name}:")
            attempt(letter, *faults)
            attempt(letter, *faults, sound=True)
broken = hunt.run("A", *hunt.FAULTS["consumer crash"])
sound = hunt.run("A", *hunt.FAULTS["consumer crash"], sound=True)
### END SOLUTION

# %% [markdown]
# ### Program A

# %%
quiz.ask("12.1")

# %%
# answer = ...
### BEGIN SOLUTION
answer = "c"
### END SOLUTION
quiz.check("12.1", answer)

# %%
quiz.ask("12.2")

# %%
# answer = ...
### BEGIN SOLUTION
answer = np.count_nonzero(broken.fate == Fate.LOST)
### END SOLUTION
quiz.check("12.2", answer, broken=broken)

# %%
quiz.ask("12.3")

# %%
# answer = ...
### BEGIN SOLUTION
answer = "a"
### END SOLUTION
quiz.check("12.3", answer)

# %% [markdown]
# The figure shows how far the broker was, and how far its consumer. Shaded is the time of the fault.

# %%
show(plots.offsets([broken, sound])) if broken is not ... else None

# %% [markdown]
# Both lose time. A gap between the lines that stays to the end is a loss of messages.
#
# ### Program B

# %%
quiz.ask("12.4")

# %%
# answer = ...
### BEGIN SOLUTION
answer = "b"
### END SOLUTION
quiz.check("12.4", answer)

# %%
quiz.ask("12.5")

# %%
# answer = ...
### BEGIN SOLUTION
slowed = hunt.run("B", *hunt.FAULTS["slow consumer"])
print(slowed.message[np.argsort(slowed.done)][90:130])
answer = "e"
### END SOLUTION
quiz.check("12.5", answer)

# %% [markdown]
# ### Program C

# %%
quiz.ask("12.6")

# %%
# answer = ...
### BEGIN SOLUTION
answer = "e"
### END SOLUTION
quiz.check("12.6", answer)

# %%
quiz.ask("12.7")

# %%
# answer = ...
### BEGIN SOLUTION
answer = "b"
### END SOLUTION
quiz.check("12.7", answer)

# %% [markdown]
# ### Program D

# %%
quiz.ask("12.8")

# %%
# answer = ...
### BEGIN SOLUTION
answer = sum(bool(check(hunt.run("D", *faults))) for faults in hunt.FAULTS.values())
### END SOLUTION
quiz.check("12.8", answer)

# %%
quiz.ask("12.9")

# %%
# answer = ...
### BEGIN SOLUTION
answer = "d"
### END SOLUTION
quiz.check("12.9", answer)

# %% [markdown]
# ### Program E

# %%
quiz.ask("12.10")

# %%
# answer = ...
### BEGIN SOLUTION
answer = "a"
### END SOLUTION
quiz.check("12.10", answer)

# %%
quiz.ask("12.11")

# %%
# answer = ...
### BEGIN SOLUTION
answer = hunt.run("E").parts()["broker residence"].max()
### END SOLUTION
quiz.check("12.11", answer, slow=hunt.run("E"))

# %% [markdown]
# (The checker judges waiting only in runs without faults: under a fault a wait may be nobody's
# mistake.)
#
# ## 4. What did your predictions miss?
#
# The next cell tries the faults of your predictions. An empty list means that the bug did not show.

# %%
chosen = (fault_for_a, fault_for_b, fault_for_c, fault_for_d, fault_for_e)
for letter, fault in zip(hunt.CLAIMS, chosen, strict=True):
    if fault in hunt.FAULTS:
        kinds = sorted(
            {violation.kind for violation in check(hunt.run(letter, *hunt.FAULTS[fault]))}
        )
        print(f"{letter} under {fault}: {kinds}")
    else:
        print(f"{letter}: no prediction, or no fault of that name")
gap(predicted, "of five", found=sum(bool(check(hunt.run(letter))) for letter in hunt.CLAIMS))

# %% [markdown]
# **The gap.** A crash is the loudest fault, so most of us expect it to show everything. Here it shows
# two bugs of five. A fault shows a bug only if it opens the gap that the bug is about: between saving
# and working, between accepting and hearing of it, between two messages in one queue. And one bug
# needs no fault at all; it needs somebody who looks at the latency.

# %%
quiz.ask("12.12")

# %%
# answer = ...
### BEGIN SOLUTION
answer = "a"
### END SOLUTION
quiz.check("12.12", answer)

# %% [markdown]
# ## What to take home
#
# 1. A promise about failures is tested by failures.
# 2. The fault must hit the moment that the promise is about: a crash between fetching and working, an
#    answer lost between accepting and hearing.
# 3. A checker says *that* a promise is broken, the trace says *where*, you say *why*.
# 4. `pushpull torture` draws such experiments by the thousand. It found real bugs in this lab.
#
# **Further:** all the bugs of the test suite are in `lab/course/bugs.py`. Plant another one with
# `with planted(bug):` and find a scenario that shows it.

# %%
quiz.score()
