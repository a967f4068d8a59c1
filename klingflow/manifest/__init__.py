"""PURE. What the file says: manifest text → shots with their requests. Texts and environment are
handed in.

source.py       YAML text → Nodes with places
expressions.py  the language inside ${{ }}; functions.py what it may call
template.py     Nodes with ${{ }} → values, dependencies
rows.py         CSV, JSON, JSONL, YAML rows
layers.py, matrix.py, identity.py, links.py, expand.py   layers, matrices, rows, takes → Drafts
settings.py     run: and gateway:
fields.py       the field table; from it values.py, check.py and schema.py
accepts.py      whether a value is plainly right; violations.py by jsonschema, what is wrong with it
catalogue.py, rules.py, meaning.py   what is known of models and bodies
body.py, request.py, tier.py, prices.py   Draft → body, fingerprint, tier, price
"""

from klingflow.manifest.compilation import compile

__all__ = ["compile"]
