#include "stream.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "crc32.h"

#define CHUNK_BYTES (1 << 18)
#define MOST_CHUNKS 128 /* 32 MiB: what may wait for the disk */
#define ROOM 256        /* no record is longer */
#define TICK_NS 50000000L

typedef struct chunk {
    struct chunk *next;
    _Atomic size_t committed; /* bytes that are whole records */
    _Atomic int full;         /* nothing is added any more */
    size_t written;           /* the writer's mark */
    int64_t records;          /* how many were added; set before `committed` is */
    int64_t records_written;
    size_t size;
    unsigned char data[];
} Chunk;

typedef struct { /* one for records, one for table rows */
    Chunk *head;          /* the writer's end */
    Chunk *tail;          /* the producer's end */
} Queue;

static struct {
    Queue events, rows;
    _Atomic int chunks; /* in both queues */
    int attention;      /* before the next record: tell of a loss, or start the writer again */
    int64_t last_id, last_time, last_loop;
    int64_t dropped, dropped_told, records, records_written;
    int descriptor;
    _Atomic int error;
    int open;
    /* the writer */
    pthread_t thread;
    int running;
    int stopping, hurry;
    pthread_mutex_t mutex;     /* the writer's sleep */
    pthread_mutex_t writing;   /* one writes at a time */
    pthread_cond_t wake;
} S = {.descriptor = -1, .mutex = PTHREAD_MUTEX_INITIALIZER, .writing = PTHREAD_MUTEX_INITIALIZER,
       .wake = PTHREAD_COND_INITIALIZER};

static void
make_locks(void)
{
    pthread_mutex_init(&S.mutex, NULL);
    pthread_mutex_init(&S.writing, NULL);
#ifdef __APPLE__
    pthread_cond_init(&S.wake, NULL);
#else
    pthread_condattr_t attributes; /* a wall clock that is put back must not keep the writer asleep */
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&S.wake, &attributes);
    pthread_condattr_destroy(&attributes);
#endif
}

/* -- packing ---------------------------------------------------------------------------------------------------------- */

static inline unsigned char *
put(unsigned char *at, uint64_t value)
{
    while (value >= 0x80) {
        *at++ = (unsigned char)(value | 0x80);
        value >>= 7;
    }
    *at++ = (unsigned char)value;
    return at;
}

static inline uint64_t
zigzag(uint64_t value)
{
    return (value << 1) ^ (uint64_t)((int64_t)value >> 63);
}

static inline unsigned char *
put_id(unsigned char *at, int64_t id)
{
    at = put(at, zigzag((uint64_t)id - (uint64_t)S.last_id));
    S.last_id = id;
    return at;
}

static inline unsigned char *
put_time(unsigned char *at, int64_t ns)
{
    at = put(at, zigzag((uint64_t)ns - (uint64_t)S.last_time));
    S.last_time = ns;
    return at;
}

static inline unsigned char *
put_duration(unsigned char *at, int64_t end)
{
    at = put(at, (uint64_t)end - (uint64_t)S.last_time);
    S.last_time = end;
    return at;
}

static inline unsigned char *
put_back(unsigned char *at, int64_t from, int64_t ns)
{
    return put(at, zigzag((uint64_t)from - (uint64_t)ns));
}

static Chunk *
new_chunk(size_t size)
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
    Chunk *chunk = new_chunk(size);
    if (chunk == NULL) {
        return NULL;
    }
    Chunk *last = queue->tail;
    queue->tail = chunk;
    last->next = chunk;
    atomic_store_explicit(&last->full, 1, memory_order_release);
    stream_resume();
    pthread_mutex_lock(&S.mutex);
    S.hurry = 1;
    pthread_cond_signal(&S.wake);
    pthread_mutex_unlock(&S.mutex);
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
    if (atomic_load_explicit(&chunk->committed, memory_order_relaxed) + 2 * ROOM > CHUNK_BYTES) {
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
        if (used + ROOM <= CHUNK_BYTES) {
            return chunk->data + used;
        }
    }
    return begin_slowly();
}

static inline void
commit(unsigned char *end)
{
    Chunk *chunk = S.events.tail;
    S.records++;
    chunk->records++;
    atomic_store_explicit(&chunk->committed, (size_t)(end - chunk->data), memory_order_release);
}

static inline unsigned char *
put_head(unsigned char *at, int kind, int64_t loop)
{
    if (loop == S.last_loop) {
        *at++ = (unsigned char)(kind | 0x80);
        return at;
    }
    *at++ = (unsigned char)kind;
    return at;
}

static inline unsigned char *
put_loop(unsigned char *at, int64_t loop)
{
    if (loop != S.last_loop) {
        at = put(at, (uint64_t)loop);
        S.last_loop = loop;
    }
    return at;
}

void
stream_yielded(int64_t task, int64_t loop, int64_t start, int64_t end, int64_t stack)
{
    unsigned char *at = begin();
    if (at == NULL) {
        return;
    }
    at = put_head(at, YIELDED_STEP, loop);
    at = put_id(at, task);
    at = put_loop(at, loop);
    at = put_time(at, start);
    at = put_duration(at, end);
    at = put(at, (uint64_t)stack);
    commit(at);
}

void
stream_step(int64_t task, int64_t loop, int64_t start, int64_t end, int64_t how, int64_t awaited, int64_t stack,
            int64_t ready, int64_t waker, int64_t waker_id, int64_t site, int64_t made, int64_t made_ns)
{
    unsigned char *at = begin();
    if (at == NULL) {
        return;
    }
    at = put_head(at, STEP, loop);
    at = put_id(at, task);
    at = put_loop(at, loop);
    at = put_time(at, start);
    at = put_duration(at, end);
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
}

void
stream_change(int kind, int64_t resource, int64_t ns, int64_t waker, int64_t waker_id, int64_t site, int64_t value)
{
    unsigned char *at = begin();
    if (at == NULL) {
        return;
    }
    *at++ = (unsigned char)kind;
    at = put_id(at, resource);
    at = put_time(at, ns);
    at = put(at, (uint64_t)waker);
    at = put(at, (uint64_t)waker_id);
    at = put(at, (uint64_t)site);
    at = put(at, (uint64_t)value);
    commit(at);
}

/* Classes of fields: i id, l loop, t time, d duration, b back, n plain, s signed. */
static const char *const CLASSES[KINDS_END] = {
    [LOOP_STARTED] = "ntnn", [LOOP_CLOSED] = "lt", [IDLE] = "ltd", [TASK_CREATED] = "itlnnnn", [TASK_NAMED] = "in",
    [STEP] = "iltdnnnbnnnnb", [WOKEN] = "itnnn", [TASK_DONE] = "itnn", [CALLBACK_RUN] = "lntdbnn",
    [FUTURE_CREATED] = "itlnnn", [FUTURE_RESOLVED] = "itnnnn", [CANCEL_REQUESTED] = "itnnn", [JOB_SUBMITTED] = "itlnnnn",
    [JOB_RAN] = "itdnn", [THREAD_SEEN] = "nnn", [RESOURCE_SEEN] = "in", [PARENT_SPAN] = "isssn", [DROPPED] = "n",
    [ENDED] = "t", [YIELDED_STEP] = "iltdn", [NUMBERED_NAME] = "in",
    [RESOURCE_STATE] = "itnnn", [RESOURCE_TAKEN] = "itnnn", [RESOURCE_RELEASED] = "itnnnn", [RESOURCE_SET] = "itnnnn",
    [QUEUE_LENGTH] = "itnnnn", [WAITS_FOR] = "inn",
    [BLOCKED] = "ltnbnn", [NEVER_AWAITED] = "tnnn", [NEVER_RETRIEVED] = "ntnnnn", [CANCEL_IGNORED] = "it",
};

int
stream_record(int kind, const int64_t *fields, int count)
{
    const char *classes = kind > 0 && kind < KINDS_END ? CLASSES[kind] : NULL;
    if (classes == NULL || (int)strlen(classes) != count) {
        return 0;
    }
    unsigned char *at = begin();
    if (at == NULL) {
        return 0;
    }
    const char *loop_at = strchr(classes, 'l');
    int same = loop_at != NULL && fields[loop_at - classes] == S.last_loop;
    *at++ = (unsigned char)(same ? kind | 0x80 : kind);
    int64_t first = 0;
    for (int index = 0; index < count; index++) {
        int64_t value = fields[index];
        switch (classes[index]) {
        case 'i': at = put_id(at, value); break;
        case 'l': at = put_loop(at, value); break;
        case 't': first = value; at = put_time(at, value); break;
        case 'd': at = put_duration(at, value); break;
        case 'b': at = put_back(at, first, value); break;
        case 's': at = put(at, zigzag((uint64_t)value)); break;
        default: at = put(at, (uint64_t)value); break;
        }
    }
    commit(at);
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

/* -- writing ---------------------------------------------------------------------------------------------------------- */

static void
write_all(const unsigned char *data, size_t size)
{
    while (size > 0 && !atomic_load(&S.error)) {
        ssize_t wrote = write(S.descriptor, data, size);
        if (wrote >= 0) {
            data += wrote;
            size -= (size_t)wrote;
        }
        else if (errno != EINTR) {
            atomic_store(&S.error, errno);
        }
    }
}

/* What could not be written whole is taken back, so that the file ends with a frame. */
static void
take_back(off_t size)
{
    if (size >= 0 && ftruncate(S.descriptor, size) == 0) {
        lseek(S.descriptor, size, SEEK_SET);
    }
}

static void
write_frame(char type, const unsigned char *prefix, size_t prefix_size, const unsigned char *data, size_t size)
{
    unsigned char head[16];
    uint32_t length = (uint32_t)(prefix_size + size);
    uint32_t crc = crc32_of(crc32_of(0, prefix, prefix_size), data, size);
    head[0] = (unsigned char)type;
    for (int byte = 0; byte < 4; byte++) {
        head[1 + byte] = (unsigned char)(length >> (8 * byte));
        head[5 + byte] = (unsigned char)(crc >> (8 * byte));
    }
    memcpy(head + 9, prefix, prefix_size);
    if (atomic_load(&S.error)) {
        return;
    }
    off_t start = lseek(S.descriptor, 0, SEEK_CUR);
    write_all(head, 9 + prefix_size);
    write_all(data, size);
    if (atomic_load(&S.error)) {
        take_back(start);
    }
}

static void
write_queue(Queue *queue, char type, const unsigned char *prefix, size_t prefix_size, Chunk *until, size_t until_used)
{
    for (;;) {
        Chunk *chunk = queue->head;
        size_t used = chunk == until ? until_used : atomic_load_explicit(&chunk->committed, memory_order_acquire);
        if (used > chunk->written) {
            write_frame(type, prefix, prefix_size, chunk->data + chunk->written, used - chunk->written);
            chunk->written = used;
            if (!atomic_load(&S.error)) {
                S.records_written += chunk->records - chunk->records_written;
                chunk->records_written = chunk->records;
            }
        }
        if (chunk == until || !atomic_load_explicit(&chunk->full, memory_order_acquire)) {
            return;
        }
        queue->head = chunk->next;
        free(chunk);
        atomic_fetch_sub(&S.chunks, 1);
    }
}

/* Write all that is committed: rows first, since the records name them. */
static void
write_committed(void)
{
    static const unsigned char stream_number[1] = {0};
    pthread_mutex_lock(&S.writing);
    Chunk *last = S.events.head;
    if (last == NULL || S.descriptor < 0) {
        pthread_mutex_unlock(&S.writing);
        return;
    }
    /* where the events end now; the rows that they name are committed before them */
    while (atomic_load_explicit(&last->full, memory_order_acquire)) {
        last = last->next;
    }
    size_t used = atomic_load_explicit(&last->committed, memory_order_acquire);
    write_queue(&S.rows, 'T', NULL, 0, NULL, 0);
    write_queue(&S.events, 'P', stream_number, 1, last, used);
    pthread_mutex_unlock(&S.writing);
}

static void *
writer(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&S.mutex);
    while (!S.stopping) {
        struct timespec until;
#ifdef __APPLE__
        clock_gettime(CLOCK_REALTIME, &until);
#else
        clock_gettime(CLOCK_MONOTONIC, &until);
#endif
        until.tv_nsec += TICK_NS;
        if (until.tv_nsec >= 1000000000L) {
            until.tv_nsec -= 1000000000L;
            until.tv_sec++;
        }
        if (!S.hurry) {
            pthread_cond_timedwait(&S.wake, &S.mutex, &until);
        }
        S.hurry = 0;
        pthread_mutex_unlock(&S.mutex);
        write_committed();
        pthread_mutex_lock(&S.mutex);
    }
    pthread_mutex_unlock(&S.mutex);
    return NULL;
}

void
stream_resume(void)
{
    if (S.running || !S.open || S.descriptor < 0) {
        return;
    }
    sigset_t all, before;
    sigfillset(&all);
    S.stopping = 0;
    /* the program's signals are for the program's threads */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    S.running = pthread_create(&S.thread, NULL, writer, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void
stream_pause(void)
{
    pthread_mutex_lock(&S.mutex);
    int running = S.running;
    S.running = 0; /* who sees it last joins: a fork may come while a trace ends in another thread */
    S.stopping = 1;
    pthread_cond_signal(&S.wake);
    pthread_mutex_unlock(&S.mutex);
    if (running) {
        pthread_join(S.thread, NULL);
        S.attention = 1;
        write_committed(); /* it may be long until the next record starts the thread again */
    }
}

void
stream_attend(void)
{
    S.attention = 1;
}

static void
free_all(void)
{
    pthread_mutex_lock(&S.writing);
    Queue *queues[] = {&S.events, &S.rows};
    for (int index = 0; index < 2; index++) {
        Chunk *chunk = queues[index]->head;
        queues[index]->head = queues[index]->tail = NULL;
        for (Chunk *next; chunk != NULL; chunk = next) {
            next = chunk->next;
            free(chunk);
        }
    }
    S.open = 0;
    S.descriptor = -1;
    pthread_mutex_unlock(&S.writing);
}

/* In a forked child, whoever forked: the thread is not there, its locks may be held for ever, and the file is the parent's. */
static void
forked(void)
{
    S.running = 0;
    S.open = 0;
    S.descriptor = -1;
    S.attention = 1;
    make_locks();
}

int
stream_open(int descriptor)
{
    if (S.open) {
        return EBUSY;
    }
    atomic_store(&S.chunks, 0);
    S.last_id = S.last_time = S.last_loop = 0;
    S.dropped = S.dropped_told = S.records = S.records_written = 0;
    atomic_store(&S.error, 0);
    S.descriptor = descriptor;
    S.hurry = S.attention = 0;
    static int prepared;
    if (!prepared) {
        prepared = 1;
        make_locks();
        pthread_atfork(NULL, NULL, forked);
    }
    S.events.head = S.events.tail = new_chunk(CHUNK_BYTES);
    S.rows.head = S.rows.tail = new_chunk(CHUNK_BYTES);
    if (S.events.head == NULL || S.rows.head == NULL) {
        free_all();
        return ENOMEM;
    }
    S.open = 1;
    stream_resume();
    return 0;
}

void
stream_close(void)
{
    S.open = 0;
    S.attention = 1;
}

void
stream_drain(void)
{
    stream_pause();
    write_committed();
}

int
stream_free(void)
{
    free_all();
    return atomic_load(&S.error);
}

void
stream_abandon(void)
{
    forked();
    free_all();
}

void
stream_sync(void)
{
    if (S.open && S.descriptor >= 0) {
        write_committed();
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
