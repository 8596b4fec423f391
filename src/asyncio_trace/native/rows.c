#include "rows.h"

#include <stdlib.h>
#include <string.h>

#include "packed.h"

#define PAGE 1024
#define MOST_PAGES (1u << 22)

typedef struct {
    unsigned char *data; /* NULL: not kept */
    uint32_t size : 31, pinned : 1;
    uint32_t segment; /* the last one that it was written into; 0 for none */
} Row;

/* Numbers only grow, and old rows are let go of: pages that are empty are given back. */
typedef struct {
    Row **pages;
    size_t count;
} Rows;

static Rows tables[TABLES_END];

unsigned char *
bytes_room(Bytes *bytes, size_t more)
{
    if (bytes->size + more > bytes->room) {
        size_t room = 2 * (bytes->size + more) + 4096;
        unsigned char *data = realloc(bytes->data, room);
        if (data == NULL) {
            bytes->failed = 1;
            return NULL;
        }
        bytes->data = data;
        bytes->room = room;
    }
    return bytes->data + bytes->size;
}

void
bytes_add(Bytes *bytes, const void *data, size_t size)
{
    unsigned char *to = size > 0 ? bytes_room(bytes, size) : NULL;
    if (to != NULL) {
        memcpy(to, data, size);
        bytes->size += size;
    }
}

static Row *
row_find(enum table table, uint64_t number)
{
    Rows *rows = &tables[table];
    size_t page = (size_t)(number / PAGE);
    return page < rows->count && rows->pages[page] != NULL ? &rows->pages[page][number % PAGE] : NULL;
}

static Row *
row_place(enum table table, uint64_t number)
{
    Rows *rows = &tables[table];
    size_t page = (size_t)(number / PAGE);
    if (number / PAGE >= MOST_PAGES) {
        return NULL;
    }
    if (page >= rows->count) {
        size_t count = 2 * page + 16;
        Row **pages = realloc(rows->pages, count * sizeof(Row *));
        if (pages == NULL) {
            return NULL;
        }
        memset(pages + rows->count, 0, (count - rows->count) * sizeof(Row *));
        rows->pages = pages;
        rows->count = count;
    }
    if (rows->pages[page] == NULL && (rows->pages[page] = calloc(PAGE, sizeof(Row))) == NULL) {
        return NULL;
    }
    return &rows->pages[page][number % PAGE];
}

void
rows_keep(const unsigned char *data, size_t size)
{
    const unsigned char *end = data + size;
    while (data < end) {
        const unsigned char *at = data + 1;
        int table = *data;
        uint64_t number = 0, length = 0;
        at = get_number(at, end, &number);
        if (table == PLACES) {
            length = 4;
        }
        else {
            at = get_number(at, end, &length);
        }
        if (table == TEXTS) {
            at = at == NULL || length > (uint64_t)(end - at) ? NULL : at + length;
        }
        else {
            for (uint64_t field, left = length; at != NULL && left > 0; left--) {
                at = get_number(at, end, &field);
            }
        }
        if (at == NULL || table < TEXTS || table > STACKS) {
            return; /* they are our own: this does not happen */
        }
        Row *row = row_place((enum table)table, number);
        if (row != NULL && row->data == NULL && (row->data = malloc((size_t)(at - data))) != NULL) {
            row->size = (uint32_t)(at - data);
            memcpy(row->data, data, row->size);
        }
        data = at;
    }
}

void
rows_named(enum table table, int64_t number, uint32_t segment, Bytes *out)
{
    Row *row = number > 0 ? row_find(table, (uint64_t)number) : NULL;
    if (row == NULL || row->segment == segment || row->data == NULL) {
        return;
    }
    row->segment = segment;
    const unsigned char *at = row->data + 1, *end = row->data + row->size;
    uint64_t named = 0, count = 0;
    at = get_number(at, end, &named); /* its own number */
    if (table == PLACES) {
        for (int field = 0; field < 4; field++) {
            at = get_number(at, end, &named);
            if (field != 2) { /* the line */
                rows_named(TEXTS, (int64_t)named, segment, out);
            }
        }
    }
    else if (table == STACKS) {
        at = get_number(at, end, &count);
        while (count-- > 0) {
            at = get_number(at, end, &named);
            rows_named(PLACES, (int64_t)named, segment, out);
        }
    }
    bytes_add(out, row->data, row->size);
}

/* Whoever is kept keeps those that it names. */
static void
pin_named(const Row *row, enum table table)
{
    const unsigned char *at = row->data + 1, *end = row->data + row->size;
    uint64_t named = 0, count = 4;
    at = get_number(at, end, &named);
    if (table == STACKS) {
        at = get_number(at, end, &count);
    }
    for (uint64_t field = 0; field < count; field++) {
        at = get_number(at, end, &named);
        Row *other = table == PLACES && field == 2 ? NULL : row_find(table == STACKS ? PLACES : TEXTS, named);
        if (other != NULL) {
            other->pinned = 1;
        }
    }
}

static void
forget_in(enum table table, int64_t last, uint32_t segment)
{
    Rows *rows = &tables[table];
    for (size_t page = 0; page < rows->count; page++) {
        Row *of = rows->pages[page];
        int kept = 0;
        for (size_t index = 0; of != NULL && index < PAGE; index++) {
            Row *row = &of[index];
            if ((int64_t)(page * PAGE + index) <= last && row->segment != segment && !row->pinned) {
                free(row->data);
                row->data = NULL;
            }
            row->pinned = 0;
            if (row->data != NULL) {
                kept = 1;
                if (table != TEXTS) {
                    pin_named(row, table);
                }
            }
        }
        if (!kept && (int64_t)((page + 1) * PAGE) <= last) {
            free(of);
            rows->pages[page] = NULL;
        }
    }
}

void
rows_forget(const int64_t *last, uint32_t segment)
{
    for (int table = STACKS; table >= TEXTS; table--) { /* each names rows of the next */
        forget_in((enum table)table, last[table], segment);
    }
}

void
rows_clear(void)
{
    for (int table = TEXTS; table < TABLES_END; table++) {
        Rows *rows = &tables[table];
        for (size_t page = 0; page < rows->count; page++) {
            for (size_t index = 0; rows->pages[page] != NULL && index < PAGE; index++) {
                free(rows->pages[page][index].data);
            }
            free(rows->pages[page]);
        }
        free(rows->pages);
        rows->pages = NULL;
        rows->count = 0;
    }
}

void
rows_forget_all(void)
{
    memset(tables, 0, sizeof tables);
}
