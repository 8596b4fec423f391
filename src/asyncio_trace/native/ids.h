/* Tables from ids, of which most are gone again soon, to what is known of them. An entry begins with its id. */
#ifndef ASYNCIO_TRACE_IDS_H
#define ASYNCIO_TRACE_IDS_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    unsigned char *slots;
    size_t width, mask, used;
} Ids;

static inline size_t
ids_home(const Ids *ids, int64_t id)
{
    return (size_t)((uint64_t)id * 0x9E3779B97F4A7C15ull >> 24) & ids->mask;
}

static inline void *
ids_at(const Ids *ids, size_t slot)
{
    return ids->slots + slot * ids->width;
}

static inline int64_t
ids_id(const Ids *ids, size_t slot)
{
    return *(int64_t *)ids_at(ids, slot);
}

/* NULL if it is not there. Id 0 never is. */
static inline void *
ids_find(const Ids *ids, int64_t id)
{
    if (ids->slots == NULL || id == 0) {
        return NULL;
    }
    for (size_t slot = ids_home(ids, id);; slot = (slot + 1) & ids->mask) {
        int64_t there = ids_id(ids, slot);
        if (there == id) {
            return ids_at(ids, slot);
        }
        if (there == 0) {
            return NULL;
        }
    }
}

/* The entry of an id, all zero but for the id if it is new; good until the next change. NULL if there is no memory. */
static inline void *
ids_add(Ids *ids, int64_t id)
{
    void *found = ids_find(ids, id);
    if (found != NULL || id == 0) {
        return found;
    }
    if (ids->slots == NULL || (ids->used + 1) * 3 > ids->mask * 2) {
        Ids larger = {.width = ids->width, .mask = ids->slots == NULL ? 63 : 2 * ids->mask + 1};
        if ((larger.slots = calloc(larger.mask + 1, larger.width)) == NULL) {
            return NULL;
        }
        for (size_t from = 0; ids->slots != NULL && from <= ids->mask; from++) {
            if (ids_id(ids, from)) {
                memcpy(ids_add(&larger, ids_id(ids, from)), ids_at(ids, from), ids->width);
            }
        }
        free(ids->slots);
        *ids = larger;
    }
    size_t slot = ids_home(ids, id);
    while (ids_id(ids, slot)) {
        slot = (slot + 1) & ids->mask;
    }
    *(int64_t *)ids_at(ids, slot) = id;
    ids->used++;
    return ids_at(ids, slot);
}

static inline void
ids_remove(Ids *ids, int64_t id)
{
    unsigned char *entry = ids_find(ids, id);
    if (entry == NULL) {
        return;
    }
    size_t hole = (size_t)(entry - ids->slots) / ids->width;
    for (size_t slot = (hole + 1) & ids->mask; ids_id(ids, slot); slot = (slot + 1) & ids->mask) {
        size_t home = ids_home(ids, ids_id(ids, slot));
        if (((slot - home) & ids->mask) >= ((slot - hole) & ids->mask)) { /* it may move up */
            memcpy(ids_at(ids, hole), ids_at(ids, slot), ids->width);
            hole = slot;
        }
    }
    memset(ids_at(ids, hole), 0, ids->width);
    ids->used--;
}

static inline void
ids_clear(Ids *ids)
{
    free(ids->slots);
    ids->slots = NULL;
    ids->mask = ids->used = 0;
}

#endif
