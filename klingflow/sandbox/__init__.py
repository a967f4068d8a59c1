"""A simulated gateway: real HTTP on loopback, the document's own rules, and charges without money.

It shares no rule with the client, so that it can judge the client: of klingflow it imports only
`klingflow.errors`.

    options   what the sandbox is told, as text and as values                         PURE
    rules     which bodies are refused                                                PURE
    billing   what the other bodies ask for, and the tier they are billed as          PURE
    tasks     a task's life as a function of time; tables of its states and fates     PURE
    book      charges and refunds; the state file
    faults    the catalogue of what real servers do wrong
    dice      which faults happen, and how long tasks take
    limits    the rate and the number of running tasks that a create may not exceed   PURE
    shapes    replies as documents, right and odd                                     PURE
    wire      replies as bytes that break off, hang, or are not the gateway's at all
    forms     multipart bodies as the JSON that they stand for                        PURE
    reading   requests: their bytes, their Spec, their key
    clips     playable MP4s: drawn, or shipped with the package
    videos    the clip of each task, and the range of it that is asked for
    service   what each route answers
    server    the routes, and the server on loopback
    child     a sandbox as a child process
"""
