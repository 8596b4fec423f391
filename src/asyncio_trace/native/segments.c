#include "segments.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alive.h"
#include "chunks.h"
#include "crc32.h"

#define PIECE (1 << 16)               /* bytes of a frame, about */
#define SEGMENT_BYTES (1 << 24)       /* a new segment begins after so many: what damage costs at most */
#define PREAMBLES 8                   /* and after so many times what it takes to say what is alive */
#define RING_SEGMENTS 8               /* a ring has so many segments, about */
#define MOST_FILES 64

static struct {
    int descriptor; /* -1: no file is open */
    StreamTarget target;
    int64_t segment;
    int64_t segment_bytes, segment_limit;
    /* a ring's files, by the number of their segment modulo MOST_FILES; the last is being written */
    int64_t sizes[MOST_FILES];
    int64_t first, total;
    int unread;           /* the first segment of a file: nothing has been looked at yet, see `catch_up` */
    off_t begin;          /* where its records begin */
    Memory read, written; /* of the records as they come, and as they are written */
    int64_t now;          /* the latest instant so far */
    Before before;
    Bytes packed, out;
    int64_t outdated[2][TABLES_END]; /* rows that the recorder had let go of when the last segment began, and the one before */
} F = {.descriptor = -1};

/* -- files ------------------------------------------------------------------------------------------------------------- */

static void
ring_path(char *path, int64_t segment)
{
    snprintf(path, PATH_MAX, "%s/%08lld.segment", F.target.folder, (long long)segment);
}

static int
is_ring(void)
{
    return F.target.folder[0] != 0;
}

/* Remove the oldest file of a ring; 0 if there is none but the one that is being written. */
static int
drop_oldest(void)
{
    char path[PATH_MAX];
    if (!is_ring() || F.first >= F.segment) {
        return 0;
    }
    ring_path(path, F.first);
    unlink(path);
    F.total -= F.sizes[F.first++ % MOST_FILES];
    return 1;
}

static int
next_file(void)
{
    char path[PATH_MAX];
    ring_path(path, F.segment);
    int descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (descriptor < 0) {
        return errno;
    }
    if (F.descriptor >= 0) {
        close(F.descriptor);
    }
    F.descriptor = descriptor;
    F.sizes[F.segment % MOST_FILES] = 0;
    return 0;
}

/* What could not be written whole is taken back, so that the file ends with a frame. */
static void
take_back(off_t size)
{
    if (size >= 0 && ftruncate(F.descriptor, size) == 0) {
        lseek(F.descriptor, size, SEEK_SET);
    }
}

static int
write_out(void)
{
    if (F.out.failed || F.packed.failed || F.before.rows.failed || F.before.words.failed) {
        return ENOMEM;
    }
    while (is_ring() && F.total + (int64_t)F.out.size > F.target.ring && drop_oldest()) {
    }
    off_t start = lseek(F.descriptor, 0, SEEK_CUR);
    const unsigned char *data = F.out.data;
    size_t size = F.out.size;
    while (size > 0) {
        ssize_t wrote = write(F.descriptor, data, size);
        if (wrote >= 0) {
            data += wrote;
            size -= (size_t)wrote;
        }
        else if (errno != EINTR && !((errno == ENOSPC || errno == EDQUOT) && drop_oldest())) {
            int error = errno;
            take_back(start);
            return error;
        }
    }
    F.segment_bytes += (int64_t)F.out.size;
    F.total += (int64_t)F.out.size;
    F.sizes[F.segment % MOST_FILES] += (int64_t)F.out.size;
    return 0;
}

static void
add_frame(char type, const void *prefix, size_t prefix_size, const void *data, size_t size)
{
    unsigned char head[9];
    uint32_t length = (uint32_t)(prefix_size + size);
    uint32_t crc = crc32_of(crc32_of(0, prefix, prefix_size), data, size);
    head[0] = (unsigned char)type;
    for (int byte = 0; byte < 4; byte++) {
        head[1 + byte] = (unsigned char)(length >> (8 * byte));
        head[5 + byte] = (unsigned char)(crc >> (8 * byte));
    }
    bytes_add(&F.out, head, sizeof head);
    bytes_add(&F.out, prefix, prefix_size);
    bytes_add(&F.out, data, size);
}

static const unsigned char STREAM_NUMBER[1] = {0};

static void
add_rows(void)
{
    if (F.before.rows.size > 0) {
        add_frame('T', NULL, 0, F.before.rows.data, F.before.rows.size);
    }
}

static void
add_words(void)
{
    if (F.before.words.size > 0) {
        add_frame('E', NULL, 0, F.before.words.data, F.before.words.size);
    }
}

/* Frames of rows, of what is told again, and of records: those that were packed again, then `data` as it is. */
static void
add_frames(const unsigned char *data, size_t size)
{
    add_rows();
    add_words();
    if (F.packed.size > 0) {
        add_frame('P', STREAM_NUMBER, 1, F.packed.data, F.packed.size);
    }
    if (size > 0) {
        add_frame('P', STREAM_NUMBER, 1, data, size);
    }
}

static void
begin_frames(void)
{
    F.out.size = F.packed.size = F.before.rows.size = F.before.words.size = 0;
}

/* -- segments ---------------------------------------------------------------------------------------------------------- */

static int
begin_segment(void)
{
    F.segment++;
    F.segment_bytes = 0;
    F.before.segment = (uint32_t)F.segment + 1;
    F.written = (Memory){0};
    begin_frames();
    char payload[256];
    int length = snprintf(payload, sizeof payload, "{\"segment\":%lld,\"ns\":%lld,\"unix_ns\":%lld}", (long long)F.segment,
                          (long long)F.now, (long long)(F.target.started_unix_ns + F.now));
    add_frame('S', NULL, 0, payload, (size_t)length);
    if (F.segment > 0) {
        size_t most = is_ring() ? (size_t)F.segment_limit / 2 : SIZE_MAX;
        int64_t untold = alive_tell(&F.packed, most, &F.written, F.now, &F.before);
        if (untold > 0) {
            unsigned char *at = bytes_room(&F.packed, LONGEST_RECORD);
            F.packed.size = at == NULL ? 0 : (size_t)(put_record(at, &F.written, DROPPED, &untold) - F.packed.data);
        }
        rows_forget(F.outdated[1], F.before.segment);
        for (int table = TEXTS; table < TABLES_END; table++) {
            F.outdated[1][table] = F.outdated[0][table];
            F.outdated[0][table] = atomic_load(&S.outdated[table]);
        }
    }
    add_rows();
    if (F.packed.size > 0) {
        add_frame('P', STREAM_NUMBER, 1, F.packed.data, F.packed.size);
    }
    add_words(); /* who holds what, once it is known that he is there */
    if (!is_ring()) {
        int64_t least = PREAMBLES * (int64_t)F.out.size;
        F.segment_limit = least > F.target.segment ? least : F.target.segment;
    }
    int error = is_ring() ? next_file() : 0;
    return error ? error : write_out();
}

/* Look at what the first segment of a file holds. Most traces end within it, and none of it costs them anything. */
static int
catch_up(void)
{
    unsigned char head[9], *payload = NULL;
    int64_t fields[MOST_FIELDS];
    int kind, sound = 1;
    off_t at = F.begin, end = lseek(F.descriptor, 0, SEEK_CUR);
    while (sound && at < end) {
        sound = pread(F.descriptor, head, sizeof head, at) == (ssize_t)sizeof head;
        uint32_t length = head[1] | (uint32_t)head[2] << 8 | (uint32_t)head[3] << 16 | (uint32_t)head[4] << 24;
        unsigned char *larger = sound && length <= end - at ? realloc(payload, length + 1) : NULL;
        sound = larger != NULL && pread(F.descriptor, larger, length, at + 9) == (ssize_t)length;
        payload = larger != NULL ? larger : payload;
        if (sound && head[0] == 'T') {
            rows_keep(payload, length);
        }
        const unsigned char *record = payload + 1, *over = payload + length; /* behind the stream's number */
        while (sound && head[0] == 'P' && record < over) {
            record = get_record(record, over, &F.read, &kind, fields);
            sound = record != NULL;
            if (sound && kind) {
                alive_record(kind, fields, &F.before);
                F.before.rows.size = F.before.words.size = 0; /* they are there */
            }
            F.now = F.read.time > F.now ? F.read.time : F.now;
        }
        at += 9 + (off_t)length;
    }
    free(payload);
    return sound;
}

int
segments_rows(const unsigned char *data, size_t size)
{
    if (!F.unread) {
        rows_keep(data, size); /* they are written where records name them */
        return 0;
    }
    begin_frames();
    add_frame('T', NULL, 0, data, size);
    return write_out();
}

int
segments_write(const unsigned char *data, size_t size)
{
    const unsigned char *at = data, *end = data + size;
    int64_t fields[MOST_FIELDS];
    int kind, error = 0;
    if (F.unread && F.segment_bytes >= F.segment_limit) {
        F.unread = 0;
        if (!catch_up()) {
            F.unread = 1; /* it can't be read: let it be the only segment */
            F.segment_limit = INT64_MAX;
        }
    }
    if (F.unread) {
        begin_frames();
        add_frames(data, size);
        return write_out();
    }
    while (at < end && !error) {
        if (F.segment < 0 || F.segment_bytes >= F.segment_limit) {
            error = begin_segment();
            continue;
        }
        begin_frames();
        const unsigned char *start = at, *same = at; /* from `same` on they are written as they come */
        size_t most = F.segment_limit < PIECE ? (size_t)F.segment_limit : PIECE;
        while (at < end && (size_t)(at - start) + F.before.rows.size + F.before.words.size < most) {
            int in_step = F.read.id == F.written.id && F.read.time == F.written.time && F.read.loop == F.written.loop;
            const unsigned char *next = get_record(at, end, &F.read, &kind, fields);
            if (next == NULL) {
                return EINVAL; /* they are our own: this does not happen */
            }
            if (kind) {
                alive_record(kind, fields, &F.before);
            }
            if (in_step) {
                F.written = F.read;
            }
            else {
                unsigned char *to = bytes_room(&F.packed, LONGEST_RECORD + (size_t)(next - at));
                if (to != NULL && kind) {
                    F.packed.size = (size_t)(put_record(to, &F.written, kind, fields) - F.packed.data);
                }
                else {
                    bytes_add(&F.packed, at, (size_t)(next - at));
                }
                same = next;
            }
            F.now = F.read.time > F.now ? F.read.time : F.now;
            at = next;
        }
        add_frames(same, (size_t)(at - same));
        error = write_out();
    }
    return error;
}

int
segments_open(const StreamTarget *target)
{
    segments_close();
    F.target = *target;
    F.segment = F.segment_bytes = 0;
    F.before.segment = 1;
    F.now = F.first = F.total = 0;
    F.read = F.written = (Memory){0};
    memset(F.outdated, 0, sizeof F.outdated);
    memset(F.sizes, 0, sizeof F.sizes);
    F.segment_limit = F.target.segment ? F.target.segment : SEGMENT_BYTES;
    F.target.segment = F.segment_limit;
    if (is_ring()) {
        F.segment_limit = F.target.ring / RING_SEGMENTS;
        F.segment = -1; /* its file is opened with the first records */
    }
    else {
        F.descriptor = target->descriptor;
        F.begin = lseek(F.descriptor, 0, SEEK_CUR);
    }
    F.unread = !is_ring();
    return 0;
}

void
segments_position(int64_t *segment, int64_t *bytes)
{
    *segment = F.segment;
    *bytes = F.segment < 0 ? 0 : F.sizes[F.segment % MOST_FILES];
}

void
segments_forget(void)
{
    if (F.descriptor >= 0 && is_ring()) {
        close(F.descriptor);
    }
    F.descriptor = -1;
    F.before = (Before){0};
    F.packed = F.out = (Bytes){0};
    alive_forget();
    rows_forget_all();
}

void
segments_close(void)
{
    alive_clear();
    rows_clear();
    free(F.before.rows.data);
    free(F.before.words.data);
    free(F.packed.data);
    free(F.out.data);
    segments_forget();
}
