/* Handles whose `_run` records. They are subtypes of asyncio's own, with the slots of those filled from here, so that whatever is
 * asked of a handle (`repr`, `cancelled()`, `_callback`) is answered by asyncio.
 */
#include "asyncio_parts.h"
#include "runs.h"

#include <structmember.h>

PyTypeObject *Handle_Type, *TimerHandle_Type;

typedef struct {
    LoopState *loop;
    TaskState *task; /* whose step it runs, or NULL */
    Cause cause;     /* of a callback: what queued it. Of a timer: ns is when it is due, site who set it */
} Extra;

static Py_ssize_t handle_size, timer_size; /* of asyncio's own, where ours begins */

#define SLOT(HANDLE, AT) (*(PyObject **)((char *)(HANDLE) + core.AT))
#define EXTRA(HANDLE) \
    ((Extra *)((char *)(HANDLE) + (PyType_IsSubtype(Py_TYPE(HANDLE), TimerHandle_Type) ? timer_size : handle_size)))

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

static PyObject *
handle_run(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    Extra *extra = (Extra *)((char *)self + handle_size);
    if (!is_followed(extra->loop) || SLOT(self, at_callback) == NULL || SLOT(self, at_args) == NULL
        || !PyTuple_CheckExact(SLOT(self, at_args)) || SLOT(self, at_context) == NULL) {
        return PyObject_CallOneArg(core.plain_handle_run, self);
    }
    if (extra->task != NULL) {
        PyObject *task = task_of_step(SLOT(self, at_callback));
        if (task == NULL && PyMethod_Check(SLOT(self, at_callback))) {
            task = PyMethod_GET_SELF(SLOT(self, at_callback)); /* a task in Python */
        }
        if (task != NULL) {
            return run_step(self, extra->loop, extra->task, task);
        }
    }
    return run_callback(self, extra->loop, extra->cause);
}

static PyObject *
timer_run(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    Extra *extra = (Extra *)((char *)self + timer_size);
    if (!is_followed(extra->loop) || SLOT(self, at_callback) == NULL || SLOT(self, at_args) == NULL
        || !PyTuple_CheckExact(SLOT(self, at_args)) || SLOT(self, at_context) == NULL) {
        return PyObject_CallOneArg(core.plain_handle_run, self);
    }
    int64_t at = now();
    Cause cause = {.ns = extra->cause.ns < at ? extra->cause.ns : at, .kind = WAKER_TIMER, .site = extra->cause.site, .set = 1};
    cause.id = name_of(SLOT(self, at_callback));
    return run_callback(self, extra->loop, cause);
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

/* A handle as `events.Handle(callback, args, loop, context)` makes it; of a task's step if `task` is given. */
PyObject *
handle_new(PyObject *callback, PyObject *const *args, Py_ssize_t count, PyObject *loop, PyObject *context, LoopState *state,
           TaskState *task, const Cause *cause)
{
    PyObject *tuple = tuple_of(args, count);
    context = context == NULL || context == Py_None ? PyContext_CopyCurrent() : Py_NewRef(context);
    PyObject *self = tuple == NULL || context == NULL ? NULL : Handle_Type->tp_alloc(Handle_Type, 0);
    if (self == NULL) {
        Py_XDECREF(tuple);
        Py_XDECREF(context);
        return NULL;
    }
    fill(self, callback, tuple, loop, context);
    Extra *extra = (Extra *)((char *)self + handle_size);
    extra->loop = (LoopState *)Py_NewRef((PyObject *)state);
    extra->task = (TaskState *)Py_XNewRef((PyObject *)task);
    if (cause != NULL) {
        extra->cause = *cause;
    }
    return self;
}

PyObject *
timer_handle_new(PyObject *when, PyObject *callback, PyObject *const *args, Py_ssize_t count, PyObject *loop, PyObject *context,
                 LoopState *state, int64_t due, int64_t site)
{
    PyObject *tuple = tuple_of(args, count);
    context = context == NULL || context == Py_None ? PyContext_CopyCurrent() : Py_NewRef(context);
    PyObject *self = tuple == NULL || context == NULL ? NULL : TimerHandle_Type->tp_alloc(TimerHandle_Type, 0);
    if (self == NULL) {
        Py_XDECREF(tuple);
        Py_XDECREF(context);
        return NULL;
    }
    fill(self, callback, tuple, loop, context);
    SLOT(self, at_when) = Py_NewRef(when);
    SLOT(self, at_scheduled) = Py_NewRef(Py_True);
    Extra *extra = (Extra *)((char *)self + timer_size);
    extra->loop = (LoopState *)Py_NewRef((PyObject *)state);
    extra->cause.ns = due;
    extra->cause.site = site;
    return self;
}

/* -- types ------------------------------------------------------------------------------------------------------------ */

static int
handle_visit(PyObject *self, visitproc visit, void *arg, int is_timer)
{
    Extra *extra = (Extra *)((char *)self + (is_timer ? timer_size : handle_size));
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(SLOT(self, at_callback));
    Py_VISIT(SLOT(self, at_args));
    Py_VISIT(SLOT(self, at_loop));
    Py_VISIT(SLOT(self, at_source));
    Py_VISIT(SLOT(self, at_context));
    Py_VISIT(extra->loop);
    return 0;
}

static int
handle_traverse(PyObject *self, visitproc visit, void *arg)
{
    return handle_visit(self, visit, arg, 0);
}

static int
timer_traverse(PyObject *self, visitproc visit, void *arg)
{
    return handle_visit(self, visit, arg, 1);
}

static void
clear_all(PyObject *self, int is_timer)
{
    Extra *extra = (Extra *)((char *)self + (is_timer ? timer_size : handle_size));
    Py_CLEAR(SLOT(self, at_callback));
    Py_CLEAR(SLOT(self, at_args));
    Py_CLEAR(SLOT(self, at_cancelled));
    Py_CLEAR(SLOT(self, at_loop));
    Py_CLEAR(SLOT(self, at_source));
    Py_CLEAR(SLOT(self, at_repr));
    Py_CLEAR(SLOT(self, at_context));
    if (is_timer) {
        Py_CLEAR(SLOT(self, at_when));
        Py_CLEAR(SLOT(self, at_scheduled));
    }
    Py_CLEAR(extra->loop);
    Py_CLEAR(extra->task);
}

static int
handle_clear(PyObject *self)
{
    clear_all(self, 0);
    return 0;
}

static int
timer_clear(PyObject *self)
{
    clear_all(self, 1);
    return 0;
}

static void
any_dealloc(PyObject *self, int is_timer)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (type->tp_weaklistoffset > 0 && *(PyObject **)((char *)self + type->tp_weaklistoffset) != NULL) {
        PyObject_ClearWeakRefs(self);
    }
    clear_all(self, is_timer);
    type->tp_free(self);
    Py_DECREF(type);
}

static void
handle_dealloc(PyObject *self)
{
    any_dealloc(self, 0);
}

static void
timer_dealloc(PyObject *self)
{
    any_dealloc(self, 1);
}

static PyObject *
get_cause(PyObject *self, void *Py_UNUSED(closure))
{
    Cause cause = EXTRA(self)->cause;
    return Py_BuildValue("(LLLL)", cause.ns, cause.kind, cause.id, cause.site);
}

static int
set_cause(PyObject *self, PyObject *value, void *Py_UNUSED(closure))
{
    Cause *cause = &EXTRA(self)->cause;
    if (value == NULL || !PyArg_ParseTuple(value, "LLLL", &cause->ns, &cause->kind, &cause->id, &cause->site)) {
        return -1;
    }
    cause->set = 1;
    return 0;
}

static int
set_object(PyObject *self, PyObject *value, void *which)
{
    Extra *extra = EXTRA(self);
    PyTypeObject *type = which == NULL ? LoopState_Type : TaskState_Type;
    if (value == NULL || !Py_IS_TYPE(value, type)) {
        PyErr_SetString(PyExc_TypeError, "not a state");
        return -1;
    }
    if (which == NULL) {
        Py_XSETREF(extra->loop, (LoopState *)Py_NewRef(value));
    }
    else {
        Py_XSETREF(extra->task, (TaskState *)Py_NewRef(value));
    }
    return 0;
}

static PyObject *
get_object(PyObject *self, void *which)
{
    Extra *extra = EXTRA(self);
    PyObject *value = which == NULL ? (PyObject *)extra->loop : (PyObject *)extra->task;
    return Py_NewRef(value == NULL ? Py_None : value);
}

static PyGetSetDef getset[] = {
    {"_trace_loop", get_object, set_object, NULL, NULL},
    {"_trace_state", get_object, set_object, NULL, "task"},
    {"_trace_cause", get_cause, set_cause, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef handle_methods[] = {{"_run", handle_run, METH_NOARGS, NULL}, {NULL, NULL, 0, NULL}};
static PyMethodDef timer_methods[] = {{"_run", timer_run, METH_NOARGS, NULL}, {NULL, NULL, 0, NULL}};

static PyType_Slot handle_slots[] = {
    {Py_tp_dealloc, handle_dealloc}, {Py_tp_traverse, handle_traverse}, {Py_tp_clear, handle_clear},
    {Py_tp_methods, handle_methods}, {Py_tp_getset, getset}, {0, NULL},
};

static PyType_Slot timer_slots[] = {
    {Py_tp_dealloc, timer_dealloc}, {Py_tp_traverse, timer_traverse}, {Py_tp_clear, timer_clear},
    {Py_tp_methods, timer_methods}, {Py_tp_getset, getset}, {0, NULL},
};

static PyTypeObject *
make(PyObject *base, const char *name, PyType_Slot *slots, Py_ssize_t *size)
{
    *size = (((PyTypeObject *)base)->tp_basicsize + 7) / 8 * 8;
    PyType_Spec spec = {name, (int)(*size + (Py_ssize_t)sizeof(Extra)), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, slots};
    PyObject *bases = PyTuple_Pack(1, base);
    PyObject *type = bases == NULL ? NULL : PyType_FromSpecWithBases(&spec, bases);
    Py_XDECREF(bases);
    return (PyTypeObject *)type;
}

/* Make the types, once asyncio's are known (`core.handle_base`, `core.timer_base`, offsets). */
int
handles_init(PyObject *module)
{
    Handle_Type = make(core.handle_base, "asyncio.events.Handle", handle_slots, &handle_size);
    TimerHandle_Type = Handle_Type == NULL ? NULL : make(core.timer_base, "asyncio.events.TimerHandle", timer_slots, &timer_size);
    if (TimerHandle_Type == NULL || PyModule_AddObjectRef(module, "Handle", (PyObject *)Handle_Type) < 0
        || PyModule_AddObjectRef(module, "TimerHandle", (PyObject *)TimerHandle_Type) < 0) {
        return -1;
    }
    return 0;
}
