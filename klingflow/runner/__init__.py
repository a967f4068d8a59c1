"""The only room where deciding meets doing: it starts the schedule's steps and writes down what
came of them.

dispatch.py   starts steps, as many at once as the limits allow; signals; the record that is written
while running buy.py        the one place that sends a POST poll.py       asks after tasks fetch.py
downloads context.py    what the steps share signals.py    Ctrl-C, a termination, a closed terminal
"""
