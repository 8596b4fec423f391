#include "alive.h"

#include "ids.h"
#include "stream.h"

#define MOST_TASKS (1u << 18)
#define MOST_LOOPS 1024

/* `StepEnd`, `TaskState` of events/records.py */
enum { STEP_WAITING, STEP_YIELDED, STEP_DONE };
enum { STATE_QUEUED, STATE_WAITING };

typedef struct {
    int64_t id, created, loop, parent, coroutine, site, flags;
    int64_t name;     /* a text; or less than 0: minus the number of a numbered name */
    int64_t state, since, awaited, stack, made, made_ns;
    int64_t *span;    /* the fields of its `ParentSpan` but for the task, or NULL */
} Task;

typedef struct { /* `LoopStarted` */
    int64_t id, ns, type, thread;
} Loop;

static Ids tasks = {.width = sizeof(Task)}, loops = {.width = sizeof(Loop)};

/* -- what is known ----------------------------------------------------------------------------------------------------- */

static void
forget_task(int64_t id)
{
    Task *task = ids_find(&tasks, id);
    if (task != NULL) {
        free(task->span);
        ids_remove(&tasks, id);
    }
}

static int
by_id(const void *one, const void *other)
{
    int64_t first = *(const int64_t *)one, second = *(const int64_t *)other;
    return (first > second) - (first < second);
}

/* The ids that a table holds, in order; NULL if there is no memory. */
static int64_t *
ids_of(const Ids *ids)
{
    int64_t *all = malloc((ids->used + 1) * sizeof(int64_t));
    size_t count = 0;
    for (size_t slot = 0; all != NULL && ids->slots != NULL && slot <= ids->mask; slot++) {
        if (ids_id(ids, slot)) {
            all[count++] = ids_id(ids, slot);
        }
    }
    if (all != NULL) {
        qsort(all, count, sizeof *all, by_id);
    }
    return all;
}

static void
loop_started(const int64_t *fields)
{
    Loop *loop = loops.used < MOST_LOOPS ? ids_add(&loops, fields[0]) : NULL;
    if (loop != NULL) {
        *loop = (Loop){fields[0], fields[1], fields[2], fields[3]};
    }
}

/* A loop is closed: what its tasks did not end, they never will. */
static void
forget_loop(int64_t loop)
{
    size_t count = tasks.used;
    int64_t *all = ids_of(&tasks);
    for (size_t index = 0; all != NULL && index < count; index++) {
        Task *task = ids_find(&tasks, all[index]);
        if (task->loop == loop) {
            forget_task(task->id);
        }
    }
    free(all);
    ids_remove(&loops, loop);
}

static void
task_created(const int64_t *fields)
{
    Task *task = tasks.used < MOST_TASKS ? ids_add(&tasks, fields[0]) : NULL;
    if (task != NULL) {
        *task = (Task){.id = fields[0], .created = fields[1], .since = fields[1], .loop = fields[2], .parent = fields[3],
                       .coroutine = fields[4], .site = fields[5], .flags = fields[6], .state = STATE_QUEUED};
    }
}

static void
step_ended(int64_t id, int64_t end, int64_t how, int64_t awaited, int64_t stack, int64_t made, int64_t made_ns)
{
    Task *task = ids_find(&tasks, id);
    if (task != NULL && how <= STEP_YIELDED) {
        int waits = how == STEP_WAITING;
        task->state = waits ? STATE_WAITING : STATE_QUEUED;
        task->since = end;
        task->awaited = waits ? awaited : 0;
        task->stack = waits ? stack : 0;
        task->made = waits ? made : 0;
        task->made_ns = waits ? made_ns : 0;
    }
}

void
alive_record(int kind, const int64_t *fields, Before *before)
{
    if (kind == YIELDED_STEP) {
        rows_named(STACKS, fields[4], before->segment, &before->rows);
        step_ended(fields[0], fields[3], STEP_YIELDED, 0, 0, 0, 0);
        return;
    }
    if (CLASSES[kind] == NULL) {
        return;
    }
    things_named(CLASSES[kind], fields, before);
    Task *task;
    switch (kind) {
    case STEP:
        if (fields[4] == STEP_DONE) {
            forget_task(fields[0]); /* a segment may begin before its `TaskDone` */
        }
        else {
            step_ended(fields[0], fields[3], fields[4], fields[5], fields[6], fields[11], fields[12]);
        }
        break;
    case TASK_CREATED:
        task_created(fields);
        break;
    case TASK_NAMED:
    case NUMBERED_NAME:
        if ((task = ids_find(&tasks, fields[0])) != NULL) {
            task->name = kind == TASK_NAMED ? fields[1] : -fields[1];
        }
        break;
    case TASK_DONE:
        forget_task(fields[0]);
        break;
    case PARENT_SPAN:
        if ((task = ids_find(&tasks, fields[0])) != NULL && task->span == NULL
            && (task->span = malloc(4 * sizeof(int64_t))) != NULL) {
            memcpy(task->span, fields + 1, 4 * sizeof(int64_t));
        }
        break;
    case LOOP_STARTED:
        loop_started(fields);
        break;
    case LOOP_CLOSED:
        forget_loop(fields[0]);
        break;
    default:
        things_record(kind, fields, before->segment);
        break;
    }
}

void
alive_awaited(void (*keep)(int64_t id))
{
    for (size_t slot = 0; tasks.slots != NULL && slot <= tasks.mask; slot++) {
        const Task *task = ids_at(&tasks, slot);
        if (task->id && task->awaited) {
            keep(task->awaited);
        }
    }
}

/* -- telling it again -------------------------------------------------------------------------------------------------- */

static void
tell(int kind, const int64_t *fields, Bytes *out, Memory *memory, Before *before)
{
    unsigned char *at = bytes_room(out, LONGEST_RECORD);
    if (at != NULL) {
        things_named(CLASSES[kind], fields, before);
        out->size = (size_t)(put_record(at, memory, kind, fields) - out->data);
    }
}

static void
tell_task(const Task *task, Bytes *out, Memory *memory, Before *before)
{
    int64_t alive[] = {task->id, task->created, task->loop, task->parent, task->coroutine, task->site, task->flags,
                       task->name > 0 ? task->name : 0, task->state, task->since, task->awaited, task->stack, task->made,
                       task->made_ns};
    tell(TASK_ALIVE, alive, out, memory, before);
    if (task->name < 0) {
        int64_t name[] = {task->id, -task->name};
        tell(NUMBERED_NAME, name, out, memory, before);
    }
    if (task->span != NULL) {
        int64_t span[] = {task->id, task->span[0], task->span[1], task->span[2], task->span[3]};
        tell(PARENT_SPAN, span, out, memory, before);
    }
}

int64_t
alive_tell(Bytes *out, size_t most, Memory *memory, int64_t now, Before *before)
{
    size_t count = loops.used;
    int64_t untold = 0, *all = ids_of(&loops);
    for (size_t index = 0; all != NULL && index < count; index++) {
        const Loop *loop = ids_find(&loops, all[index]);
        int64_t fields[] = {loop->id, now, loop->type, loop->thread, loop->ns};
        tell(LOOP_ALIVE, fields, out, memory, before);
    }
    free(all);
    count = tasks.used;
    all = ids_of(&tasks); /* parents first */
    for (size_t index = 0; all != NULL && index < count; index++) {
        if (out->size + before->rows.size + before->words.size < most) {
            tell_task(ids_find(&tasks, all[index]), out, memory, before);
        }
        else {
            untold++;
        }
    }
    free(all);
    return all == NULL ? (int64_t)count : untold;
}

void
alive_forget(void)
{
    tasks = (Ids){.width = sizeof(Task)};
    loops = (Ids){.width = sizeof(Loop)};
    things_forget();
}

void
alive_clear(void)
{
    for (size_t slot = 0; tasks.slots != NULL && slot <= tasks.mask; slot++) {
        free(((Task *)ids_at(&tasks, slot))->span);
    }
    ids_clear(&tasks);
    ids_clear(&loops);
    things_clear();
    alive_forget();
}
