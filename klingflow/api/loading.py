"""A manifest from its file and all that it names."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from klingflow.api import stills, stores, texts
from klingflow.manifest import compile as compile_manifest
from klingflow.manifest.compilation import PRICES
from klingflow.model import Json, Manifest


def load(
    path: str | os.PathLike[str],
    *,
    variables: Mapping[str, Json] | None = None,
    environ: Mapping[str, str] | None = None,
    strict: bool = False,
    sandbox: bool = False,
) -> Manifest:
    """Read, expand and check a manifest and what it names.

    `variables` are for the manifest's `vars`, a text read as after `--var`; they win over the
    variables KLINGFLOW_VAR_<name> of `environ` (default: the process's environment). The file of
    prices that KLINGFLOW_PRICES names there wins over the manifest's. That a local file is missing
    is a warning, or a mistake if `strict`; a `sandbox` needs no store for it. Raises ManifestError
    with every mistake in it, and UsageError for folders in KLINGFLOW_READ_BELOW that cannot be
    allowed.
    """
    environ = os.environ if environ is None else environ
    with without_collector():
        name = os.fspath(path)
        prices = environ.get(PRICES) or None
        allowed = texts.allowed_folders(environ.get(texts.READ_BELOW, ""))
        read = texts.reader(name, allowed, prices=prices)
        return compile_manifest(
            name,
            read,
            variables=variables or {},
            environ=environ,
            prices=prices,
            look=stills.looker(name, allowed),
            strict=strict,
            stored=stores.is_stored(environ, sandbox=sandbox),
        )


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
