"""PURE: what came of it, as records for people and programs."""
