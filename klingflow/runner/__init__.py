"""The only room where deciding meets doing: it starts the schedule's steps and writes down what came of them.

dispatch.py   starts steps, as many at once as the limits allow; signals; the record that is written while running
buy.py        the one place that sends a POST
poll.py       asks after tasks
fetch.py      downloads
context.py    what the steps share
"""

from klingflow.runner.context import Context, Emit, Job, Outcome
from klingflow.runner.dispatch import run

__all__ = ["Context", "Emit", "Job", "Outcome", "run"]
