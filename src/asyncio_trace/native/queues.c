/* Queues and events: how long a queue is, who puts and takes, who sets an event; see tracer/resources.py.
 *
 * `Queue._wakeup_next` is called by whoever has put or taken an item. What stands in its place, and in that of an event's methods,
 * does in C what they do in Python: what that saves pays for the record.
 */
#include "asyncio_parts.h"
#include "resources.h"

static PyObject *plain_wakeup_next, *plain_shutdown, *plain_set, *plain_clear; /* held */

/* Items of a queue; -1 where counting them would run code of the program's. Sets no error. */
static int64_t
length_of(PyObject *queue)
{
    PyObject *items = PyObject_GenericGetAttr(queue, names._queue);
    Py_ssize_t length = -1;
    if (items != NULL && (Py_IS_TYPE(items, parts.deque_type) || !PyType_HasFeature(Py_TYPE(items), Py_TPFLAGS_HEAPTYPE))) {
        length = PyObject_Size(items);
    }
    Py_XDECREF(items);
    PyErr_Clear();
    return length;
}

/* Record the length of a queue that was `change` shorter before. The cause of the change, if it is known. */
static Cause
record_length(PyObject *queue, Frame *frame, int change)
{
    Cause cause = {.set = 0};
    int64_t length = length_of(queue), id;
    if (length >= 0 && resource_cause(queue, &cause, frame)
        && (id = resource_told(queue, &cause, ROLE_QUEUE, length - change)) != 0) {
        resource_change(QUEUE_LENGTH, id, &cause, length);
    }
    return cause;
}

static PyObject *
call_plain(PyObject *plain, PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *kwnames)
{
    Py_ssize_t words = kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames);
    if (count + words > 3) {
        return PyErr_Format(PyExc_TypeError, "too many arguments");
    }
    PyObject *all[4] = {self};
    for (Py_ssize_t at = 0; at < count + words; at++) {
        all[at + 1] = args[at];
    }
    return PyObject_Vectorcall(plain, all, (size_t)count + 1, kwnames);
}

/* Whether a loop runs on this thread that is followed and not in debug mode, in which it would remember a frame that is missing. */
static int
runs_plainly(void)
{
    LoopState *loop = core.last_run;
    if (loop == NULL || loop->running == NULL || loop->ident != PyThread_get_thread_ident() || loop->foreign) {
        return 0;
    }
    PyObject *target = weak_target(loop->reference);
    PyObject *debug = target == Py_None ? NULL : PyObject_GetAttr(target, names._debug);
    Py_XDECREF(debug);
    PyErr_Clear();
    return debug == Py_False;
}

static PyObject *
wakeup_next(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *kwnames)
{
    if (count != 1 || kwnames != NULL || !Py_IS_TYPE(args[0], parts.deque_type)) {
        return call_plain(plain_wakeup_next, self, args, count, kwnames);
    }
    PyObject *waiters = args[0];
    Cause cause = {.set = 0};
    if (core.active) {
        Frame *frame = frame_current();
        PyObject *code = frame == NULL ? NULL : (PyObject *)frame_code(frame);
        if (code == parts.puts || code == parts.gets) {
            cause = record_length(self, frame, code == parts.puts ? 1 : -1);
        }
    }
    while (PyObject_Size(waiters) > 0) {
        if (!cause.set || !runs_plainly()) {
            return call_plain(plain_wakeup_next, self, args, count, kwnames);
        }
        PyObject *waiter = PyObject_CallMethodNoArgs(waiters, names.popleft);
        PyObject *done = waiter == NULL ? NULL : PyObject_CallMethodNoArgs(waiter, names.done);
        PyObject *set = NULL;
        if (done == Py_False) {
            core.last_run->resolved = (uintptr_t)waiter; /* what wakes its task is the same, a moment later */
            core.last_run->resolved_cause = cause;
            set = PyObject_CallMethodOneArg(waiter, names.set_result, Py_None);
        }
        int is_over = done != Py_True;
        Py_XDECREF(waiter);
        Py_XDECREF(done);
        if (is_over) {
            return set; /* None, or what went wrong */
        }
    }
    Py_RETURN_NONE;
}

static PyObject *
shutdown_queue(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *kwnames)
{
    int64_t before = length_of(self);
    PyObject *result = call_plain(plain_shutdown, self, args, count, kwnames);
    if (result != NULL && core.active && before >= 0) {
        int64_t length = length_of(self);
        if (length != before) {
            record_length(self, frame_current(), (int)(length - before));
        }
    }
    return result;
}

/* -- events ----------------------------------------------------------------------------------------------------------- */

/* An event's flag: 0 or 1; -1 if the instance has none of its own, so that asking might run code of the program's. */
static int
flag_of(PyObject *event)
{
    if (!Py_IS_TYPE(event, parts.event_type) && _PyType_Lookup(Py_TYPE(event), names._value) != NULL) {
        return -1;
    }
    PyObject *value = PyObject_GenericGetAttr(event, names._value);
    Py_XDECREF(value);
    PyErr_Clear();
    return value == Py_True ? 1 : value == Py_False ? 0 : -1;
}

static void
record_flag(PyObject *event, int flag)
{
    Frame *frame = frame_current();
    if (core.active && frame != NULL && PyUnicode_Compare(frame_code(frame)->co_filename, parts.queues_file) != 0) {
        resource_changed(ROLE_EVENT, event, !flag, flag, frame); /* not a queue's own, which is for `join` */
    }
}

static PyObject *
event_set(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *kwnames)
{
    int flag = flag_of(self);
    if (count == 0 && kwnames == NULL && flag == 1) {
        Py_RETURN_NONE;
    }
    if (flag == 0) {
        record_flag(self, 1);
    }
    return call_plain(plain_set, self, args, count, kwnames);
}

static PyObject *
event_clear(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *kwnames)
{
    int flag = flag_of(self);
    if (count == 0 && kwnames == NULL && flag == 0) {
        Py_RETURN_NONE;
    }
    PyObject *result = call_plain(plain_clear, self, args, count, kwnames);
    if (result != NULL && flag == 1) {
        record_flag(self, 0);
    }
    return result;
}

/* resource_method(name, original): what stands in for a method of `asyncio.Queue` or `asyncio.Event`. */
PyObject *
resource_method(PyObject *Py_UNUSED(module), PyObject *args)
{
    const char *name;
    PyObject *original;
    if (!PyArg_ParseTuple(args, "sO", &name, &original)) {
        return NULL;
    }
    static const struct {
        const char *name;
        PyObject **plain;
        Implementation run;
    } all[] = {
        {"_wakeup_next", &plain_wakeup_next, wakeup_next},
        {"shutdown", &plain_shutdown, shutdown_queue},
        {"set", &plain_set, event_set},
        {"clear", &plain_clear, event_clear},
    };
    for (size_t at = 0; at < sizeof(all) / sizeof(all[0]); at++) {
        if (strcmp(all[at].name, name) == 0) {
            Py_XSETREF(*all[at].plain, Py_NewRef(original));
            return method_new(all[at].run, original);
        }
    }
    return PyErr_Format(PyExc_ValueError, "no method %s", name);
}
