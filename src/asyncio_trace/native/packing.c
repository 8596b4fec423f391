#include "stream.h"

#include <stdlib.h>
#include <string.h>

#include "chunks.h"

Chunk *
chunk_new(size_t size)
{
    Chunk *chunk = malloc(sizeof(Chunk) + size);
    if (chunk != NULL) {
        chunk->size = size;
        chunk->next = NULL;
        atomic_init(&chunk->committed, 0);
        atomic_init(&chunk->full, 0);
        chunk->written = 0;
        chunk->records = chunk->records_written = 0;
        atomic_fetch_add(&S.chunks, 1);
    }
    return chunk;
}

static Chunk *
next_chunk(Queue *queue, size_t size)
{
    Chunk *chunk = chunk_new(size);
    if (chunk == NULL) {
        return NULL;
    }
    Chunk *last = queue->tail;
    queue->tail = chunk;
    last->next = chunk;
    atomic_store_explicit(&last->full, 1, memory_order_release);
    stream_resume();
    writer_hurry();
    return chunk;
}

static unsigned char *
lose(void)
{
    S.dropped++;
    S.attention = 1;
    return NULL;
}

static unsigned char *
begin_slowly(void)
{
    if (!S.open) {
        return NULL; /* no trace, or it has ended */
    }
    if (atomic_load_explicit(&S.error, memory_order_relaxed)) {
        return lose();
    }
    Chunk *chunk = S.events.tail;
    if (atomic_load_explicit(&chunk->committed, memory_order_relaxed) + 2 * LONGEST_RECORD > CHUNK_BYTES) {
        if (atomic_load(&S.chunks) >= MOST_CHUNKS || (chunk = next_chunk(&S.events, CHUNK_BYTES)) == NULL) {
            return lose();
        }
    }
    stream_resume();
    watchdog_resume();
    S.attention = 0;
    size_t used = atomic_load_explicit(&chunk->committed, memory_order_relaxed);
    if (S.dropped != S.dropped_told) {
        /* room again after a loss: say so where it happened */
        unsigned char *at = chunk->data + used;
        *at++ = DROPPED;
        at = put(at, (uint64_t)(S.dropped - S.dropped_told));
        S.dropped_told = S.dropped;
        used = (size_t)(at - chunk->data);
        atomic_store_explicit(&chunk->committed, used, memory_order_release);
    }
    return chunk->data + used;
}

/* Where the next record goes; NULL if it can't be kept. */
static inline unsigned char *
begin(void)
{
    Chunk *chunk = S.events.tail;
    if (chunk != NULL && !S.attention) {
        size_t used = atomic_load_explicit(&chunk->committed, memory_order_relaxed);
        if (used + LONGEST_RECORD <= CHUNK_BYTES) {
            return chunk->data + used;
        }
    }
    return begin_slowly();
}

static int64_t longest_run = INT64_MAX;

/* A run is on its way; if it was a long one, say so to who asked. */
static inline void
run_is_over(int64_t start, int64_t end)
{
    if (end - start > longest_run) {
        long_run();
    }
}

void
stream_watch_runs(int64_t limit_ns)
{
    longest_run = limit_ns;
}

static inline void
commit(unsigned char *end)
{
    Chunk *chunk = S.events.tail;
    S.records++;
    chunk->records++;
    atomic_store_explicit(&chunk->committed, (size_t)(end - chunk->data), memory_order_release);
}

void
stream_yielded(int64_t task, int64_t loop, int64_t start, int64_t end, int64_t stack)
{
    unsigned char *at = begin();
    if (at == NULL) {
        return;
    }
    at = put_head(at, &S.memory, YIELDED_STEP, loop);
    at = put_id(at, &S.memory, task);
    at = put_loop(at, &S.memory, loop);
    at = put_time(at, &S.memory, start);
    at = put_duration(at, &S.memory, end);
    at = put(at, (uint64_t)stack);
    commit(at);
    run_is_over(start, end);
}

void
stream_step(int64_t task, int64_t loop, int64_t start, int64_t end, int64_t how, int64_t awaited, int64_t stack,
            int64_t ready, int64_t waker, int64_t waker_id, int64_t site, int64_t made, int64_t made_ns)
{
    unsigned char *at = begin();
    if (at == NULL) {
        return;
    }
    at = put_head(at, &S.memory, STEP, loop);
    at = put_id(at, &S.memory, task);
    at = put_loop(at, &S.memory, loop);
    at = put_time(at, &S.memory, start);
    at = put_duration(at, &S.memory, end);
    at = put(at, (uint64_t)how);
    at = put(at, (uint64_t)awaited);
    at = put(at, (uint64_t)stack);
    at = put_back(at, start, ready);
    at = put(at, (uint64_t)waker);
    at = put(at, (uint64_t)waker_id);
    at = put(at, (uint64_t)site);
    at = put(at, (uint64_t)made);
    at = put_back(at, start, made_ns);
    commit(at);
    run_is_over(start, end);
}

void
stream_change(int kind, int64_t resource, int64_t ns, int64_t waker, int64_t waker_id, int64_t site, int64_t value)
{
    unsigned char *at = begin();
    if (at == NULL) {
        return;
    }
    *at++ = (unsigned char)kind;
    at = put_id(at, &S.memory, resource);
    at = put_time(at, &S.memory, ns);
    at = put(at, (uint64_t)waker);
    at = put(at, (uint64_t)waker_id);
    at = put(at, (uint64_t)site);
    at = put(at, (uint64_t)value);
    commit(at);
}

int
stream_record(int kind, const int64_t *fields, int count)
{
    const char *classes = kind > 0 && kind <= KIND_MASK ? CLASSES[kind] : NULL;
    if (classes == NULL || (int)strlen(classes) != count) {
        return 0;
    }
    unsigned char *at = begin();
    if (at == NULL) {
        return 0;
    }
    at = put_record(at, &S.memory, kind, fields);
    commit(at);
    if (kind == CALLBACK_RUN || kind == STEP) {
        run_is_over(fields[2], fields[3]);
    }
    return 1;
}

void
stream_row(const void *data, size_t size)
{
    const unsigned char *from = data;
    Chunk *chunk = S.rows.tail;
    if (!S.open || chunk == NULL || atomic_load_explicit(&S.error, memory_order_relaxed)) {
        return;
    }
    size_t used = atomic_load_explicit(&chunk->committed, memory_order_relaxed);
    if (used + size > chunk->size) {
        /* whatever waits for the disk: rows are few, and a row is written once, while many records name it */
        chunk = next_chunk(&S.rows, size > CHUNK_BYTES ? size : CHUNK_BYTES);
        if (chunk == NULL) {
            S.dropped++;
            S.attention = 1;
            return;
        }
        used = 0;
    }
    memcpy(chunk->data + used, from, size);
    atomic_store_explicit(&chunk->committed, used + size, memory_order_release);
}

void
stream_outdated(int table, int64_t last)
{
    if (table > 0 && table < 4) {
        atomic_store(&S.outdated[table], last);
    }
}

int
stream_error(void)
{
    return atomic_load(&S.error);
}

int64_t
stream_dropped(void)
{
    return S.dropped + (S.open ? 0 : S.records - S.records_written);
}

int64_t
stream_records(void)
{
    return S.records;
}
