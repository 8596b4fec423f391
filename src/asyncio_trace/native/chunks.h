/* What packs records and what writes them share: chunks on their way from one to the other. */
#ifndef ASYNCIO_TRACE_CHUNKS_H
#define ASYNCIO_TRACE_CHUNKS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "packed.h"

#define CHUNK_BYTES (1 << 18)
#define MOST_CHUNKS 128 /* 32 MiB: what may wait for the disk */

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
    Chunk *head; /* the writer's end */
    Chunk *tail; /* the producer's end */
} Queue;

typedef struct {
    Queue events, rows;
    _Atomic int chunks; /* in both queues */
    int attention;      /* before the next record: tell of a loss, or start the writer again */
    Memory memory;      /* the producer's */
    int64_t dropped, dropped_told, records, records_written;
    _Atomic int64_t outdated[4]; /* of each table, the rows up to which the recorder has let go of */
    _Atomic int error;
    int open;
    /* the writer */
    pthread_t thread;
    int running;
    int stopping, hurry;
    pthread_mutex_t mutex;   /* the writer's sleep */
    pthread_mutex_t writing; /* one writes at a time */
    pthread_cond_t wake;
} Stream;

extern Stream S;

Chunk *chunk_new(size_t size);
/* The writer need not wait for its next tick. */
void writer_hurry(void);

#endif
