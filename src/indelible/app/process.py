"""One process of the server: `python -m indelible.app.process ROLE DIR [NUMBER]`."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import resource
import signal
import sys
from pathlib import Path

import msgspec

from indelible.app.place import Place
from indelible.app.serve import SETTINGS, run_folder
from indelible.base.clock import MICROS, rfc3339
from indelible.base.errors import IndelibleError
from indelible.base.limits import PROCESS_GRACE_SECONDS
from indelible.base.settings import Settings

_PR_SET_PDEATHSIG = 1
_log = logging.getLogger(__name__)


def end_with_parent() -> None:
    """Ask the kernel to end this process when its parent does (Linux)."""
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    except (OSError, AttributeError):
        return


def raise_open_files() -> None:
    """As many open files as this process may have: each connection and each file is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # a kernel that refuses leaves what there is
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    _log.debug("open files: %d, were %d", hard, soft)


def run_role(role: str, place: Place, run: Path, number: int) -> None:
    """Run one process to its end."""
    if role in ("writer", "collector"):
        place.know_parsers()
    if role == "writer":
        import uvloop

        from indelible.app.writer import run_writer

        uvloop.run(run_writer(place, run))
        return
    if role == "collector":
        import uvloop

        from indelible.app.collector import run_collector

        uvloop.run(run_collector(place.settings, run))
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    process: SealerProcess | WorkerProcess
    if role == "sealer":
        from indelible.app.sealer import SealerProcess

        process = SealerProcess(place, run)
    else:
        from indelible.app.worker import WorkerProcess

        process = WorkerProcess(place, run, number)
    # Told to end together with the writer, they serve it until it hangs up; alone, they end soon.
    # Before they are connected they end at once: the writer may have refused to start.
    signal.signal(
        signal.SIGTERM, lambda _signal, _frame: signal.alarm(PROCESS_GRACE_SECONDS) and None
    )
    process.run()


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def __init__(self, role: str) -> None:
        super().__init__()
        self._role = role

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON."""
        line = {
            "time": rfc3339(int(record.created * MICROS)), "process": self._role,
            "level": record.levelname.lower(), "message": record.getMessage(),
        }
        return msgspec.json.encode(line).decode()


def handed_down() -> tuple[Settings, bool]:
    """The settings that the parent completed."""

    def path(kind: type, value: object) -> object:
        return kind(value)

    return msgspec.json.decode(
        os.environ[SETTINGS], type=tuple[Settings, bool], dec_hook=path
    )


def _tell(error: IndelibleError, json_log: bool) -> None:
    """What ended this process, as the rest of its log is written: the one shape, or text."""
    text = f"indelible: {error.message}\n  remedy: {error.remedy}\n  code: {error.code}"
    if json_log:
        text = msgspec.json.encode({"error": error.as_dict()}).decode()
    print(text, file=sys.stderr)


def main(arguments: list[str]) -> int:
    """Run one role; its exit code is that of the error that ended it."""
    role, data, *rest = arguments
    settings, json_log = handed_down()
    place = Place(Path(data), settings)
    plain = f"%(asctime)s {role} %(levelname)s %(message)s"
    logging.basicConfig(level=settings.log_level.upper(), stream=sys.stderr, format=plain)
    if json_log:
        logging.getLogger().handlers[0].setFormatter(JsonLines(role))
    end_with_parent()
    raise_open_files()
    try:
        run_role(role, place, run_folder(place.data), int(rest[0]) if rest else 0)
    except IndelibleError as error:
        _tell(error, json_log)
        return error.exit_code
    except OSError as error:
        named = f"{error.filename}: " if error.filename else ""
        remedy = "The operating system refused it; mend the named cause and start it again."
        failed = IndelibleError(f"{named}{error.strerror or error}", code="system", remedy=remedy)
        _tell(failed, json_log)
        return failed.exit_code
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(code)  # every file is closed; library threads need not be waited for
