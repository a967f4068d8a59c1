"""PURE. What the file says: manifest text → shots with their requests. Texts and environment are
handed in.

    source.py, scalars.py, syntax.py, misreading.py,
    spelling.py, invisible.py, comments.py, folds.py,
    surrogates.py, offsets.py, tree.py               YAML text → Nodes with places
    habits.py                                        texts that were probably meant otherwise
    pieces.py, grammar.py, expressions.py, names.py,
    functions.py, guarded.py, complaints.py, budget.py,
    template.py                                      Nodes with ${{ }} → values, dependencies
    handed.py, variables.py                          --var, KLINGFLOW_VAR_… → values of `vars`
    encodings.py, tables.py, sheets.py, rows.py,
    cells.py                                         CSV, sheets, JSON, YAML: rows, cells' mistakes
    layers.py, presets.py, profiles.py,
    variants.py, matrix.py,
    identity.py, claims.py, drafts.py, entry.py,
    links.py                                         what expand.py makes Drafts with
    shapes.py, documented.py, fields.py,
    sections.py, settings.py, limits.py              the tables: what may be written, and where
    foreign.py, foreign_names.py, foreign_values.py  names and values of other tools, and in Chinese
    misplaced.py                                     keys in the wrong place
    coerce.py, values.py, accepts.py, violations.py,
    addresses.py, check.py, written.py               the tables → what is wrong with a value, a shot
    catalogue.py, meaning.py, facts.py, rules.py,
    model_rules.py, body_rules.py                    what is known of models and bodies
    body.py, request.py, tag.py, tier.py, prices.py,
    shots.py                                         Draft → body, fingerprint, tier, price
    local_files.py, held_files.py                    files of this disk in bodies, and what they are
    chained.py                                       videos of other shots in bodies
    picklist.py, amending.py                         a picks file → its lines, and with other lines
    grids.py, columns.py, cell_values.py,
    shotlist.py, quoting.py, transcript.py           a shot list → the text of a manifest
    authoring.py, loosened.py, portable.py,
    schema.py                                        the tables → the published schemas
    compilation.py, files.py, recognition.py, ordering.py,
    punctuation.py                                   all of this in order, mistakes as shown
"""
