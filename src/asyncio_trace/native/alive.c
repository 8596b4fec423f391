#include "alive.h"

#include "ids.h"
#include "stream.h"

#define MOST_TASKS (1u << 18)
#define MOST_THINGS (1u << 16)
#define MOST_LOOPS 1024
#define RESOLVED 256 /* futures that are remembered for a while, since a task still waits on them until it runs */

enum { WAKER_TASK = 1, WAKER_CALLBACK, WAKER_TIMER, WAKER_THREAD = 5 }; /* `WakerKind`, `StepEnd`, `TaskState`, `ResourceRole` of events/records.py */
enum { STEP_WAITING, STEP_YIELDED, STEP_DONE };
enum { STATE_QUEUED, STATE_WAITING };
enum { ROLE_LOCK = 1 };

typedef struct {
    int64_t id, created, loop, parent, coroutine, site, flags;
    int64_t name;     /* a text; or less than 0: minus the number of a numbered name */
    int64_t state, since, awaited, stack, made, made_ns;
    int64_t *span;    /* the fields of its `ParentSpan` but for the task, or NULL */
} Task;

typedef struct { /* a future, resource, thread or loop */
    int64_t id;
    int64_t fields[6]; /* of the record that told of it */
    uint32_t segment;  /* the last one that it was told in */
    uint8_t kind, needed, resolved;
} Thing;

#define MOST_HOLDS 4 /* of a semaphore, that are remembered */

typedef struct { /* how a resource stands, once a change of it was recorded */
    int64_t id, role, most, ns;
    int64_t free; /* or an event's flag, and so on: `ResourceState.value` */
    int64_t held;
    int64_t holds[MOST_HOLDS][3]; /* instant, task, site; oldest first */
} State;

static Ids states = {.width = sizeof(State)};
static Ids tasks = {.width = sizeof(Task)}, things = {.width = sizeof(Thing)};
static Ids threads = {.width = sizeof(Thing)}, loops = {.width = sizeof(Thing)};
static int64_t resolved[RESOLVED][6]; /* the fields of their `FutureResolved` */
static size_t resolved_at;

/* -- what records name ------------------------------------------------------------------------------------------------- */

static void name_all(const char *classes, const int64_t *fields, Before *before);

static void
add_words(int kind, const int64_t *fields, Before *before)
{
    int64_t count = (int64_t)strlen(CLASSES[kind]), head = kind | count << 8;
    name_all(CLASSES[kind], fields, before);
    bytes_add(&before->words, &head, sizeof head);
    bytes_add(&before->words, fields, (size_t)count * sizeof(int64_t));
}

/* How a resource stood before those that hold it now took it, and that they did. */
static void
add_state(const State *state, Before *before)
{
    int64_t free = state->free + state->held;
    int64_t stood[] = {state->id, state->held > 0 ? state->holds[0][0] : state->ns, state->role, free, state->most};
    add_words(RESOURCE_STATE, stood, before);
    for (int64_t index = 0; index < state->held; index++) {
        const int64_t *hold = state->holds[index];
        int64_t taken[] = {state->id, hold[0], hold[1], hold[2], --free};
        add_words(RESOURCE_TAKEN, taken, before);
    }
}

static void
name_thing(Thing *thing, Before *before)
{
    if (thing == NULL || thing->segment == before->segment) {
        return;
    }
    thing->segment = before->segment;
    add_words(thing->kind, thing->fields, before);
    State *state = thing->kind == RESOURCE_SEEN ? ids_find(&states, thing->id) : NULL;
    if (state != NULL) {
        add_state(state, before);
    }
    for (size_t index = 0; thing->resolved && index < RESOLVED; index++) {
        if (resolved[index][0] == thing->id) {
            add_words(FUTURE_RESOLVED, resolved[index], before);
        }
    }
}

/* Rows and things that the fields of a record name. */
static void
name_all(const char *classes, const int64_t *fields, Before *before)
{
    for (int index = 0; classes[index]; index++) {
        char class = classes[index];
        int64_t value = fields[index];
        if (class == 'w') {
            int64_t waker = fields[index - 1];
            class = waker == WAKER_CALLBACK || waker == WAKER_TIMER ? 'x' : waker == WAKER_THREAD ? 'h' : 'n';
        }
        switch (class) {
        case 'x': rows_named(TEXTS, value, before->segment, &before->rows); break;
        case 'p': rows_named(PLACES, value, before->segment, &before->rows); break;
        case 'k': rows_named(STACKS, value, before->segment, &before->rows); break;
        case 'h': name_thing(ids_find(&threads, value), before); break;
        case 'q':
        case 'r': name_thing(ids_find(&things, value), before); break;
        default: break;
        }
    }
}

/* -- what is known ----------------------------------------------------------------------------------------------------- */

/* Futures that are dropped unresolved, and resources, end without a word: of many, those that a task waits on, and the newer half of
 * the others, are kept.
 */
static void
forget_things(void)
{
    int64_t newest = 0, oldest = INT64_MAX;
    for (size_t slot = 0; slot <= things.mask; slot++) {
        int64_t id = ids_id(&things, slot);
        if (id) {
            newest = id > newest ? id : newest;
            oldest = id < oldest ? id : oldest;
        }
    }
    for (size_t slot = 0; tasks.slots != NULL && slot <= tasks.mask; slot++) {
        Task *task = ids_at(&tasks, slot);
        Thing *thing = task->id ? ids_find(&things, task->awaited) : NULL;
        if (thing != NULL) {
            thing->needed = 1;
        }
    }
    Ids kept = {.width = sizeof(Thing)};
    for (size_t slot = 0; slot <= things.mask; slot++) {
        Thing *thing = ids_at(&things, slot);
        if (thing->id && (thing->needed || thing->id > oldest + (newest - oldest) / 2)) {
            thing->needed = 0;
            Thing *copy = ids_add(&kept, thing->id);
            if (copy != NULL) {
                *copy = *thing;
            }
        }
    }
    ids_clear(&things);
    things = kept;
    Ids standing = {.width = sizeof(State)};
    for (size_t slot = 0; states.slots != NULL && slot <= states.mask; slot++) {
        State *state = ids_at(&states, slot);
        State *copy = ids_find(&things, state->id) != NULL ? ids_add(&standing, state->id) : NULL;
        if (copy != NULL) {
            *copy = *state;
        }
    }
    ids_clear(&states);
    states = standing;
}

static void
resource_changed(int kind, const int64_t *fields)
{
    State *state = kind == RESOURCE_STATE ? ids_add(&states, fields[0]) : ids_find(&states, fields[0]);
    if (state == NULL) {
        return;
    }
    state->ns = fields[1];
    if (kind == RESOURCE_STATE) {
        *state = (State){.id = fields[0], .ns = fields[1], .role = fields[2], .free = fields[3], .most = fields[4]};
    }
    else if (kind == RESOURCE_TAKEN) {
        state->free = fields[4];
        state->held = state->role == ROLE_LOCK ? 0 : state->held;
        if (state->held < MOST_HOLDS) {
            memcpy(state->holds[state->held++], (int64_t[]){fields[1], fields[2], fields[3]}, sizeof state->holds[0]);
        }
    }
    else {
        state->free = fields[5];
        int64_t given = 0; /* by its own task, else the oldest */
        for (int64_t index = state->held - 1; index > 0 && given == 0; index--) {
            given = fields[2] == WAKER_TASK && state->holds[index][1] == fields[3] ? index : 0;
        }
        if (kind == RESOURCE_RELEASED && state->held > 0) {
            state->held--;
            memmove(state->holds[given], state->holds[given + 1], (size_t)(state->held - given) * sizeof state->holds[0]);
        }
    }
}

static void
keep(Ids *ids, int kind, const int64_t *fields, uint32_t segment)
{
    Thing *thing = ids_add(ids, fields[0]);
    if (thing != NULL) {
        thing->kind = (uint8_t)kind;
        thing->segment = segment;
        memcpy(thing->fields, fields, strlen(CLASSES[kind]) * sizeof(int64_t));
    }
}

static void
future_resolved(const int64_t *fields)
{
    Thing *thing = ids_find(&things, fields[0]);
    if (thing != NULL) {
        thing->resolved = 1;
        ids_remove(&things, resolved[resolved_at][0]);
        memcpy(resolved[resolved_at], fields, sizeof resolved[0]);
        resolved_at = (resolved_at + 1) % RESOLVED;
    }
}

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
    name_all(CLASSES[kind], fields, before);
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
    case FUTURE_CREATED:
    case RESOURCE_SEEN:
        if (things.used >= MOST_THINGS) {
            forget_things();
        }
        keep(&things, kind, fields, before->segment);
        break;
    case RESOURCE_STATE:
    case RESOURCE_TAKEN:
    case RESOURCE_RELEASED:
    case RESOURCE_SET:
    case QUEUE_LENGTH:
        resource_changed(kind, fields);
        break;
    case FUTURE_RESOLVED:
        future_resolved(fields);
        break;
    case THREAD_SEEN:
        keep(&threads, kind, fields, before->segment);
        break;
    case LOOP_STARTED:
        if (loops.used < MOST_LOOPS) {
            keep(&loops, kind, fields, before->segment);
        }
        break;
    case LOOP_CLOSED:
        forget_loop(fields[0]);
        break;
    default:
        break;
    }
}

/* -- telling it again -------------------------------------------------------------------------------------------------- */

static void
tell(int kind, const int64_t *fields, Bytes *out, Memory *memory, Before *before)
{
    unsigned char *at = bytes_room(out, LONGEST_RECORD);
    if (at != NULL) {
        name_all(CLASSES[kind], fields, before);
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
        const int64_t *started = ((Thing *)ids_find(&loops, all[index]))->fields;
        int64_t fields[] = {started[0], now, started[2], started[3], started[1]};
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
    Ids *all[] = {&tasks, &things, &states, &threads, &loops};
    for (size_t index = 0; index < sizeof all / sizeof *all; index++) {
        *all[index] = (Ids){.width = all[index]->width};
    }
    memset(resolved, 0, sizeof resolved);
}

void
alive_clear(void)
{
    for (size_t slot = 0; tasks.slots != NULL && slot <= tasks.mask; slot++) {
        free(((Task *)ids_at(&tasks, slot))->span);
    }
    ids_clear(&tasks);
    ids_clear(&things);
    ids_clear(&states);
    ids_clear(&threads);
    ids_clear(&loops);
    alive_forget();
}
