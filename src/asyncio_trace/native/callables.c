/* What stands in for methods of a loop class that is not built on `BaseEventLoop`, such as uvloop's: the way of every day.
 *
 * Such a loop keeps its queue to itself, so its own method gets, in place of the callback, a callable that records. Whatever is
 * rare goes to the Python side (foreign_loop.py), which has the same meaning.
 */
#include "asyncio_parts.h"
#include "runs.h"

#include <internal/pycore_gc.h>

PyTypeObject *Callable_Type;
static PyTypeObject *Step_Type;

/* What the Python side makes callables of, and what they need; see `callable_of`. */
enum {
    RUNS_STEP,     /* a task's step: the task's state */
    RUNS_CALLBACK, /* a callback: what queued it */
    RUNS_TIMER,    /* a callback at its time: when it is due, and who set it */
    RUNS_EVENT,    /* a callback for I/O or a signal, which may come many times: the kind of its cause */
};

/* Both begin alike. They are called with a tuple, since that is what uvloop has at hand; and there are as many steps as there are
 * tasks that are ready, so they are kept small.
 */
typedef struct {
    PyObject_HEAD
    PyObject *callback;
    LoopState *loop;
    int kind;
    Cause cause;
} Callable;

typedef struct {
    PyObject_HEAD
    PyObject *callback; /* holds the task */
    LoopState *loop;
    TaskState *state;
    PyObject *task;
} Step;

/* -- running ---------------------------------------------------------------------------------------------------------- */

static PyObject *
step_call(PyObject *object, PyObject *args, PyObject *kwargs)
{
    Step *self = (Step *)object;
    PyObject *result;
    Py_INCREF(self); /* cancelling its handle drops it */
    if (!is_followed(self->loop)) {
        result = PyObject_Call(self->callback, args, kwargs);
    }
    else {
        Run run;
        step_begins(&run, self->loop, self->state, self->task);
        result = PyObject_Call(self->callback, args, kwargs);
        step_ends(&run, self->state, self->task);
    }
    Py_DECREF(self);
    return result;
}

static PyObject *
callable_call(PyObject *object, PyObject *args, PyObject *kwargs)
{
    Callable *self = (Callable *)object;
    PyObject *result;
    Py_INCREF(self); /* cancelling its handle drops it */
    if (!is_followed(self->loop)) {
        result = PyObject_Call(self->callback, args, kwargs);
    }
    else {
        Cause cause = self->cause;
        if (self->kind != RUNS_CALLBACK) {
            int64_t at = now();
            cause.ns = self->kind == RUNS_EVENT || at < cause.ns ? at : cause.ns;
            cause.id = self->kind == RUNS_EVENT ? 0 : name_of(self->callback);
        }
        Run run;
        callback_begins(&run, self->loop, self->callback, cause);
        result = PyObject_Call(self->callback, args, kwargs);
        callback_ends(&run);
    }
    Py_DECREF(self);
    return result;
}

/* -- making ----------------------------------------------------------------------------------------------------------- */

/* One is made for each run: those that are done with are used again. The collector knows them, since they may be part of a cycle,
 * but does not count them: it comes when it would come without us.
 */
#define MOST_FREE 256
typedef struct {
    PyObject *ones[MOST_FREE];
    int count;
} Free;

static Free free_steps, free_callables;

static inline PyObject *
take(Free *free, PyTypeObject *type)
{
    if (free->count > 0) {
        PyObject *self = free->ones[--free->count];
        _Py_NewReference(self);
        return self;
    }
    char *memory = PyObject_Malloc(sizeof(PyGC_Head) + (size_t)type->tp_basicsize);
    if (memory == NULL) {
        return PyErr_NoMemory();
    }
    memset(memory, 0, sizeof(PyGC_Head));
    return PyObject_Init((PyObject *)(memory + sizeof(PyGC_Head)), type);
}

static inline void
give_back(Free *free, PyObject *self)
{
    if (free->count < MOST_FREE) {
        free->ones[free->count++] = self; /* with its reference to the type */
        return;
    }
    PyTypeObject *type = Py_TYPE(self);
    PyObject_Free((char *)self - sizeof(PyGC_Head));
    Py_DECREF(type);
}

static PyObject *
step_new(PyObject *callback, LoopState *loop, TaskState *state, PyObject *task)
{
    Step *self = (Step *)take(&free_steps, Step_Type);
    if (self != NULL) {
        self->callback = Py_NewRef(callback);
        self->loop = (LoopState *)Py_NewRef((PyObject *)loop);
        self->state = (TaskState *)Py_NewRef((PyObject *)state);
        self->task = task;
        if (Py_IS_TYPE(callback, core.step_type)) {
            PyObject_GC_UnTrack(callback); /* we stand for it, see `step_traverse` */
        }
        PyObject_GC_Track((PyObject *)self);
    }
    return (PyObject *)self;
}

static PyObject *
callable_new(PyObject *callback, LoopState *loop, int kind, const Cause *cause)
{
    Callable *self = (Callable *)take(&free_callables, Callable_Type);
    if (self != NULL) {
        self->callback = Py_NewRef(callback);
        self->loop = (LoopState *)Py_NewRef((PyObject *)loop);
        self->kind = kind;
        self->cause = *cause;
        PyObject_GC_Track((PyObject *)self);
    }
    return (PyObject *)self;
}

/* new_callable(kind, callback, loop, what): for the Python side. `what` is the task's state, the cause, (due, site) or the cause's kind. */
PyObject *
callable_of(PyObject *Py_UNUSED(module), PyObject *args)
{
    int kind;
    PyObject *callback, *loop, *what, *task;
    Cause cause = {.set = 1};
    if (!PyArg_ParseTuple(args, "iOO!O", &kind, &callback, LoopState_Type, &loop, &what)) {
        return NULL;
    }
    int ok = 1;
    switch (kind) {
    case RUNS_STEP:
        if (Py_IS_TYPE(what, TaskState_Type) && (task = any_task_of_step(callback)) != NULL) {
            return step_new(callback, (LoopState *)loop, (TaskState *)what, task);
        }
        ok = 0;
        break;
    case RUNS_CALLBACK:
        ok = PyTuple_Check(what) && PyArg_ParseTuple(what, "LLLL", &cause.ns, &cause.kind, &cause.id, &cause.site);
        break;
    case RUNS_TIMER:
        cause.kind = WAKER_TIMER;
        ok = PyTuple_Check(what) && PyArg_ParseTuple(what, "LL", &cause.ns, &cause.site);
        break;
    default:
        cause.kind = PyLong_AsLongLong(what);
        ok = !PyErr_Occurred();
    }
    if (!ok) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_TypeError, "this is not what such a callable needs");
        }
        return NULL;
    }
    return callable_new(callback, (LoopState *)loop, kind, &cause);
}

/* -- the type: to whoever looks, it is the callback ---------------------------------------------------------------------- */

static PyObject *
callable_getattro(PyObject *self, PyObject *name)
{
    return PyObject_GetAttr(((Callable *)self)->callback, name);
}

static PyObject *
callable_repr(PyObject *self)
{
    return PyObject_Repr(((Callable *)self)->callback);
}

static PyObject *
callable_str(PyObject *self)
{
    return PyObject_Str(((Callable *)self)->callback);
}

static int
callable_traverse(PyObject *object, visitproc visit, void *arg)
{
    Callable *self = (Callable *)object;
    Py_VISIT(self->callback);
    Py_VISIT(self->loop);
    return 0;
}

/* There may be as many steps as tasks, and each would make two things to go over for the collector where there was one. So the
 * callable takes the place of asyncio's own wrapper, as long as nobody else has that: what it refers to is visited from here.
 */
static int
step_traverse(PyObject *object, visitproc visit, void *arg)
{
    Step *self = (Step *)object;
    Py_VISIT(self->loop);
    if (Py_REFCNT(self->callback) == 1 && Py_IS_TYPE(self->callback, core.step_type)
        && !PyObject_GC_IsTracked(self->callback)) {
        return Py_TYPE(self->callback)->tp_traverse(self->callback, visit, arg);
    }
    Py_VISIT(self->callback);
    return 0;
}

/* They have no `tp_clear`: like a tuple, they can't be made without their parts, so a cycle goes through something else too. */
static void
callable_dealloc(PyObject *object)
{
    Callable *self = (Callable *)object;
    PyObject_GC_UnTrack(object);
    PyObject *callback = self->callback;
    LoopState *loop = self->loop;
    give_back(&free_callables, object);
    Py_DECREF(callback);
    Py_DECREF(loop);
}

static void
step_dealloc(PyObject *object)
{
    Step *self = (Step *)object;
    PyObject_GC_UnTrack(object);
    PyObject *callback = self->callback;
    LoopState *loop = self->loop;
    TaskState *state = self->state;
    if (Py_REFCNT(callback) > 1 && Py_IS_TYPE(callback, core.step_type) && !PyObject_GC_IsTracked(callback)) {
        PyObject_GC_Track(callback); /* it outlives us */
    }
    give_back(&free_steps, object);
    Py_DECREF(callback);
    Py_DECREF(loop);
    Py_DECREF(state);
}

static PyType_Slot slots[] = {
    {Py_tp_call, callable_call}, {Py_tp_getattro, callable_getattro}, {Py_tp_repr, callable_repr}, {Py_tp_str, callable_str},
    {Py_tp_traverse, callable_traverse}, {Py_tp_dealloc, callable_dealloc}, {0, NULL},
};

static PyType_Slot step_slots[] = {
    {Py_tp_call, step_call}, {Py_tp_getattro, callable_getattro}, {Py_tp_repr, callable_repr}, {Py_tp_str, callable_str},
    {Py_tp_traverse, step_traverse}, {Py_tp_dealloc, step_dealloc}, {0, NULL},
};

#define FLAGS Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION
static PyType_Spec spec = {"asyncio_trace.tracer.native_core._native.Callable", sizeof(Callable), 0, FLAGS, slots};
static PyType_Spec step_spec = {"asyncio_trace.tracer.native_core._native.Step", sizeof(Step), 0, FLAGS, step_slots};

int
callables_init(PyObject *module)
{
    Callable_Type = (PyTypeObject *)PyType_FromSpec(&spec);
    Step_Type = (PyTypeObject *)PyType_FromSpec(&step_spec);
    if (Callable_Type == NULL || Step_Type == NULL || PyModule_AddObjectRef(module, "Callable", (PyObject *)Callable_Type) < 0) {
        return -1;
    }
    return PyModule_AddObjectRef(module, "Step", (PyObject *)Step_Type);
}

/* -- methods of the loop ------------------------------------------------------------------------------------------------ */

#define MOST_ARGS 8
#define ORIGINAL(METHOD) (((Method *)(METHOD))->original)
#define CAREFUL(METHOD) (((Method *)(METHOD))->careful)

/* Call the loop's own method with `target` in place of the callback at `at`. */
static PyObject *
call_with(PyObject *method, PyObject *const *args, size_t flagged, PyObject *kwnames, Py_ssize_t at, PyObject *target)
{
    Py_ssize_t count = PyVectorcall_NARGS(flagged), all = count + (kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames));
    PyObject *few[MOST_ARGS], **copy = all <= MOST_ARGS ? few : PyMem_Malloc((size_t)all * sizeof *copy);
    if (copy == NULL) {
        return PyErr_NoMemory();
    }
    for (Py_ssize_t index = 0; index < all; index++) {
        copy[index] = args[index];
    }
    copy[at] = target;
    PyObject *result = PyObject_Vectorcall(ORIGINAL(method), copy, (size_t)count, kwnames);
    if (copy != few) {
        PyMem_Free(copy);
    }
    return result;
}

/* Whether a callback is to be followed: it can be called, and is none of ours yet. */
static inline int
is_new(PyObject *callback)
{
    return !Py_IS_TYPE(callback, Step_Type) && !Py_IS_TYPE(callback, Callable_Type) && PyCallable_Check(callback);
}

/* `call_soon`, `call_soon_threadsafe` */
static PyObject *
call_soon(PyObject *method, PyObject *const *args, size_t flagged, PyObject *kwnames)
{
    Py_ssize_t count = PyVectorcall_NARGS(flagged);
    if (count < 2) { /* the callback is given by name, or forgotten */
        return PyObject_Vectorcall(count < 1 || kwnames == NULL ? ORIGINAL(method) : CAREFUL(method), args, flagged, kwnames);
    }
    PyObject *callback = args[1];
    LoopState *loop = loop_state(args[0]);
    if (loop == NULL || !is_new(callback)) {
        return PyObject_Vectorcall(ORIGINAL(method), args, flagged, kwnames);
    }
    PyObject *target, *task = NULL;
    if (Py_IS_TYPE(callback, core.step_type) && (task = task_of_step(callback)) != NULL && task == loop->stepping
        && loop->current == loop->stepping_state && loop->current != NULL) {
        target = step_new(callback, loop, loop->current, task); /* a task yields: the commonest of all, told without looking it up */
    }
    else {
        TaskState *state;
        Cause cause;
        if (classify(loop, callback, args + 2, count - 2, &state, &cause)) {
            Py_RETURN_NONE;
        }
        if (state != NULL && (task != NULL || (task = any_task_of_step(callback)) != NULL)) {
            target = step_new(callback, loop, state, task);
        }
        else {
            target = callable_new(callback, loop, RUNS_CALLBACK, &cause);
        }
    }
    if (target == NULL) {
        return NULL;
    }
    PyObject *handle = call_with(method, args, flagged, kwnames, 1, target);
    Py_DECREF(target);
    return handle;
}

static PyObject *
call_timer(PyObject *method, PyObject *const *args, size_t flagged, PyObject *kwnames, int is_absolute)
{
    Py_ssize_t count = PyVectorcall_NARGS(flagged);
    LoopState *loop = count < 1 || (count < 3 && kwnames == NULL) ? NULL : loop_state(args[0]);
    if (loop == NULL || (count > 2 && !is_new(args[2]))) {
        return PyObject_Vectorcall(ORIGINAL(method), args, flagged, kwnames);
    }
    if (count < 3) {
        return PyObject_Vectorcall(CAREFUL(method), args, flagged, kwnames);
    }
    double ahead = PyFloat_AsDouble(args[1]);
    if (is_absolute) {
        PyObject *time = PyObject_CallMethodNoArgs(args[0], names.time);
        ahead -= time == NULL ? 0 : PyFloat_AsDouble(time);
        Py_XDECREF(time);
    }
    if (PyErr_Occurred()) {
        PyErr_Clear(); /* it is no number: let the loop say so */
        return PyObject_Vectorcall(ORIGINAL(method), args, flagged, kwnames);
    }
    ahead *= 1e9;
    Cause cause = {.ns = now(), .kind = WAKER_TIMER, .set = 1};
    if (ahead > 0) {
        cause.ns += ahead < 4e18 ? (int64_t)ahead : (int64_t)4e18;
    }
    int64_t site = site_find(frame_current(), loop->running);
    cause.site = site < 0 ? 0 : site;
    PyObject *target = callable_new(args[2], loop, RUNS_TIMER, &cause);
    if (target == NULL) {
        return NULL;
    }
    PyObject *handle = call_with(method, args, flagged, kwnames, 2, target);
    Py_DECREF(target);
    return handle;
}

static PyObject *
call_later(PyObject *method, PyObject *const *args, size_t flagged, PyObject *kwnames)
{
    return call_timer(method, args, flagged, kwnames, 0);
}

static PyObject *
call_at(PyObject *method, PyObject *const *args, size_t flagged, PyObject *kwnames)
{
    return call_timer(method, args, flagged, kwnames, 1);
}

static PyObject *
create_future(PyObject *method, PyObject *const *args, size_t flagged, PyObject *kwnames)
{
    LoopState *loop = PyVectorcall_NARGS(flagged) == 1 && kwnames == NULL ? loop_state(args[0]) : NULL;
    if (loop == NULL) {
        return PyObject_Vectorcall(ORIGINAL(method), args, flagged, kwnames);
    }
    Py_INCREF(loop);
    loop->making = 1;
    PyObject *future = PyObject_Vectorcall(ORIGINAL(method), args, flagged, kwnames);
    loop->making = 0;
    if (future != NULL && is_followed(loop) && table_number(core.futures, future) == 0) {
        future_made(loop, future);
    }
    Py_DECREF(loop);
    return future;
}

/* Whether a task is made in asyncio's own way: no factory, and no words but these. */
static int
makes_plainly(PyObject *loop, PyObject *kwnames)
{
    for (Py_ssize_t index = 0; kwnames != NULL && index < PyTuple_GET_SIZE(kwnames); index++) {
        PyObject *word = PyTuple_GET_ITEM(kwnames, index);
        if (word != names.context && PyUnicode_Compare(word, names.eager_start) != 0
            && PyUnicode_CompareWithASCIIString(word, "name") != 0 && PyUnicode_CompareWithASCIIString(word, "context") != 0) {
            return 0;
        }
    }
    PyObject *factory = PyObject_CallMethodNoArgs(loop, names.get_task_factory);
    if (factory == NULL) {
        PyErr_Clear();
        return 0;
    }
    Py_DECREF(factory);
    return factory == Py_None;
}

static PyObject *
create_task(PyObject *method, PyObject *const *args, size_t flagged, PyObject *kwnames)
{
    Py_ssize_t count = PyVectorcall_NARGS(flagged);
    LoopState *loop = count < 1 || (count < 2 && kwnames == NULL) ? NULL : loop_state(args[0]);
    if (loop == NULL) {
        return PyObject_Vectorcall(ORIGINAL(method), args, flagged, kwnames);
    }
    int is_plain = count == 2 && makes_plainly(args[0], kwnames);
    Py_INCREF(loop);
    loop->creating++;
    PyObject *task = PyObject_Vectorcall(is_plain ? ORIGINAL(method) : CAREFUL(method), args, flagged, kwnames);
    loop->creating--;
    eager_record(loop);
    Py_DECREF(loop);
    return task;
}

static PyObject *
get_debug(PyObject *method, PyObject *const *args, size_t flagged, PyObject *kwnames)
{
    LoopState *loop = PyVectorcall_NARGS(flagged) == 1 && kwnames == NULL ? loop_state_if_any(args[0]) : NULL;
    if (loop != NULL && !loop->making && !asked_for_debug(loop, args[0])) {
        return PyObject_Vectorcall(CAREFUL(method), args, flagged, kwnames);
    }
    return PyObject_Vectorcall(ORIGINAL(method), args, flagged, kwnames);
}

static PyObject *
is_running(PyObject *method, PyObject *const *args, size_t flagged, PyObject *kwnames)
{
    LoopState *loop = PyVectorcall_NARGS(flagged) == 1 && kwnames == NULL ? loop_state_if_any(args[0]) : NULL;
    if (loop != NULL && loop->nascent != NULL) {
        return PyObject_Vectorcall(CAREFUL(method), args, flagged, kwnames);
    }
    PyObject *running = PyObject_Vectorcall(ORIGINAL(method), args, flagged, kwnames);
    if (loop != NULL && running == Py_True) {
        eager_asked(loop);
    }
    return running;
}

/* In C so that no frame of ours lies beneath the program, where debug mode would show it. */
static PyObject *
run_forever(PyObject *method, PyObject *const *args, size_t flagged, PyObject *kwnames)
{
    LoopState *loop = PyVectorcall_NARGS(flagged) == 1 && kwnames == NULL ? loop_state(args[0]) : NULL;
    if (loop != NULL) {
        loop->ident = PyThread_get_thread_ident();
    }
    return PyObject_Vectorcall(ORIGINAL(method), args, flagged, kwnames);
}

static const struct {
    const char *name;
    vectorcallfunc call;
} methods[] = {
    {"call_soon", call_soon},         {"call_soon_threadsafe", call_soon}, {"call_later", call_later}, {"call_at", call_at},
    {"create_future", create_future}, {"create_task", create_task},        {"get_debug", get_debug},   {"is_running", is_running},
    {"run_forever", run_forever},
};

/* What stands in for a method of a foreign loop class; new reference; None if it has no quick way. */
PyObject *
foreign_method(const char *name, PyObject *original, PyObject *careful)
{
    for (size_t index = 0; index < sizeof methods / sizeof *methods; index++) {
        if (strcmp(methods[index].name, name) == 0) {
            return foreign_method_new(methods[index].call, original, careful);
        }
    }
    Py_RETURN_NONE;
}
