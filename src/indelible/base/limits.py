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
JSON_VAIN_BYTES: Final = 64 << 20  # of broken objects, in looking for their ends; then line by line
JSON_DEEP_BYTES: Final = 4 << 20  # of one request, bracket by bracket: about a second
LINE_BYTES: Final = 4 * BODY_BYTES  # read at most; escapes do not quarter an honest event
RAW_LEAST_BYTES: Final = BODY_BYTES // 4  # the beginning of a message too large for an event

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
SECRET_BYTES: Final = 65_536  # of a source: a signing secret, or a service account's key file
GAP_RANGES: Final = 1_000  # missing ranges that are followed, of each boot of a source
SOURCES_AT_ONCE: Final = 100  # looked at before others have their turn
COMPLETENESS_SECONDS: Final = 15.0  # between two looks at what is missing
RECOUNT_EVENTS: Final = 10_000  # of the log, read at a time where the counts of sources lack them
RECOUNT_FIRST: Final = 100_000  # entries of the log that are looked at before a start takes more
REACH_RANGES: Final = 10_000  # of the log, that counts lack while they are kept all the same
ANSWERED_ROWS: Final = 2_000  # each of so many ranges of numbers, until counts hold them
GAP_RANGES_MOST: Final = 16_000  # missing ranges in memory before their gaps are on record
GAPS_AT_ONCE: Final = 1_000  # records of gaps of one source, of one look
GAP_SECONDS: Final = 60  # requests overtake each other: a missing number is a gap after this
BOOTS_ENDED: Final = 4_096  # older ones, of which only the next number is remembered
BOOTS: Final = 256  # of each numbering source, that are followed; the newest
BOOT_RANGES: Final = 16_000  # missing ranges that are followed, of all older boots of a source
SILENCE_EXPECTED: Final = 20  # minutes that should have brought something: no chance any more
SILENCE_LEAST_SECONDS: Final = 600  # shorter silences are told only where the register says so
VOLUME_EVENTS: Final = 100  # an hour that usually brings fewer is not judged by half of them
SHAPE_EVENTS: Final = 50  # an hour that brought fewer says nothing of a source's format
SHAPE_SHARE: Final = 0.2  # of messages that could not be read; less is no change of format
CLOCK_BATCHES: Final = 9  # newest batches by whose median a source's clock is judged
CLOCK_AHEAD_SECONDS: Final = 60  # clocks that are kept agree within a second
CLOCK_BEHIND_SECONDS: Final = 900  # a slow way takes minutes; a wrong zone is whole hours
PAUSE_MOST_DAYS: Final = 90  # a declared pause; a source that is gone for longer is disabled
COVERAGE_EVENTS: Final = 1_000  # of a source, below which nothing that is absent is called off
COVERAGE_DAYS: Final = 30  # that coverage looks at unless told otherwise
SOURCE_PARSERS: Final = 64  # whose events are counted by themselves, of each source
RATE_MINUTES: Final = 15  # of each source, over which its rate is shown
PEERS: Final = 256  # networks and certificates of one source
SILENCE_MOST_SECONDS: Final = 400 * 86_400  # a yearly source may be silent for so long
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
CHANGE_BYTES: Final = BODY_BYTES // 8  # of all values of one event's changes that a parser takes
ENVELOPES: Final = 4  # around one message: a shipper's document, a syslog header, and to spare
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

# --- collector
COLLECT_BYTES: Final = 64 << 20  # of messages that wait to be durable, from all senders together
COLLECT_AGAIN_SECONDS: Final = 0.25  # a busy ledger is asked again after this
COLLECT_BATCH_EVENTS: Final = 1_000  # of one connection, made durable together
COLLECT_READ_BYTES: Final = 1 << 18  # of one connection, read at once
COLLECT_CONNECTIONS: Final = 4_096  # of each listener; one more is hung up on
COLLECT_IDLE_SECONDS: Final = 3_600  # a connection that says nothing for so long is closed
COLLECT_FRAME_SECONDS: Final = 60  # a message that has begun is whole within this
COLLECT_HANDSHAKE_SECONDS: Final = 15  # of TLS
COLLECT_LAST_SECONDS: Final = 0.1  # a sender that says nothing for so long has nothing on its way
COLLECT_DRAIN_SECONDS: Final = 5.0  # what was read is made durable before a stop
SYSLOG_BYTES: Final = 262_144  # one message; what is longer is cut off and flagged `truncated`
DATAGRAMS: Final = 65_536  # that wait to be read; more are counted as dropped
DATAGRAMS_BYTES: Final = 64 << 20  # the same, in bytes
DATAGRAM_BUFFER_BYTES: Final = 16 << 20  # asked of the kernel for each UDP socket
DATAGRAM_SECONDS: Final = 0.02  # datagrams that arrive within this are made durable together
STRANGERS: Final = 32  # unknown senders told by address in a minute; others are one count
STRANGERS_SECONDS: Final = 1.0

# --- foreign protocols over HTTP
OTLP_RAW_BYTES: Final = 32 << 20  # kept of one request: each record carries its resource again
GRPC_CONNECTIONS: Final = 1_024  # open at once; one more is hung up on
GRPC_STREAMS: Final = 64  # calls at once of one connection; the sender waits with the next
GRPC_CALLS: Final = 512  # under way, of all connections; one more is asked to come again
GRPC_READS: Final = 8  # requests held at once, REQUEST_BYTES each at most; others wait
GRPC_SMALL_BYTES: Final = 65_536  # a request of no more than this does not count when it is there
GRPC_AHEAD_BYTES: Final = 262_144  # of a message, received before it is asked for
GRPC_METADATA_BYTES: Final = 16_384  # of one call; a token fits many times
GRPC_IDLE_SECONDS: Final = 300  # a connection without a call is closed; exporters open another
GRPC_PING_SECONDS: Final = 60  # of silence; then the other end is asked whether it is there
GRPC_PONG_SECONDS: Final = 20  # without its answer it is taken for gone
GRPC_PINGS_SECONDS: Final = 10  # a sender that asks more often, three times, is hung up on
GRPC_DRAIN_SECONDS: Final = 4.0  # calls under way at a stop; shorter than COLLECT_DRAIN_SECONDS
GRPC_STATUS_CHARS: Final = 1_024  # of an error's text: a client reads a few KiB of trailers
HEC_CHANNELS: Final = 10_000  # whose acknowledgements are counted; the oldest unused is forgotten
HEC_ACKS: Final = 10_000  # asked for at once
LOKI_RAW_BYTES: Final = 32 << 20  # kept of one request: each entry carries its labels again
LOKI_REASONS: Final = 10  # refused entries that an answer names; of the others it tells how many
WEBHOOK_BYTES: Final = 4 << 20  # read before a signature is checked; one event takes a quarter
WEBHOOK_SECONDS: Final = 300  # a signed time may lie so far off, as the vendors advise
WEBHOOK_SECRETS: Final = 4  # of one source: the new one and those that it takes the place of
WEBHOOK_SIGNATURES: Final = 16  # in one header: one for each secret that a vendor rotates
WEBHOOK_BODIES: Final = 65_536  # whose signatures are remembered, to tell a body sent again
JOURNALD_ENTRY_BYTES: Final = 3 << 20  # of one entry; a command line alone may take 2 MiB
JOURNALD_FIELDS: Final = 1_024  # of one entry, as the journal bounds it
JOURNALD_VALUE_BYTES: Final = 1 << 30  # announced; beyond what a journal holds it is no length
JOURNALD_BATCH_BYTES: Final = 262_144  # of one upload, made durable together; then it is read on
JOURNALD_WAIT_SECONDS: Final = 0.2  # after which what came is made durable, however little
JOURNALD_UPLOADS: Final = 256  # at once; each holds a batch and an entry that is not whole
JOURNALD_SOURCE_UPLOADS: Final = 128  # of them of one source
JOURNALD_BUSY_SECONDS: Final = 60  # an upload waits; its sender's watchdog ends it after 180

# --- audit policy
AUDIT_RULES: Final = 256  # of one audit policy: people must be able to read it
AUDIT_POLICY_BYTES: Final = 65_536  # of its text, which stands in the log as one record
AUDIT_POLICIES_SHOWN: Final = 100  # versions in a listing, the newest
SORTED_EVENTS: Final = 1_000  # of one submission, sorted at once: then others have their turn
SUMMARY_SECONDS: Final = 60  # of event time that one summary stands for
SUMMARY_GRACE_SECONDS: Final = 30  # events of a minute arrive a little later
SUMMARY_IPS: Final = 16  # addresses that one summary names
SUMMARY_TYPES: Final = 16  # types of targets that one summary names
SUMMARIES: Final = 20_000  # open at once, about 1 KB each; the oldest is written early
ROLLED_IDS: Final = 131_072  # of rolled-up events, by which a retry is known; the newest, 26 MB
PREVIEW_EVENTS: Final = 200_000  # stored events that a preview looks at: some seconds of work
PREVIEW_COLUMN_BYTES: Final = 63  # that columns take for an event, where none is sealed to tell
PREVIEW_QUESTIONS: Final = 5  # kinds of events named beside one rule, the most frequent
PREVIEW_DAYS: Final = 30  # that a preview looks at unless told otherwise

# --- PostgreSQL change capture
CAPTURE_CHANGES: Final = 20_000  # asked of a slot at once; the server spools them on its disk
CAPTURE_CHANGES_MOST: Final = 1_000_000  # the same, where most of the time goes into reading again
CAPTURE_CHANGE_BYTES: Final = 16 << 20  # of one change; what is longer is cut off by the server
CAPTURE_COLUMNS: Final = 1_664  # of one row, as PostgreSQL bounds it
CAPTURE_RELATIONS: Final = 16_384  # tables whose description is held
CAPTURE_SAID_BYTES: Final = 65_536  # of what an application says of a transaction
CAPTURE_BATCH_BYTES: Final = 4 << 20  # of events made durable together
CAPTURE_BATCHES: Final = 4  # on their way to be durable at once
CAPTURE_SECONDS: Final = 1.0  # between two looks at a slot that had nothing
CAPTURE_REST_MOST_SECONDS: Final = 60.0  # the same, of a slot that is slow to look at
CAPTURE_SHARE: Final = 4  # a look is followed by so many times its own length of rest
CAPTURE_KEEP_SECONDS: Final = 5.0  # within a transaction, between two notes of how far it was read
CAPTURE_IDLE_BYTES: Final = 1 << 20  # of others' log, after which a slot with no changes moves on
CAPTURE_CONNECT_SECONDS: Final = 10  # to each address of a server
CAPTURE_KEEPALIVE_SECONDS: Final = 30  # of a connection whose other end may have vanished
CAPTURE_PUBLICATIONS: Final = 32  # named by one source
CAPTURE_TABLES_SHOWN: Final = 20  # in one finding of a check; the count is always whole

# --- messages of several lines
JOIN_SECONDS: Final = 2.0  # after its last line; a writer writes a message at once
JOIN_LINES: Final = 4_096  # of one message
JOIN_BYTES: Final = 2 << 20  # of one message
JOIN_APART_BYTES: Final = 1 << 20  # between two lines of one message
JOIN_HELD: Final = 1_024  # messages open at once
JOIN_HELD_BYTES: Final = 8 << 20  # the same, in bytes

# --- followed files
FOLLOW_SECONDS: Final = 1.0  # between two looks at every file of a source
FOLLOW_READ_BYTES: Final = 1 << 16  # of one file at once; lines may be as short as two bytes
FOLLOW_FILES: Final = 10_000  # of one source
FOLLOW_OPEN_FILES: Final = 256  # of all sources; the others are opened when they grow
FOLLOW_POSITIONS: Final = 16_384  # of one source; the longest untouched is forgotten
FOLLOW_FIRST_BYTES: Final = 4_096  # of a first line, by which files are told apart
FOLLOW_TAIL_BYTES: Final = 256  # before a place, by which it is found again
FOLLOW_TAILS: Final = 16  # such places kept of one file
FOLLOW_SAME_BYTES: Final = 1_024  # less in common does not make a file that was put in place a copy
FOLLOW_KEEP_SECONDS: Final = 1.0  # between two writes of how far a source was read
FOLLOW_SETTLE_SECONDS: Final = 5.0  # a file unchanged for so long is whole (copied, packed)
FOLLOW_UNCLEAR_SECONDS: Final = 30.0  # a new file that may be a copy is looked at for so long
FOLLOW_PARTIAL_SECONDS: Final = 300.0  # a last line without end; buffering writers take minutes
FOLLOW_LOST_SECONDS: Final = 60.0  # what became of a truncated or vanished file is looked for
FOLLOW_GONE_SECONDS: Final = 60.0  # a removed file is held open until it was quiet for so long
FOLLOW_AFTER_SECONDS: Final = 3_600.0  # the same of a rotated one; its writer may be slow to leave

# --- asked APIs
PULL_ANSWER_BYTES: Final = 64 << 20  # unpacked; a page of a thousand events takes a few MiB
PULL_SECONDS: Final = 60.0  # between two pieces of an answer; services take long for a late page
PULL_WHOLE_SECONDS: Final = 300.0  # one exchange with its redirects, however many pieces it has
PULL_CONNECT_SECONDS: Final = 10.0
PULL_REDIRECTS: Final = 3  # of one request, on the same host
PULL_CLOCK_SECONDS: Final = 60  # two clocks that differ by no more agree
PULL_CLOCK_ANSWERS: Final = 3  # that say the same before a time is sure
PULL_PAGES: Final = 10_000  # of one window; more are read too, and told
PULL_CONTENTS: Final = 10_000  # places of contents on one page of a list
PULL_CONTENT_TRIES: Final = 5  # of one content, before others are gone on with; half a minute
PULL_ASIDE: Final = 256  # such contents of one stream; each is some 200 bytes of its state
PULL_RETRY_SECONDS: Final = 1.0  # doubled after each failure, less up to a half by chance
PULL_RETRY_MOST_SECONDS: Final = 300.0
PULL_WAIT_SECONDS: Final = 3_600  # a service that asks for more is asked again after this
PULL_TOKEN_SECONDS: Final = 60  # a token is renewed so long before it ends
PULL_RECENT: Final = 65_536  # events that came lately, which an overlap need not bring again

# --- objects in a bucket
S3_SECONDS: Final = 60.0  # between two listings; each costs a request or two a folder of days
S3_SECONDS_LEAST: Final = 1  # that a source may ask for instead
S3_DAYS: Final = 3  # folders by date that every listing looks at, back from the last whole one
S3_DAYS_MOST: Final = 30  # that a source may ask for instead
S3_LATE_SECONDS: Final = 86_400  # from an object's time of writing until a listing shows it
S3_SWEEP_SECONDS: Final = 86_400  # between two listings of everything
S3_OLD_SECONDS: Final = 3_600  # an object that is older when it is read is no present event
S3_AT_ONCE: Final = 4  # objects of one source that are read at once
S3_CLOCK_SECONDS: Final = 60  # two clocks that differ by no more agree
S3_PAGES: Final = 10_000  # of one listing; more are read too, and told
S3_EMPTY_PAGES: Final = 1_000  # of one listing in a row, without an object
S3_KEY_PAGES: Final = 100  # of CloudTrail's public keys for an hour; they have one
S3_OBJECT_BYTES: Final = 8 << 30  # of one object, unpacked; CloudTrail's take megabytes
S3_TRIES: Final = 3  # of one request, and of one object whose connection breaks
S3_TRY_SECONDS: Final = 1.0  # before an object is tried again, times the tries so far
S3_TROUBLES: Final = 8  # objects in a row that cannot be read: it is the store, not the objects
S3_AGAIN: Final = 1_000  # objects of one source that wait to be tried again
S3_AGAIN_SECONDS: Final = 60  # before the first time, doubled after each
S3_AGAIN_MOST_SECONDS: Final = 3_600
S3_CONNECT_SECONDS: Final = 10
S3_READ_SECONDS: Final = 60  # without a byte
S3_CALL_SECONDS: Final = 600.0  # of one request, or one batch of an object, however it trickles
S3_ROLE_SECONDS: Final = 3_600  # of an assumed role, the most that a role allows by itself
S3_ROLE_EARLY_SECONDS: Final = 300  # it is assumed anew so long before it ends
S3_POLL_SECONDS: Final = 5  # that an empty queue lets us wait; a stop waits as long
S3_LETTERS: Final = 10  # messages of a queue at once: SQS gives no more
S3_VISIBLE_SECONDS: Final = 60  # a message is ours for so long, and again before that is over
S3_NOTICES: Final = 1_000  # objects that one message of a queue names; S3 names one
S3_NOTICE_BYTES: Final = 1 << 20  # of such a message; SQS takes no more
S3_KEEP_SECONDS: Final = 1.0  # between two writes of what was read
S3_REMEMBERED: Final = 50_000  # objects of one source that were read, the newest
S3_REMEMBER_SECONDS: Final = 180_000  # two days and some hours: a listing sees them again
S3_SLOT_SECONDS: Final = 600  # of writing times, whose objects are remembered in one position

# --- what brokers carry beside a payload
CARRIED_HEADERS: Final = 64  # of one message that are told; the others are counted
CARRIED_BYTES: Final = 1_024  # of a key or a header; a longer one is told by its hash

# --- records of Kafka
KAFKA_TOPICS: Final = 256  # named by one source
KAFKA_PARTITIONS: Final = 4_096  # of all of them; each has a position that is kept
KAFKA_LOOK_SECONDS: Final = 10.0  # between two looks for new partitions, lag and missing topics
KAFKA_WRONG_SECONDS: Final = 1.0  # the same, while a partition's log does not go on
KAFKA_ASK_SECONDS: Final = 10.0  # for an answer of the brokers
KAFKA_WAIT_SECONDS: Final = 0.5  # for a record, where there is none; a stop waits as long
KAFKA_GATHER_SECONDS: Final = 0.1  # from the first record of a batch, where more may come
KAFKA_TAKEN: Final = 200  # records taken from the library at once; each may have megabytes
KAFKA_BATCH_BYTES: Final = 4 << 20  # of events made durable together
KAFKA_BATCHES: Final = 4  # on their way to be durable at once
KAFKA_QUEUE_BYTES: Final = 16 << 20  # fetched ahead of what is read, of one source
KAFKA_QUEUED: Final = 10_000  # records of a partition, below which more are fetched
KAFKA_FETCH_BYTES: Final = 16 << 20  # of one answer; a single record may be larger
KAFKA_ANSWER_BYTES: Final = 128 << 20  # of one answer, with the largest record that brokers take
KAFKA_KEEP_SECONDS: Final = 1.0  # between two notes of how far was read
KAFKA_OLD_SECONDS: Final = 3_600  # a record that is older when it is read is no present event
KAFKA_AHEAD_SECONDS: Final = 86_400  # a timestamp beyond it is a producer's mistake or jest
KAFKA_SAID_SECONDS: Final = 60.0  # from telling of a broker's trouble to telling of it again
KAFKA_SAID_MOST_SECONDS: Final = 3_600.0  # to which that grows, doubled each time
KAFKA_BEHIND_SHOWN: Final = 10  # partitions named with how far behind they are
KAFKA_RETENTION_DAYS: Final = 2  # a shorter one of a topic is remarked by `source check`

# --- messages of NATS
NATS_SERVERS: Final = 32  # named by one source
NATS_SUBJECTS: Final = 64  # named by one source, as filters
NATS_LOOK_SECONDS: Final = 10.0  # between two looks at the stream, where nothing comes of it
NATS_AGAIN_SECONDS: Final = 1.0  # before a stream whose consumer went away is begun again
NATS_ASK_SECONDS: Final = 5.0  # for a connection, a login, an answer
NATS_PING_SECONDS: Final = 10  # between two signs of life of the server; two that lack end it
NATS_EXPIRE_SECONDS: Final = 5.0  # that the server holds a pull for which there is nothing
NATS_WAIT_SECONDS: Final = 0.5  # for a message, before what is durable is noted
NATS_GATHER_SECONDS: Final = 0.05  # from the first message of a batch, where more may come
NATS_PULL: Final = 1_000  # messages asked for at once; then as many again
NATS_PULL_BYTES: Final = 4 << 20  # of them together; a larger message comes alone
NATS_BATCHES: Final = 4  # on their way to be durable at once
NATS_KEEP_SECONDS: Final = 1.0  # between two notes of how far was read
NATS_LAST_SECONDS: Final = 1.0  # for the last of them, at a stop
NATS_ACK_SECONDS: Final = 300  # the server waits so long to give a message again
NATS_UNUSED_SECONDS: Final = 300  # a consumer of our making that nobody reads is removed then
NATS_PENDING: Final = 16_384  # unacknowledged of a durable consumer that we make
NATS_OLD_SECONDS: Final = 3_600  # a message that is older when it is read is no present event
NATS_RETENTION_DAYS: Final = 2  # a shorter one of a stream is remarked by `source check`

# --- digests of CloudTrail
DIGEST_BYTES: Final = 64 << 20  # unpacked: the names of 150,000 log files
DIGEST_RAW_BYTES: Final = 256 << 10  # a larger one is not kept whole in the record of its check
DIGEST_SECONDS: Final = 3_600  # CloudTrail writes one an hour
DIGEST_LATE_SECONDS: Final = 14_400  # a digest that is not there so long after its hour is overdue
DIGEST_UNNAMED_SECONDS: Final = 86_400  # a log file that no digest names after this is remarkable
DIGEST_KEYS_SECONDS: Final = 3_600  # a public key that was not there is asked for again after this
DIGEST_LINKS: Final = 48  # digests of each chain that are remembered
DIGEST_CHAINS: Final = 10_000  # of one source: accounts times regions times trails
DIGEST_STEPS: Final = 1_000  # digests of one chain that are fetched back at once
DIGEST_RUNS: Final = 4  # of each chain, between two beginnings, whose numbers are known
DIGEST_SHOWN: Final = 50  # files that one finding names; the rest is counted

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
