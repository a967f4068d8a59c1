"""What several hosts do together, and what keeps them from buying a shot twice: objects in a store
that all of them see, each made once. Whoever makes a claim has the right to send its POST.

- store.py: the store, a folder or a bucket.
- known_stores.py: which store lay at an address, so that an unmounted drive is noticed.
- ordering.py: PURE; which shots of a plan hosts may buy, and as what orders.
- orders.py: PURE; shots that are handed over, in pages, and what an engine is told of them.
- waits.py: PURE; what an order needs of other shots, and how its body becomes final.
- supplies.py: on a host, the purchases that an order needs, and frames of their videos.
- references.py: what orders refer to is uploaded before they are handed over.
- hand.py: what one host buys with, and how it waits for the store.
- handbox.py: the black box of one process, for what the store has not taken yet, or loses later.
- ticks.py: by them a host notices a store that was put back from a backup.
- giving_back.py: what such a store has lost, given back by hosts and locks that know it.
- exclusive.py: the claim, and how others wait for what becomes of it.
- hands.py: a page is read, an order bought or withdrawn. Knows no engine.
- reading.py: what a store tells of one film, each object read once.
- follow.py: a ledger hands shots over, and takes in what became of them.
- verdicts.py: what a person says of a purchase that hosts know too.
- claims.py: a single runner makes the same claims.
- bringing.py: tasks are looked after, and videos brought to the store. Knows no engine.
- batches.py: a film's batches are handed over and withdrawn, and videos brought home.
- brief.py: PURE; records as an engine is told them.
- reports.py: PURE; what became of one try, as an engine is told.
- queued.py: PURE; orders as a desk holds them, and their batches.
- ends.py: PURE; how orders ended, as a desk knows it.
- standing.py: PURE; whether a gateway takes creates at all.
- account.py: PURE; an account's limits, and how fast they let it buy.
- accounts.py: where the limits of accounts are kept, in the store.
- intake.py: PURE; the batches that a desk has taken over, and what is set aside for them.
- desk.py: PURE; who may send a create, and when, over all hosts of an account.
- status.py: PURE; what a desk says of itself.
- versions.py: PURE; records that a process of another version may have written.
- address.py: PURE; where a cluster's server is.
- temporal/: the engine, which has all of this done on hosts that live.
"""
