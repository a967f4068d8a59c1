"""The local files that a manifest refers to, and where they go so that a gateway can read them.

- pictures.py: PURE; what a file is by its first bytes, and how large an image is.
- looking.py: files looked at and hashed, all at once, and the cache that saves hashing them again.
"""
