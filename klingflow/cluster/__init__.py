"""What several hosts do together, and what keeps them from buying a shot twice: objects in a store
that all of them see, each made once. Whoever makes a claim has the right to send its POST.

- store.py: the store, a folder or a bucket.
"""
