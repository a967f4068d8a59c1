"""The local files that a manifest refers to, and where they go so that a gateway can read them.

- pictures.py: PURE; what a file is by its first bytes, and how large an image is.
- looking.py: files looked at and hashed, all at once, and the cache that saves hashing them again.
- stores.py: what every store can do, and the copy of a file that goes there.
- folders.py, commands.py: a folder that a web server shows, and a command of the user's.
- objects.py: buckets, through obstore.
- listing.py: which names of a bucket have to be listed.
- fitness.py: what is taken from another shot's video: whether the service takes it.
- uploading.py: one file put into a store.
- reading_back.py: what was stored, read as the gateway will read it.
"""
