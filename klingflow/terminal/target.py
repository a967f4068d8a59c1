"""Which gateway a command speaks to, and with which key."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from klingflow.api import site
from klingflow.gateway.access import Access, exposed, find, said_of_exposed
from klingflow.gateway.origin import in_clear_warning
from klingflow.ledger.places import manifest_file
from klingflow.model import Manifest
from klingflow.terminal import console
from klingflow.terminal.options import Options

_ANY_KEY = "sandbox"  # the sandbox takes every key


def origin_of(manifests: Sequence[Manifest], options: Options) -> str:
    """Return the origin that a run would have; "" where no address is known, which commands that
    change nothing do not need.
    """
    return "" if options.sandbox else _access(manifests).origin


def target(stack: ExitStack, manifests: Sequence[Manifest], options: Options) -> tuple[str, str]:
    """Return base URL and key: of a sandbox started for this run, or of the gateway.

    Raises UsageError where one of them is not known.
    """
    if options.sandbox:
        return _sandbox(stack, manifests[0], options), _ANY_KEY
    base_url, key = _access(manifests).both()
    for path in exposed(_folder(manifests)):
        console.warn(f"warning: {said_of_exposed(path)}")
    if warning := in_clear_warning(base_url):
        console.warn(f"warning: {warning}")
    return base_url, key


def _access(manifests: Sequence[Manifest]) -> Access:
    found = find(_folder(manifests)).naming({m.path: m.gateway.base_url for m in manifests})
    if found.key:
        console.hide(found.key)
    return found


def _sandbox(stack: ExitStack, manifest: Manifest, options: Options) -> str:
    from klingflow.sandbox.child import start  # for start-up
    from klingflow.sandbox.options import Options as SandboxOptions

    state = site.site_of(manifest.path, options.wish).server
    state.parent.mkdir(parents=True, exist_ok=True)
    started = start(SandboxOptions(state=str(state)), lambda line: console.warn(f"warning: {line}"))
    return stack.enter_context(started).base_url


def _folder(manifests: Sequence[Manifest]) -> Path:
    return manifest_file(manifests[0].path).parent
