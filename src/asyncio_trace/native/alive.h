/* What is alive, told from the records alone as they pass the writer: what a segment must say so that it can be read without those
 * before it. The thread that writes is the only one that is in here; the loop pays nothing.
 */
#ifndef ASYNCIO_TRACE_ALIVE_H
#define ASYNCIO_TRACE_ALIVE_H

#include "things.h"

/* A record passes by. */
void alive_record(int kind, const int64_t *fields, Before *before);
/* Add packed records of the loops and tasks that are alive to `out`, as long as it stays below `most` bytes. Returns how many
 * tasks had no room.
 */
int64_t alive_tell(Bytes *out, size_t most, Memory *memory, int64_t now, Before *before);
void alive_clear(void);
/* The same without giving back memory, which may be in disorder. */
void alive_forget(void);

#endif
