/* Ringway for C99 and newer. Made from ffi/src: change it there, and run `RINGWAY_WRITE=1 cargo test --package ringway-ffi --test header`. */

#ifndef RINGWAY_H
#define RINGWAY_H



#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if !defined(__cplusplus) && defined(__STRICT_ANSI__) && (!defined(__STDC_VERSION__) || __STDC_VERSION__ < 199901L)
#error "ringway.h needs C99: compile with -std=c99 or newer"
#endif

/*
 * An answer that nobody looks at is warned of. Who defines it beforehand, as nothing (`-DRINGWAY_MUST_USE=`), is not warned.
 */
#if defined(RINGWAY_MUST_USE)
#elif (defined(__cplusplus) && __cplusplus >= 201703L) || (defined(__STDC_VERSION__) && __STDC_VERSION__ >= 202311L)
#define RINGWAY_MUST_USE [[nodiscard]]
#elif defined(__GNUC__)
#define RINGWAY_MUST_USE __attribute__((warn_unused_result))
#else
#define RINGWAY_MUST_USE
#endif

/**
 * The number of the ABI that this header describes. It grows when something is added; what is there keeps its meaning.
 */
#define RINGWAY_ABI_VERSION 1

/**
 * A wait that never ends: what any negative number of nanoseconds means.
 */
#define RINGWAY_FOR_EVER (-1)

/**
 * No wait at all.
 */
#define RINGWAY_DO_NOT_WAIT 0

/**
 * What a function answers: zero, or why nothing was done. `ringway_last_error()` has the details.
 */
typedef enum {
  /**
   * It is done.
   */
  RINGWAY_OK = 0,
  /**
   * There is no frame now. Also: no client; the batch is over; a connection is not resumed yet.
   */
  RINGWAY_EMPTY = 1,
  /**
   * There is no room in the ring now.
   */
  RINGWAY_FULL = 2,
  /**
   * It did not happen in the time that was given.
   */
  RINGWAY_TIMED_OUT = 3,
  /**
   * The peer has closed its half in order, and everything that it sent was received.
   */
  RINGWAY_CLOSED = 4,
  /**
   * The peer closed the connection without a goodbye, and its process lives.
   */
  RINGWAY_PEER_CLOSED = 5,
  /**
   * The peer's process has ended without a goodbye.
   */
  RINGWAY_PEER_DIED = 6,
  /**
   * The peer broke a rule, which the detail names. The connection is over.
   */
  RINGWAY_PROTOCOL = 7,
  /**
   * The handle belongs to the process that forked this one.
   */
  RINGWAY_FORKED = 8,
  /**
   * The frame is longer than the buffer, and stays unread. Also: a text is longer than the buffer for it.
   */
  RINGWAY_TRUNCATED = 9,
  /**
   * The payload is longer than what fits into the ring.
   */
  RINGWAY_TOO_LARGE = 10,
  /**
   * The alignment is no power of two, or above the one that was configured.
   */
  RINGWAY_ALIGNMENT = 11,
  /**
   * The connection has no such priority.
   */
  RINGWAY_PRIORITY = 12,
  /**
   * The frame had expired before there was room for it.
   */
  RINGWAY_EXPIRED = 13,
  /**
   * The frame would expire before the peer comes to it.
   */
  RINGWAY_QUEUE_TOO_LONG = 14,
  /**
   * The host's clock is not known here, or a moment is beyond what it can tell.
   */
  RINGWAY_CLOCK = 15,
  /**
   * The wait was ended by `ringway_interrupter_interrupt`; nothing was sent or received.
   */
  RINGWAY_INTERRUPTED = 16,
  /**
   * A pointer is NULL, or a number makes no sense: the detail says which.
   */
  RINGWAY_INVALID_ARGUMENT = 32,
  /**
   * A reservation, a group, a frame or a batch is open (or is not, and should be): the detail says which.
   */
  RINGWAY_OUT_OF_TURN = 33,
  /**
   * A fault of the library: free the handle, and report the detail.
   */
  RINGWAY_PANICKED = 34,
  /**
   * The schema has no such record or field, or the counters have no such name.
   */
  RINGWAY_NO_SUCH_FIELD = 35,
  /**
   * A shortest way does not lead on: nothing was done, and the function for everything does it, or knows why not.
   */
  RINGWAY_NOT_AT_ONCE = 36,
  /**
   * An option is out of its range.
   */
  RINGWAY_INVALID_CONFIG = 64,
  /**
   * A name has a letter that is not allowed.
   */
  RINGWAY_INVALID_NAME = 65,
  /**
   * A name or path is too long.
   */
  RINGWAY_NAME_TOO_LONG = 66,
  /**
   * Somebody listens under the name.
   */
  RINGWAY_NAME_TAKEN = 67,
  /**
   * Nobody listens under the name.
   */
  RINGWAY_NOT_FOUND = 68,
  /**
   * The directory for names cannot be used.
   */
  RINGWAY_DIRECTORY = 69,
  /**
   * The uid of one side is not admitted by the other.
   */
  RINGWAY_UID_REFUSED = 70,
  /**
   * The sides speak different versions of the protocol.
   */
  RINGWAY_VERSION = 71,
  /**
   * The sides do not agree on a feature.
   */
  RINGWAY_FEATURE = 72,
  /**
   * A message makes no sense: of the handshake, or one of a typed channel.
   */
  RINGWAY_MALFORMED = 73,
  /**
   * The descriptors in the handshake are wrong.
   */
  RINGWAY_DESCRIPTORS = 74,
  /**
   * The peer's segment is not what it should be.
   */
  RINGWAY_SEGMENT = 75,
  /**
   * The peer's ring is not what it should be.
   */
  RINGWAY_GEOMETRY = 76,
  /**
   * The host or the process has not enough of something, which the detail names.
   */
  RINGWAY_RESOURCES = 77,
  /**
   * What one side sends is not compatible with what the other expects; or a schema breaks a rule.
   */
  RINGWAY_SCHEMA = 78,
  /**
   * The listener has no room now, or takes no more clients.
   */
  RINGWAY_BUSY = 79,
  /**
   * The peer went away during the handshake.
   */
  RINGWAY_PEER_GONE = 80,
  /**
   * The system answered something else.
   */
  RINGWAY_IO = 81,
  /**
   * The server of a connection that is to be resumed lives, or the kernel has not told of its end yet: go on with the connection.
   */
  RINGWAY_PEER_LIVES = 82,
  /**
   * Frames of a connection that is to be resumed were not received: receive until it says how it ended.
   */
  RINGWAY_UNREAD = 83,
  /**
   * Something that this version of the header has no name for.
   */
  RINGWAY_OTHER = 127,
} ringway_status;

/**
 * What kind of type one is.
 */
typedef enum {
  /**
   * One that this version of the header has no name for.
   */
  RINGWAY_OTHER_SHAPE = 0,
  /**
   * An unsigned integer of 1, 2, 4, 8 or 16 bytes, little-endian as all numbers.
   */
  RINGWAY_UNSIGNED = 1,
  /**
   * A signed integer in two's complement, of 1, 2, 4, 8 or 16 bytes.
   */
  RINGWAY_SIGNED = 2,
  /**
   * A number of IEEE 754, of 4 or 8 bytes.
   */
  RINGWAY_FLOAT = 3,
  /**
   * One byte: 0 or 1.
   */
  RINGWAY_BOOL = 4,
  /**
   * An integer that has one of some named values.
   */
  RINGWAY_ENUMERATION = 5,
  /**
   * So many of one type, one behind the other.
   */
  RINGWAY_ARRAY = 6,
  /**
   * A record inside a record.
   */
  RINGWAY_RECORD = 7,
  /**
   * UTF-8 of at most so many bytes, filled up with zeros.
   */
  RINGWAY_TEXT = 8,
  /**
   * At most so many bytes: their number in two bytes, then room for all of them.
   */
  RINGWAY_BYTES = 9,
  /**
   * A value and behind it a number as wide as the value's alignment: 1 if the value is there, else 0.
   */
  RINGWAY_MAYBE = 10,
} ringway_shape;

/**
 * What `ringway_config_set` sets. A truth value is 0 or 1; whatever is not told here is told where the library's documentation has the option of this name.
 */
typedef enum {
  /**
   * Bytes in the ring that a client sends into: a power of two from 4,096 to 1 GiB. Default 256 KiB.
   */
  RINGWAY_CAPACITY = 0,
  /**
   * Bytes in the ring that a client asks its server to send into. Default 256 KiB.
   */
  RINGWAY_PEER_CAPACITY = 1,
  /**
   * The largest ring that this side agrees to. Default 64 MiB.
   */
  RINGWAY_MAX_CAPACITY = 2,
  /**
   * Priorities in each direction, 1 to 4. Default 1.
   */
  RINGWAY_LANES = 3,
  /**
   * Frames of higher priorities that are received while one of a lower priority waits. Default 64.
   */
  RINGWAY_STARVATION_BOUND = 4,
  /**
   * How this side waits: a `ringway_wait`.
   */
  RINGWAY_WAIT = 5,
  /**
   * Nanoseconds out of each second that each half may spin while it waits. Default: no limit.
   */
  RINGWAY_SPIN_BUDGET = 6,
  /**
   * The largest payload alignment that is asked for: a power of two from 8 to 4,096. Default 8.
   */
  RINGWAY_ALIGNMENT_MOST = 7,
  /**
   * Truth value: our segment is on huge pages.
   */
  RINGWAY_HUGE_PAGES = 8,
  /**
   * Truth value: the page tables are filled while connecting.
   */
  RINGWAY_PREFAULT = 9,
  /**
   * Truth value: both segments are kept in memory.
   */
  RINGWAY_LOCK_MEMORY = 10,
  /**
   * The NUMA node of our segment.
   */
  RINGWAY_NUMA_NODE = 11,
  /**
   * Nanoseconds that a handshake may take. Default five seconds.
   */
  RINGWAY_HANDSHAKE_TIMEOUT = 12,
  /**
   * A uid that is admitted besides our own; may be set several times.
   */
  RINGWAY_ALLOW_UID = 13,
  /**
   * Truth value: the peer is rung by a plain `write`, which a hostile one can make block.
   */
  RINGWAY_TRUST_PEER = 14,
  /**
   * Truth value: sends leave out their barrier while the receiver is awake.
   */
  RINGWAY_MEMBARRIER = 15,
  /**
   * Truth value: processes of our uid may read a listener's frames along.
   */
  RINGWAY_ALLOW_TAP = 16,
  /**
   * Truth value: no descriptor of the peer's bells is kept.
   */
  RINGWAY_FEW_DESCRIPTORS = 17,
  /**
   * Truth value: the soft limit of descriptors is raised to the hard one.
   */
  RINGWAY_RAISE_DESCRIPTOR_LIMIT = 18,
  /**
   * Truth value: frames that have expired before they are received are dropped.
   */
  RINGWAY_DROP_EXPIRED = 19,
  /**
   * Truth value: a client may resume the connection with the server's successor.
   */
  RINGWAY_RESUMABLE = 20,
  /**
   * The number of the format that messages are encoded in; 0: they travel as they lie.
   */
  RINGWAY_CODEC = 21,
  /**
   * Of a listener: connections of one uid.
   */
  RINGWAY_LIMIT_CONNECTIONS = 22,
  /**
   * Of a listener: bytes of segments for the clients of one uid.
   */
  RINGWAY_LIMIT_BYTES = 23,
  /**
   * Of a listener: handshakes of one uid that are under way.
   */
  RINGWAY_LIMIT_HANDSHAKES = 24,
} ringway_option;

/**
 * How a half waits: what the option `RINGWAY_WAIT` is set to.
 */
typedef enum {
  /**
   * Spins while that pays, then sleeps.
   */
  RINGWAY_WAIT_ADAPTIVE = 0,
  /**
   * Never sleeps, and takes a whole CPU.
   */
  RINGWAY_WAIT_SPIN = 1,
  /**
   * Looks once, then sleeps.
   */
  RINGWAY_WAIT_PARK = 2,
} ringway_wait;

/**
 * Options, with a default for each. One value serves any number of listeners and connections, which copy what they need. It may be read from several threads at once, and be changed by one
 * while nobody else uses it.
 */
typedef struct ringway_config ringway_config;

/**
 * Both directions to one peer, which is to be split into its halves. One thread at a time uses it; it may be handed to another.
 */
typedef struct ringway_connection ringway_connection;

/**
 * What connections had done when they were asked. It may be read from several threads at once.
 */
typedef struct ringway_counters ringway_counters;

/**
 * Listeners that were left open for this process.
 */
typedef struct ringway_inherited ringway_inherited;

/**
 * What ends a wait of one half. Unlike the half it may be used by any thread, by several at once, and while a call of the half waits; and it may outlive the half.
 */
typedef struct ringway_interrupter ringway_interrupter;

/**
 * Waits for clients. One thread at a time uses it; it may be handed to another. Freeing it removes the name; connections go on.
 */
typedef struct ringway_listener ringway_listener;

/**
 * A listener that is observed: its counters and schemas, and not a byte of what its connections carry. It may be used from several threads at once.
 */
typedef struct ringway_observed ringway_observed;

/**
 * The half of a connection that receives. One thread at a time uses it; it may be handed to another, and the half that sends may be used meanwhile. At most one frame and
 * one batch are open in it. Freeing it tells the peer that nothing more is read.
 */
typedef struct ringway_receiver ringway_receiver;

/**
 * The layout of one type of message. What is made of it copies it. One thread at a time uses it.
 */
typedef struct ringway_record ringway_record;

/**
 * A connection that is being resumed step by step: `ringway_resume` for programs that wait in a loop of their own, or that may want to stop waiting. One thread at a time uses it.
 */
typedef struct ringway_redial ringway_redial;

/**
 * What one lane carries: a record for each type of message. It may be read from several threads at once.
 */
typedef struct ringway_schema ringway_schema;

/**
 * The half of a connection that sends. One thread at a time uses it; it may be handed to another, and the half that receives may be used meanwhile. At most one reservation
 * and one group are open in it. Freeing it says goodbye to the peer, which first reads what was sent.
 */
typedef struct ringway_sender ringway_sender;

/**
 * What the bytes of a field are: a part of a schema. What is made of it copies it. One thread at a time uses it.
 */
typedef struct ringway_type ringway_type;

/**
 * Bytes to send.
 */
typedef struct {
  /**
   * Where they are.
   */
  const void *data;
  /**
   * How many.
   */
  size_t length;
} ringway_payload;

/**
 * Where a frame was put in a buffer.
 */
typedef struct {
  /**
   * Bytes before it: a multiple of 8.
   */
  size_t offset;
  /**
   * Bytes of its payload.
   */
  size_t length;
} ringway_part;

/**
 * Who is at the other end.
 */
typedef struct {
  /**
   * Its user id, as seen from our user namespace.
   */
  uint32_t uid;
  /**
   * Its process id; 0, if it has none in our pid namespace.
   */
  int32_t pid;
} ringway_peer;

/**
 * Where a field is, and what it is.
 */
typedef struct {
  /**
   * Bytes before it in the payload.
   */
  size_t offset;
  /**
   * Bytes that it takes; of a variable part, of one of its elements (1 for text).
   */
  size_t size;
  /**
   * What kind of type it is.
   */
  ringway_shape shape;
  /**
   * How many there are: of an array its elements, of a text or bytes the room, of a variable part 0, else 1.
   */
  uint32_t count;
  /**
   * Of what an array, a variable part or what may be absent is made: its shape; else the same as `shape`.
   */
  ringway_shape of;
} ringway_place;

/**
 * What is known of a frame without its bytes.
 */
typedef struct {
  /**
   * Its place in its lane: it grows, and no two frames of one direction and priority share one.
   */
  uint64_t position;
  /**
   * Bytes of its payload.
   */
  size_t length;
  /**
   * The number that its sender gave it; 0, unless it chose one.
   */
  uint16_t kind;
  /**
   * The priority that it was sent at.
   */
  uint8_t priority;
  /**
   * Whether it was sent to an earlier incarnation of this side too: 0 no, 1 yes, and that one has not seen it, 2 yes, and that one may have seen it.
   */
  uint8_t redelivery;
} ringway_frame;

/**
 * What was agreed of a half.
 */
typedef struct {
  /**
   * Bytes in its ring, that of each priority.
   */
  size_t capacity;
  /**
   * Bytes of the longest payload that is sent; of a receiver: the bytes of the ring, since the peer alone knows.
   */
  size_t max_payload;
  /**
   * How many priorities there are, 1 to 4.
   */
  size_t priorities;
  /**
   * Who is at the other end.
   */
  ringway_peer peer;
} ringway_half;

/**
 * What is said of the frame that was received last, by whichever call.
 */
typedef struct {
  /**
   * Its position: with the priority, and the token of `ringway_connection_lineage`, it names the frame for good. `UINT64_MAX` before the first one, where the connection cannot be resumed, and in a client, whose servers each begin anew.
   */
  uint64_t position;
  /**
   * Its priority.
   */
  uint8_t priority;
  /**
   * As in a `ringway_frame`: 0 for a new frame, 1 for one that no server has seen before, 2 for one that may have been handled.
   */
  uint8_t redelivery;
} ringway_last;

/**
 * A field to be added to a record. All of it is copied. It never gets more members, as no struct of this header does: what needs more has another name and a function of its own.
 */
typedef struct {
  /**
   * Its name. What begins with `_` is padding, which has to be told too: fields follow each other without gaps.
   */
  const char *name;
  /**
   * What it means, for people; NULL for nothing. No part of the fingerprint.
   */
  const char *doc;
  /**
   * What its bytes are.
   */
  const ringway_type *type_;
  /**
   * Bytes before it in its record: `offsetof`.
   */
  uint32_t offset;
  /**
   * Bytes that it takes: `sizeof`.
   */
  uint32_t size;
  /**
   * What its offset is a multiple of: `alignof`.
   */
  uint32_t align;
  /**
   * The version of the record that added it: 1 for the first, which 0 means too. No part of the fingerprint.
   */
  uint16_t since;
  /**
   * Why it should no longer be used; NULL: it may be. No part of the fingerprint.
   */
  const char *deprecated;
  /**
   * Its `size` bytes where the sender did not know it; NULL for zeros. No part of the fingerprint.
   */
  const void *default_;
} ringway_field;

/**
 * What the next server is sent again.
 */
typedef struct {
  /**
   * Frames that no server has seen: that is proven.
   */
  uint64_t unseen;
  /**
   * Frames that the last server, or one before it, may have seen.
   */
  uint64_t in_doubt;
  /**
   * What the last server said of the frames that it has taken and released breaks a rule: all that it did not deny is in doubt then.
   */
  bool broken;
} ringway_resumed;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Before the descriptor is polled: is there a frame now, or an end to report? `armed` gets `false` then: receive in place of polling. Only behind `true` is the descriptor worth polling, for
 * readability, and once: arm again before the next poll. It may be readable for nothing.
 *
 * `false` may be followed by `RINGWAY_EMPTY` for some milliseconds: while the peer's socket is closed and the kernel does not yet say whether its process has ended, nothing would wake a poll at the moment when that is known.
 * Arm again then, or poll for a millisecond at most. With the option `RINGWAY_WAIT` at `RINGWAY_WAIT_SPIN` the answer is always `false`, since the peer rings nobody who never sleeps.
 *
 * It asks for the next frame: where the connection can be resumed, what was received before is finished with.
 */
RINGWAY_MUST_USE
ringway_status ringway_receiver_arm(ringway_receiver *receiver,
                                    bool *armed);

/**
 * The descriptor for `ringway_receiver_arm`. It is the receiver's, and is not to be closed.
 */
RINGWAY_MUST_USE
ringway_status ringway_receiver_descriptor(ringway_receiver *receiver, int32_t *descriptor);

/**
 * Before the descriptor is polled: is there room for `length` bytes now? As `ringway_receiver_arm`; it is polled for *readability* here too.
 */
RINGWAY_MUST_USE
ringway_status ringway_sender_arm(ringway_sender *sender,
                                  size_t length,
                                  bool *armed);

/**
 * The same of room for `ringway_sender_reserve` with that alignment: where it is above 8, a pad may go before the payload, for which there is to be room too.
 */
RINGWAY_MUST_USE
ringway_status ringway_sender_arm_aligned(ringway_sender *sender,
                                          size_t length,
                                          size_t alignment,
                                          bool *armed);

/**
 * The descriptor for `ringway_sender_arm`. It is the sender's, and is not to be closed.
 */
RINGWAY_MUST_USE
ringway_status ringway_sender_descriptor(ringway_sender *sender, int32_t *descriptor);

/**
 * Sends copies of `count` payloads as one group, which becomes visible with one store. `timeout`: for room for each. `sent` gets how many were sent, also where the call fails: these are sent then,
 * none where it fails before the first. It is the one output that is written in that case. Each payload is looked at before the first is sent, and so is its length (`RINGWAY_TOO_LARGE`). No group may be open.
 */
RINGWAY_MUST_USE
ringway_status ringway_sender_send_many(ringway_sender *sender,
                                        const ringway_payload *payloads,
                                        size_t count,
                                        int64_t timeout,
                                        size_t *sent);

/**
 * Copies the frames that are there, one behind the other, each at a multiple of 8, into `buffer`, until it is full or `most` are there; `timeout` is for the first. `parts` gets where each is, `count` how many there are, at least one.
 * `RINGWAY_TRUNCATED`: the first one does not fit, and stays unread, as any later one does that does not fit. The kinds of the frames are lost: where they matter, open a batch. It ends behind a frame that is in doubt, so that `ringway_receiver_last` tells which one that is.
 */
RINGWAY_MUST_USE
ringway_status ringway_receiver_recv_many(ringway_receiver *receiver,
                                          void *buffer,
                                          size_t capacity,
                                          ringway_part *parts,
                                          size_t most,
                                          int64_t timeout,
                                          size_t *count);

/**
 * Opens a batch: the frames that are there, at most `most` of them, which `ringway_receiver_next` opens one after the other and which are released together, by `ringway_receiver_end_batch`.
 * `timeout` is for the first.
 */
RINGWAY_MUST_USE
ringway_status ringway_receiver_open_batch(ringway_receiver *receiver,
                                           size_t most,
                                           int64_t timeout);

/**
 * Ends the batch: releases the frames that it has opened. Those that it has not are received next.
 */
RINGWAY_MUST_USE
ringway_status ringway_receiver_end_batch(ringway_receiver *receiver);

/**
 * Ends the batch without being finished with the frames that it has opened: as `ringway_receiver_leave` does it with a frame.
 */
RINGWAY_MUST_USE
ringway_status ringway_receiver_leave_batch(ringway_receiver *receiver);

/**
 * The default options. Free them with `ringway_config_free`.
 */
RINGWAY_MUST_USE
ringway_status ringway_config_new(ringway_config **config);

/**
 * A copy of options, to be changed apart from them. Free it with `ringway_config_free`.
 */
RINGWAY_MUST_USE
ringway_status ringway_config_copy(const ringway_config *config, ringway_config **copy);

/**
 * Frees options. Connections and listeners that were made with them stay as they are.
 */
void ringway_config_free(ringway_config *config);

/**
 * Sets an option: a `ringway_option`. What does not go together is found when they are used, by `ringway_bind` or `ringway_connect`.
 */
RINGWAY_MUST_USE
ringway_status ringway_config_set(ringway_config *config,
                                  int32_t option,
                                  uint64_t value);

/**
 * What this side sends, for peers that know it as data: they are refused where they expect something that is not compatible. Copied.
 */
RINGWAY_MUST_USE
ringway_status ringway_config_sends(ringway_config *config,
                                    const ringway_schema *schema);

/**
 * What this side expects to receive: a peer that sends something that is not compatible is refused. Copied.
 */
RINGWAY_MUST_USE
ringway_status ringway_config_expects(ringway_config *config, const ringway_schema *schema);

/**
 * Connects to a listener and shakes hands. `address`: a name, or a path, which is what contains a slash. It waits for as long as the option
 * `RINGWAY_HANDSHAKE_TIMEOUT` says. May be called from any thread.
 */
RINGWAY_MUST_USE
ringway_status ringway_connect(const ringway_config *config,
                               const char *address,
                               ringway_connection **connection);

/**
 * Takes a connection apart: each half may be used by a thread of its own. On success the connection is given up, and only the halves are to be freed: set the variable to NULL, which is free to be freed. To split it again, or to free it, is undefined then. Otherwise it is as it was.
 */
RINGWAY_MUST_USE
ringway_status ringway_connection_split(ringway_connection *connection,
                                        ringway_sender **sender,
                                        ringway_receiver **receiver);

/**
 * Closes a connection that was not split: the peer hears that it is closed.
 */
void ringway_connection_free(ringway_connection *connection);

/**
 * Who is at the other end.
 */
RINGWAY_MUST_USE
ringway_status ringway_connection_peer(const ringway_connection *connection, ringway_peer *peer);

/**
 * What the peer says that it sends: a copy, to be freed with `ringway_schema_free`. `RINGWAY_NO_SUCH_FIELD`: it says nothing, and sends bytes without a meaning.
 */
RINGWAY_MUST_USE
ringway_status ringway_connection_peer_sends(const ringway_connection *connection,
                                             ringway_schema **schema);

/**
 * What the peer says that it expects: as `ringway_connection_peer_sends`.
 */
RINGWAY_MUST_USE
ringway_status ringway_connection_peer_expects(const ringway_connection *connection, ringway_schema **schema);

/**
 * Which line of connections it belongs to, each of which resumes the one before: `token` is the same in all of them, and `generation`, the peer's word where that is the client, tells how many there were before. A frame is named for good by the token, its priority and its position (`ringway_frame`). The token proves nothing: whom to trust,
 * the uid says. Of what a server sends nothing lasts: each begins anew. `RINGWAY_NO_SUCH_FIELD`: it cannot be resumed, since this side has not set `RINGWAY_RESUMABLE`, or its client has not.
 */
RINGWAY_MUST_USE
ringway_status ringway_connection_lineage(const ringway_connection *connection,
                                          uint8_t (*token)[16],
                                          uint32_t *generation);

/**
 * Asks a listener for what it lets others see. It answers whom it would admit as a peer. Free it with `ringway_observed_free`.
 */
RINGWAY_MUST_USE
ringway_status ringway_observe(const ringway_config *config,
                               const char *address,
                               ringway_observed **observed);

/**
 * Who listens.
 */
RINGWAY_MUST_USE
ringway_status ringway_observed_peer(const ringway_observed *observed, ringway_peer *peer);

/**
 * What the listener sends to its clients: as `ringway_connection_peer_sends`.
 */
RINGWAY_MUST_USE
ringway_status ringway_observed_sends(const ringway_observed *observed, ringway_schema **schema);

/**
 * What the listener expects of its clients: as `ringway_connection_peer_sends`.
 */
RINGWAY_MUST_USE
ringway_status ringway_observed_expects(const ringway_observed *observed, ringway_schema **schema);

/**
 * What the connections of the listener have done up to now. Free it with `ringway_counters_free`.
 */
RINGWAY_MUST_USE
ringway_status ringway_observed_counters(const ringway_observed *observed, ringway_counters **counters);

/**
 * Frees what is observed.
 */
void ringway_observed_free(ringway_observed *observed);

/**
 * What the connections of this process have done up to now. Free it with `ringway_counters_free`.
 */
RINGWAY_MUST_USE
ringway_status ringway_counters_own(ringway_counters **counters);

/**
 * How many connections there were.
 */
RINGWAY_MUST_USE
ringway_status ringway_counters_connections(const ringway_counters *counters, size_t *count);

/**
 * One number of connection `index`: `peer_uid`, `peer_pid` (0, if it has none here), `lanes`; of the half that sends `sends.frames` and likewise `bytes`, `batches`, `high_water`, `waits`, `sleeps`, `wakes`, `refused`, `dropped`, `codec_samples`, `codec_nanos`, `expired`;
 * of the half that receives the same behind `receives.`. `RINGWAY_NO_SUCH_FIELD`: there is no such name.
 */
RINGWAY_MUST_USE
ringway_status ringway_counters_value(const ringway_counters *counters,
                                      size_t index,
                                      const char *name,
                                      uint64_t *value);

/**
 * The path of the socket of connection `index`, with a zero behind it; `length` as for `ringway_listener_path`.
 */
RINGWAY_MUST_USE
ringway_status ringway_counters_name(const ringway_counters *counters,
                                     size_t index,
                                     char *buffer,
                                     size_t capacity,
                                     size_t *length);

/**
 * Frees counters.
 */
void ringway_counters_free(ringway_counters *counters);

/**
 * What the last call of this thread that failed has to say: a line for people, such as what differs, and what to do about it. Never NULL; empty, if none has failed. The text is there
 * until the thread's next call that fails, but with `RINGWAY_NOT_AT_ONCE`, which leaves it as it is. Another thread has its own.
 */
const char *ringway_last_error(void);

/**
 * Words for a status, without the details. Never NULL; there for as long as the program runs. May be called from any thread.
 */
const char *ringway_status_text(int status);

/**
 * Where the field `path` is in frames of `kind`: a name, or names with dots between them where records lie in records. `RINGWAY_NO_SUCH_FIELD` says what there is.
 */
RINGWAY_MUST_USE
ringway_status ringway_schema_field(const ringway_schema *schema,
                                    uint16_t kind,
                                    const char *path,
                                    ringway_place *place);

/**
 * The bytes of the fixed part of frames of `kind`, and the name of their record, with a zero behind it; `length` as for `ringway_listener_path`.
 */
RINGWAY_MUST_USE
ringway_status ringway_schema_record(const ringway_schema *schema,
                                     uint16_t kind,
                                     size_t *size,
                                     char *buffer,
                                     size_t capacity,
                                     size_t *length);

/**
 * Opens the next frame, which stays in the ring until `ringway_receiver_release`. `timeout` as for `ringway_receiver_recv`. In an open batch it opens the batch's next frame, without waiting: `RINGWAY_EMPTY` means that
 * the batch is over. In a batch it takes the place of the one that was open, which is given up first. So it does while frames are held, and there the one that was open stays so where there is no other.
 */
RINGWAY_MUST_USE
ringway_status ringway_receiver_next(ringway_receiver *receiver,
                                     int64_t timeout,
                                     ringway_frame *frame);

/**
 * Copies bytes of the open frame, from byte `offset` on, as many as there are and fit; `copied` gets their number. Copies may differ: until it is copied the peer can change what lies in its ring.
 */
RINGWAY_MUST_USE
ringway_status ringway_receiver_copy(ringway_receiver *receiver,
                                     size_t offset,
                                     void *buffer,
                                     size_t capacity,
                                     size_t *copied);

/**
 * The bytes of the open frame in place, without a copy, until it is released: **only for a peer that is trusted** as if it ran in this process, since it can change them at any time, also between a check and a use.
 */
RINGWAY_MUST_USE
ringway_status ringway_receiver_trusted(ringway_receiver *receiver,
                                        const void **data,
                                        size_t *length);

/**
 * Releases the open frame; while frames are held, every one that has been read. After it no address in the frame is to be used. Where the connection can be resumed (`RINGWAY_RESUMABLE`) and nothing is open, it releases what was copied out (`ringway_receiver_recv`) or left, which
 * otherwise is when the next frame is asked for: for a server that has answered and is about to end.
 */
RINGWAY_MUST_USE
ringway_status ringway_receiver_release(ringway_receiver *receiver);

/**
 * Gives up the open frame without being finished with it, for a handler that has failed: where the connection can be resumed (`RINGWAY_RESUMABLE`), the next server gets it, in doubt (`redelivery` is 2), if this one ends or frees
 * the receiver before it asks for another frame; when it asks, it is finished with this one. For a handler that goes on with a copy too. Elsewhere it is as `ringway_receiver_release`, but while frames are held, where it releases none. Of an open batch the frame stays a part: `ringway_receiver_leave_batch`.
 */
RINGWAY_MUST_USE
ringway_status ringway_receiver_leave(ringway_receiver *receiver);

/**
 * Opens a group: what is sent or committed from now on becomes visible together, with one store, by `ringway_sender_publish` (or before, where there is no room for more). It costs less for each
 * frame, and the peer sees all of it or nothing.
 */
RINGWAY_MUST_USE
ringway_status ringway_sender_open_group(ringway_sender *sender);

/**
 * Publishes the open group.
 */
RINGWAY_MUST_USE
ringway_status ringway_sender_publish(ringway_sender *sender);

/**
 * Hands the listening socket over: the listener takes no more clients, and `descriptor` gets one with which another process does (`ringway_listen_on`), sent to it in whatever way; it is the caller's to close, and closed on `exec`.
 * Clients that connect meanwhile wait in the socket's queue: nobody is refused. Handshakes that have begun are this listener's: `ringway_listener_accept` goes on with them, and answers `RINGWAY_BUSY` when none is left. Freeing it turns nobody away then, and leaves the name.
 */
RINGWAY_MUST_USE
ringway_status ringway_listener_hand_over(ringway_listener *listener,
                                          int32_t *descriptor);

/**
 * Takes clients again after it was handed over: the other process did not come up. While both take clients, each client is let in by one of them.
 * `RINGWAY_NOT_FOUND`: the name is gone, or leads elsewhere: free this listener, and listen anew.
 */
RINGWAY_MUST_USE
ringway_status ringway_listener_take_back(ringway_listener *listener);

/**
 * Listens on a socket that listens already: what `ringway_listener_hand_over` has given in another process, or a Unix socket of type `SOCK_SEQPACKET` with a path that somebody else has made (else `RINGWAY_DESCRIPTORS`).
 * The descriptor is the listener's from then on, unless this fails. The name is the other process's: freeing the listener leaves it there, and whoever listens under it next takes its place; at once it may still be taken (`RINGWAY_NAME_TAKEN`), since the socket is closed in the background.
 * Free it with `ringway_listener_free`.
 */
RINGWAY_MUST_USE
ringway_status ringway_listen_on(const ringway_config *config,
                                 int32_t descriptor,
                                 ringway_listener **listener);

/**
 * Listens on each socket that whoever started this process has left open for it: a server in Rust before it (`Listener::pass_to`), or systemd by socket activation (`LISTEN_FDS` and `LISTEN_PID`, a unit with `ListenSequentialPacket=`).
 * `inherited` has them, for `ringway_inherited_next`: none where there are none, so that a server listens under the name that it does not find, and none the second time. To be called early, before anything else is opened: whoever started this process names the descriptors by number.
 * Free it with `ringway_inherited_free`.
 */
RINGWAY_MUST_USE
ringway_status ringway_inherit(const ringway_config *config,
                               ringway_inherited **inherited);

/**
 * The next listener that was left open; `RINGWAY_EMPTY`: there is no more. `ringway_listener_path` tells them apart. Free it with `ringway_listener_free`.
 */
RINGWAY_MUST_USE
ringway_status ringway_inherited_next(ringway_inherited *inherited,
                                      ringway_listener **listener);

/**
 * Frees what is left of them: listeners that were not taken close, as by `ringway_listener_free`.
 */
void ringway_inherited_free(ringway_inherited *inherited);

/**
 * What ends a wait of this receiver. To be asked for before the wait, by the thread that uses the receiver; each is to be freed with `ringway_interrupter_free`.
 */
RINGWAY_MUST_USE
ringway_status ringway_receiver_interrupter(ringway_receiver *receiver,
                                            ringway_interrupter **interrupter);

/**
 * What ends a wait of this sender, as `ringway_receiver_interrupter`.
 */
RINGWAY_MUST_USE
ringway_status ringway_sender_interrupter(ringway_sender *sender, ringway_interrupter **interrupter);

/**
 * Ends the wait of the half: its call answers `RINGWAY_INTERRUPTED`. Where none waits, the next wait ends so in place of sleeping; a call that has what it asks for does not. It does nothing where the half was freed, nor in a
 * child of a fork, and nothing to the `poll` of an event loop. May be called from any thread, not from a handler of signals.
 */
RINGWAY_MUST_USE
ringway_status ringway_interrupter_interrupt(const ringway_interrupter *interrupter);

/**
 * Frees it. The half is as it was.
 */
void ringway_interrupter_free(ringway_interrupter *interrupter);

/**
 * Listens under a name, or at a path, which is what contains a slash. May be called from any thread. Free it with `ringway_listener_free`.
 */
RINGWAY_MUST_USE
ringway_status ringway_bind(const ringway_config *config,
                            const char *address,
                            ringway_listener **listener);

/**
 * The next client that completes the handshake. `timeout`: nanoseconds; 0 does not wait (`RINGWAY_EMPTY`: there is none now), negative waits for ever. Clients that are refused are counted and passed over. `RINGWAY_BUSY`: it was handed over, and no handshake of its own is left.
 */
RINGWAY_MUST_USE
ringway_status ringway_listener_accept(ringway_listener *listener,
                                       int64_t timeout,
                                       ringway_connection **connection);

/**
 * The path of its socket, with a zero behind it. `length` gets the bytes of the text without the zero, also where it does not fit (`RINGWAY_TRUNCATED`).
 */
RINGWAY_MUST_USE
ringway_status ringway_listener_path(const ringway_listener *listener,
                                     char *buffer,
                                     size_t capacity,
                                     size_t *length);

/**
 * Clients that were refused, and why the last one was: the same words that it was told. The text is empty while none was. `length` as for `ringway_listener_path`.
 */
RINGWAY_MUST_USE
ringway_status ringway_listener_refusals(const ringway_listener *listener,
                                         uint64_t *count,
                                         char *buffer,
                                         size_t capacity,
                                         size_t *length);

/**
 * A descriptor for an event loop: readable when `ringway_listener_accept` has something to do; call it with 0 until it answers `RINGWAY_EMPTY`. It is the listener's, and is not to be closed.
 */
RINGWAY_MUST_USE
ringway_status ringway_listener_descriptor(const ringway_listener *listener,
                                           int32_t *descriptor);

/**
 * Listens no more, and takes the socket's file away. A process that ends without this, killed or not, leaves the file there, which harms nobody: who connects is told that nobody listens, and the next who listens takes its place.
 */
void ringway_listener_free(ringway_listener *listener);

/**
 * Copies the next frame into `buffer` and releases it; `length` gets its bytes. `timeout`: nanoseconds to wait for one; 0 does not wait (`RINGWAY_EMPTY`), negative waits for ever. `RINGWAY_TRUNCATED`: the frame is longer
 * than `capacity`, and stays unread. What the bytes are when they have been copied nobody can change any more. After an error the buffer may hold any bytes.
 * The kind of the frame is lost: where it matters, `ringway_receiver_next` tells it, `ringway_receiver_copy` copies, and `ringway_receiver_release` gives the frame back.
 *
 * A frame that is there, of kind 0, and fills the buffer takes the shortest way.
 */
RINGWAY_MUST_USE
ringway_status ringway_receiver_recv(ringway_receiver *receiver,
                                     void *buffer,
                                     size_t capacity,
                                     int64_t timeout,
                                     size_t *length);

/**
 * Copies the next frame into `buffer`, if it is there and has 64 bytes and the kind 0, and releases it: the shortest way, which `ringway_recv` takes by itself. `RINGWAY_NOT_AT_ONCE`: nothing was received, and `ringway_receiver_recv` does it, or knows why not; it may be so although there is a frame.
 */
RINGWAY_MUST_USE
ringway_status ringway_receiver_recv_64(ringway_receiver *receiver,
                                        void *buffer);

/**
 * Copies the next frame into `buffer`, if it is there and has `length` bytes and the kind 0, and releases it: for receivers that know what they expect. `RINGWAY_NOT_AT_ONCE`: nothing was received, although there may be a frame; `ringway_receiver_next` tells what there is.
 */
RINGWAY_MUST_USE
ringway_status ringway_receiver_recv_exact(ringway_receiver *receiver,
                                           void *buffer,
                                           size_t length);

/**
 * `true`: frames that are read stay unreleased, in the ring and counting against its capacity, until `ringway_receiver_release`, and `ringway_receiver_rewind` goes back to them. `false` releases them.
 */
RINGWAY_MUST_USE
ringway_status ringway_receiver_hold(ringway_receiver *receiver,
                                     bool on);

/**
 * Goes back to the first frame that is not released: it is received again. `bytes` gets the bytes of ring gone back; 0, where frames are not held.
 */
RINGWAY_MUST_USE
ringway_status ringway_receiver_rewind(ringway_receiver *receiver,
                                       uint64_t *bytes);

/**
 * What was agreed of this half.
 */
RINGWAY_MUST_USE
ringway_status ringway_receiver_about(ringway_receiver *receiver, ringway_half *about);

/**
 * What is said of the frame that was received last, for calls that return no `ringway_frame`; of several at once, of the last of them, and no other one of them is in doubt. Not while a frame or a batch is open, which says it itself.
 */
RINGWAY_MUST_USE
ringway_status ringway_receiver_last(ringway_receiver *receiver,
                                     ringway_last *last);

/**
 * Closes this half, and says goodbye. What is open is given up, as `ringway_receiver_leave` does it.
 */
void ringway_receiver_free(ringway_receiver *receiver);

/**
 * A record without fields. `kind`: the number that its frames have; 0, where a lane carries one type only, and of a record in a record. Free it with `ringway_record_free`.
 */
RINGWAY_MUST_USE
ringway_status ringway_record_new(uint16_t kind,
                                  const char *name,
                                  uint32_t size,
                                  uint32_t align,
                                  ringway_record **record);

/**
 * Adds a field, behind those that are there.
 */
RINGWAY_MUST_USE
ringway_status ringway_record_add(ringway_record *record, const ringway_field *field);

/**
 * Says what is behind the fixed fields: text in UTF-8.
 */
RINGWAY_MUST_USE
ringway_status ringway_record_tail_text(ringway_record *record, const char *name);

/**
 * Says what is behind the fixed fields: elements of a type, of `size` bytes each, as many as there are.
 */
RINGWAY_MUST_USE
ringway_status ringway_record_tail_elements(ringway_record *record,
                                            const char *name,
                                            const ringway_type *of,
                                            uint32_t size);

/**
 * Frees a record. What was made of it stays as it is.
 */
void ringway_record_free(ringway_record *record);

/**
 * Space in the ring for one frame of `length` bytes, to be filled in place. `alignment`: what its address is a multiple of, on both sides; 8, unless the option `RINGWAY_ALIGNMENT_MOST` allows more.
 * `timeout`: as for `ringway_sender_send`. The bytes hold what an earlier frame left there, and the peer can see them while they are written. They may be written until the commit or the abort, by one of which the reservation has to end
 * before anything else is sent.
 */
RINGWAY_MUST_USE
ringway_status ringway_sender_reserve(ringway_sender *sender,
                                      size_t length,
                                      size_t alignment,
                                      int64_t timeout,
                                      void **data);

/**
 * Sends the first `length` bytes of the open reservation, under a number that the receiver gets with the frame (0 for none); where a group is open, adds them to that. After it the
 * address is no longer to be used.
 */
RINGWAY_MUST_USE
ringway_status ringway_sender_commit(ringway_sender *sender,
                                     size_t length,
                                     uint16_t kind);

/**
 * Gives up the open reservation: nothing is sent.
 */
RINGWAY_MUST_USE
ringway_status ringway_sender_abort(ringway_sender *sender);

/**
 * Connects anew, in the place of a connection whose server is gone, and sends the next one what that had not finished with: the same frames, in the same order, at the same positions and priorities, each of which says in its `redelivery` whether it may have been handled. `resumed` tells how many they are.
 *
 * The connection is one that `ringway_connect` or this has made, with `RINGWAY_RESUMABLE`, which `config` has as well. (Of a server that had it not, everything is in doubt.) Its `receiver` has received everything, and says how it ended (`RINGWAY_CLOSED`, `RINGWAY_PEER_CLOSED`, `RINGWAY_PEER_DIED`). A server that is stopped, or merely silent, is not gone.
 *
 * `timeout`: nanoseconds in which the next server has to be there; negative waits for ever. Where trying again may help it is tried again meanwhile, and once in any case. The first attempt that finds a server there has 100 ms, whatever the time (or that for a handshake, if that is less). Whether the last one has ended can take 200 ms to be told, whatever the time. Nothing ends the wait before: `ringway_redial_new` is for who wants that.
 *
 * On success the halves are given up, and `*sender` and `*receiver` are NULL; `*connection` is the new one, of which everything is new: priority, held frames, interrupters and descriptors are set or asked for again. What the client has held of the old one is gone.
 * Otherwise the connection is as it was, and so are the variables: to go on with, or to try again. Only a fault of the library (`RINGWAY_PANICKED`) can leave NULL there.
 *
 * `RINGWAY_PEER_LIVES`, `RINGWAY_UNREAD`: it is not at its end. `RINGWAY_INVALID_CONFIG`: it cannot be resumed. `RINGWAY_NOT_FOUND`, `RINGWAY_DIRECTORY`, `RINGWAY_PEER_GONE`, `RINGWAY_TIMED_OUT`, `RINGWAY_BUSY`: not in that time, and it may be tried again later. Otherwise as `ringway_connect`. May be called from any thread.
 */
RINGWAY_MUST_USE
ringway_status ringway_resume(const ringway_config *config,
                              const char *address,
                              ringway_sender **sender,
                              ringway_receiver **receiver,
                              int64_t timeout,
                              ringway_connection **connection,
                              ringway_resumed *resumed);

/**
 * Begins to resume a connection step by step. Arguments are those of `ringway_resume`; on success the halves are in `*redial`, and `*sender` and `*receiver` are NULL. Nothing happens before the first step, which also says where the connection is not at its end, or cannot be resumed: what is refused here is an argument or an option that makes no sense, and a half in which something is open.
 */
RINGWAY_MUST_USE
ringway_status ringway_redial_new(const ringway_config *config,
                                  const char *address,
                                  ringway_sender **sender,
                                  ringway_receiver **receiver,
                                  int64_t timeout,
                                  ringway_redial **redial);

/**
 * Goes as far as it can now, without waiting for the server. `RINGWAY_OK`: it is resumed. `RINGWAY_EMPTY` alone means not yet: `ringway_redial_awaits` tells what to wait for. Every other answer is as that of `ringway_resume`, and the last one: `ringway_redial_take_back` gives the connection back, which may live.
 */
RINGWAY_MUST_USE
ringway_status ringway_redial_step(ringway_redial *redial,
                                   ringway_connection **connection,
                                   ringway_resumed *resumed);

/**
 * What to wait for before the next step: until `*descriptor` is readable, and for `*nanos` nanoseconds at most. -1: there is nothing to watch, and the time has to pass (`poll` takes it so). The descriptor is not to be closed. After each step it may be another one, of the same number too, which an `epoll` does not know: add it before each wait.
 */
RINGWAY_MUST_USE
ringway_status ringway_redial_awaits(const ringway_redial *redial,
                                     int32_t *descriptor,
                                     int64_t *nanos);

/**
 * Gives the resuming up, and the halves of the connection back, as they were. `RINGWAY_OUT_OF_TURN`: there are none, since it was resumed, or they were taken back. What is left of `redial` is to be freed.
 */
RINGWAY_MUST_USE
ringway_status ringway_redial_take_back(ringway_redial *redial,
                                        ringway_sender **sender,
                                        ringway_receiver **receiver);

/**
 * Gives the resuming up, and the connection too, unless that was taken back: what it had to send is lost then.
 */
void ringway_redial_free(ringway_redial *redial);

/**
 * The schema of a lane that carries nothing, to which records are added. Free it with `ringway_schema_free`.
 */
RINGWAY_MUST_USE
ringway_status ringway_schema_new(ringway_schema **schema);

/**
 * Adds a record, which is copied. `RINGWAY_SCHEMA`: a rule is broken, which the detail names (a gap between fields, two records of one kind); the schema is as it was then.
 */
RINGWAY_MUST_USE
ringway_status ringway_schema_add(ringway_schema *schema,
                                  const ringway_record *record);

/**
 * The schema of a table: what `ringway_schema_encode` writes, and a Rust program or a file may have written. Whatever the bytes are, a schema keeps every rule.
 */
RINGWAY_MUST_USE
ringway_status ringway_schema_decode(const void *table,
                                     size_t length,
                                     ringway_schema **schema);

/**
 * The table of a schema. `length` gets its bytes, also where they do not fit (`RINGWAY_TRUNCATED`).
 */
RINGWAY_MUST_USE
ringway_status ringway_schema_encode(const ringway_schema *schema, void *buffer, size_t capacity, size_t *length);

/**
 * The sixteen bytes that are equal where two schemas mean the same bytes.
 */
RINGWAY_MUST_USE
ringway_status ringway_schema_fingerprint(const ringway_schema *schema, uint8_t (*fingerprint)[16]);

/**
 * Whether who expects `reader` understands what is written by `writer`: `RINGWAY_OK`, or `RINGWAY_SCHEMA`, and the detail shows the first field that differs, in both.
 */
RINGWAY_MUST_USE
ringway_status ringway_schema_compare(const ringway_schema *writer,
                                      const ringway_schema *reader);

/**
 * The schema as JSON, with a zero behind it. `length` as for `ringway_listener_path`.
 */
RINGWAY_MUST_USE
ringway_status ringway_schema_json(const ringway_schema *schema, char *buffer, size_t capacity, size_t *length);

/**
 * Frees a schema. What was made with it stays as it is.
 */
void ringway_schema_free(ringway_schema *schema);

/**
 * Sends a copy of `length` bytes; where a group is open, adds it to that. `timeout`: nanoseconds to wait for room; 0 does not wait (`RINGWAY_FULL`), negative waits for ever. `RINGWAY_OK` means that the frame
 * is committed: the peer sees it even if this process ends in the next instruction. Nothing was sent otherwise.
 *
 * With room in the ring it makes no system call.
 */
RINGWAY_MUST_USE
ringway_status ringway_sender_send(ringway_sender *sender,
                                   const void *data,
                                   size_t length,
                                   int64_t timeout);

/**
 * Sends a copy of 64 bytes, if that takes nothing but stores: the shortest way, which `ringway_send` takes by itself. `RINGWAY_NOT_AT_ONCE`: nothing was sent, and `ringway_sender_send` does it, or knows why not; it may be so although there is room.
 */
RINGWAY_MUST_USE
ringway_status ringway_sender_send_64(ringway_sender *sender,
                                      const void *data);

/**
 * As `ringway_sender_send`, with a number that the receiver gets with the frame.
 */
RINGWAY_MUST_USE
ringway_status ringway_sender_send_kind(ringway_sender *sender,
                                        uint16_t kind,
                                        const void *data,
                                        size_t length,
                                        int64_t timeout);

/**
 * Sends a copy that expires `lifetime` nanoseconds from now, and waits for room until then. It is not sent where it would expire before the peer comes to it (`RINGWAY_QUEUE_TOO_LONG`, `RINGWAY_EXPIRED`).
 */
RINGWAY_MUST_USE
ringway_status ringway_sender_send_expiring(ringway_sender *sender,
                                            uint16_t kind,
                                            const void *data,
                                            size_t length,
                                            uint64_t lifetime);

/**
 * Sends from now on at this priority: 0, which is the default, is received first. How many there are, both sides agree (`RINGWAY_LANES`).
 */
RINGWAY_MUST_USE
ringway_status ringway_sender_set_priority(ringway_sender *sender,
                                           size_t priority);

/**
 * Asks the kernel whether the peer's receiver is still there, and says how the connection ended if it is not. Costs two system calls.
 */
RINGWAY_MUST_USE
ringway_status ringway_sender_check(ringway_sender *sender);

/**
 * What was agreed of this half.
 */
RINGWAY_MUST_USE
ringway_status ringway_sender_about(ringway_sender *sender, ringway_half *about);

/**
 * Closes this half: aborts a reservation that is open, publishes a group, and says goodbye.
 */
void ringway_sender_free(ringway_sender *sender);

/**
 * A type that is told by a number: `RINGWAY_UNSIGNED`, `RINGWAY_SIGNED` and `RINGWAY_FLOAT` of `size` bytes; `RINGWAY_TEXT` and `RINGWAY_BYTES` of at most `size` bytes; `RINGWAY_BOOL`, of 1. Free it with `ringway_type_free`.
 */
RINGWAY_MUST_USE
ringway_status ringway_type_plain(int32_t shape,
                                  uint32_t size,
                                  ringway_type **type_);

/**
 * An array of `count` values of a type, which is copied. `RINGWAY_SCHEMA`, here and of the next two: types lie too deep in each other.
 */
RINGWAY_MUST_USE
ringway_status ringway_type_array(const ringway_type *of,
                                  uint32_t count,
                                  ringway_type **type_);

/**
 * A value of a type, which is copied, or its absence.
 */
RINGWAY_MUST_USE
ringway_status ringway_type_maybe(const ringway_type *of, ringway_type **type_);

/**
 * A record inside of a record. It is copied.
 */
RINGWAY_MUST_USE
ringway_status ringway_type_record(const ringway_record *of, ringway_type **type_);

/**
 * An integer of `size` bytes with named values, which `ringway_type_value` adds.
 */
RINGWAY_MUST_USE
ringway_status ringway_type_enumeration(const char *name, uint8_t size, bool is_signed, ringway_type **type_);

/**
 * Adds a named value to an enumeration: 64 bits, in two's complement where it is signed.
 */
RINGWAY_MUST_USE
ringway_status ringway_type_value(ringway_type *type_, const char *name, int64_t value);

/**
 * Frees a type. What was made of it stays as it is.
 */
void ringway_type_free(ringway_type *type_);

/**
 * The number of the ABI that the library has which the program runs with. At least `RINGWAY_ABI_VERSION` of the header that the program was compiled with, or calls of newer functions do not
 * even link. May be called from any thread.
 */
uint32_t ringway_abi_version(void);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

/*
 * Enumerations have the four bytes that they have in the library: `-fshort-enums` would give them another size here.
 */
#if defined(__cplusplus)
#define RINGWAY_SIZE_OF_ENUMERATION(which) static_assert(sizeof(which) == 4, "an enumeration of ringway.h has 4 bytes: compile without -fshort-enums")
#elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
#define RINGWAY_SIZE_OF_ENUMERATION(which) _Static_assert(sizeof(which) == 4, "an enumeration of ringway.h has 4 bytes: compile without -fshort-enums")
#else
#define RINGWAY_SIZE_OF_ENUMERATION(which) typedef char which##_has_4_bytes[sizeof(which) == 4 ? 1 : -1]
#endif
RINGWAY_SIZE_OF_ENUMERATION(ringway_status);
RINGWAY_SIZE_OF_ENUMERATION(ringway_option);
RINGWAY_SIZE_OF_ENUMERATION(ringway_wait);
RINGWAY_SIZE_OF_ENUMERATION(ringway_shape);
#undef RINGWAY_SIZE_OF_ENUMERATION

/*
 * Where the length is known when the program is compiled, and is 64, these take the shortest way through the ring, and otherwise, or where that does not lead on, the function that is meant for everything.
 */

/** As `ringway_sender_send`, and short for 64 bytes. */
RINGWAY_MUST_USE
static inline ringway_status ringway_send(ringway_sender *sender, const void *data, size_t length, int64_t timeout) {
#if defined(__GNUC__)
  if (__builtin_constant_p(length) && length == 64 &&
      __builtin_expect(ringway_sender_send_64(sender, data) == RINGWAY_OK, 1))
    return RINGWAY_OK;
#endif
  return ringway_sender_send(sender, data, length, timeout);
}

/** As `ringway_receiver_recv`, and short for a buffer of 64 bytes. */
RINGWAY_MUST_USE
static inline ringway_status ringway_recv(ringway_receiver *receiver, void *buffer, size_t capacity, int64_t timeout,
                                          size_t *length) {
#if defined(__GNUC__)
  if (__builtin_constant_p(capacity) && capacity == 64 && length != NULL &&
      __builtin_expect(ringway_receiver_recv_64(receiver, buffer) == RINGWAY_OK, 1)) {
    *length = 64;
    return RINGWAY_OK;
  }
#endif
  return ringway_receiver_recv(receiver, buffer, capacity, timeout, length);
}

#endif  /* RINGWAY_H */
