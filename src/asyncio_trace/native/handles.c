/* Handles whose `_run` records. They are subtypes of asyncio's own, with the slots of those filled from here, so that whatever is
 * asked of a handle (`repr`, `cancelled()`, `_callback`) is answered by asyncio.
 */
#include "asyncio_parts.h"
#include "runs.h"

static PyTypeObject *StepHandle_Type, *Handle_Type, *TimerHandle_Type;

/* What ours have beside the slots of asyncio's, behind them. Those of steps have nothing: there are as many as there are tasks that are
 * ready, and the collector goes over all of them.
 */
typedef struct {
    int64_t ns, kind, id, site; /* what queued it */
} CallbackExtra;
typedef struct {
    int64_t due, site; /* site is of who set it */
} TimerExtra;

static Py_ssize_t handle_size, timer_size; /* of asyncio's own, where ours begins */

#define SLOT(HANDLE, AT) (*(PyObject **)((char *)(HANDLE) + core.AT))
#define CALLBACK_EXTRA(HANDLE) ((CallbackExtra *)((char *)(HANDLE) + handle_size))
#define TIMER_EXTRA(HANDLE) ((TimerExtra *)((char *)(HANDLE) + timer_size))

/* -- running ---------------------------------------------------------------------------------------------------------- */

/* What `context.run(callback, *args)` does. */
static PyObject *
call_in(PyObject *context, PyObject *callback, PyObject *args, int *entered)
{
    *entered = 1;
    if (!PyContext_CheckExact(context)) {
        PyObject *run = PyObject_GetAttr(context, names.run);
        PyObject *all = run == NULL ? NULL : PyTuple_New(1 + PyTuple_GET_SIZE(args));
        PyObject *result = NULL;
        if (all != NULL) {
            PyTuple_SET_ITEM(all, 0, Py_NewRef(callback));
            for (Py_ssize_t index = 0; index < PyTuple_GET_SIZE(args); index++) {
                PyTuple_SET_ITEM(all, index + 1, Py_NewRef(PyTuple_GET_ITEM(args, index)));
            }
            result = PyObject_CallObject(run, all);
        }
        Py_XDECREF(run);
        Py_XDECREF(all);
        return result;
    }
    if (PyContext_Enter(context) < 0) {
        *entered = 0;
        return NULL;
    }
    PyObject *result = PyObject_Vectorcall(callback, &PyTuple_GET_ITEM(args, 0), (size_t)PyTuple_GET_SIZE(args), NULL);
    if (PyContext_Exit(context) < 0) {
        Py_CLEAR(result);
    }
    return result;
}

/* Put the frame of `Handle._run` on the traceback of the error that is set, where the standard loop has it. */
static void
show_run_frame(void)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyFrameObject *frame = PyFrame_New(PyThreadState_Get(), (PyCodeObject *)core.run_code, core.run_globals, NULL);
    /* made by its constructor, which takes the instruction too: that is what lines are worked out from */
    PyObject *longer = frame == NULL ? NULL
                       : PyObject_CallFunction((PyObject *)&PyTraceBack_Type, "OOii", traceback == NULL ? Py_None : traceback,
                                               frame, core.run_lasti, core.run_line);
    Py_XDECREF(frame);
    if (longer == NULL) {
        PyErr_Clear();
    }
    else {
        Py_XSETREF(traceback, longer);
    }
    PyErr_Restore(type, value, traceback);
}

/* A callback has failed with the error that is set: what `Handle._run` does then. 0 if the error was dealt with. */
static int
deal_with_error(PyObject *handle, int entered)
{
    if (!entered) {
        /* nothing has run yet: let asyncio try, and fail, in its own words */
        PyErr_Clear();
        PyObject *done = PyObject_CallOneArg(core.plain_handle_run, handle);
        Py_XDECREF(done);
        return done == NULL ? -1 : 0;
    }
    show_run_frame();
    if (PyErr_ExceptionMatches(PyExc_SystemExit) || PyErr_ExceptionMatches(PyExc_KeyboardInterrupt)) {
        return -1;
    }
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (traceback != NULL) {
        PyException_SetTraceback(value, traceback);
    }
    PyObject *function = PyObject_GetAttrString(core.slow, "handle_failed");
    PyObject *done = function == NULL ? NULL : PyObject_CallFunctionObjArgs(function, handle, value, NULL);
    Py_XDECREF(function);
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

static PyObject *
run_step(PyObject *handle, LoopState *loop, TaskState *state, PyObject *task)
{
    Run run;
    int entered, status = 0;
    Py_INCREF(task);
    step_begins(&run, loop, state, task);
    PyObject *result = call_in(SLOT(handle, at_context), SLOT(handle, at_callback), SLOT(handle, at_args), &entered);
    if (result == NULL) {
        status = deal_with_error(handle, entered);
    }
    Py_XDECREF(result);
    step_ends(&run, state, task);
    Py_DECREF(task);
    return status < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *
run_callback(PyObject *handle, LoopState *loop, Cause cause)
{
    Run run;
    int entered, status = 0;
    callback_begins(&run, loop, SLOT(handle, at_callback), cause); /* which keeps it: cancelling the handle would drop it */
    PyObject *args = Py_NewRef(SLOT(handle, at_args)), *context = Py_NewRef(SLOT(handle, at_context));
    PyObject *result = call_in(context, run.callback, args, &entered);
    Py_DECREF(args);
    Py_DECREF(context);
    if (result == NULL) {
        status = deal_with_error(handle, entered);
    }
    Py_XDECREF(result);
    callback_ends(&run);
    return status < 0 ? NULL : Py_NewRef(Py_None);
}

/* The state of the loop of a handle that can be run in our way; NULL if asyncio's own is to be taken. Borrowed. */
static inline LoopState *
ready_to_run(PyObject *self)
{
    PyObject *loop = SLOT(self, at_loop);
    if (SLOT(self, at_callback) == NULL || SLOT(self, at_args) == NULL || !PyTuple_CheckExact(SLOT(self, at_args))
        || SLOT(self, at_context) == NULL) {
        return NULL;
    }
    return loop == NULL ? NULL : loop_state_if_any(loop);
}

static PyObject *
step_run(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    LoopState *loop = ready_to_run(self);
    PyObject *task = loop == NULL ? NULL : any_task_of_step(SLOT(self, at_callback));
    TaskState *state = task == NULL ? NULL : task_state(task);
    if (state == NULL) {
        return PyObject_CallOneArg(core.plain_handle_run, self);
    }
    return run_step(self, loop, state, task);
}

static PyObject *
handle_run(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    LoopState *loop = ready_to_run(self);
    if (loop == NULL) {
        return PyObject_CallOneArg(core.plain_handle_run, self);
    }
    CallbackExtra *extra = CALLBACK_EXTRA(self);
    Cause cause = {.ns = extra->ns, .kind = extra->kind, .id = extra->id, .site = extra->site, .set = 1};
    return run_callback(self, loop, cause);
}

static PyObject *
timer_run(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    LoopState *loop = ready_to_run(self);
    if (loop == NULL) {
        return PyObject_CallOneArg(core.plain_handle_run, self);
    }
    TimerExtra *extra = TIMER_EXTRA(self);
    int64_t at = now();
    Cause cause = {.ns = extra->due < at ? extra->due : at, .kind = WAKER_TIMER, .site = extra->site, .set = 1};
    cause.id = name_of(SLOT(self, at_callback));
    return run_callback(self, loop, cause);
}

/* `_run` of asyncio's own handles: I/O readiness, and whatever the Python side must look at. */
PyObject *
handle_base_run(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *kwnames)
{
    (void)args, (void)count, (void)kwnames;
    if (core.active && Py_IS_TYPE(self, (PyTypeObject *)core.handle_base) && SLOT(self, at_loop) != NULL
        && SLOT(self, at_callback) != NULL && SLOT(self, at_args) != NULL && PyTuple_CheckExact(SLOT(self, at_args))
        && SLOT(self, at_context) != NULL) {
        LoopState *loop = loop_state(SLOT(self, at_loop));
        if (is_followed(loop) && PyDict_GET_SIZE(loop->signals) == 0 && PyMethod_Check(SLOT(self, at_callback))
            && !PyObject_HasAttr(PyMethod_GET_SELF(SLOT(self, at_callback)), names.get_name)) {
            Cause cause = {.ns = loop->select_end, .kind = WAKER_IO, .set = 1};
            return run_callback(self, loop, cause);
        }
    }
    PyObject *function = core.slow == NULL ? NULL : PyObject_GetAttrString(core.slow, "handle_run");
    if (function == NULL) {
        PyErr_Clear();
        function = Py_NewRef(core.plain_handle_run);
    }
    PyObject *result = PyObject_CallOneArg(function, self);
    Py_DECREF(function);
    return result;
}

/* -- making ----------------------------------------------------------------------------------------------------------- */

static inline void
fill(PyObject *self, PyObject *callback, PyObject *args, PyObject *loop, PyObject *context)
{
    SLOT(self, at_callback) = Py_NewRef(callback);
    SLOT(self, at_args) = args; /* stolen */
    SLOT(self, at_cancelled) = Py_NewRef(Py_False);
    SLOT(self, at_loop) = Py_NewRef(loop);
    SLOT(self, at_source) = Py_NewRef(Py_None);
    SLOT(self, at_repr) = Py_NewRef(Py_None);
    SLOT(self, at_context) = context; /* stolen */
}

static PyObject *
tuple_of(PyObject *const *args, Py_ssize_t count)
{
    PyObject *tuple = PyTuple_New(count);
    for (Py_ssize_t index = 0; tuple != NULL && index < count; index++) {
        PyTuple_SET_ITEM(tuple, index, Py_NewRef(args[index]));
    }
    return tuple;
}

/* An empty handle of a type of ours, with what `events.Handle(callback, args, loop, context)` puts into it. */
static PyObject *
new(PyTypeObject *type, PyObject *callback, PyObject *const *args, Py_ssize_t count, PyObject *loop, PyObject *context)
{
    PyObject *tuple = tuple_of(args, count);
    context = context == NULL || context == Py_None ? PyContext_CopyCurrent() : Py_NewRef(context);
    PyObject *self = tuple == NULL || context == NULL ? NULL : type->tp_alloc(type, 0);
    if (self == NULL) {
        Py_XDECREF(tuple);
        Py_XDECREF(context);
        return NULL;
    }
    fill(self, callback, tuple, loop, context);
    return self;
}

/* A handle of a task's step. */
PyObject *
step_handle_new(PyObject *callback, PyObject *const *args, Py_ssize_t count, PyObject *loop, PyObject *context)
{
    return new(StepHandle_Type, callback, args, count, loop, context);
}

/* A handle of any other callback, which `cause` queues. */
PyObject *
handle_new(PyObject *callback, PyObject *const *args, Py_ssize_t count, PyObject *loop, PyObject *context, const Cause *cause)
{
    PyObject *self = new(Handle_Type, callback, args, count, loop, context);
    if (self != NULL) {
        *CALLBACK_EXTRA(self) = (CallbackExtra){cause->ns, cause->kind, cause->id, cause->site};
    }
    return self;
}

/* `events.TimerHandle(when, callback, args, loop, context)`, on its way into the loop's heap. */
PyObject *
timer_handle_new(PyObject *when, PyObject *callback, PyObject *const *args, Py_ssize_t count, PyObject *loop, PyObject *context,
                 int64_t due, int64_t site)
{
    PyObject *self = new(TimerHandle_Type, callback, args, count, loop, context);
    if (self != NULL) {
        SLOT(self, at_when) = Py_NewRef(when);
        SLOT(self, at_scheduled) = Py_NewRef(Py_True);
        *TIMER_EXTRA(self) = (TimerExtra){due, site};
    }
    return self;
}

/* -- types ------------------------------------------------------------------------------------------------------------ */

static int
any_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(SLOT(self, at_callback));
    Py_VISIT(SLOT(self, at_args));
    Py_VISIT(SLOT(self, at_loop));
    Py_VISIT(SLOT(self, at_source));
    Py_VISIT(SLOT(self, at_context));
    return 0;
}

static int
any_clear(PyObject *self)
{
    Py_CLEAR(SLOT(self, at_callback));
    Py_CLEAR(SLOT(self, at_args));
    Py_CLEAR(SLOT(self, at_cancelled));
    Py_CLEAR(SLOT(self, at_loop));
    Py_CLEAR(SLOT(self, at_source));
    Py_CLEAR(SLOT(self, at_repr));
    Py_CLEAR(SLOT(self, at_context));
    return 0;
}

static inline void
let_go(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (type->tp_weaklistoffset > 0 && *(PyObject **)((char *)self + type->tp_weaklistoffset) != NULL) {
        PyObject_ClearWeakRefs(self);
    }
    any_clear(self);
}

static inline void
set_free(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static void
handle_dealloc(PyObject *self)
{
    let_go(self);
    set_free(self);
}

static void
timer_dealloc(PyObject *self)
{
    let_go(self);
    Py_CLEAR(SLOT(self, at_when));
    Py_CLEAR(SLOT(self, at_scheduled));
    set_free(self);
}

static PyMethodDef step_methods[] = {{"_run", step_run, METH_NOARGS, NULL}, {NULL, NULL, 0, NULL}};
#define step_dealloc handle_dealloc
static PyMethodDef handle_methods[] = {{"_run", handle_run, METH_NOARGS, NULL}, {NULL, NULL, 0, NULL}};
static PyMethodDef timer_methods[] = {{"_run", timer_run, METH_NOARGS, NULL}, {NULL, NULL, 0, NULL}};

#define SLOTS(NAME) \
    {{Py_tp_dealloc, NAME##_dealloc}, {Py_tp_traverse, any_traverse}, {Py_tp_clear, any_clear}, {Py_tp_methods, NAME##_methods}, {0, NULL}}
static PyType_Slot step_slots[] = SLOTS(step), handle_slots[] = SLOTS(handle), timer_slots[] = SLOTS(timer);

static PyTypeObject *
make(PyObject *base, const char *name, PyType_Slot *slots, size_t extra)
{
    Py_ssize_t size = (((PyTypeObject *)base)->tp_basicsize + 7) / 8 * 8;
    PyType_Spec spec = {name, (int)(size + (Py_ssize_t)extra), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, slots};
    PyObject *bases = PyTuple_Pack(1, base);
    PyObject *type = bases == NULL ? NULL : PyType_FromSpecWithBases(&spec, bases);
    Py_XDECREF(bases);
    return (PyTypeObject *)type;
}

/* Make the types, once asyncio's are known (`core.handle_base`, `core.timer_base`, offsets). */
int
handles_init(void)
{
    handle_size = (((PyTypeObject *)core.handle_base)->tp_basicsize + 7) / 8 * 8;
    timer_size = (((PyTypeObject *)core.timer_base)->tp_basicsize + 7) / 8 * 8;
    StepHandle_Type = make(core.handle_base, "asyncio.events.Handle", step_slots, 0);
    Handle_Type = make(core.handle_base, "asyncio.events.Handle", handle_slots, sizeof(CallbackExtra));
    TimerHandle_Type = make(core.timer_base, "asyncio.events.TimerHandle", timer_slots, sizeof(TimerExtra));
    return StepHandle_Type == NULL || Handle_Type == NULL || TimerHandle_Type == NULL ? -1 : 0;
}
