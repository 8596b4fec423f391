/* What is noted when a step or a callback begins to run and when it has ended, whoever runs it: one of asyncio's handles
 * (handles.c) or a loop that keeps its queue to itself (callables.c).
 */
#ifndef ASYNCIO_TRACE_RUNS_H
#define ASYNCIO_TRACE_RUNS_H

#include "core.h"

typedef struct {
    LoopState *loop; /* held */
    TaskState *outer; /* what the run interrupts; held */
    PyObject *outer_stepping;
    TaskState *outer_stepping_state;
    Frame *running;
    Cause cause;
    int64_t start;
    /* of a callback */
    Cause outer_cause;
    PyObject *outer_callback, *callback; /* held */
} Run;

static inline int
is_followed(const LoopState *loop)
{
    return core.active && loop != NULL && loop->trace == core.trace;
}

static inline void
end_eager(LoopState *loop)
{
    if (PyList_GET_SIZE(loop->eager) > 0) {
        Py_XDECREF(ask_slow("end_eager", (PyObject *)loop, NULL, NULL));
    }
}

/* Put aside the error that is set, if one is: mostly none is, and asking is cheaper. */
static inline void
take_error(PyObject **type, PyObject **value, PyObject **traceback)
{
    if (PyErr_Occurred()) {
        PyErr_Fetch(type, value, traceback);
    }
}

static inline void
give_back_error(PyObject *type, PyObject *value, PyObject *traceback)
{
    if (type != NULL || PyErr_Occurred()) {
        PyErr_Restore(type, value, traceback);
    }
}

static inline void
run_begins(Run *run, LoopState *loop, TaskState *current)
{
    run->loop = (LoopState *)Py_NewRef((PyObject *)loop);
    run->outer = loop->current; /* its reference is ours meanwhile */
    loop->current = current;
    loop->resolved = 0;
    run->running = loop->running;
    core.last_run = loop;
    loop->running = frame_current();
}

static inline void
step_begins(Run *run, LoopState *loop, TaskState *state, PyObject *task)
{
    run_begins(run, loop, (TaskState *)Py_NewRef((PyObject *)state));
    run->outer_stepping = loop->stepping;
    run->outer_stepping_state = loop->stepping_state;
    loop->stepping = task;
    loop->stepping_state = state;
    run->cause = state->wake;
    if (!run->cause.set) {
        run->cause = (Cause){.set = 1};
    }
    state->wake.set = 0;
    loop->step_wake = run->cause;
    run->start = now();
    loop->step_start = run->start + core.origin;
}

/* An error that is set stays so. */
static inline void
step_ends(Run *run, TaskState *state, PyObject *task)
{
    LoopState *loop = run->loop;
    PyObject *type = NULL, *value = NULL, *traceback = NULL;
    take_error(&type, &value, &traceback);
    Py_INCREF(state); /* a task that ends is forgotten at once */
    loop->running = run->running;
    loop->stepping = run->outer_stepping;
    loop->stepping_state = run->outer_stepping_state;
    if (is_followed(loop)) {
        end_eager(loop);
        int64_t end = now();
        run_over(loop, end);
        Py_XSETREF(loop->current, run->outer);
        task_step_over(loop, state, task, &run->cause, run->start, end);
        loop->run_end = end + core.origin;
    }
    else {
        Py_XSETREF(loop->current, run->outer);
    }
    Py_DECREF(state);
    Py_DECREF(loop);
    give_back_error(type, value, traceback);
}

static inline void
callback_begins(Run *run, LoopState *loop, PyObject *callback, Cause cause)
{
    run_begins(run, loop, NULL);
    cause.set = 1;
    run->cause = cause;
    run->callback = Py_NewRef(callback);
    run->outer_cause = loop->cause;
    run->outer_callback = loop->callback;
    loop->cause = cause;
    loop->callback = Py_NewRef(callback);
    run->start = now();
}

/* An error that is set stays so. */
static inline void
callback_ends(Run *run)
{
    LoopState *loop = run->loop;
    PyObject *type = NULL, *value = NULL, *traceback = NULL;
    take_error(&type, &value, &traceback);
    loop->running = run->running;
    if (is_followed(loop)) {
        end_eager(loop);
        int64_t end = now();
        run_over(loop, end);
        const Cause *cause = &run->cause;
        int64_t fields[] = {loop->id, name_of(run->callback), run->start, end, cause->ns, cause->kind, cause->id};
        stream_record(CALLBACK_RUN, fields, 7);
        loop->run_end = end + core.origin;
    }
    Py_XSETREF(loop->current, run->outer);
    loop->cause = run->outer_cause;
    Py_XSETREF(loop->callback, run->outer_callback);
    Py_DECREF(run->callback);
    Py_DECREF(loop);
    give_back_error(type, value, traceback);
}

#endif
