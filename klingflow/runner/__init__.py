"""The only room where deciding meets doing. It calls, records and tells; thresholds, counters and
beliefs are klingflow.decide's.

    dispatch.py   starts the schedule's steps, as many at once as the limits allow; hears signals;
                  writes the run manifest while running
    queues.py     queues what a plan, or a finished shot, calls for
    buy.py        the one place that sends a POST
    upload.py     puts local files where the gateway can read them
    chaining.py   what is taken from other shots' videos, as files to upload
    poll.py       asks after tasks
    fetch.py      downloads
    look.py       has videos looked at, beside everything else
    settle.py     records new places of videos, and renames their files
    context.py    what the steps share
    events.py     what a run tells
    event_schema.py  the form of an event in a log
    signals.py    Ctrl-C, a termination, a closed terminal
"""
