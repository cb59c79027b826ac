"""The catalogue of verbs: which operation class a verb belongs to. Data, versioned.

A published row never changes its class, because senders' ids are compared together with the
operation; new rows raise `VERSION`. `event.actions` reads it.
"""

from __future__ import annotations

from typing import Final

from indelible.event.model import Operation

VERSION: Final = 1

_VERBS: Final[dict[Operation, str]] = {
    Operation.CREATE: """
        create add insert new make register signup sign_up enroll enrol allocate provision request
        upload generate issue open clone copy duplicate fork restore launch submit draft write post
        schedule book order place invite run spawn build initialize init save receive record
        append compose attach_file onboard hire admit prescribe undelete recover instantiate""",
    Operation.READ: """
        read get list view show search find query lookup describe head fetch access scan select
        preview browse inspect check verify validate estimate count compare poll peek watch
        subscribe simulate discover download print open_record load retrieve see listen detect
        test summarize audit observe examine consult display""",
    Operation.UPDATE: """
        update edit modify change set put patch replace rename move merge split tag untag label
        increase decrease extend shorten attach detach associate disassociate link unlink assign_to
        annotate comment correct amend rotate renew refresh reset reassign transfer upgrade migrate
        sync adjust convert rebook reschedule upsert alter mark flag unflag pin unpin archive
        unarchive close reopen complete hide unhide swap sort import_update""",
    Operation.DELETE: """
        delete remove destroy drop purge erase terminate deregister unregister release discard
        shred wipe trash expire clear empty truncate decommission delist unpublish evict
        offboard void""",
    Operation.LOGIN: """
        login log_in logon log_on signin sign_in authenticate auth assume impersonate
        assume_identity mfa_challenge reauthenticate sso connect""",
    Operation.LOGOUT: "logout log_out logoff log_off signout sign_out disconnect",
    Operation.GRANT: """
        grant share authorize allow permit assign promote delegate elevate entitle unlock
        give unblock whitelist allowlist""",
    Operation.REVOKE: """
        revoke unshare deauthorize deny unassign demote withdraw lock block suspend_access
        blacklist blocklist denylist ban disinherit""",
    Operation.EXECUTE: """
        execute invoke call start stop restart reboot resume pause suspend send publish trigger
        deploy rollback decrypt encrypt reencrypt sign dispense administer pay charge refund
        process perform deliver forward notify escalate replay retry kill scale signal dispatch
        transmit fax mail email""",
    Operation.EXPORT: "export dump extract backup back_up exfiltrate unload snapshot_export",
    Operation.IMPORT: "import ingest load_from bulk_load restore_from upload_bulk",
    Operation.APPROVE: """
        approve accept confirm acknowledge ack reject decline disapprove sign_off countersign
        release_hold cosign certify attest ratify""",
    Operation.CONFIGURE: """
        configure enable disable activate deactivate setup set_up install uninstall turn_on
        turn_off toggle customize tune mount unmount bind unbind leave join""",
    Operation.OTHER: "occur other",
}

_IRREGULAR: Final = """
    sent=send written=write wrote=write ran=run made=make built=build got=get seen=see
    found=find gave=give given=give left=leave paid=pay shown=show chosen=select
    bound=bind unbound=unbind logged_in=login
    signed_in=login logged_out=logout signed_out=logout logged_on=login logged_off=logout
    signed_up=signup backed_up=backup turned_on=turn_on turned_off=turn_off set_up=set_up
    login_failed=login failed_login=login login_succeeded=login withdrew=withdraw
    withdrawn=withdraw"""


def _table() -> dict[str, Operation]:
    return {word: operation for operation, words in _VERBS.items() for word in words.split()}


VERBS: Final = _table()
"""Verb, in the present, to its operation class."""

PASTS: Final = {
    past: verb for past, _, verb in (pair.partition("=") for pair in _IRREGULAR.split())
}
"""Past forms that no rule gives, to their verb."""
