"""What was bought, and how it is kept so that nothing of it is lost.

PURE: lifecycle.py (a purchase's states), uids.py (its id), handed_over.py (what it says of a
cluster), accounts.py (what several files say of one purchase), book.py (all purchases, indexed),
records.py (a purchase as JSON), answers.py (what the gateway said last), lines.py (purchases as
bytes of lock and journal), headers.py (the first line of a lock), sums.py (the checksum of a line),
written.py (lines that need no parsing), traces.py (what is found in bytes without parsing),
moments.py (times as text), unite.py (several ledgers as one), flaws.py (what cannot be right),
problems.py (what is wrong, and its words).

I/O: places.py (where each file lies), boxplaces.py (where black boxes lie), gathered.py (all files
read, each once), stored.py (what they say together), store.py (the ledger that is written),
sharing.py (records that share one fsync), lockfile.py (its lock as this process wrote it),
arrivals.py (what came into its files meanwhile), journal.py (the file that holds it), emergency.py
(where ids go when the ledger cannot be written),
oslock.py and holder.py (one runner at a time), blackbox.py (the copy in the user's state folder),
boxholding.py (who holds it) and boxes.py (what counts of such copies), approvals.py (what the user
said yes to), links.py (links through which klingflow would write), files.py (what is known of the
videos), pickfile.py (which takes people picked).

Other ledgers: others.py (one that a person names, to merge it), beside.py (what the locks in the
same folder hold, so that no file has two owners), searching.py (where else a body was paid for),
neighbours.py (another manifest's journal in the place of ours).
"""
