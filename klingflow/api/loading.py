"""A manifest from its file and all that it names."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from klingflow.api import stills, stores, texts
from klingflow.errors import ManifestError
from klingflow.manifest.compilation import PRICES
from klingflow.manifest.compilation import compile as compile_manifest
from klingflow.model import Json, Manifest, More, Request, Shot


def load(
    path: str | os.PathLike[str],
    *,
    variables: Mapping[str, Json] | None = None,
    environ: Mapping[str, str] | None = None,
    strict: bool = False,
    sandbox: bool = False,
    profile: str = "",
) -> Manifest:
    """Read, expand and check a manifest and what it names.

    `variables` are for the manifest's `vars`, a text read as after `--var`; they win over the
    variables KLINGFLOW_VAR_<name> of `environ` (default: the process's environment). The file of
    prices that KLINGFLOW_PRICES names there wins over the manifest's. That a local file is missing
    is a warning, or a mistake if `strict`; a `sandbox` needs no store for it. A `profile` makes it
    the manifest of the film's drafts. Raises ManifestError
    with every mistake in it, and UsageError for folders in KLINGFLOW_READ_BELOW that cannot be
    allowed.
    """
    environ = os.environ if environ is None else environ
    with without_collector():
        name = os.fspath(path)
        prices = environ.get(PRICES) or None
        allowed = texts.allowed_folders(environ.get(texts.READ_BELOW, ""))
        read = texts.reader(name, allowed, prices=prices)
        compiled = partial(
            compile_manifest,
            name,
            variables=variables or {},
            environ=environ,
            prices=prices,
            look=stills.looker(name, allowed),
            strict=strict,
            stored=stores.is_stored(environ, sandbox=sandbox),
            profile=profile,
        )
        manifest = compiled(read)
        more = _makes_more(compiled, manifest.sources)
        again = partial(load, path, variables=variables, environ=environ, sandbox=sandbox)
        return replace(manifest, more=more, under=lambda name: again(profile=name))


def _makes_more(compiled: Callable[..., Manifest], sources: Mapping[str, str]) -> More:
    """Return what makes takes beyond those that are asked for, from the texts that were read."""
    known: dict[tuple[tuple[str, int], ...], dict[tuple[str, int], tuple[Shot, Request]]] = {}

    def more(takes: Mapping[str, int]) -> Mapping[tuple[str, int], tuple[Shot, Request]]:
        asked = tuple(sorted(takes.items()))
        if asked not in known:
            try:
                again = compiled(sources.__getitem__, takes=takes)
            except ManifestError:  # no expression says what such a take would be
                known[asked] = {}
            else:
                known[asked] = {(shot.id, shot.take): (shot, r) for shot, r in again}
        return known[asked]

    return more


@contextmanager
def without_collector() -> Iterator[None]:
    """Stop looking for cycles meanwhile, and leave the collector as it was.

    Compiling makes hundreds of thousands of objects and no cycles; looking for some takes a quarter
    of its time.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
