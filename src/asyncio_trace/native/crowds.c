/* The several tasks and futures that one wait is for: children of a gather, what `wait` was given, tasks of a group; see
 * tracer/crowds.py.
 */
#include "asyncio_parts.h"

#define MOST_NESTED 20 /* gathers inside each other */

static int
compare(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

/* Id of a task or future that is not done; 0 if there is none. Sets no error. */
static int64_t
id_of_pending(PyObject *thing)
{
    TaskState *state = task_state(thing);
    if (state != NULL) {
        return state->done ? 0 : state->id;
    }
    return table_number(core.futures, thing);
}

typedef struct {
    int64_t few[64], *ids;
    Py_ssize_t count, size;
} Ids;

/* Add the ids of those in a collection that are not done; of a gather in it, those of its children. */
static void
collect(Ids *into, PyObject *members, int depth)
{
    PyObject *all = PySequence_Fast(members, "");
    for (Py_ssize_t at = 0; all != NULL && at < PySequence_Fast_GET_SIZE(all); at++) {
        PyObject *member = PySequence_Fast_GET_ITEM(all, at);
        if (Py_TYPE(member) == parts.gathering_type && depth < MOST_NESTED) {
            PyObject *children = PyObject_GetAttr(member, names._children);
            if (children != NULL) {
                collect(into, children, depth + 1);
                Py_DECREF(children);
            }
            continue;
        }
        int64_t id = id_of_pending(member);
        if (id == 0) {
            continue;
        }
        if (into->count == into->size) {
            int64_t *more = PyMem_Malloc((size_t)into->size * 2 * sizeof(int64_t));
            if (more == NULL) {
                break;
            }
            memcpy(more, into->ids, (size_t)into->size * sizeof(int64_t));
            if (into->ids != into->few) {
                PyMem_Free(into->ids);
            }
            into->ids = more;
            into->size *= 2;
        }
        into->ids[into->count++] = id;
    }
    Py_XDECREF(all);
    PyErr_Clear();
}

/* Record what a task waits for since its last step, if `future`, which it awaits, or `crowd`, at the inner end of its stack, stand for
 * several. Sets no error.
 */
void
crowd_record(TaskState *waiting, PyObject *future, PyObject *crowd)
{
    PyObject *members = NULL;
    if (Py_TYPE(future) == parts.gathering_type) {
        members = PyObject_GetAttr(future, names._children);
    }
    else if (crowd != NULL) {
        members = PyAnySet_Check(crowd) ? Py_NewRef(crowd) : PyObject_GetAttr(crowd, names._tasks);
    }
    if (members == NULL) {
        PyErr_Clear();
        return;
    }
    Ids found = {.count = 0, .size = 64};
    found.ids = found.few;
    collect(&found, members, 0);
    Py_DECREF(members);
    const int64_t *ids = found.ids;
    if (found.count > 0) {
        qsort(found.ids, (size_t)found.count, sizeof(int64_t), compare);
    }
    for (Py_ssize_t at = 0; at < found.count;) {
        Py_ssize_t first = at++;
        while (at < found.count && ids[at] <= ids[at - 1] + 1) {
            at++;
        }
        int64_t fields[] = {waiting->id, ids[first], ids[at - 1] - ids[first] + 1};
        stream_record(WAITS_FOR, fields, 3);
    }
    if (found.ids != found.few) {
        PyMem_Free(found.ids);
    }
}
