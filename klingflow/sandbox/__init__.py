"""The gateway's double: real HTTP on loopback, the document's own rules, a ledger of charges, no
money.

It shares no rule with the client (it imports only `klingflow.errors`), so that it can judge it:

    options   what it is told, as text and as values
    rules     which bodies are refused; billing  what the others ask for and are billed as     (pure)
    tasks     a task's life as a function of time; charges and refunds; the state file
    faults    the catalogue of what real servers do wrong, and the dice that pick from it
    shapes    replies as documents, right and odd     (pure)
    wire      replies as bytes that break off, hang, or are not the gateway's at all
    forms     multipart bodies as the JSON they stand for     (pure)
    clips     a playable MP4 for each task
    server    the routes; child  a sandbox as a child process
"""
