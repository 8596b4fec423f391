/* Eager tasks that `create_task(..., eager_start=True)` makes: their first step runs inside the constructor, which asks the loop
 * `is_running()` last thing before. The constructor is called in two halves here, so that the task is known when it asks.
 * Tasks made otherwise (a factory, the constructor itself) are the Python side's; see `Tasks.eager_begins`.
 */
#include "asyncio_parts.h"

struct eager_step {
    EagerFrame *outer;
    PyObject *task;
    TaskState *state; /* held once the step has begun, NULL before and after */
    int64_t start;
    Cause cause;
    /* what was interrupted */
    TaskState *current;
    Cause outer_cause, outer_wake;
    PyObject *callback;
    int64_t outer_start;
};

static void
begin_step(LoopState *loop, EagerFrame *step)
{
    TaskState *state = task_created(loop, step->task, frame_current(), TASK_EAGER);
    if (state == NULL) {
        failed(1);
        return;
    }
    step->state = (TaskState *)Py_NewRef((PyObject *)state);
    step->cause = state->wake;
    state->wake.set = 0;
    step->current = loop->current; /* its reference is ours meanwhile */
    step->outer_cause = loop->cause;
    step->callback = loop->callback; /* the same */
    step->outer_start = loop->step_start;
    step->outer_wake = loop->step_wake;
    loop->current = (TaskState *)Py_NewRef((PyObject *)state);
    loop->cause.set = 0;
    loop->callback = NULL;
    loop->step_wake = step->cause;
    step->start = now();
    loop->step_start = step->start + core.origin;
}

static void
end_step(LoopState *loop, EagerFrame *step)
{
    TaskState *state = step->state;
    if (state == NULL) {
        return; /* it never began, or the trace ended inside it */
    }
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    int64_t end = now();
    step->state = NULL;
    Py_XSETREF(loop->current, step->current);
    Py_XSETREF(loop->callback, step->callback);
    loop->cause = step->outer_cause;
    loop->step_start = step->outer_start;
    loop->step_wake = step->outer_wake;
    if (core.active && loop->trace == core.trace) {
        task_step_over(loop, state, step->task, &step->cause, step->start, end);
    }
    Py_DECREF(state);
    PyErr_Restore(type, value, traceback);
}

/* The loop is asked whether it runs: by the constructor of an eager task, if one is being made. */
void
eager_asked(LoopState *loop)
{
    EagerFrame *step = loop->newborn;
    if (step != NULL && step->state == NULL) {
        loop->newborn = NULL;
        loop->making = 0; /* the first step may make futures and tasks in any way */
        loop->eager_step = step;
        begin_step(loop, step);
    }
}

/* The trace ends inside eager steps, if there are any: record them. */
void
eager_end_all(LoopState *loop)
{
    for (EagerFrame *step = loop->eager_step; step != NULL; step = step->outer) {
        end_step(loop, step);
    }
}

/* `Task(coro, loop=loop, **kwargs)`, where `kwargs` say `eager_start=True`. */
PyObject *
eager_new(PyObject *self, LoopState *loop, PyObject *coro, PyObject *const *values, PyObject *kwnames)
{
    static PyObject *nothing;
    if (nothing == NULL && (nothing = PyTuple_New(0)) == NULL) {
        return NULL;
    }
    PyObject *kwargs = PyDict_New(), *args = PyTuple_Pack(1, coro);
    int good = kwargs != NULL && args != NULL && PyDict_SetItem(kwargs, names.loop, self) == 0;
    for (Py_ssize_t index = 0; good && index < PyTuple_GET_SIZE(kwnames); index++) {
        good = PyDict_SetItem(kwargs, PyTuple_GET_ITEM(kwnames, index), values[index]) == 0;
    }
    PyObject *task = good ? core.task_type->tp_new(core.task_type, nothing, NULL) : NULL;
    if (task != NULL) {
        EagerFrame step = {.outer = loop->eager_step, .task = task};
        EagerFrame *newborn = loop->newborn;
        int making = loop->making;
        Py_INCREF(loop);
        loop->newborn = &step;
        loop->making = 1;
        int status = core.task_type->tp_init(task, args, kwargs);
        if (step.state != NULL && PyList_GET_SIZE(loop->eager) > 0) {
            PyObject *type, *value, *traceback; /* Ctrl-C inside the step comes out of the constructor */
            PyErr_Fetch(&type, &value, &traceback);
            Py_XDECREF(ask_slow("end_eager_inside", (PyObject *)loop, (PyObject *)step.state, NULL));
            PyErr_Restore(type, value, traceback);
        }
        end_step(loop, &step);
        loop->eager_step = step.outer;
        loop->newborn = newborn;
        loop->making = making;
        Py_DECREF(loop);
        if (status < 0) {
            Py_CLEAR(task);
        }
    }
    Py_XDECREF(kwargs);
    Py_XDECREF(args);
    return task;
}
