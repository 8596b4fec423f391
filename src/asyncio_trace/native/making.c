/* Tasks and futures that are made by calling their types, be it by us or by the program.
 *
 * The constructor of a future asks its loop `get_debug()`. That of an eager task asks `is_running()` too, last thing before it
 * runs the first step; the step is over when it returns. `tp_init` of asyncio's two types is ours while a trace runs, so that it is
 * known what asks. Subclasses have an `__init__` of their own, or asyncio's under a name that is not ours to change: what they make is
 * found from inside `get_debug` (loop.c), and their eager tasks are the Python side's; see `Tasks.eager_begins`.
 */
#include "asyncio_parts.h"
#include "instances.h"

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
    PyObject *outer_stepping;
    TaskState *outer_stepping_state;
    int outer_creating;
};

/* A constructor that is on; on the stack of who calls it. */
typedef struct making {
    EagerFrame *eager; /* or NULL */
} Making;

static _Thread_local Making *making; /* the innermost on this thread; NULL inside an eager step */
static initproc future_init, task_init;

/* Whether it is a constructor that asks the loop, one that is followed from here. */
int
is_making(void)
{
    return making != NULL;
}

/* -- eager steps ---------------------------------------------------------------------------------------------------------- */

/* Record the eager step that is over, if that is still to be done. An error that is set stays so. */
void
eager_record(LoopState *loop)
{
    TaskState *state = loop->eager_over.state;
    if (state == NULL) {
        return;
    }
    PyObject *type, *value, *traceback, *task = loop->eager_over.task;
    PyErr_Fetch(&type, &value, &traceback);
    loop->eager_over.state = NULL;
    loop->eager_over.task = NULL;
    if (core.active && loop->trace == core.trace) {
        task_step_over(loop, state, task, &loop->eager_over.cause, loop->eager_over.start, loop->eager_over.end);
    }
    Py_DECREF(state);
    Py_DECREF(task);
    PyErr_Restore(type, value, traceback);
}

static void
begin_step(LoopState *loop, EagerFrame *step)
{
    eager_record(loop);
    TaskState *state = task_created(loop, step->task, frame_current(), TASK_EAGER);
    if (state == NULL) {
        failed(1);
        return;
    }
    step->state = (TaskState *)Py_NewRef((PyObject *)state);
    step->outer = loop->eager_step;
    loop->eager_step = step;
    step->cause = state->wake;
    state->wake.set = 0;
    step->current = loop->current; /* its reference is ours meanwhile */
    step->outer_cause = loop->cause;
    step->callback = loop->callback; /* the same */
    step->outer_start = loop->step_start;
    step->outer_wake = loop->step_wake;
    step->outer_stepping = loop->stepping;
    step->outer_stepping_state = loop->stepping_state;
    loop->current = (TaskState *)Py_NewRef((PyObject *)state);
    loop->stepping = step->task;
    loop->stepping_state = state;
    loop->cause.set = 0;
    loop->callback = NULL;
    loop->step_wake = step->cause;
    step->outer_creating = loop->creating;
    loop->creating = 0;
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
    if (PyList_GET_SIZE(loop->eager) > 0) { /* Ctrl-C inside such a step comes out of the constructor */
        Py_XDECREF(ask_slow("end_eager_inside", (PyObject *)loop, (PyObject *)state, NULL));
    }
    int64_t end = now();
    step->state = NULL;
    loop->eager_step = step->outer;
    Py_XSETREF(loop->current, step->current);
    Py_XSETREF(loop->callback, step->callback);
    loop->cause = step->outer_cause;
    loop->step_start = step->outer_start;
    loop->step_wake = step->outer_wake;
    loop->stepping = step->outer_stepping;
    loop->stepping_state = step->outer_stepping_state;
    loop->creating = step->outer_creating;
    eager_record(loop);
    loop->eager_over.state = state; /* which it holds now */
    loop->eager_over.task = Py_NewRef(step->task);
    loop->eager_over.cause = step->cause;
    loop->eager_over.start = step->start;
    loop->eager_over.end = end;
    if (!loop->creating) {
        eager_record(loop);
    }
    PyErr_Restore(type, value, traceback);
}

/* The loop is asked whether it runs: by the constructor of an eager task, if one is on. */
void
eager_asked(LoopState *loop)
{
    EagerFrame *step = making == NULL ? NULL : making->eager;
    if (step != NULL) {
        making = NULL; /* the first step may make futures and tasks in any way */
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
    eager_record(loop);
}

/* -- constructors --------------------------------------------------------------------------------------------------------- */

/* Run `tp_init` of an eager task. */
static int
make_eagerly(PyObject *task, PyObject *args, PyObject *kwargs, LoopState *loop)
{
    EagerFrame step = {.task = task};
    Making here = {.eager = &step}, *outer = making;
    Py_INCREF(loop);
    making = &here;
    int status = task_init(task, args, kwargs);
    making = outer;
    end_step(loop, &step);
    Py_DECREF(loop);
    return status;
}

static int
init_task(PyObject *task, PyObject *args, PyObject *kwargs)
{
    PyObject *word = core.active && kwargs != NULL ? PyDict_GetItemWithError(kwargs, names.eager_start) : NULL;
    if (word == Py_True) {
        PyObject *loop = PyDict_GetItemWithError(kwargs, names.loop); /* there is no eager task without it */
        LoopState *state = loop == NULL ? NULL : loop_state(loop);
        if (state != NULL) {
            return make_eagerly(task, args, kwargs, state);
        }
    }
    Making here = {0}, *outer = making;
    making = core.active && (word == NULL || word == Py_False || word == Py_None) ? &here : outer;
    int status = task_init(task, args, kwargs);
    making = outer;
    return status;
}

static int
init_future(PyObject *future, PyObject *args, PyObject *kwargs)
{
    Making here = {0}, *outer = making;
    making = core.active ? &here : outer;
    int status = future_init(future, args, kwargs);
    making = outer;
    if (status == 0 && core.active) {
        PyObject *loop = get_by(parts.future_loop, core.future_type, future, names._loop);
        LoopState *state = loop == NULL ? NULL : loop_state(loop);
        Py_XDECREF(loop);
        if (state != NULL && !state->making && table_number(core.futures, future) == 0) {
            future_begins(state, future, frame_current());
        }
        PyErr_Clear();
    }
    return status;
}

void
constructors_change(void)
{
    future_init = core.future_type->tp_init;
    task_init = core.task_type->tp_init;
    core.future_type->tp_init = init_future;
    core.task_type->tp_init = init_task;
}

void
constructors_restore(void)
{
    if (core.future_type->tp_init == init_future) {
        core.future_type->tp_init = future_init;
    }
    if (core.task_type->tp_init == init_task) {
        core.task_type->tp_init = task_init;
    }
}

/* `Future(loop=loop)`, of which the constructor's hooks are not told. */
PyObject *
make_future(PyObject *loop, LoopState *state)
{
    static PyObject *nothing, *kept; /* a dict that is used again, since one is needed each time and for a moment only */
    if (nothing == NULL && (nothing = PyTuple_New(0)) == NULL) {
        return NULL;
    }
    PyObject *kwargs = kept != NULL ? kept : PyDict_New(), *future = NULL;
    kept = NULL;
    if (kwargs != NULL && set_only_value(kwargs, names.loop, loop) == 0) {
        future = core.future_type->tp_new(core.future_type, nothing, NULL);
    }
    if (future != NULL) {
        int before = state->making;
        state->making = 1;
        if (future_init(future, nothing, kwargs) < 0) {
            Py_CLEAR(future);
        }
        state->making = before;
    }
    if (future != NULL && kept == NULL && Py_REFCNT(kwargs) == 1 && set_only_value(kwargs, names.loop, Py_None) == 0) {
        kept = kwargs;
    }
    else {
        Py_XDECREF(kwargs);
    }
    return future;
}

/* `Task(coro, loop=loop, **kwargs)`, which is eager if `kwargs` say `eager_start=True`. */
PyObject *
make_task(PyObject *loop, LoopState *state, PyObject *coro, PyObject *const *values, PyObject *kwnames, int is_eager)
{
    PyObject *kwargs = PyDict_New(), *args = PyTuple_Pack(1, coro), *task = NULL;
    int good = kwargs != NULL && args != NULL && PyDict_SetItem(kwargs, names.loop, loop) == 0;
    for (Py_ssize_t index = 0; good && kwnames != NULL && index < PyTuple_GET_SIZE(kwnames); index++) {
        good = PyDict_SetItem(kwargs, PyTuple_GET_ITEM(kwnames, index), values[index]) == 0;
    }
    if (good) {
        task = core.task_type->tp_new(core.task_type, args, kwargs);
    }
    if (task != NULL) {
        int status, before = state->making;
        if (is_eager) {
            status = make_eagerly(task, args, kwargs, state);
        }
        else {
            state->making = 1;
            status = task_init(task, args, kwargs);
            state->making = before;
        }
        if (status < 0) {
            Py_CLEAR(task);
        }
    }
    Py_XDECREF(kwargs);
    Py_XDECREF(args);
    return task;
}
