"""PURE. What to do next, from values handed in.

verbs.py and plan.py (what a take needs), select.py (which shots are meant), resolve.py and
adoption.py (what a person decides about a doubt), schedule.py and waiting.py (the queues of a run),
pace.py, polling.py and caps.py (how fast, how often, how much), patience.py and belief.py (how long
to bear with a gateway, and what to believe), delivery.py (how a video comes home).
"""
