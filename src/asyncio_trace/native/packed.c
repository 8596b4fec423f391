/* Records of any kind, packed and unpacked. The two most frequent have a quicker way, in packing.c. */
#include "packed.h"

#include <string.h>

#include "stream.h"

#define FIRST_SKIPPED_KIND 48

const char *const CLASSES[KIND_MASK + 1] = {
    [LOOP_STARTED] = "ntxh", [LOOP_CLOSED] = "lt", [IDLE] = "ltd", [TASK_CREATED] = "itlnxpn", [TASK_NAMED] = "ix",
    [STEP] = "iltdnrkbnwpnb", [WOKEN] = "itnwp", [TASK_DONE] = "itnx", [CALLBACK_RUN] = "lxtdbnw",
    [FUTURE_CREATED] = "itlnpx", [FUTURE_RESOLVED] = "itnnwp", [CANCEL_REQUESTED] = "itnwp", [JOB_SUBMITTED] = "itlnrxp",
    [JOB_RAN] = "itdhn", [THREAD_SEEN] = "nxn", [RESOURCE_SEEN] = "ix", [PARENT_SPAN] = "isssn", [DROPPED] = "n",
    [ENDED] = "t", [YIELDED_STEP] = "iltdk", [NUMBERED_NAME] = "in", [LOOP_ALIVE] = "ntxhb",
    [TASK_ALIVE] = "itlnxpnxnbrknb", [BLOCKED] = "ltnbkn", [NEVER_AWAITED] = "txpp", [NEVER_RETRIEVED] = "ntxxxp",
    [CANCEL_IGNORED] = "it", [RESOURCE_STATE] = "qtnnn", [RESOURCE_TAKEN] = "qtnpn", [RESOURCE_RELEASED] = "qtnwpn",
    [RESOURCE_SET] = "qtnwpn", [QUEUE_LENGTH] = "qtnwpn", [WAITS_FOR] = "inn",
};

unsigned char *
put_record(unsigned char *at, Memory *memory, int kind, const int64_t *fields)
{
    const char *classes = CLASSES[kind], *loop_at = strchr(classes, 'l');
    int same = loop_at != NULL && fields[loop_at - classes] == memory->loop;
    *at++ = (unsigned char)(same ? kind | SAME_LOOP : kind);
    int64_t first = 0;
    for (int index = 0; classes[index]; index++) {
        int64_t value = fields[index];
        switch (classes[index]) {
        case 'i':
        case 'q': at = put_id(at, memory, value); break;
        case 'l': at = put_loop(at, memory, value); break;
        case 't': first = value; at = put_time(at, memory, value); break;
        case 'd': at = put_duration(at, memory, value); break;
        case 'b': at = put_back(at, first, value); break;
        case 's': at = put(at, zigzag((uint64_t)value)); break;
        default: at = put(at, (uint64_t)value); break;
        }
    }
    return at;
}

const unsigned char *
get_number(const unsigned char *at, const unsigned char *end, uint64_t *value)
{
    uint64_t sum = 0;
    for (int place = 0; at != NULL && at < end && place < 64; place += 7) {
        unsigned char byte = *at++;
        sum |= (uint64_t)(byte & 0x7F) << place;
        if (byte < 0x80) {
            *value = sum;
            return at;
        }
    }
    return NULL;
}

static inline const unsigned char *
get(const unsigned char *at, const unsigned char *end, uint64_t *value)
{
    if (at < end && *at < 0x80) {
        *value = *at;
        return at + 1;
    }
    return get_number(at, end, value);
}

const unsigned char *
get_record(const unsigned char *at, const unsigned char *end, Memory *memory, int *kind, int64_t *fields)
{
    if (at >= end) {
        return NULL;
    }
    int head = *at++;
    const char *classes = CLASSES[head & KIND_MASK];
    uint64_t value = 0;
    *kind = head & KIND_MASK;
    if (*kind >= FIRST_SKIPPED_KIND) {
        *kind = 0;
        at = get(at, end, &value);
        return at == NULL || value > (uint64_t)(end - at) ? NULL : at + value;
    }
    if (classes == NULL) {
        return NULL;
    }
    uint64_t first = 0;
    for (int index = 0; classes[index]; index++) {
        char class = classes[index];
        if (class == 'l') {
            if (!(head & SAME_LOOP)) {
                at = get(at, end, &value);
                memory->loop = (int64_t)value;
            }
            fields[index] = memory->loop;
        }
        else {
            at = get(at, end, &value);
            uint64_t difference = (value >> 1) ^ (0 - (value & 1));
            switch (class) {
            case 'i':
            case 'q': fields[index] = memory->id = (int64_t)((uint64_t)memory->id + difference); break;
            case 't': first = (uint64_t)memory->time + difference; fields[index] = memory->time = (int64_t)first; break;
            case 'd': fields[index] = memory->time = (int64_t)((uint64_t)memory->time + value); break;
            case 'b': fields[index] = (int64_t)(first - difference); break;
            case 's': fields[index] = (int64_t)difference; break;
            default: fields[index] = (int64_t)value; break;
            }
        }
        if (at == NULL) {
            return NULL;
        }
    }
    return at;
}
