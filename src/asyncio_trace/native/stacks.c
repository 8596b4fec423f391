/* The chain of frames through which a suspended task awaits, and the lock, queue or the like at its end; see
 * tracer/await_stack.py, which interns each stack when it is first seen.
 */
#include "asyncio_parts.h"

#define MOST_FRAMES 200
#define MOST_STACKS (1 << 14)

enum { DEPTH_NONE = -1, DEPTH_INNERMOST = -2 };

typedef struct {
    PyObject *code; /* held */
    int64_t lasti;
} Place;

typedef struct {
    uint64_t hash;
    int count; /* 0: free */
    int depth;
    int64_t number;
    Place *places;
} Stack;

static Stack *stacks;
static size_t stacks_mask, stacks_used;

void
stacks_drop(void)
{
    Stack *old = stacks;
    size_t size = old == NULL ? 0 : stacks_mask + 1;
    stacks = NULL;
    stacks_mask = stacks_used = 0;
    for (size_t at = 0; at < size; at++) {
        for (int index = 0; index < old[at].count; index++) {
            Py_DECREF(old[at].places[index].code);
        }
        PyMem_Free(old[at].places);
    }
    PyMem_Free(old);
}

void
stacks_clear(void)
{
    stacks_drop();
}

static Stack *
stack_find(uint64_t hash, const Place *places, int count)
{
    if (stacks == NULL) {
        return NULL;
    }
    for (size_t at = hash & stacks_mask; stacks[at].count != 0; at = (at + 1) & stacks_mask) {
        Stack *stack = &stacks[at];
        if (stack->hash == hash && stack->count == count && memcmp(stack->places, places, (size_t)count * sizeof(Place)) == 0) {
            return stack;
        }
    }
    return NULL;
}

static Stack *
stack_add(uint64_t hash, const Place *places, int count, int64_t number, int depth)
{
    if (stacks_used >= MOST_STACKS) {
        stacks_drop();
    }
    if (stacks == NULL || (stacks_used + 1) * 2 > stacks_mask) {
        size_t size = stacks == NULL ? 256 : (stacks_mask + 1) * 2;
        Stack *fresh = PyMem_Calloc(size, sizeof(Stack));
        if (fresh == NULL) {
            return NULL;
        }
        for (size_t from = 0; stacks != NULL && from <= stacks_mask; from++) {
            if (stacks[from].count != 0) {
                size_t at = stacks[from].hash & (size - 1);
                while (fresh[at].count != 0) {
                    at = (at + 1) & (size - 1);
                }
                fresh[at] = stacks[from];
            }
        }
        PyMem_Free(stacks);
        stacks = fresh;
        stacks_mask = size - 1;
    }
    Place *kept = PyMem_Malloc((size_t)count * sizeof(Place));
    if (kept == NULL) {
        return NULL;
    }
    memcpy(kept, places, (size_t)count * sizeof(Place));
    for (int index = 0; index < count; index++) {
        Py_INCREF(kept[index].code);
    }
    size_t at = hash & stacks_mask;
    while (stacks[at].count != 0) {
        at = (at + 1) & stacks_mask;
    }
    stacks[at] = (Stack){hash, count, depth, number, kept};
    stacks_used++;
    return &stacks[at];
}

/* Ask the Python side for number and depth of the stack of `coro`. */
static int
ask_stack(const char *name, PyObject *coro, int yields, int64_t *number, int *depth, PyObject **thing,
          PyObject **crowd)
{
    int result = -1;
    PyObject *function = PyObject_GetAttrString(core.slow, name);
    PyObject *answer = function == NULL ? NULL : PyObject_CallFunctionObjArgs(function, coro, yields ? Py_True : Py_False, NULL);
    PyObject *found = NULL, *several = NULL;
    if (answer != NULL && PyArg_ParseTuple(answer, "LiOO", number, depth, &found, &several)) {
        *thing = Py_NewRef(found);
        if (crowd != NULL && several != Py_None) {
            *crowd = Py_NewRef(several);
        }
        result = 0;
    }
    Py_XDECREF(function);
    Py_XDECREF(answer);
    return result;
}

/* Whether a code's local variable of that number has that name. */
static int
is_named(PyCodeObject *code, Py_ssize_t number, const char *name)
{
    PyObject *all = code->co_localsplusnames;
    return number < PyTuple_GET_SIZE(all) && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(all, number), name) == 0;
}

/* Number of the await stack of a suspended coroutine, generator or the like; `waits_on`, if given, gets the lock, queue or the like
 * that it waits on (new reference) or NULL, and `crowd` the set or group for which its innermost frame awaits. Sets no error.
 */
int64_t
stack_read(PyObject *coro, int yields, PyObject **waits_on, PyObject **crowd)
{
    Place places[MOST_FRAMES];
    Frame *frames[MOST_FRAMES];
    int count = 0, simple = 1;
    if (core.outdated) {
        numbers_forget();
    }
    uint64_t hash = yields ? 77 : 0;
    PyObject *awaiting = coro; /* the chain is held by its outer end, which the caller holds */
    while (awaiting != NULL && count < MOST_FRAMES) {
        PyTypeObject *type = Py_TYPE(awaiting);
        if (type != &PyCoro_Type && type != &PyGen_Type && type != &PyAsyncGen_Type) {
            simple = type == core.iterator_type;
            break;
        }
        Frame *frame = generator_frame((PyGenObject *)awaiting);
        PyCodeObject *code = frame == NULL ? NULL : frame_code(frame);
        if (code == NULL) {
            break;
        }
        int lasti = frame_lasti(frame, code);
        places[count] = (Place){(PyObject *)code, lasti};
        frames[count] = frame;
        hash = (hash ^ (uintptr_t)code >> 4) * 0x9E3779B97F4A7C15ull;
        hash = (hash ^ (uint64_t)lasti) * 0xC2B2AE3D27D4EB4Full;
        hash ^= hash >> 29;
        count++;
        awaiting = generator_awaits((PyGenObject *)awaiting);
    }
    int64_t number = 0;
    int depth = DEPTH_NONE;
    PyObject *thing = NULL;
    if (waits_on != NULL) {
        *waits_on = NULL;
        *crowd = NULL;
    }
    if (!simple || count == MOST_FRAMES) {
        if (ask_stack("read_stack", coro, yields, &number, &depth, &thing, crowd) < 0) {
            failed(0);
            return 0;
        }
    }
    else {
        if (count == 0) {
            return 0;
        }
        Stack *stack = stack_find(hash, places, count);
        if (stack != NULL) {
            number = stack->number;
            depth = stack->depth;
        }
        else {
            if (ask_stack("intern_stack", coro, yields, &number, &depth, &thing, crowd) < 0) {
                failed(0);
                return 0;
            }
            Py_CLEAR(thing);
            stack_add(hash, places, count, number, depth);
        }
        for (Py_ssize_t at = 0; waits_on != NULL && at < PyTuple_GET_SIZE(parts.crowd_codes); at++) {
            if (places[count - 1].code == PyTuple_GET_ITEM(parts.crowd_codes, at)) {
                *crowd = Py_XNewRef(frame_local(frames[count - 1], 0));
            }
        }
        if (depth != DEPTH_NONE && waits_on != NULL) {
            int index = depth == DEPTH_INNERMOST ? count - 1 : depth;
            PyCodeObject *code = index < count ? (PyCodeObject *)places[index].code : NULL;
            /* a method's `self`, or the socket that a loop's method was given */
            int argument = code != NULL && code->co_argcount > 1 && is_named(code, 1, "sock") ? 1 : 0;
            thing = code != NULL && code->co_argcount > argument ? frame_local(frames[index], argument) : NULL;
            Py_XINCREF(thing);
        }
    }
    if (thing != NULL && thing != Py_None && waits_on != NULL) {
        *waits_on = thing;
        return number;
    }
    Py_XDECREF(thing);
    return number;
}

int
stacks_init(PyObject *Py_UNUSED(module))
{
    return 0;
}

int
stacks_begin(void)
{
    stacks_clear();
    return 0;
}
