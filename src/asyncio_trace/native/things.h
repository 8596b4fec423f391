/* What records name beside tasks: futures, resources, threads. They are told of again in each segment that names them. */
#ifndef ASYNCIO_TRACE_THINGS_H
#define ASYNCIO_TRACE_THINGS_H

#include "packed.h"
#include "rows.h"

/* What goes before the records that are about to be written: rows that they name, and, as words, records of what they name. */
typedef struct {
    uint32_t segment; /* number, from 1 */
    Bytes rows, words;
} Before;

/* Add what the fields of a record name, unless the segment has it. */
void things_named(const char *classes, const int64_t *fields, Before *before);
/* A record of one of them passes by. */
void things_record(int kind, const int64_t *fields, uint32_t segment);
void things_clear(void);
/* The same without giving back memory, which may be in disorder. */
void things_forget(void);
/* alive.c: call `keep` with what each task waits on, that it is not forgotten. */
void alive_awaited(void (*keep)(int64_t id));

#endif
