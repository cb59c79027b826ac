"""Which files a source has now: what was added, rotated, copied, truncated, removed.

A look goes through the names that the configured path lists and through the files that are being
followed, by device and inode. It finds

- a rotated file under its new name (or, removed, by its open handle): it is read to its end, and
  on for as long as its writer goes on writing to it;
- a file that does not hold any more what was read of it (truncated, or its inode given to another
  file): what is at that place is a new file, and what was not yet read of the old one is looked
  for in a copy beside it, also where the configured path does not list that;
- files that were not seen before, and what they are (`follow_finding`).

What could not be found again within `Pace.lost` is told: `dropped` counts one for each such file,
since how many lines were in it is not known.
"""

from __future__ import annotations

import logging
import os
from fnmatch import fnmatchcase
from glob import has_magic

from indelible.base import limits
from indelible.base.clock import wall_us
from indelible.ingest.parsers.contract import Given
from indelible.ingest.protocols import follow_content
from indelible.ingest.protocols.files import Position
from indelible.ingest.protocols.files_reading import Reading
from indelible.ingest.protocols.follow_disk import (
    Handles,
    Seen,
    in_folder,
    listed,
    seen_at,
    trusted,
)
from indelible.ingest.protocols.follow_finding import is_rotation, live_names
from indelible.ingest.protocols.follow_known import Known
from indelible.ingest.protocols.follow_meeting import Meeting, Pace
from indelible.ingest.protocols.follow_tracked import Tracked
from indelible.ingest.protocols.joining import join_of

_log = logging.getLogger(__name__)


class Lost:
    """A file that does not hold any more what was read of it, or is not there; and since when.

    `reading` is what was read and not yet delivered. `over` says that it is not looked for again.
    """

    def __init__(self, position: Position, reading: Reading | None, now: float) -> None:
        self.position, self.reading, self.since = position, reading, now
        self.over = False


class Watch:
    """The files of one source. `backfill` says that what was there at first is read too."""

    def __init__(
        self, path: str, parser: str, backfill: bool, known: Known, pace: Pace, handles: Handles
    ) -> None:
        self.path, self.parser = path, parser
        self.known, self.pace = known, pace
        self.tracked: dict[tuple[int, int], Tracked] = {}
        self.lost: list[Lost] = []
        self.dropped = 0
        self._handles = handles
        self._meeting = Meeting(backfill, known, pace, self)
        self._clear: dict[tuple[int, int], tuple[int, int]] = {}  # files that hold nothing new
        self._told: set[str] = set()

    def begin(self, given: Given, now: float) -> None:
        """Take up what was followed before; where nothing ever was, what is there now is old."""
        found = {one.identity: one for one in listed(self.path)}
        for position in self.known.all():
            if position.done:
                continue
            one = found.get((position.device, position.inode)) or _found_again(position)
            if one is not None and follow_content.holds(position, one):
                self._follow(position, one, given, now)
            else:
                self.lost.append(Lost(position, None, now))
        if not self.known.begun_us:
            self.known.begin(wall_us())
            for one in found.values():
                self._meet(one, given, now, old=True)

    def look(self, given: Given, now: float) -> None:
        """One look at everything."""
        found = listed(self.path)
        if len(found) >= limits.FOLLOW_FILES:
            self.tell(f"{self.path} lists more than {limits.FOLLOW_FILES} files; some are left out")
        by_identity = {one.identity: one for one in found}
        for tracked in list(self.tracked.values()):
            self._look_at(tracked, by_identity.get(tracked.seen.identity), now)
        for one in found:
            if one.identity not in self.tracked:
                self._meet(one, given, now)
        self._look_beside(found, given, now)
        for lost in list(self.lost):
            self._search(lost, now)
        self._meeting.looked(now)

    def lose(self, tracked: Tracked, now: float) -> None:
        """The file does not hold any more what was read of it, or cannot be found."""
        self.forget(tracked)
        self.lost.append(Lost(tracked.position, tracked.reading, now))

    def forget(self, tracked: Tracked) -> None:
        """Follow a file no more."""
        tracked.close()
        self.tracked.pop(tracked.seen.identity, None)

    def tell(self, what: str) -> None:
        """Say something once."""
        if what not in self._told and len(self._told) < limits.REMEMBERED:
            self._told.add(what)
            _log.warning("%s", what)

    # --- files that are followed

    def _look_at(self, tracked: Tracked, one: Seen | None, now: float) -> None:
        """Bring what is known of a followed file up to date."""
        tracked.listed = one is not None
        if one is None:
            handle = tracked.open_already()
            held = None if handle is None else handle.look()
            one = held if held is not None and not held.links else _found_again(tracked.position)
            one = one or held
        if one is None:
            self.lose(tracked, now)
            return
        if tracked.position.packed and one.stamp != tracked.position.stamp:
            self.lose(tracked, now)  # written again: it is met anew
            return
        if one.path and one.path != tracked.seen.path:
            tracked.position.path = os.path.realpath(one.path)
            self.known.changed(tracked.position)
        tracked.look(one, now)
        if tracked.position.packed and not tracked.hungry and tracked.reading.idle:
            self._done(tracked.position)
        wait = self.pace.after if one.links else self.pace.gone
        if not tracked.listed and not tracked.hungry and now - tracked.changed >= wait:
            tracked.reading.end(now)
            if tracked.reading.idle:
                tracked.position.gone = not one.links
                self._done(tracked.position)
                self.forget(tracked)

    def _follow(self, position: Position, one: Seen, given: Given, now: float) -> Tracked:
        """Begin to follow `one` from `position` on."""
        position.path = os.path.realpath(one.path)
        line = follow_content.first_line(one, position.packed)
        reading = Reading(position, join_of(self.parser, line, given), self.pace.partial)
        tracked = Tracked(one, reading, self._handles, now)
        self.tracked[one.identity] = tracked
        return tracked

    def _done(self, position: Position) -> None:
        position.done = True
        self.known.changed(position)

    # --- files that are not known

    def _meet(
        self, one: Seen, given: Given, now: float, old: bool = False,
        of: list[Position] | None = None,
    ) -> None:
        """Follow a file that is not followed, once it is known what it is; see `Meeting.meet`."""
        if of is None:
            lost = [each.position for each in self.lost]
            for position in self.known.of(one.identity):
                if any(position is each for each in lost):
                    continue
                if follow_content.holds(position, one):
                    self._follow(position, one, given, now)
                    return
        if not trusted(one):
            self.tell(f"{one.path} is not read: a link to it belongs to somebody else")
            return
        try:
            found = self._meeting.meet(one, now, old, of)
        except FileNotFoundError:  # it went, or was renamed, since it was listed
            return
        except OSError as error:
            self.tell(f"{one.path} cannot be read: {error.strerror}")
            return
        if found is not None:
            self.known.add(found.position)
            tracked = self._follow(found.position, one, given, now)
            tracked.listed, tracked.reach = of is None, found.size

    def alive(self, position: Position) -> bool:
        """Whether the content that was read up to `position` is still there."""
        content = position.first, position.generation
        return any(
            one.seen.links and (one.position.first, one.position.generation) == content
            for one in self.tracked.values()
        )

    def settle(self, position: Position) -> None:
        """Bring a position to where it is, if its file is being read."""
        for tracked in self.tracked.values():
            if tracked.position is position:
                tracked.reading.settle()
        for lost in self.lost:
            if lost.position is position and lost.reading is not None:
                lost.reading.settle()

    def unreadable(self, why: str) -> None:
        """A packed file cannot be unpacked: what is in it is lost as it is."""
        self.dropped += 1
        self.tell(why)

    # --- files that are not there any more

    def _look_beside(self, found: list[Seen], given: Given, now: float) -> None:
        """Files that the path does not list and that rotation made.

        Copies of lost files, and files that were written to after the source was first followed
        and were never seen: rotated away between two looks, or while nobody looked.
        """
        lost = [each.position for each in self.lost if not each.over]
        known = [tracked.position for tracked in self.tracked.values()] + lost
        paths = [*(one.path for one in found), *(one.path for one in known)]
        folders = {os.path.dirname(path) for path in paths}
        if not has_magic(os.path.dirname(self.path)):
            folders.add(os.path.dirname(self.path))
        shown = {one.identity for one in found}
        for one in (one for folder in folders for one in in_folder(folder)):
            if one.identity in self.tracked or one.identity in shown:
                continue
            of = [each for each in lost if is_rotation(one.path, each.path)]
            if self._missed(one):
                self._meet(one, given, now)
            elif of:
                self._meet(one, given, now, of=of)

    def _missed(self, one: Seen) -> bool:
        """Whether a file that is not listed may hold lines that were never read."""
        if one.mtime_ns // 1000 < self.known.begun_us:
            return False
        folder = os.path.dirname(one.path)
        if not any(self._lists(os.path.join(folder, name)) for name in live_names(one.path)):
            return False
        if self._clear.get(one.identity) == one.stamp:
            return False
        for position in self.known.of(one.identity):
            whole = position.stamp != (0, 0) or position.at >= one.size
            if position.done and whole and follow_content.holds(position, one):
                if len(self._clear) >= limits.FOLLOW_FILES:
                    self._clear.clear()
                self._clear[one.identity] = one.stamp
                return False
        return True

    def _lists(self, path: str) -> bool:
        """Whether the configured path means a file that is called so."""
        return fnmatchcase(path, self.path) if has_magic(self.path) else path == self.path

    def _search(self, lost: Lost, now: float) -> None:
        """Whether a lost file was found in a copy; give up after a while."""
        if not lost.over:
            copies = [one for one in self.tracked.values() if self._replaces(one, lost)]
            if copies:
                if any(one.reach >= lost.position.at for one in copies):
                    lost.reading = None  # the copy holds all that was not delivered
                self._over(lost, now)
            elif now - lost.since >= self.pace.lost:
                self.dropped += 1
                self.tell(
                    f"{lost.position.path} was truncated or removed, and no copy of it is found: "
                    f"lines behind byte {lost.position.line} may be lost"
                )
                self._over(lost, now)
        if lost.over and (lost.reading is None or lost.reading.idle):
            lost.position.gone = True
            self._done(lost.position)
            self.lost.remove(lost)

    def _replaces(self, one: Tracked, lost: Lost) -> bool:
        """Whether a copy is all that is left of a lost file: whole, or made when it was lost."""
        own, other = one.position, lost.position
        if (own.first, own.generation) != (other.first, other.generation):
            return False
        return one.since >= lost.since - self.pace.lost or one.reach >= other.at

    def _over(self, lost: Lost, now: float) -> None:
        lost.over = True
        if lost.reading is not None:
            lost.reading.end(now)


def _found_again(position: Position) -> Seen | None:
    """A file under the name it had, or under another one in the same folder."""
    identity = (position.device, position.inode)
    one = seen_at(position.path)
    if one is not None and one.identity == identity:
        return one
    folder = os.path.dirname(position.path)
    return next((one for one in in_folder(folder) if one.identity == identity), None)
