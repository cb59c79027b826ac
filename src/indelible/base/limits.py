"""Every bound in one table: sizes, counts, waits. `docs/reference/limits.md` is checked against it.

Names say the unit. Each has its reason beside it, or needs none. What a format or a protocol gives
stands with that format; `tests/test_tidy.py` refuses any other number beside the code.
"""

from __future__ import annotations

from typing import Final

# --- bodies and requests
BODY_BYTES: Final = 1 << 20  # one event; larger things belong in object storage, by digest
ADDED_BYTES: Final = 20_480  # of a body, for what token and ledger add, however names are escaped
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
REQUEST_PARTS: Final = 4_096  # members or frames of a compressed stream; each costs a decoder
REQUEST_WINDOW_BYTES: Final = 16 << 20  # of a zstd frame; no request is larger
LINE_BYTES: Final = 2 * BODY_BYTES  # refused unread; escapes do not halve an honest event

# --- journal, segments, tiles
BATCH_EVENTS: Final = 8_192  # one journal record
BATCH_BYTES: Final = 32 << 20
SEGMENT_EVENTS: Final = 65_536
SEGMENT_BYTES: Final = 256 << 20  # of bodies; the sealer holds a segment and its columns at once
FRAME_EVENTS: Final = 1_024
FRAME_BYTES: Final = 16 << 20  # of bodies; one event's reader unpacks up to a whole frame
FRAME_STEP_BYTES: Final = 1 << 14  # of a packed frame, between looks for the body that is wanted
CHUNK_EVENTS: Final = 4_096  # of the tail whose columns are made at once
CHUNK_BYTES: Final = 32 << 20
ROW_GROUP_BYTES: Final = 256 << 20  # columns held while a file is written
TILE_EVENTS: Final = 256
UNSEALED_EVENTS: Final = 1_048_576  # beyond it senders get 503 until sealing catches up
UNSEALED_BYTES: Final = 512 << 20  # the same; three processes hold what is unsealed
COMPACT_EVENTS: Final = 524_288  # rows of a compacted column file: 8 whole segments
COMPACT_SECONDS: Final = 5  # compaction waits until no segment was sealed for so long
COMPACT_FILES: Final = 64  # small column files, beyond which it waits no longer
TORN_REPORTS: Final = 16  # torn ends that one start reports; a crash leaves one
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
ANSWER_BYTES: Final = 32 << 20  # of values in one answer, besides its events' own text
EXPORT_ROWS: Final = 100_000_000
FACET_VALUES: Final = 100
HISTOGRAM_BUCKETS: Final = 2_000
QUERY_CHARS: Final = 8_192
QUERY_TERMS: Final = 256
QUERY_SECONDS: Final = 60
QUERY_QUEUE: Final = 64
BUNDLE_EVENTS: Final = 1_000_000
BUNDLE_INDEXES: Final = 10_000  # named one by one; the record of the read names them all
BUNDLE_BYTES: Final = 256 << 20  # of bodies; a bundle is put together in memory
STATE_EVENTS: Final = 100_000  # changes of one thing that its state is made from
SUGGEST_ROWS: Final = 1_000_000  # the newest, which completion takes its values from

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
UNREAD_SECONDS: Final = 300  # a client that takes nothing of its answer for so long has gone
UNREAD_BYTES: Final = 256 << 20  # of answers that wait for their clients, all together
KEEP_ALIVE_SECONDS: Final = 75  # an idle connection is closed after this; pools expect a minute
VKEY_CHARS: Final = 8_192  # an ML-DSA-44 key is 1.8 KB
PATH_CHARS: Final = 4_096  # as Linux has it
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
WAITING_CONNECTIONS: Final = 1_024  # not yet accepted; the system refuses the next
VERIFICATION_RUNS_SHOWN: Final = 20  # in a listing, the newest
TAIL_BEAT_SECONDS: Final = 10.0  # proxies close what is silent for longer
KEY_OVERLAP_DAYS: Final = 30  # old and new signing keys both sign for so long
DAMAGE_KEPT: Final = 100  # findings that stand until a clean run

# --- proof
NOTE_BYTES: Final = 1 << 20  # a checkpoint with its signatures takes kilobytes
NOTE_SIGNATURES: Final = 100  # signed-note asks for at least 16; each ML-DSA line is 3.3 KB
RECEIPT_BYTES: Final = NOTE_BYTES + 65_536  # a note, at most 63 hashes, an entry

# --- command line
CLIENT_SECONDS: Final = 120.0  # for an answer; what streams has no such bound
CLIENT_CONNECT_SECONDS: Final = 5.0
BUSY_TRIES: Final = 60  # of one batch of an import, when the server says 503
BUSY_SECONDS: Final = 1.0  # between them
FAREWELL_SECONDS: Final = 10.0  # what is under way when a command without a server ends
DEMO_SECONDS: Final = 60.0  # for its server to start, to publish, to end

# --- import
IMPORT_WINDOW_BYTES: Final = 128 << 20  # what `zstd --long` without more needs
IMPORT_BATCH_EVENTS: Final = 1_000
IMPORT_BATCH_BYTES: Final = 8 << 20
IMPORT_PEEK_BYTES: Final = 4_096  # of a file, to see what is in it
RESOURCE_DEPTH: Final = 6  # resources named deeper in a CloudTrail record are parts of others

# --- processes
PROCESS_START_SECONDS: Final = 120.0  # the writer may have a long journal to read first
PROCESS_DRAIN_SECONDS: Final = 45.0  # longer than DRAIN_SECONDS, so that the writer ends by itself
PROCESS_GRACE_SECONDS: Final = 10
RESTART_SECONDS: Final = 0.2  # doubled after each early end
RESTART_MOST_SECONDS: Final = 10.0
RESTART_CALM_SECONDS: Final = 60.0
POLL_SECONDS: Final = 0.05  # between two looks at what cannot tell when it is ready
BEAT_PAUSE_SECONDS: Final = 0.05  # a beat that takes longer than its period leaves others room
SOCKET_FOLDER_BYTES: Final = 90  # a Unix socket's whole path has at most 107
LINK_FRAME_BYTES: Final = 1 << 30  # longer than any batch; a length beyond it is no message
LINK_SECONDS: Final = 10.0  # a process that does not read for so long is taken for gone
CHILD_LINE_BYTES: Final = 16 << 20  # the account of a check
ROOM_THREADS: Final = 4  # reads of the disk that requests wait for
TAIL_READS: Final = 2  # of ROOM_THREADS: live tails leave some to others
BUNDLES_AT_ONCE: Final = 1  # one is held in memory whole
QUERIES_AT_ONCE: Final = 4  # asked of one query process; beyond it they wait in QUERY_QUEUE
QUERY_CONNECT_SECONDS: Final = 5.0  # a query process starts in less
QUERY_READ_BYTES: Final = 4 << 20  # read ahead of an answer
QUERY_FRESH_SECONDS: Final = 5.0  # for the newest events
QUERY_WHOLE_SECONDS: Final = 30.0  # an export must not miss them
QUERY_LOOK_SECONDS: Final = 0.25
PROOF_SECONDS: Final = 3.0  # a fresh event's checkpoint is due in CHECKPOINT_SECONDS
SEAL_SECONDS: Final = 120.0
CHUNK_SECONDS: Final = 0.5
SEALER_TELL_SECONDS: Final = 0.2  # a checkpoint is due once a second: no root for every batch
STATEMENT_SECONDS: Final = 60.0
CLOCK_LOOK_SECONDS: Final = 5.0
KEYS_LOOK_SECONDS: Final = 3_600.0
THREAD_SWITCH_SECONDS: Final = 0.0005  # a thread that computes gives way to the loop
VERIFY_NEW_SECONDS: Final = 300.0
VERIFY_BEAT_SECONDS: Final = 60.0
VERIFY_PIECE_EVENTS: Final = 16 * SEGMENT_EVENTS
COUNTED_KEYS: Final = 10_000  # kinds of polling that are counted; then all are written
PROGRESS_SECONDS: Final = 0.5
OVERDUE_LOOK_SECONDS: Final = 1.0  # REQUEST_SECONDS is kept to this
HANG_UP_LOOK_SECONDS: Final = 0.25
LINGER_SECONDS: Final = 1.0  # an answer is lost when the port closes upon bytes nobody has read
LINGER_BYTES: Final = 4 << 20
STREAM_PIECE_BYTES: Final = 1 << 18  # the server holds a few for a slow reader, whatever they weigh
TAIL_BATCH_EVENTS: Final = 500
TAIL_LOOK_SECONDS: Final = 0.2  # a slow predicate gives way to others
TAIL_LOOK_BYTES: Final = 4 << 20
PARSE_APART_BYTES: Final = 1 << 20  # a thousand events take milliseconds; more make others wait
PARSE_APART_LINES: Final = 8_192  # even short lines take long when each is refused with its reason
REMEMBERED: Final = 4_096  # answers in each table of small facts (addresses, origins, actions)
REMEMBERED_ADDRESSES: Final = 65_536  # of events whose columns are made

# --- reading and checking files
FILE_CHUNK_BYTES: Final = 1 << 20  # read or written at once where a file goes through as a whole
ZSTD_STEP_BYTES: Final = 512  # 4 bytes can stand for 128 KiB, so one step gives 16 MiB at most
GZIP_STEP_BYTES: Final = 4_096  # what follows a member is copied: short steps keep many cheap
COLUMN_READ_BYTES: Final = 4 << 20  # decrypted at once when a column file is read back
JOURNAL_WINDOW_BYTES: Final = 1 << 20  # searched for the next record behind a broken one
RECORD_MOVED: Final = 4  # how far from its place a record's number is looked for
HOLE_EVENTS: Final = 1 << 22  # a wider hole than unsealed events can make is a forged index
OPEN_SEGMENTS: Final = 64  # file handles
TILES_KEPT: Final = 64  # of each reader, 8 KiB
PROOF_TILES: Final = 512  # 16 KiB each with its inner rows: 8 MiB
LEAVES_AT_ONCE: Final = 65_536  # taken from an iterable: 2 MiB
PROVING_EVENTS: Final = 64  # no more than their largest bodies beyond BUNDLE_BYTES
ROW_GROUP_ROWS: Final = 122_880  # as DuckDB has it
DECODE_ROWS: Final = 1_024  # more fall out of the processor's cache (6 us against 9)
FIRST_READ_EVENTS: Final = 128  # a first page needs no more
HISTORY_TARGETS: Final = 20  # other targets that one entry of a history names
HISTORY_EVENTS: Final = 1_000
EXPORT_GROUP_ROWS: Final = 32 * FRAME_EVENTS
SPLIT_TERMS: Final = 4  # of an `or`, each asked for by itself
CORPUS_TRIES: Final = 5  # files that go between naming and opening them
ID_RUNS: Final = 6  # each id written about 5 times up to 100 million
FORGET_IDS: Final = 128  # beside each commit, so that none stalls
MERGE_RECORDS: Final = 1 << 19  # 16 MiB
COMPACT_SMALL_FILES: Final = 16  # early seals
OBSOLETE_SECONDS: Final = 120  # a search may still read them
SPACE_LOOK_SECONDS: Final = 0.5
SCAN_PARALLEL_EVENTS: Final = 200_000  # below it starting processes costs more than it saves
SCAN_PROCESSES: Final = 2
FSCK_STEP_EVENTS: Final = 8_192
FSCK_SHOWN: Final = 100  # differences named for one file; the rest is counted
BACKUP_TRIES: Final = 20  # files that move while they are copied
DATABASE_SECONDS: Final = 30  # another process's transaction
META_SECONDS: Final = 5
WITNESS_EXCERPT_CHARS: Final = 120
CLIENT_READ_BYTES: Final = 1 << 16
LOCAL_CHUNKS: Final = 4
DEMO_REQUESTS: Final = 4
DEMO_BATCH_EVENTS: Final = 100
