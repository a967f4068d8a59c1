"""Which gateway a command speaks to, and with which key; and the question before the key goes to an
address for the first time.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from klingflow.api import approval, site
from klingflow.errors import UnapprovedAddress, UsageError
from klingflow.gateway.access import Access, find
from klingflow.gateway.env_file import exposed, said_of_exposed
from klingflow.gateway.origin import in_clear_warning
from klingflow.ledger.places import manifest_file
from klingflow.model import Manifest
from klingflow.terminal import console
from klingflow.terminal.options import Options
from klingflow.words import _

_ANY_KEY = "sandbox"  # the sandbox takes every key


def access_for(manifests: Sequence[Manifest], options: Options) -> Access:
    """Return the gateway that a run would have; none in the sandbox, nor where none is known, which
    commands that change nothing do not need.
    """
    if options.sandbox:
        return Access()
    named = {m.path: m.gateway.base_url for m in manifests}
    return found(_folder(manifests), options.gateway).naming(named)


def found(folder: Path, gateway: str | None) -> Access:
    """Return what the user has set, for a manifest in `folder`. Raises UsageError."""
    access = find(folder, gateway=gateway)
    if access.key:
        console.hide(access.key)
    return access


def target(
    stack: ExitStack, manifests: Sequence[Manifest], options: Options, access: Access
) -> tuple[str, str]:
    """Return base URL and key: of a sandbox started for this run, or of the gateway, as `access`
    has them.

    Raises UsageError where one of them is not known, and where the user does not let the key go to
    this address.
    """
    if options.sandbox:
        return sandbox(stack, manifests[0], options), _ANY_KEY
    base_url, key = access.both()
    for path in exposed(_folder(manifests)):
        console.warn(_("warning: {said_of_exposed}", said_of_exposed=said_of_exposed(path)))
    if warning := in_clear_warning(base_url):
        console.warn(_("warning: {warning}", warning=warning))
    if not allowed(access):
        raise refused(access)
    return base_url, key


def refused(access: Access) -> UnapprovedAddress:
    """Return the error for an address that `allowed` refused: short where the user said no."""
    if console.can_ask():
        return UnapprovedAddress(
            _("the key was not sent to {origin}: you said no", origin=access.origin)
        )
    return approval.refusal(access)


def allowed(access: Access) -> bool:
    """True if the key may go to the address: asks on a terminal, and remembers a yes.

    Both must be there. Raises UsageError for an address that is none.
    """
    if not approval.is_open(access):
        return True
    if not console.can_ask():
        return False
    console.warn(approval.question(access))
    if not console.ask(_("Send the key there? (a yes is remembered)")):
        return False
    try:
        approval.remember(access)
    except (OSError, UsageError) as error:
        console.warn(_not_kept(error))
    return True


def check_endpoint(manifest: Manifest) -> None:
    """Ask on a terminal before local files go to a service that the manifest alone names, and
    remember a yes. Raises UsageError where the user does not want it, or cannot be asked.
    """
    if (endpoint := approval.open_endpoint(manifest, os.environ)) is None:
        return
    store, path = manifest.assets.store, manifest.path
    if not console.can_ask():
        raise UsageError(
            _(
                "nothing was sent to {store} at {endpoint}, which only {path} names. If it is your"
                " store: export AWS_ENDPOINT_URL={endpoint}, or run the same once on a terminal and"
                " say yes",
                store=store,
                endpoint=endpoint,
                path=path,
            )
        )
    console.warn(
        _(
            "Local files would go to {store} at {endpoint}, which only {path} names; requests are"
            " signed with your key.",
            store=store,
            endpoint=endpoint,
            path=path,
        )
    )
    if not console.ask(_("Send them there? (a yes is remembered)")):
        raise UsageError(_("nothing was sent to {endpoint}: you said no", endpoint=endpoint))
    try:
        approval.remember_endpoint(endpoint, path)
    except (OSError, UsageError) as error:
        console.warn(_not_kept(error))


def _not_kept(error: Exception) -> str:
    return _("warning: this answer could not be kept, and is asked for again: {error}", error=error)


def show_gateway(access: Access) -> None:
    """Say where a run buys and why there; nothing where that is not known, or in the sandbox."""
    if described := access.described():
        console.say(_("Gateway: {described}", described=described))


def show_question(access: Access) -> None:
    """Say in a plan that the run will ask before the key goes to the address; nothing where it will
    not.
    """
    is_known = access.base_url and access.key and not access.others
    if is_known and approval.is_open(access):
        console.prose(
            _(
                "{question} The run asks before that, for which it needs a terminal.",
                question=approval.question(access),
            )
        )


def sandbox(stack: ExitStack, manifest: Manifest, options: Options) -> str:
    """Start the sandbox of a manifest and return its address."""
    from klingflow.sandbox.child import start  # for start-up
    from klingflow.sandbox.options import Options as SandboxOptions

    here = site.site_for(manifest, options.wish)
    here.server.parent.mkdir(parents=True, exist_ok=True)
    own = SandboxOptions(state=str(here.server), refs=str(here.refs))
    started = start(own, lambda line: console.warn(_("warning: {line}", line=line)))
    return stack.enter_context(started).base_url


def _folder(manifests: Sequence[Manifest]) -> Path:
    return manifest_file(manifests[0].path).parent
