/* Where the records go: one file of segments, or a ring of files of a segment each, of which the oldest are removed. Whoever calls
 * holds the lock `S.writing`.
 */
#ifndef ASYNCIO_TRACE_SEGMENTS_H
#define ASYNCIO_TRACE_SEGMENTS_H

#include <stddef.h>
#include <stdint.h>

#include "stream.h"

int segments_open(const StreamTarget *target);
/* Rows of the tables; and packed records, which name them and remember what came before them; 0, or an errno, and then the file ends with whole frames. */
int segments_rows(const unsigned char *data, size_t size);
int segments_write(const unsigned char *data, size_t size);
/* The segment that is being written, from 0 (-1 before the first), and the bytes of its file. */
void segments_position(int64_t *segment, int64_t *bytes);
/* Let go of everything; a file that was opened here is closed. */
void segments_close(void);
/* The same in a forked child: a thread may have been at it that is not there now, so its memory is left as it is. */
void segments_forget(void);

#endif
