/* Rows of the tables (texts, places, stacks) as the writer keeps them, to write each into every segment whose records name it. The
 * writer's thread is the only one that is in here.
 */
#ifndef ASYNCIO_TRACE_ROWS_H
#define ASYNCIO_TRACE_ROWS_H

#include <stddef.h>
#include <stdint.h>

enum table { TEXTS = 1, PLACES, STACKS, TABLES_END }; /* as rows are marked in the file */

/* Bytes that gather. */
typedef struct {
    unsigned char *data;
    size_t size, room;
    int failed; /* there was no memory: something is missing */
} Bytes;
unsigned char *bytes_room(Bytes *bytes, size_t more); /* where `more` bytes may be put; NULL if there is no memory */
void bytes_add(Bytes *bytes, const void *data, size_t size);

/* Keep the packed rows at `data`; they are written once a record names them. */
void rows_keep(const unsigned char *data, size_t size);
/* A record of the segment (1 and up) names a row: if it has not been written there yet, add it to `out`, after those that it names. */
void rows_named(enum table table, int64_t number, uint32_t segment, Bytes *out);
/* Let go of rows with numbers up to `last[table]` that neither the segment so far nor a row that is kept names. */
void rows_forget(const int64_t *last, uint32_t segment);
void rows_clear(void);
/* The same without giving back memory, which may be in disorder. */
void rows_forget_all(void);

#endif
