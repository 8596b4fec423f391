/* The stream of events on its way to the file: records packed into chunks as they happen, and a thread of our own that writes them.
 *
 * Whoever records holds the GIL, so there is one producer. It packs a record at the end of the current chunk and then moves the
 * chunk's `committed` mark; the writer, which holds no GIL, takes what stands before the mark. Neither waits for the other: where
 * the writer can't keep up (a slow disk), chunks run out, and events are dropped and counted in place.
 *
 * The layout of what is packed is in docs/reference/recording.md.
 */
#ifndef ASYNCIO_TRACE_STREAM_H
#define ASYNCIO_TRACE_STREAM_H

#include <stddef.h>
#include <stdint.h>

enum kind {
    LOOP_STARTED = 1, LOOP_CLOSED, IDLE, TASK_CREATED, TASK_NAMED, STEP, WOKEN, TASK_DONE, CALLBACK_RUN, FUTURE_CREATED,
    FUTURE_RESOLVED, CANCEL_REQUESTED, JOB_SUBMITTED, JOB_RAN, THREAD_SEEN, RESOURCE_SEEN, PARENT_SPAN, DROPPED, ENDED,
    YIELDED_STEP, NUMBERED_NAME, LOOP_ALIVE, TASK_ALIVE, BLOCKED, NEVER_AWAITED, NEVER_RETRIEVED, CANCEL_IGNORED,
    RESOURCE_STATE = 30, RESOURCE_TAKEN, RESOURCE_RELEASED, RESOURCE_SET, QUEUE_LENGTH, WAITS_FOR
};

/* Where a stream goes. */
typedef struct {
    int descriptor;          /* of a file that ends with the frame of its first segment; stays the caller's */
    char folder[3072];       /* else the folder of a ring, or empty */
    int64_t ring;            /* bytes that the files in it may have */
    int64_t segment;         /* bytes after which a segment of a file ends; 0 for the usual */
    int64_t started_unix_ns; /* wall clock at instant 0 */
} StreamTarget;

/* Begin to write. 0, or an errno. */
int stream_open(const StreamTarget *target);
/* The end, in three steps: take no more records (with the GIL, as all that records), write what is left (which may last, and
 * needs no GIL), and let go of the memory (with the GIL). The last returns 0 or the errno of the first write that failed.
 */
void stream_close(void);
void stream_drain(void);
int stream_free(void);
/* After a fork, in the child: forget all without a write. */
void stream_abandon(void);
/* Before a fork: write all, and stop the thread, so that the program is as single-threaded as it was; it starts again with the
 * next record.
 */
void stream_pause(void);
/* Start the thread again if it was stopped. */
void stream_resume(void);
/* The same for the watchdog's (watchdog.c), which a fork stops, too. */
void watchdog_resume(void);
/* Have threads that were stopped started again with the next record. */
void stream_attend(void);
/* errno of the first write that failed, or 0. */
int stream_error(void);
/* Wait until all that is recorded so far is written. */
void stream_sync(void);

/* Add a record, given all its fields in order. Returns 0 if it was dropped. */
int stream_record(int kind, const int64_t *fields, int count);
/* The two most frequent, without a detour. */
void stream_yielded(int64_t task, int64_t loop, int64_t start, int64_t end, int64_t stack);
void stream_step(int64_t task, int64_t loop, int64_t start, int64_t end, int64_t how, int64_t awaited, int64_t stack,
                 int64_t ready, int64_t waker, int64_t waker_id, int64_t site, int64_t made, int64_t made_ns);
/* A change of a resource, of any kind that tells who made it. */
void stream_change(int kind, int64_t resource, int64_t ns, int64_t waker, int64_t waker_id, int64_t site, int64_t value);
/* Add a row to the tables, packed as the format says. */
void stream_row(const void *data, size_t size);
/* Rows of a table (1 texts, 2 places, 3 stacks) with numbers up to `last` are not given out any more. */
void stream_outdated(int table, int64_t last);
/* Call `long_run` after each run of more than this, with the GIL; INT64_MAX for none. */
void stream_watch_runs(int64_t limit_ns);
void long_run(void); /* module.c */
/* The segment that is being written (-1 before the first of a ring) and the bytes that its file has. */
void stream_position(int64_t *segment, int64_t *bytes);
/* Records that were dropped because no chunk was free; once the stream is closed, also those that could not be written. */
int64_t stream_dropped(void);
/* Records kept so far. */
int64_t stream_records(void);

#endif
