"""Every bound in one table: sizes, counts, waits. `docs/reference/limits.md` is checked against it.

Names say the unit. Each has its reason beside it.
"""

from __future__ import annotations

from typing import Final

# --- bodies and requests
BODY_BYTES: Final = 1 << 20  # one event; larger things belong in object storage, by digest
REQUEST_BYTES: Final = 16 << 20  # after decompression; a few thousand events
REQUEST_COMPRESSED_BYTES: Final = 16 << 20  # on the wire
REQUEST_EVENTS: Final = 65_536  # a request is one submission; more than a segment helps nobody
JSON_DEPTH: Final = 32  # deeper input is an attack, not an event
NAME_CHARS: Final = 1024  # ids, names, actions
ACTION_CHARS: Final = 256
TARGETS: Final = 1000
CHANGES: Final = 1000
SUBJECTS: Final = 1000
LABELS: Final = 256
DELEGATION: Final = 16  # actors in on_behalf_of
REJECTIONS_SHOWN: Final = 1000  # in one answer; the count is always whole
REQUEST_SECONDS: Final = 30  # a slow sender is hung up on after this
QUEUE_EVENTS: Final = 262_144  # waiting for the sequencer; beyond it senders get 503
QUEUE_BYTES: Final = 256 << 20

# --- journal, segments, tiles
BATCH_EVENTS: Final = 8_192  # one journal record
BATCH_BYTES: Final = 32 << 20
SEGMENT_EVENTS: Final = 65_536
SEGMENT_BYTES: Final = 256 << 20  # of bodies; the sealer holds a segment and its columns at once
FRAME_EVENTS: Final = 1_024
FRAME_BYTES: Final = 16 << 20  # of bodies; one event's reader unpacks a whole frame
CHUNK_EVENTS: Final = 4_096  # of the tail whose columns are made at once
CHUNK_BYTES: Final = 32 << 20
ROW_GROUP_BYTES: Final = 256 << 20  # columns held while a file is written
TILE_EVENTS: Final = 256
UNSEALED_EVENTS: Final = 1_048_576  # beyond it senders get 503 until sealing catches up
UNSEALED_BYTES: Final = 512 << 20  # the same; three processes hold what is unsealed
COMPACT_EVENTS: Final = 524_288  # rows of a compacted column file: 8 whole segments
COMPACT_SECONDS: Final = 5  # compaction waits until no segment was sealed for so long
COMPACT_FILES: Final = 64  # small column files, beyond which it waits no longer
RESERVED_BYTES: Final = 64 << 20  # kept free on disk for the ledger's own records

# --- time
CHECKPOINT_SECONDS: Final = 1.0
IDLE_CHECKPOINT_SECONDS: Final = 60.0
AHEAD_SECONDS: Final = 300
LATE_SECONDS: Final = 24 * 3600
CLOCK_STEP_SECONDS: Final = 60
CLOCK_FORWARD_SECONDS: Final = 24 * 3600
CLOCK_IDLE_DAYS: Final = 400

# --- queries
SEARCH_ROWS: Final = 1_000  # one page
SEARCH_COLUMNS: Final = 64  # fields that each row of a page shows besides
READ_BYTES: Final = 16 << 20  # of bodies fetched at once for a query or an export, after the first
PAGE_BYTES: Final = 16 << 20  # of bodies read for one page; it then ends early, with a cursor
EXPORT_ROWS: Final = 100_000_000
FACET_VALUES: Final = 100
HISTOGRAM_BUCKETS: Final = 2_000
QUERY_CHARS: Final = 8_192
QUERY_TERMS: Final = 256
QUERY_SECONDS: Final = 60
QUERY_QUEUE: Final = 64
BUNDLE_EVENTS: Final = 1_000_000
BUNDLE_BYTES: Final = 256 << 20  # of bodies; a bundle is put together in memory

# --- access
TOKENS: Final = 10_000
SOURCES: Final = 100_000
WITNESSES: Final = 32
WITNESS_SECONDS: Final = 10  # one exchange with a witness, from connecting to the last byte
WITNESS_ANSWER_BYTES: Final = 65_536  # a cosigned checkpoint, or lines of a witness's keys

# --- server
CONNECTIONS: Final = 2_048  # open at once; one more is answered 503
HEAD_BYTES: Final = 65_536  # request line and headers; the query string and a token fit many times
HEADERS: Final = 100  # of one request; a browser sends thirty
KEEP_ALIVE_SECONDS: Final = 75  # an idle connection is closed after this; pools expect a minute
CONTROL_BYTES: Final = 1 << 20  # a request that administers: names, keys, a checkpoint to compare
QUERY_STRING_BYTES: Final = 16_384  # a query of QUERY_CHARS, percent-encoded, and its options
HEADER_CHARS: Final = 512  # of a sender's header that is kept (user agent, idempotency key)
READING_BYTES: Final = 256 << 20  # of requests that are still arriving, all together; then 503
TAIL_STREAMS: Final = 64  # live tails at once; each holds a task and its last batch
EXPORT_STREAMS: Final = 4  # exports at once; each holds a query worker
VERIFICATIONS_AT_ONCE: Final = 1  # a verification reads everything; two only slow each other
VERIFICATION_RUNS: Final = 1_000  # accounts kept of past runs
PUBLISHED_PER_SECOND: Final = 200  # reads of the published log without a token, all clients
PUBLISHED_BURST: Final = 1_000  # a mirror that begins reads many tiles at once
COUNTED_SECONDS: Final = 60  # polling becomes one recorded event a minute
DRAIN_SECONDS: Final = 30  # what is under way at SIGTERM is finished within this
