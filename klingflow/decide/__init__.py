"""PURE: what to do next, from values handed in. No clock, file, environment or random source is
read here.
"""
