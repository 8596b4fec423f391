/* asyncio's own parts that the core must know by sight, found once; and ways into its C types that take no detour. */
#ifndef ASYNCIO_TRACE_PARTS_H
#define ASYNCIO_TRACE_PARTS_H

#include "core.h"

typedef struct {
    PyObject *wakes_reader; /* code of StreamReader._wakeup_waiter */
    PyTypeObject *reader_protocol;
    PyObject *wakes_next; /* code of Semaphore._wake_up_next */
    PyObject *puts, *gets; /* codes of Queue.put_nowait and get_nowait */
    PyObject *queues_file; /* their file */
    PyTypeObject *deque_type, *event_type, *gathering_type;
    PyObject *crowd_codes; /* tuple of code: see tracer/crowds.py */
    PyObject *makers[16]; /* codes of coroutines that make a future and await it at once */
    int makers_count;
    PyGetSetDef *task_coro, *task_waiter, *future_state, *future_loop, *future_exception, *step_self;
    PyMethodDef *task_cancelling, *deque_append;
    PyObject *python_steps[2]; /* functions that bound methods of a task in Python are of, if they run it */
    Py_ssize_t task_name_at;   /* where a task keeps its name, or (from 3.12 on) the number of its default name; 0: not known */
} Parts;

extern Parts parts;

int parts_init(PyObject *found);
/* How a type of asyncio's gets an attribute; NULL if not in C. */
PyGetSetDef *find_getter(PyTypeObject *type, const char *name);
/* How a type in C does what a method says; NULL if not in C, or called in another way. */
#define ANY_FLAGS (-1)
PyMethodDef *find_method(PyTypeObject *type, const char *name, int flags);
PyObject *watch_cancels(PyObject *module, PyObject *on);
/* Whether `core.cancel_calls` counts. */
int are_cancels_counted(void);
int is_stream_reader_callback(PyObject *callback);
int is_loop_running(LoopState *loop);
/* A number that the Python side gives; 0 if it fails. */
int64_t ask_number(const char *name, PyObject *argument);
/* An `Outcome`. Works for futures and tasks that are done. */
int outcome_of(PyObject *future, PyObject **exception);
int64_t cancelling(PyObject *task);
/* Whether a future or task of asyncio's in C is not done. */
int is_pending(PyObject *future);

static inline PyObject *
get_by(PyGetSetDef *getter, PyTypeObject *type, PyObject *object, PyObject *name)
{
    if (getter != NULL && PyObject_TypeCheck(object, type)) {
        return getter->get(object, getter->closure);
    }
    return PyObject_GetAttr(object, name);
}

#endif
