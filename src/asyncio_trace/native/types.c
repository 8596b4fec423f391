/* What is changed in asyncio's own types in C while a trace runs, below all that Python code can see of them.
 *
 * A future is resolved by its methods `set_result`, `set_exception` and `cancel`, whoever calls them. The types are immutable, but the
 * tables that their methods are called through are not: ours stand in there, note who resolves which future, and call asyncio's.
 * The futures have no callback of ours, so they stay as small, and call back in the same order, as without us.
 *
 * What is known of a future or task is known by its address. Its type is told to free memory through us, so that we
 * forget the address in the very moment in which it can come to mean another, without a weak reference for each.
 */
#include "asyncio_parts.h"

#define MOST_TYPES 64

/* -- futures that are resolved -------------------------------------------------------------------------------------------- */

struct resolving {
    int64_t number; /* of the future; 0 if there is nothing to record, any more */
    PyObject *future;
    Cause cause;
    LoopState *loop; /* held; NULL if there never was */
    uintptr_t outer_resolved;
    Cause outer_cause;
    Resolving *outer;
};

typedef PyObject *(*WithWords)(PyObject *, PyObject *const *, Py_ssize_t, PyObject *);
typedef PyObject *(*OfClass)(PyObject *, PyTypeObject *, PyObject *const *, size_t, PyObject *);

enum { SET_RESULT, SET_EXCEPTION, CANCEL, METHODS };
static struct {
    PyMethodDef *method;
    PyCFunction original;
} changed[METHODS];

static void
resolving_begins(Resolving *resolving, PyObject *future)
{
    resolving->loop = NULL;
    resolving->number = core.active ? table_number(core.futures, future) : 0;
    if (resolving->number == 0) {
        return;
    }
    PyObject *of = is_pending(future) ? get_by(parts.future_loop, core.future_type, future, names._loop) : NULL;
    LoopState *loop = of == NULL ? NULL : loop_state(of);
    Py_XDECREF(of);
    if (loop == NULL) {
        PyErr_Clear();
        return;
    }
    resolving->future = future;
    resolving->loop = (LoopState *)Py_NewRef((PyObject *)loop);
    resolving->outer_resolved = loop->resolved;
    resolving->outer_cause = loop->resolved_cause;
    resolving->outer = loop->resolving;
    /* whoever waits for it is queued from inside */
    loop->resolved_cause = resolving->cause = current_cause(loop, frame_current());
    loop->resolved = (uintptr_t)future;
    loop->resolving = resolving;
}

/* The future that is being resolved is done: say so, before what comes of it. */
void
resolving_done(Resolving *resolving)
{
    if (resolving->number != 0 && !is_pending(resolving->future)) {
        table_remove(core.futures, resolving->future);
        future_resolved(resolving->number, resolving->future, &resolving->cause);
        resolving->number = 0;
    }
}

static PyObject *
resolving_ends(Resolving *resolving, PyObject *result)
{
    LoopState *loop = resolving->loop;
    if (loop == NULL) {
        return result;
    }
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    loop->resolving = resolving->outer;
    if (core.active && loop->trace == core.trace) {
        resolving_done(resolving);
        if (resolving->number != 0) { /* it was refused */
            loop->resolved = resolving->outer_resolved;
            loop->resolved_cause = resolving->outer_cause;
        }
    }
    Py_DECREF(loop);
    PyErr_Restore(type, value, traceback);
    return result;
}

/* Each method in the three ways in which methods in C take their arguments; which one it is depends on the version of Python. */
#define RESOLVER(NAME, WHICH) \
    static PyObject *NAME##_of_one(PyObject *self, PyObject *argument) \
    { \
        Resolving resolving; \
        resolving_begins(&resolving, self); \
        PyObject *result = changed[WHICH].original(self, argument); \
        return resolving_ends(&resolving, result); \
    } \
    static PyObject *NAME##_with_words(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *kwnames) \
    { \
        Resolving resolving; \
        resolving_begins(&resolving, self); \
        PyObject *result = ((WithWords)(void (*)(void))changed[WHICH].original)(self, args, count, kwnames); \
        return resolving_ends(&resolving, result); \
    } \
    static PyObject *NAME##_of_class(PyObject *self, PyTypeObject *type, PyObject *const *args, size_t count, PyObject *kwnames) \
    { \
        Resolving resolving; \
        resolving_begins(&resolving, self); \
        PyObject *result = ((OfClass)(void (*)(void))changed[WHICH].original)(self, type, args, count, kwnames); \
        return resolving_ends(&resolving, result); \
    }
RESOLVER(set_result, SET_RESULT)
RESOLVER(set_exception, SET_EXCEPTION)
RESOLVER(cancel, CANCEL)

#define ANY(FUNCTION) ((PyCFunction)(void (*)(void))(FUNCTION))
static const struct {
    const char *name;
    PyCFunction of_one, with_words, of_class;
} stand_ins[METHODS] = {
    [SET_RESULT] = {"set_result", set_result_of_one, ANY(set_result_with_words), ANY(set_result_of_class)},
    [SET_EXCEPTION] = {"set_exception", set_exception_of_one, ANY(set_exception_with_words), ANY(set_exception_of_class)},
    [CANCEL] = {"cancel", cancel_of_one, ANY(cancel_with_words), ANY(cancel_of_class)},
};

static PyCFunction
stand_in_for(int which)
{
    switch (changed[which].method->ml_flags & ~METH_COEXIST) {
    case METH_O:
        return stand_ins[which].of_one;
    case METH_FASTCALL | METH_KEYWORDS:
        return stand_ins[which].with_words;
    case METH_METHOD | METH_FASTCALL | METH_KEYWORDS:
        return stand_ins[which].of_class;
    default:
        return NULL;
    }
}

/* -- memory that is let go ------------------------------------------------------------------------------------------------ */

static PyObject *subclasses; /* weak references to types of the program's that free through us */

static void
future_free(void *memory)
{
    if (core.active) {
        table_remove(core.futures, memory);
    }
    PyObject_GC_Del(memory);
}

static void
task_free(void *memory)
{
    if (core.active) {
        table_remove(core.tasks, memory);
    }
    PyObject_GC_Del(memory);
}

/* Whether futures of a type tell when they are resolved and when they are let go. */
int
tells_of_futures(PyTypeObject *type)
{
    if (type->tp_free == future_free) {
        return 1;
    }
    if (type->tp_free != PyObject_GC_Del || subclasses == NULL || PyList_GET_SIZE(subclasses) >= MOST_TYPES
        || !PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE) || PyType_IsSubtype(type, core.task_type)) {
        return 0;
    }
    PyObject *reference = PyWeakref_NewRef((PyObject *)type, NULL);
    int kept = reference != NULL && PyList_Append(subclasses, reference) == 0;
    Py_XDECREF(reference);
    if (!kept) {
        PyErr_Clear();
        return 0;
    }
    type->tp_free = future_free;
    return 1;
}

/* Whether a task tells when it is let go. */
int
tells_of_its_end(PyObject *task)
{
    return Py_TYPE(task)->tp_free == task_free;
}

/* -- the trace begins and ends -------------------------------------------------------------------------------------------- */

/* Find what is to be changed. -1 with ImportError if this asyncio is not as expected. */
int
types_init(void)
{
    for (int which = 0; which < METHODS; which++) {
        changed[which].method = find_method(core.future_type, stand_ins[which].name, ANY_FLAGS);
        if (changed[which].method == NULL || stand_in_for(which) == NULL) {
            PyErr_Format(PyExc_ImportError, "asyncio's futures have no method %s that can be followed", stand_ins[which].name);
            return -1;
        }
    }
    if (core.future_type->tp_free != PyObject_GC_Del || core.task_type->tp_free != PyObject_GC_Del) {
        PyErr_SetString(PyExc_ImportError, "asyncio's futures have memory of their own");
        return -1;
    }
    return 0;
}

/* Changing twice does nothing. */
int
types_change(void)
{
    if (subclasses != NULL) {
        return 0;
    }
    subclasses = PyList_New(0);
    if (subclasses == NULL) {
        return -1;
    }
    for (int which = 0; which < METHODS; which++) {
        changed[which].original = changed[which].method->ml_meth;
        changed[which].method->ml_meth = stand_in_for(which);
    }
    core.future_type->tp_free = future_free;
    core.task_type->tp_free = task_free;
    constructors_change();
    return 0;
}

/* Put back what is still ours. */
void
types_restore(void)
{
    if (subclasses == NULL) {
        return;
    }
    for (int which = 0; which < METHODS; which++) {
        if (changed[which].method->ml_meth == stand_in_for(which)) {
            changed[which].method->ml_meth = changed[which].original;
        }
    }
    core.future_type->tp_free = core.task_type->tp_free = PyObject_GC_Del;
    for (Py_ssize_t index = 0; index < PyList_GET_SIZE(subclasses); index++) {
        PyObject *type = weak_target(PyList_GET_ITEM(subclasses, index));
        if (type != Py_None && ((PyTypeObject *)type)->tp_free == future_free) {
            ((PyTypeObject *)type)->tp_free = PyObject_GC_Del;
        }
    }
    Py_CLEAR(subclasses);
    constructors_restore();
}
