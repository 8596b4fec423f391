/* What stands in for methods of `BaseEventLoop`: the way of every day. Whatever is unusual (a closed loop, debug mode, a subclass
 * with its own `_call_soon`, a task factory) goes to the Python side, which has the same meaning.
 */
#include "asyncio_parts.h"
#include "instances.h"

static Whereabouts ready_at, closed_at, debug_at, thread_at, factory_at;

static LoopState *
find_state(PyObject *loop, int ask)
{
    static PyObject *last_loop;
    static LoopState *last_state;
    if (!core.active) {
        return NULL;
    }
    if (loop == last_loop && last_state != NULL && last_state->trace == core.trace
        && ((PyWeakReference *)last_state->reference)->wr_object == loop) {
        return last_state;
    }
    PyObject *found = PyObject_GetAttr(loop, names._asyncio_trace);
    if (found == NULL) {
        PyErr_Clear();
        return NULL;
    }
    if (!Py_IS_TYPE(found, LoopState_Type)) {
        Py_DECREF(found);
        if (!ask || found != Py_None || (found = ask_slow("state_of", loop, NULL, NULL)) == NULL) {
            return NULL;
        }
        if (!Py_IS_TYPE(found, LoopState_Type)) {
            Py_DECREF(found);
            return NULL;
        }
    }
    LoopState *state = (LoopState *)found;
    if (state->trace != core.trace || state->reference == NULL) {
        Py_DECREF(found);
        return NULL;
    }
    Py_XSETREF(last_state, (LoopState *)Py_NewRef(found));
    last_loop = loop;
    Py_DECREF(found); /* the loop and we hold it */
    return state;
}

/* The state of a loop; NULL if it is not followed. Sets no error. */
LoopState *
loop_state(PyObject *loop)
{
    return find_state(loop, 1);
}

LoopState *
loop_state_if_any(PyObject *loop)
{
    return find_state(loop, 0);
}

static int
is_true_attribute(PyObject *object, PyObject *name, Whereabouts *place)
{
    PyObject *value = instance_attribute(object, name, place);
    int is = value == NULL ? -1 : value == Py_False ? 0 : PyObject_IsTrue(value);
    Py_XDECREF(value);
    return is;
}

/* Whether the loop takes a callback without a word: open, not in debug mode. */
static int
is_plain(PyObject *loop)
{
    int closed = is_true_attribute(loop, names._closed, &closed_at);
    int debug = closed == 0 ? is_true_attribute(loop, names._debug, &debug_at) : 1;
    if (closed < 0 || debug < 0) {
        PyErr_Clear();
        return 0;
    }
    return !closed && !debug;
}

static int
has_base_call_soon(PyObject *loop)
{
    static PyTypeObject *last;
    static unsigned int version;
    PyTypeObject *type = Py_TYPE(loop);
    if (type == last && type->tp_version_tag == version && version != 0) {
        return 1;
    }
    if (_PyType_Lookup(type, names._call_soon) != core.base_call_soon_inner) {
        return 0;
    }
    last = type;
    version = type->tp_version_tag;
    return 1;
}

/* The `context` among keyword arguments; -1 if there are others. */
static int
only_context(PyObject *const *args, Py_ssize_t count, PyObject *kwnames, PyObject **context)
{
    *context = NULL;
    if (kwnames == NULL || PyTuple_GET_SIZE(kwnames) == 0) {
        return 0;
    }
    static PyObject *seen; /* the words of asyncio's own C code: one tuple, of a string that is not interned */
    PyObject *name = PyTuple_GET_ITEM(kwnames, 0);
    if (kwnames == seen) {
        *context = args[count];
        return 0;
    }
    if (PyTuple_GET_SIZE(kwnames) != 1
        || (name != names.context && PyUnicode_CompareWithASCIIString(name, "context") != 0)) {
        return -1;
    }
    Py_XSETREF(seen, Py_NewRef(kwnames));
    *context = args[count];
    return 0;
}

/* Call the Python side's stand-in for a method with the very arguments. */
static PyObject *
call_slow(const char *name, PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *kwnames)
{
    Py_ssize_t words = kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames);
    PyObject *function = core.slow == NULL ? NULL : PyObject_GetAttrString(core.slow, name);
    if (function == NULL) {
        PyErr_Clear();
        function = PyDict_GetItemString(core.originals, name); /* somebody kept our method beyond the trace */
        if (function == NULL) {
            PyErr_SetString(PyExc_RuntimeError, "no trace is running");
            return NULL;
        }
        Py_INCREF(function);
    }
    PyObject **all = PyMem_Malloc((size_t)(count + words + 1) * sizeof(PyObject *));
    PyObject *result = NULL;
    if (all == NULL) {
        PyErr_NoMemory();
    }
    else {
        all[0] = self;
        for (Py_ssize_t index = 0; index < count + words; index++) {
            all[index + 1] = args[index];
        }
        result = PyObject_Vectorcall(function, all, (size_t)count + 1, kwnames);
        PyMem_Free(all);
    }
    Py_DECREF(function);
    return result;
}

/* What a callback that is being queued means. 0: queue it; 1: it is a sentinel, queue nothing. */
int
classify(LoopState *loop, PyObject *callback, PyObject *const *args, Py_ssize_t count, TaskState **state, Cause *cause)
{
    Frame *frame = frame_current();
    PyTypeObject *type = Py_TYPE(callback);
    *state = NULL;
    if (loop->resolving != NULL) {
        resolving_done(loop->resolving);
    }
    if (type == Sentinel_Type) {
        if (count > 0) {
            sentinel_told(loop, (Sentinel *)callback, args[0], frame);
        }
        return 1;
    }
    if (type == core.step_type) {
        PyObject *task = task_of_step(callback);
        TaskState *known = task == NULL ? NULL : task_state(task);
        if (known != NULL && known->done) {
            known = NULL; /* another task has its address */
        }
        if (known == NULL) {
            known = task == NULL ? NULL : task_created(loop, task, frame, 0);
            if (known == NULL) {
                failed(1);
                *cause = current_cause(loop, frame);
                return 0;
            }
        }
        else if (known != loop->current) {
            known->wake = current_cause(loop, frame);
        }
        *state = known;
        return 0;
    }
    if (PyCFunction_CheckExact(callback)) {
        PyObject *task = task_of_step(callback);
        if (task != NULL) {
            TaskState *known = task_state(task);
            if (known == NULL || known->done) {
                PyObject *found = ask_slow("first_seen", (PyObject *)loop, task, callback);
                known = found != NULL && Py_IS_TYPE(found, TaskState_Type) ? (TaskState *)found : NULL;
                Py_XDECREF(found); /* the table holds it */
            }
            else if (count > 0 && args[0] != Py_None) {
                task_woken(loop, task, known, args[0], frame);
            }
            else if (known != loop->current) {
                known->wake = current_cause(loop, frame);
            }
            if (known != NULL) {
                *state = known;
                return 0;
            }
        }
    }
    else if (PyMethod_Check(callback) && (PyMethod_GET_FUNCTION(callback) == parts.python_steps[0]
                                          || PyMethod_GET_FUNCTION(callback) == parts.python_steps[1])) {
        PyObject *answer = ask_slow("python_step", (PyObject *)loop, callback, count > 0 ? args[0] : Py_None);
        if (answer != NULL && Py_IS_TYPE(answer, TaskState_Type)) {
            *state = (TaskState *)answer;
            Py_DECREF(answer);
            return 0;
        }
        Py_XDECREF(answer);
    }
    *cause = current_cause(loop, frame);
    return 0;
}

static PyObject *
call_soon(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *kwnames)
{
    PyObject *context;
    LoopState *loop = loop_state(self);
    if (loop == NULL || count < 1 || only_context(args, count, kwnames, &context) < 0) {
        return call_slow("untraced_call_soon", self, args, count, kwnames);
    }
    PyObject *callback = args[0];
    TaskState *state = NULL;
    Cause cause = {0};
    if (classify(loop, callback, args + 1, count - 1, &state, &cause)) {
        Py_RETURN_NONE;
    }
    if (!is_plain(self) || !has_base_call_soon(self)) {
        PyObject *rest = PyTuple_New(count - 1);
        if (rest == NULL) {
            return NULL;
        }
        for (Py_ssize_t index = 1; index < count; index++) {
            PyTuple_SET_ITEM(rest, index - 1, Py_NewRef(args[index]));
        }
        PyObject *function = PyObject_GetAttrString(core.slow, "careful_call_soon");
        PyObject *origin = state != NULL ? Py_NewRef(Py_None)
                                         : Py_BuildValue("(LLLL)", cause.ns, cause.kind, cause.id, cause.site);
        PyObject *handle = function == NULL || origin == NULL ? NULL
                           : PyObject_CallFunctionObjArgs(function, self, (PyObject *)loop, state ? (PyObject *)state : Py_None,
                                                          origin, callback, rest, context == NULL ? Py_None : context, NULL);
        Py_XDECREF(function);
        Py_XDECREF(origin);
        Py_DECREF(rest);
        return handle;
    }
    PyObject *ready = instance_attribute(self, names._ready, &ready_at);
    if (ready == NULL) {
        return NULL;
    }
    PyObject *handle = state != NULL ? step_handle_new(callback, args + 1, count - 1, self, context)
                                     : handle_new(callback, args + 1, count - 1, self, context, &cause);
    if (handle != NULL) {
        PyObject *appended = Py_IS_TYPE(ready, parts.deque_type) && parts.deque_append != NULL
                                 ? parts.deque_append->ml_meth(ready, handle)
                                 : PyObject_CallMethodOneArg(ready, names.append, handle);
        if (appended == NULL) {
            Py_CLEAR(handle);
        }
        Py_XDECREF(appended);
    }
    Py_DECREF(ready);
    return handle;
}

static PyObject *
call_at(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *kwnames)
{
    PyObject *context;
    LoopState *loop = loop_state(self);
    if (loop == NULL || count < 2 || only_context(args, count, kwnames, &context) < 0 || !PyFloat_CheckExact(args[0])
        || !is_plain(self)) {
        return call_slow("call_at", self, args, count, kwnames);
    }
    int64_t at = now(), due = at, site = 0;
    double ahead;
    if (core.clock == NULL && _PyType_Lookup(Py_TYPE(self), names.time) == core.loop_time) {
        ahead = PyFloat_AS_DOUBLE(args[0]) * 1e9 - (double)(at + core.origin);
    }
    else {
        PyObject *time = PyObject_CallMethodNoArgs(self, names.time);
        if (time == NULL) {
            return NULL;
        }
        ahead = (PyFloat_AS_DOUBLE(args[0]) - PyFloat_AsDouble(time)) * 1e9;
        Py_DECREF(time);
        if (PyErr_Occurred()) {
            return NULL;
        }
    }
    if (ahead > 0) {
        due += ahead < 4e18 ? (int64_t)ahead : (int64_t)4e18;
    }
    if (args[1] != core.sleep_over) {
        site = site_find(frame_current(), loop->running);
        site = site < 0 ? 0 : site;
    }
    PyObject *scheduled = PyObject_GetAttr(self, names._scheduled);
    if (scheduled == NULL) {
        return NULL;
    }
    PyObject *handle = timer_handle_new(args[0], args[1], args + 2, count - 2, self, context, due, site);
    if (handle != NULL) {
        PyObject *pushed = PyObject_CallFunctionObjArgs(core.heappush, scheduled, handle, NULL);
        if (pushed == NULL) {
            Py_CLEAR(handle);
        }
        Py_XDECREF(pushed);
    }
    Py_DECREF(scheduled);
    return handle;
}

/* Take in a future that `create_future` has made. */
void
future_made(LoopState *loop, PyObject *future)
{
    Frame *frame = frame_current();
    if (frame != NULL && loop->current != NULL && is_maker(frame_code(frame))) {
        loop->made = (uintptr_t)future;
        loop->made_ns = now();
        return;
    }
    future_begins(loop, future, frame);
}

static PyObject *
create_future(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *kwnames)
{
    LoopState *loop = loop_state(self);
    if (loop == NULL || count != 0 || kwnames != NULL || is_true_attribute(self, names._debug, &debug_at)) {
        PyErr_Clear();
        return call_slow("create_future", self, args, count, kwnames);
    }
    PyObject *future = make_future(self, loop);
    if (future == NULL) {
        return NULL;
    }
    future_made(loop, future);
    return future;
}

/* `create_task` by a factory, in debug mode and the like; see `LoopState.creating`. */
static PyObject *
create_slowly(LoopState *loop, PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *kwnames)
{
    if (loop == NULL) {
        return call_slow("create_task", self, args, count, kwnames);
    }
    Py_INCREF(loop);
    loop->creating++;
    PyObject *task = call_slow("create_task", self, args, count, kwnames);
    loop->creating--;
    eager_record(loop);
    Py_DECREF(loop);
    return task;
}

static PyObject *
create_task(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *kwnames)
{
    LoopState *loop = loop_state(self);
    Py_ssize_t words = kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames);
    if (loop == NULL || count != 1 || words > 3 || !PyCoro_CheckExact(args[0]) || !is_plain(self)) {
        return create_slowly(loop, self, args, count, kwnames);
    }
    int is_eager = 0;
    for (Py_ssize_t index = 0; index < words; index++) {
        PyObject *word = PyTuple_GET_ITEM(kwnames, index);
        if (PY_VERSION_HEX >= 0x030E0000 && PyUnicode_Compare(word, names.eager_start) == 0 && args[1 + index] == Py_True) {
            is_eager = 1; /* before 3.14 the loop knows nothing of it */
        }
        else if (PyUnicode_CompareWithASCIIString(word, "name") != 0 && PyUnicode_CompareWithASCIIString(word, "context") != 0) {
            return create_slowly(loop, self, args, count, kwnames);
        }
    }
    PyObject *factory = instance_attribute(self, names._task_factory, &factory_at);
    PyObject *task_type = PyObject_GetAttr(core.tasks_module, names.Task);
    Py_XDECREF(factory);
    Py_XDECREF(task_type);
    if (factory != Py_None || task_type != (PyObject *)core.task_type) {
        PyErr_Clear();
        return create_slowly(loop, self, args, count, kwnames);
    }
    return make_task(self, loop, args[0], args + 1, kwnames, is_eager); /* what `BaseEventLoop.create_task` does */
}

/* A future that is being made by a constructor, found where its class has an `__init__` of its own: `self` of that frame. */
static PyObject *
future_in_init(PyObject *self, Frame *frame)
{
    PyCodeObject *code = frame == NULL ? NULL : frame_code(frame);
    if (code == NULL || code->co_argcount < 1 || PyUnicode_CompareWithASCIIString(code->co_name, "__init__") != 0) {
        return NULL;
    }
    PyObject *made = frame_local(frame, 0);
    if (made == NULL || !PyObject_TypeCheck(made, core.future_type) || PyObject_TypeCheck(made, core.task_type)) {
        return NULL;
    }
    PyObject *loop = PyObject_GetAttr(made, names._loop);
    Py_XDECREF(loop);
    if (loop != self) {
        PyErr_Clear();
        return NULL;
    }
    return made;
}

/* A future or task of this loop that is being made by a constructor in C: see `Futures._youngest`. Borrowed, or NULL. */
static PyObject *
youngest_made(PyObject *self)
{
    for (int nth = 0; nth < 8; nth++) {
        PyObject *made = young_object(nth);
        if (made == NULL) {
            return NULL;
        }
        if (PyObject_TypeCheck(made, core.future_type)) {
            PyObject *loop = PyObject_GetAttr(made, names._loop);
            Py_XDECREF(loop);
            if (loop != self) {
                PyErr_Clear();
                return NULL;
            }
            return table_number(core.futures, made) == 0 && task_state(made) == NULL ? made : NULL;
        }
    }
    return NULL;
}

/* Whether the innermost eager step that a bare constructor began, if there is one, is still on: nobody tells when it ends. */
static int
eager_goes_on(PyObject *self, LoopState *loop)
{
    Py_ssize_t depth = PyList_GET_SIZE(loop->eager);
    if (depth == 0) {
        return 1;
    }
    PyObject *task = PyObject_GetAttr(PyList_GET_ITEM(loop->eager, depth - 1), names.task);
    PyObject *current = PyObject_CallMethodOneArg(core.tasks_module, names.current_task, self);
    int goes_on = task != NULL && task == current;
    Py_XDECREF(task);
    Py_XDECREF(current);
    PyErr_Clear();
    return goes_on;
}

/* The loop is asked whether it is in debug mode, maybe by a future that is being made: take that in. 0 if it is to be worked out on
 * the Python side who asks.
 */
int
asked_for_debug(LoopState *loop, PyObject *self)
{
    if (is_making()) {
        return 1;
    }
    Frame *frame = frame_current();
    if (frame != NULL && asks_for_debug(frame_code(frame)) && eager_goes_on(self, loop)) {
        return 1;
    }
    PyObject *made = future_in_init(self, frame);
    if (made == NULL && PyList_GET_SIZE(loop->eager) == 0 && (made = youngest_made(self)) != NULL
        && PyObject_TypeCheck(made, core.task_type)) {
        Py_XSETREF(loop->nascent, PyWeakref_NewRef(made, NULL));
        return 1;
    }
    if (made != NULL && table_number(core.futures, made) == 0) {
        future_begins(loop, made, frame);
    }
    return made != NULL;
}

static PyObject *
get_debug(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *kwnames)
{
    LoopState *loop = loop_state(self);
    if (count != 0 || kwnames != NULL) {
        return call_slow("get_debug", self, args, count, kwnames);
    }
    if (loop != NULL && !loop->making && !asked_for_debug(loop, self)) {
        return call_slow("get_debug", self, NULL, 0, NULL);
    }
    return instance_attribute(self, names._debug, &debug_at);
}

static PyObject *
is_running(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *kwnames)
{
    LoopState *loop = loop_state(self);
    if (count != 0 || kwnames != NULL || (loop != NULL && loop->nascent != NULL)) {
        return call_slow("is_running", self, args, count, kwnames);
    }
    PyObject *thread = instance_attribute(self, names._thread_id, &thread_at);
    if (thread == NULL) {
        return NULL;
    }
    int is = thread != Py_None;
    Py_DECREF(thread);
    if (is && loop != NULL) {
        eager_asked(loop);
    }
    return PyBool_FromLong(is);
}

/* The loop's selector has returned. */
static PyObject *
process_events(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *kwnames)
{
    LoopState *loop = loop_state(self);
    if (loop != NULL) {
        int64_t at = now();
        loop->ident = PyThread_get_thread_ident();
        loop->select_end = at;
        int64_t since = loop->run_end - core.origin;
        if (at - since > 20000) {
            int64_t fields[] = {loop->id, since, at};
            stream_record(IDLE, fields, 3);
        }
        stream_resume();
    }
    if (count == 1 && PyList_CheckExact(args[0]) && PyList_GET_SIZE(args[0]) == 0) {
        Py_RETURN_NONE; /* asyncio's own would go over the list */
    }
    PyObject *all[2] = {self, count > 0 ? args[0] : NULL};
    return PyObject_Vectorcall(core.plain_process_events, all, (size_t)(count > 1 ? 1 : count) + 1, kwnames);
}

static const struct {
    const char *name;
    Implementation run;
} methods[] = {
    {"call_soon", call_soon},
    {"call_at", call_at},
    {"create_future", create_future},
    {"create_task", create_task},
    {"get_debug", get_debug},
    {"is_running", is_running},
    {"_process_events", process_events},
    {"_run", handle_base_run},
};

/* What stands in for a method of asyncio's; new reference, or NULL with LookupError set. */
PyObject *
loop_method(const char *name, PyObject *original)
{
    for (size_t index = 0; index < sizeof methods / sizeof *methods; index++) {
        if (strcmp(methods[index].name, name) == 0) {
            return method_new(methods[index].run, original);
        }
    }
    PyErr_SetString(PyExc_LookupError, name);
    return NULL;
}
