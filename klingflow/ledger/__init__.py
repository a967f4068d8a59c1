"""What was bought, and how it is kept so that nothing of it is lost.

PURE: lifecycle.py (a purchase's states), book.py (all purchases, indexed), records.py (a purchase
as JSON), lines.py (purchases as bytes of lock and journal), unite.py (several ledgers as one),
flaws.py (what cannot be right), problems.py (what is wrong, and its words). I/O: stored.py (all
files read together), store.py (the ledger that is written), journal.py (the file that holds it),
blackbox.py (the copy in the user's state folder), emergency.py (where ids go when the ledger cannot
be written), oslock.py and holder.py (one runner at a time), places.py (where each file lies),
others.py (ledgers from elsewhere), files.py (what is known of the videos).
"""
