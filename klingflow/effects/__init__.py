"""I/O: one module per outside thing, with almost no choices of their own."""
