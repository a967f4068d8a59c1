"""The engine: Temporal finds dead hosts, hands their work on and keeps the limits. The only room
that imports temporalio.

What keeps a shot from being bought twice is klingflow.cluster.hands, whatever an engine forgets or
does again. No body, no prompt and no key goes through here.

    flows.py    the workflows: `Desk` of an account, `Shot` of an order
    steps.py    the activities, by which workflows use this host's hand
    minding.py  a host looks after its store, and tells the desk what it finds
    telling.py  what a host tells the desk of what it has done
    worker.py   a process of a host that does both
    client.py   what a person asks of a desk
    server.py   a development server as a child, for the demo and the tests
"""
