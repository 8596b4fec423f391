/* How a record is packed, both ways; docs/reference/recording.md says what each class of field means. */
#ifndef ASYNCIO_TRACE_PACKED_H
#define ASYNCIO_TRACE_PACKED_H

#include <stddef.h>
#include <stdint.h>

#define LONGEST_RECORD 256 /* bytes; none is longer */
#define MOST_FIELDS 16
#define KIND_MASK 0x3F
#define SAME_LOOP 0x80

/* What packing and unpacking remember from record to record. */
typedef struct {
    int64_t id, time, loop;
} Memory;

/* Classes of the fields of each kind, one letter each: i id, q id of a resource, l loop, t time, d duration, b back, s signed. What is
 * packed as a plain number is told apart by what it names: x text, p place (site), k stack, h thread, r a future or resource, w who woke (by the field
 * before it, the kind of waker, a text or a thread), n nothing that is told in a segment. NULL for a kind that there is not.
 */
extern const char *const CLASSES[KIND_MASK + 1];

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
put_id(unsigned char *at, Memory *memory, int64_t id)
{
    at = put(at, zigzag((uint64_t)id - (uint64_t)memory->id));
    memory->id = id;
    return at;
}

static inline unsigned char *
put_time(unsigned char *at, Memory *memory, int64_t ns)
{
    at = put(at, zigzag((uint64_t)ns - (uint64_t)memory->time));
    memory->time = ns;
    return at;
}

static inline unsigned char *
put_duration(unsigned char *at, Memory *memory, int64_t end)
{
    at = put(at, (uint64_t)end - (uint64_t)memory->time);
    memory->time = end;
    return at;
}

static inline unsigned char *
put_back(unsigned char *at, int64_t from, int64_t ns)
{
    return put(at, zigzag((uint64_t)from - (uint64_t)ns));
}

static inline unsigned char *
put_head(unsigned char *at, const Memory *memory, int kind, int64_t loop)
{
    *at++ = (unsigned char)(loop == memory->loop ? kind | SAME_LOOP : kind);
    return at;
}

static inline unsigned char *
put_loop(unsigned char *at, Memory *memory, int64_t loop)
{
    if (loop != memory->loop) {
        at = put(at, (uint64_t)loop);
        memory->loop = loop;
    }
    return at;
}

/* A record of any kind that has classes. */
unsigned char *put_record(unsigned char *at, Memory *memory, int kind, const int64_t *fields);
/* The record at `at`: where the next one begins; NULL if there is none whole before `end`. Its kind is 0 if it is one to skip. */
const unsigned char *get_record(const unsigned char *at, const unsigned char *end, Memory *memory, int *kind, int64_t *fields);
/* A number; NULL as above. */
const unsigned char *get_number(const unsigned char *at, const unsigned char *end, uint64_t *value);

#endif
