"""Which gateway a command speaks to, and with which key."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from klingflow.api import site
from klingflow.errors import UsageError
from klingflow.gateway import key
from klingflow.gateway.origin import in_clear_warning, normal_base
from klingflow.ledger.places import manifest_file
from klingflow.model import Manifest
from klingflow.terminal import console
from klingflow.terminal.options import Options

_ANY_KEY = "sandbox"  # the sandbox takes every key


def origin_of(manifests: Sequence[Manifest], options: Options) -> str:
    """Return the origin that a run would have; "" where no address is known, which commands that
    change nothing do not need.
    """
    if options.sandbox:
        return ""
    found = key.settings(_folder(manifests)).get(key.BASE_URL) or manifests[0].gateway.base_url
    return normal_base(found) if found else ""


def target(stack: ExitStack, manifests: Sequence[Manifest], options: Options) -> tuple[str, str]:
    """Return base URL and key: of a sandbox started for this run, or of the gateway.

    Raises UsageError where one of them is not known.
    """
    if options.sandbox:
        return _sandbox(stack, manifests[0], options), _ANY_KEY
    found = key.settings(_folder(manifests))
    address = _address(manifests, found.get(key.BASE_URL))
    if key.KEY not in found:
        raise UsageError(
            f"no key: set {key.KEY} in the environment or in .env, or try it with --sandbox"
        )
    for path in key.exposed(_folder(manifests)):
        console.warn(f"warning: {key.said_of_exposed(path)}")
    if warning := in_clear_warning(address):
        console.warn(f"warning: {warning}")
    return address, found[key.KEY]


def _sandbox(stack: ExitStack, manifest: Manifest, options: Options) -> str:
    from klingflow.sandbox.child import start  # for start-up
    from klingflow.sandbox.options import Options as SandboxOptions

    state = site.site_of(manifest.path, options.wish).server
    state.parent.mkdir(parents=True, exist_ok=True)
    return stack.enter_context(start(SandboxOptions(state=str(state)))).base_url


def _address(manifests: Sequence[Manifest], chosen: str | None) -> str:
    addresses = {m.gateway.base_url for m in manifests if m.gateway.base_url}
    if chosen:
        addresses = {chosen}
    if not addresses:
        raise UsageError(
            f"no gateway: set {key.BASE_URL} or the manifest's gateway.base_url,"
            " or try it with --sandbox"
        )
    if len(addresses) > 1:
        raise UsageError(
            f"these manifests name different gateways; run them apart, or set {key.BASE_URL}"
        )
    return addresses.pop()


def _folder(manifests: Sequence[Manifest]) -> Path:
    return manifest_file(manifests[0].path).parent
