"""PURE. What to do next, from values handed in.

verbs.py, take.py, needs.py and plan.py (what each take needs, of other shots too, and all of them),
moves.py and relocation.py (which purchases go over to another take), filing.py (where videos lie),
file_names.py (what their files are called), contents.py (what local references held when they were
bought), elsewhere.py (what other ledgers hold), select.py (which shots are meant), picks.py and
picking.py (which take of a shot counts, and who says so), approved.py (which shots the picks of
drafts approve), further.py (takes beyond those asked for), with_hosts.py (what hosts of a cluster
may buy again), consent.py (who has said that a run may buy), resolve.py and adoption.py (what a
person decides about a doubt), schedule.py, waiting.py and sending.py (the queues of a run),
chains.py and history.py (what a batch waits for longest, and how long tasks took before),
forecast.py and lasting.py (how long a run takes, and one task), pace.py, polling.py with hazard.py
and steps.py, and caps.py (how fast, how often, how much), spending.py and allotment.py (what is
spent, and what the caps leave out), patience.py with pauses.py, and belief.py (how long to bear
with a gateway, and what to believe), creates.py (what an answer makes of an intent), delivery.py
(how a video comes home).
"""
