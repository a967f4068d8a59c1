"""Figures of speed, memory and polls, each beside its target and what a user has otherwise.

`python -m benchmarks` takes about a minute, `--full` some ten.

figures.py     a figure, the table of them, and processes whose CPU and memory are measured
start_up.py    `klingflow --help` beside importing click
planning.py    10,000 shots from file to plan beside PyYAML with jsonschema
ledgers.py     100,000 lines opened and folded beside json.loads
buying.py      CPU per shot beside sdk_script.py, a script on the official SDK
in_flight.py   memory while thousands of tasks run
simulated.py   polls, delays and refusals on a virtual clock
night.py       a whole batch beside an oracle that notices every end at once
batch.py       a chain of shots beside the best order, and forecasts beside what came
killing.py     the campaign of kills

Wall time says little on a busy machine, so CPU time is measured where it can be, and every ratio is
of two figures of one run.
"""
