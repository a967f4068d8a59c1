"""PURE. What to do next, from values handed in.

plan.py (what a take needs), select.py (which shots are meant), resolve.py and adoption.py (what a
person decides about a doubt), schedule.py (the queues of a run), pace.py, polling.py and caps.py
(how fast, how often, how much).
"""
