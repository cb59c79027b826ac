"""Errors that a person can act on: a stable code, a message, and a remedy.

HTTP, the command line and the page render the same object (`IndelibleError.as_dict`). `status` is
the HTTP status, `exit_code` the command line's (see `docs/reference/exit-codes.md`).
"""

from __future__ import annotations

EXIT_OK = 0
EXIT_ERROR = 1
EXIT_USAGE = 2
EXIT_REFUSED = 3
EXIT_DAMAGED = 4
EXIT_UNREACHABLE = 5


class IndelibleError(Exception):
    """The root of every error Indelible raises on purpose."""

    code = "error"
    status = 500
    exit_code = EXIT_ERROR
    remedy = "Look at the message; if it does not help, report it with the command that showed it."

    def __init__(
        self,
        message: str,
        *,
        field: str | None = None,
        position: int | None = None,
        remedy: str | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.position = position
        if remedy is not None:
            self.remedy = remedy
        if code is not None:
            self.code = code

    def as_dict(self) -> dict[str, object]:
        """The error as the one JSON shape used everywhere (without the outer `error` member)."""
        out: dict[str, object] = {"code": self.code, "message": self.message}
        if self.field is not None:
            out["field"] = self.field
        if self.position is not None:
            out["position"] = self.position
        out["remedy"] = self.remedy
        out["doc"] = f"docs/reference/errors.md#{self.code}"
        return out


class InvalidEvent(IndelibleError):
    """An event breaks the schema; `field` names the member, `reason` says what was expected."""

    code = "invalid_event"
    status = 422
    exit_code = EXIT_REFUSED
    remedy = "Correct the named field and send this event again; its neighbours were kept."


class BadRequest(IndelibleError):
    """The request itself cannot be understood."""

    code = "bad_request"
    status = 400
    exit_code = EXIT_USAGE
    remedy = "Correct the request as the message says."


class QueryError(IndelibleError):
    """The search text cannot be understood; `position` is the offending character, from 0."""

    code = "bad_query"
    status = 400
    exit_code = EXIT_USAGE
    remedy = "Correct the query at the named position; docs/reference/search.md lists the fields."


class TooLarge(IndelibleError):
    """Something exceeds a limit of `base.limits`."""

    code = "too_large"
    status = 413
    exit_code = EXIT_REFUSED
    remedy = "Send less at once."


class Unauthenticated(IndelibleError):
    """No valid credential came with the request."""

    code = "unauthenticated"
    status = 401
    exit_code = EXIT_REFUSED
    remedy = "Send `Authorization: Bearer TOKEN` with a token from `indelible token create`."


class Forbidden(IndelibleError):
    """The credential is valid but its role does not allow this."""

    code = "forbidden"
    status = 403
    exit_code = EXIT_REFUSED
    remedy = "Use a token whose role allows it (`indelible token list` shows roles)."


class NotFound(IndelibleError):
    """There is no such thing, or it is not the caller's: the two answers are the same."""

    code = "not_found"
    status = 404
    exit_code = EXIT_REFUSED
    remedy = "Check the name or the index."


class Busy(IndelibleError):
    """The ledger cannot take more right now; the sender keeps its events and tries again."""

    code = "busy"
    status = 503
    exit_code = EXIT_ERROR
    remedy = "Try again in a second; nothing of this request was stored."


class DiskFull(IndelibleError):
    """The disk has no room; nothing of the request was stored."""

    code = "disk_full"
    status = 507
    exit_code = EXIT_ERROR
    remedy = "Free space or move the data folder; senders keep their events until then."


class LedgerStopped(IndelibleError):
    """The ledger stopped writing; the message says why."""

    code = "ledger_stopped"
    status = 503
    exit_code = EXIT_ERROR
    remedy = "Mend the named cause and start the ledger again; nothing unanswered was promised."


class FolderInUse(IndelibleError):
    """Another process holds the data folder's lock."""

    code = "folder_in_use"
    status = 503
    exit_code = EXIT_REFUSED
    remedy = "Stop the other process, or talk to it with --url instead of --data."


class Damaged(IndelibleError):
    """Stored bytes contradict the log: tampered, truncated, rolled back, forked or unreadable."""

    code = "damaged"
    status = 500
    exit_code = EXIT_DAMAGED
    remedy = "Run `indelible verify --data DIR` and `indelible fsck --data DIR`; change nothing."


class ColumnsDamaged(Damaged):
    """Column files are not as written, of another version, or contradict evidence."""

    code = "columns_unreadable"
    remedy = "Run `indelible fsck --columns`, then `indelible reindex`: evidence makes them again."


class KeyMissing(Damaged):
    """A key that the data need is not in the keyring."""

    code = "key_missing"
    remedy = "Restore the keyring from its backup; without the key the range stays unreadable."


class Unreachable(IndelibleError):
    """The server does not answer."""

    code = "unreachable"
    status = 503
    exit_code = EXIT_UNREACHABLE
    remedy = "Start it with `indelible serve --data DIR`, or name it with --url."


class SettingsError(IndelibleError):
    """A setting is unknown or has a value that is not allowed."""

    code = "bad_setting"
    status = 500
    exit_code = EXIT_USAGE
    remedy = "Correct the setting; docs/reference/settings.md lists all of them."
