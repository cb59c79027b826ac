"""What librdkafka says again and again: told at once, and then less and less often.

A client tries each address of a broker that is down several times a second, and says so each time.
In the log the first of it is enough, and now and then how often it came since: for each kind of
error and broker at once, then after a minute, and after twice as long each time, up to an hour.
What nobody said for a minute is over, and told at once when it comes again.
"""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

import msgspec

from indelible.base.limits import KAFKA_SAID_MOST_SECONDS, KAFKA_SAID_SECONDS, REMEMBERED


class _Heard(msgspec.Struct):
    """One kind of words of one broker, by the monotonic clock."""

    told: float
    heard: float
    wait: float = KAFKA_SAID_SECONDS
    untold: int = 0


class Said:
    """What was said lately. May be asked by several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._heard: OrderedDict[tuple[str, str], _Heard] = OrderedDict()

    def told(self, kind: str, words: str, now: float) -> str:
        """What the log is to tell of these words, or ''.

        `kind` is librdkafka's name of the error; the broker stands before the first colon and blank
        of `words`, which may be other ones each time (they tell milliseconds).
        """
        broker, colon, _ = words.partition(": ")
        key = (kind, broker if colon else "")
        with self._lock:
            known = self._heard.get(key)
            if known is None or now - known.heard > KAFKA_SAID_SECONDS:
                self._heard[key] = _Heard(now, now)
                self._heard.move_to_end(key)
                if len(self._heard) > REMEMBERED:
                    self._heard.popitem(last=False)
                return words
            known.heard = now
            self._heard.move_to_end(key)
            if now - known.told < known.wait:
                known.untold += 1
                return ""
            untold, known.untold, known.told = known.untold, 0, now
            known.wait = min(2 * known.wait, KAFKA_SAID_MOST_SECONDS)
            return f"{words} (and {untold:,} times since that was told last)"
