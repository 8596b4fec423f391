#include "things.h"

#include "ids.h"
#include "stream.h"

#define MOST_THINGS (1u << 14)
#define RESOLVED 256 /* futures that are remembered for a while, since a task still waits on them until it runs */
#define MOST_HOLDS 4 /* of a semaphore, that are remembered */

typedef struct { /* how a resource stands, once a change of it was recorded */
    int64_t id, role, most, ns;
    int64_t free; /* or an event's flag, and so on: `ResourceState.value` */
    int64_t held;
    int64_t holds[MOST_HOLDS][3]; /* instant, task, site; oldest first */
} State;

static Ids states = {.width = sizeof(State)};

typedef struct { /* a future, resource or thread */
    int64_t id;
    int64_t fields[6]; /* of the record that told of it */
    uint32_t segment;  /* the last one that it was told in */
    uint8_t kind, needed, resolved;
} Thing;

/* `WakerKind` and `ResourceRole` of events/records.py */
enum { WAKER_TASK = 1, WAKER_CALLBACK, WAKER_TIMER, WAKER_THREAD = 5 };
enum { ROLE_LOCK = 1 };

static Ids things = {.width = sizeof(Thing)}, threads = {.width = sizeof(Thing)};
static int64_t resolved[RESOLVED][6]; /* the fields of their `FutureResolved` */
static size_t resolved_at;
static size_t most_things = MOST_THINGS; /* more, if tasks wait on so many */

/* -- what records name ------------------------------------------------------------------------------------------------- */

static void
add_words(int kind, const int64_t *fields, Before *before)
{
    int64_t count = (int64_t)strlen(CLASSES[kind]), head = kind | count << 8;
    things_named(CLASSES[kind], fields, before);
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

void
things_named(const char *classes, const int64_t *fields, Before *before)
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

/* -- what is known of them --------------------------------------------------------------------------------------------- */

static void
need(int64_t id)
{
    Thing *thing = ids_find(&things, id);
    if (thing != NULL) {
        thing->needed = 1;
    }
}

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
    alive_awaited(need);
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
    most_things = things.used > MOST_THINGS / 2 ? 2 * things.used : MOST_THINGS;
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

void
things_record(int kind, const int64_t *fields, uint32_t segment)
{
    switch (kind) {
    case FUTURE_CREATED:
    case RESOURCE_SEEN:
        if (things.used >= most_things) {
            forget_things();
        }
        keep(&things, kind, fields, segment);
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
        keep(&threads, kind, fields, segment);
        break;
    default:
        break;
    }
}

void
things_forget(void)
{
    Ids *all[] = {&things, &states, &threads};
    for (size_t index = 0; index < sizeof all / sizeof *all; index++) {
        *all[index] = (Ids){.width = all[index]->width};
    }
    memset(resolved, 0, sizeof resolved);
    most_things = MOST_THINGS;
}

void
things_clear(void)
{
    ids_clear(&things);
    ids_clear(&states);
    ids_clear(&threads);
    things_forget();
}
