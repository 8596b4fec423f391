/* The thread that writes what is packed, and what begins and ends it. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "chunks.h"
#include "segments.h"
#include "rows.h"

#define TICK_NS 50000000L

Stream S = {.mutex = PTHREAD_MUTEX_INITIALIZER, .writing = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

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

void
writer_hurry(void)
{
    pthread_mutex_lock(&S.mutex);
    S.hurry = 1;
    pthread_cond_signal(&S.wake);
    pthread_mutex_unlock(&S.mutex);
}

/* Take what is committed from a queue, up to a mark in a chunk or to the end. */
static void
take_queue(Queue *queue, int (*take)(const unsigned char *data, size_t size), Chunk *until, size_t until_used)
{
    for (;;) {
        Chunk *chunk = queue->head;
        size_t used = chunk == until ? until_used : atomic_load_explicit(&chunk->committed, memory_order_acquire);
        if (used > chunk->written) {
            int error = atomic_load(&S.error);
            if (!error && (error = take(chunk->data + chunk->written, used - chunk->written)) != 0) {
                atomic_store(&S.error, error);
            }
            chunk->written = used;
            if (!error) {
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
    pthread_mutex_lock(&S.writing);
    Chunk *last = S.events.head;
    if (last == NULL) {
        pthread_mutex_unlock(&S.writing);
        return;
    }
    /* where the events end now; the rows that they name are committed before them */
    while (atomic_load_explicit(&last->full, memory_order_acquire)) {
        last = last->next;
    }
    size_t used = atomic_load_explicit(&last->committed, memory_order_acquire);
    take_queue(&S.rows, segments_rows, NULL, 0);
    take_queue(&S.events, segments_write, last, used);
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
    if (S.running || !S.open) {
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
    segments_close();
    pthread_mutex_unlock(&S.writing);
}

/* In a forked child, whoever forked: the thread is not there, its locks may be held for ever, and the file is the parent's. */
static void
forked(void)
{
    S.running = 0;
    S.open = 0;
    S.attention = 1;
    atomic_store(&S.error, ECHILD); /* what is still packed is not written */
    segments_forget();
    make_locks();
}

int
stream_open(const StreamTarget *target)
{
    if (S.open) {
        return EBUSY;
    }
    atomic_store(&S.chunks, 0);
    S.memory = (Memory){0};
    for (int table = 0; table < TABLES_END; table++) {
        atomic_store(&S.outdated[table], 0);
    }
    S.dropped = S.dropped_told = S.records = S.records_written = 0;
    atomic_store(&S.error, 0);
    int error = segments_open(target);
    if (error) {
        return error;
    }
    S.hurry = S.attention = 0;
    static int prepared;
    if (!prepared) {
        prepared = 1;
        make_locks();
        pthread_atfork(NULL, NULL, forked);
    }
    S.events.head = S.events.tail = chunk_new(CHUNK_BYTES);
    S.rows.head = S.rows.tail = chunk_new(CHUNK_BYTES);
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
    if (S.open) {
        write_committed();
    }
}

void
stream_position(int64_t *segment, int64_t *bytes)
{
    pthread_mutex_lock(&S.writing);
    segments_position(segment, bytes);
    pthread_mutex_unlock(&S.writing);
}
