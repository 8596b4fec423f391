/* The extension module `asyncio_trace.tracer.native_core._native`: begins and ends a trace, and gives the Python side what it shares with us. */
#include "asyncio_parts.h"
#include "watchdog.h"

#include <errno.h>
#include <string.h>
#include <structmember.h>
#include <unistd.h>

Core core = {.next_id = 1};
Names names;

void
failed(int lost)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (value != NULL && core.recorder != NULL) {
        PyObject *number = PyLong_FromLong(lost);
        PyObject *done = number == NULL ? NULL : PyObject_CallMethodObjArgs(core.recorder, names.failed, value, number, NULL);
        Py_XDECREF(number);
        Py_XDECREF(done);
        PyErr_Clear();
    }
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
}

static int
slot_at(PyObject *type, const char *name, Py_ssize_t *offset)
{
    PyObject *descriptor = PyObject_GetAttrString(type, name);
    if (descriptor == NULL || !Py_IS_TYPE(descriptor, &PyMemberDescr_Type)) {
        Py_XDECREF(descriptor);
        PyErr_Format(PyExc_ImportError, "asyncio's handles have no slot %s", name);
        return -1;
    }
    *offset = ((PyMemberDescrObject *)descriptor)->d_member->offset;
    Py_DECREF(descriptor);
    return 0;
}

/* set_up(found): `found` is a dict of asyncio's parts, see tracer/native_core/parts.py. Once in a process. */
static PyObject *
set_up(PyObject *module, PyObject *found)
{
#define PART(TO, NAME) \
    if ((core.TO = (void *)PyDict_GetItemString(found, NAME)) == NULL) { \
        return PyErr_Format(PyExc_ImportError, "%s is missing", NAME); \
    } \
    Py_INCREF((PyObject *)core.TO)
    PART(future_type, "future_type");
    PART(task_type, "task_type");
    PART(step_type, "step_type");
    PART(iterator_type, "iterator_type");
    PART(handle_base, "handle");
    PART(timer_base, "timer_handle");
    PART(sleep_over, "sleep_over");
    PART(base_call_soon_inner, "call_soon_inner");
    PART(plain_handle_run, "plain_handle_run");
    PART(run_code, "run_code");
    PART(run_globals, "run_globals");
    PART(heappush, "heappush");
    PART(tasks_module, "tasks_module");
    PART(loop_time, "loop_time");
    PART(weak_set_remove, "weak_set_remove");
    PART(get_running_loop, "get_running_loop");
    PART(yielded, "yielded");
    PART(modules, "modules");
    PART(originals, "originals");
    PART(plain_process_events, "plain_process_events");
    PyObject *place = PyDict_GetItemString(found, "run_place");
    if (place == NULL || !PyArg_ParseTuple(place, "ii", &core.run_line, &core.run_lasti)) {
        return NULL;
    }
    if (slot_at(core.handle_base, "_callback", &core.at_callback) < 0
        || slot_at(core.handle_base, "_args", &core.at_args) < 0
        || slot_at(core.handle_base, "_cancelled", &core.at_cancelled) < 0
        || slot_at(core.handle_base, "_loop", &core.at_loop) < 0
        || slot_at(core.handle_base, "_source_traceback", &core.at_source) < 0
        || slot_at(core.handle_base, "_repr", &core.at_repr) < 0
        || slot_at(core.handle_base, "_context", &core.at_context) < 0 || slot_at(core.timer_base, "_when", &core.at_when) < 0
        || slot_at(core.timer_base, "_scheduled", &core.at_scheduled) < 0 || parts_init(found) < 0 || types_init() < 0
        || handles_init() < 0 || resources_init(module) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* begin(recorder, slow, clock, origin, descriptor, folder, ring, segment, started_unix_ns) -> (tasks, futures): a trace begins.
 * `clock` is None for the system's; the rest is where the stream goes, see `StreamTarget`.
 */
static PyObject *
begin_trace(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *recorder, *slow, *clock;
    const char *folder;
    long long origin, ring, segment, started;
    StreamTarget target = {0};
    if (!PyArg_ParseTuple(args, "OOOLiyLLL", &recorder, &slow, &clock, &origin, &target.descriptor, &folder, &ring, &segment,
                          &started)) {
        return NULL;
    }
    if (strlen(folder) >= sizeof target.folder) {
        errno = ENAMETOOLONG;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    strcpy(target.folder, folder);
    target.ring = ring;
    target.segment = segment;
    target.started_unix_ns = started;
    if (core.active) {
        PyErr_SetString(PyExc_RuntimeError, "a trace is running already");
        return NULL;
    }
    Table *tasks = table_new(0), *futures = table_new(1);
    if (tasks == NULL || futures == NULL || stacks_begin() < 0 || types_change() < 0) {
        Py_XDECREF(tasks);
        Py_XDECREF(futures);
        return NULL;
    }
    int error = stream_open(&target);
    if (error) {
        errno = error;
        types_restore();
        Py_DECREF(tasks);
        Py_DECREF(futures);
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    Py_XSETREF(core.tasks, tasks);
    Py_XSETREF(core.futures, futures);
    Py_XSETREF(core.recorder, Py_NewRef(recorder));
    Py_XSETREF(core.slow, Py_NewRef(slow));
    Py_CLEAR(core.clock);
    core.clock = clock == Py_None ? NULL : Py_NewRef(clock);
    core.origin = origin;
    core.next_id = 1;
    sites_clear(); /* a forked child has its parent's */
    core.outdated = 0;
    stream_watch_runs(INT64_MAX);
    core.trace = ++core.last_trace;
    core.active = 1;
    return Py_BuildValue("(OO)", tasks, futures);
}

/* No event is recorded any more; what is recorded is not lost. */
static PyObject *
stop_trace(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    core.active = 0;
    types_restore();
    Py_RETURN_NONE;
}

/* end() -> (errno or 0, dropped events): write what is left, and let go of everything. */
static PyObject *
end_trace(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    core.active = 0;
    types_restore();
    stream_close();
    Py_BEGIN_ALLOW_THREADS
    stream_drain();
    Py_END_ALLOW_THREADS
    int error = stream_free();
    core.trace = 0;
    Py_CLEAR(core.clock);
    Py_CLEAR(core.recorder);
    Py_CLEAR(core.slow);
    Py_CLEAR(core.tasks);
    Py_CLEAR(core.futures);
    sites_clear();
    stacks_clear();
    resources_clear();
    return Py_BuildValue("(iL)", error, (long long)stream_dropped());
}

static PyObject *
abandon(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    core.active = 0;
    core.trace = 0;
    types_restore();
    stream_abandon();
    Py_RETURN_NONE;
}

static PyObject *
pause_writer(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    stream_pause();
    Py_RETURN_NONE;
}

static PyObject *
write_now(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    Py_BEGIN_ALLOW_THREADS
    stream_sync();
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

/* extend(words): records as 64-bit words, as `events/records.py` packs them. */
static PyObject *
extend(PyObject *Py_UNUSED(module), PyObject *words)
{
    Py_buffer view;
    if (PyObject_GetBuffer(words, &view, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    const int64_t *at = view.buf, *end = at + view.len / 8;
    while (at < end) {
        int kind = (int)(at[0] & 0xFF), count = (int)(at[0] >> 8);
        if (count < 0 || at + 1 + count > end) {
            break;
        }
        stream_record(kind, at + 1, count);
        at += 1 + count;
    }
    PyBuffer_Release(&view);
    Py_RETURN_NONE;
}

static PyObject *
row(PyObject *Py_UNUSED(module), PyObject *data)
{
    Py_buffer view;
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    stream_row(view.buf, (size_t)view.len);
    PyBuffer_Release(&view);
    Py_RETURN_NONE;
}

/* clock() -> ns, as records have them and near enough to `time.monotonic_ns`. */
static PyObject *
read_clock(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromLongLong(system_clock());
}

static PyObject *
next_id(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromLongLong(core.next_id++);
}

static PyObject *
error_number(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromLong(stream_error());
}

static PyObject *
records(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromLongLong(stream_records());
}

/* outdated(table, last): numbers of a table up to `last` are not given out any more. */
static PyObject *
outdated(PyObject *Py_UNUSED(module), PyObject *args)
{
    int table;
    long long last;
    if (!PyArg_ParseTuple(args, "iL", &table, &last)) {
        return NULL;
    }
    stream_outdated(table, last);
    core.outdated = 1;
    Py_RETURN_NONE;
}

void
long_run(void)
{
    PyObject *type, *value, *traceback; /* what is being raised goes on */
    PyErr_Fetch(&type, &value, &traceback);
    Py_XDECREF(ask_slow("long_run", NULL, NULL, NULL));
    PyErr_Restore(type, value, traceback);
}

/* watch_runs(limit_ns): call `slow.long_run` after each longer run of this trace. */
static PyObject *
watch_runs(PyObject *Py_UNUSED(module), PyObject *limit)
{
    long long ns = PyLong_AsLongLong(limit);
    if (ns == -1 && PyErr_Occurred()) {
        return NULL;
    }
    stream_watch_runs(ns);
    Py_RETURN_NONE;
}

/* position() -> (segment, bytes): where in a ring the writer is. */
static PyObject *
position(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    int64_t segment, bytes;
    Py_BEGIN_ALLOW_THREADS
    stream_position(&segment, &bytes);
    Py_END_ALLOW_THREADS
    return Py_BuildValue("(LL)", (long long)segment, (long long)bytes);
}

/* new_state(task) -> TaskState, known under the task's address. */
static PyObject *
new_state(PyObject *Py_UNUSED(module), PyObject *task)
{
    if (core.tasks == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "no trace is running");
        return NULL;
    }
    TaskState *state = task_state_new(task);
    if (state == NULL || task_state_keep(state, task) < 0) {
        return NULL;
    }
    return Py_NewRef((PyObject *)state);
}

/* finish_step(loop, state, task, cause, start, end): as `Tasks.finish_step`, times as the clock gives them. */
static PyObject *
finish_step(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *loop, *state, *task, *given;
    long long start, end;
    if (!PyArg_ParseTuple(args, "O!O!OOLL", LoopState_Type, &loop, TaskState_Type, &state, &task, &given, &start, &end)) {
        return NULL;
    }
    if (!core.active) {
        Py_RETURN_NONE; /* the trace ended inside the step */
    }
    Cause cause = {.set = 2};
    if (given != core.yielded) {
        cause.set = 1;
        if (!PyArg_ParseTuple(given, "LLLL", &cause.ns, &cause.kind, &cause.id, &cause.site)) {
            return NULL;
        }
    }
    task_step_over((LoopState *)loop, (TaskState *)state, task, &cause, start - core.origin, end - core.origin);
    Py_RETURN_NONE;
}

static PyObject *
follow_future(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *loop, *future;
    long long creator, site;
    if (!PyArg_ParseTuple(args, "O!OLL", LoopState_Type, &loop, &future, &creator, &site)) {
        return NULL;
    }
    if (!core.active) {
        return PyLong_FromLong(0);
    }
    return PyLong_FromLongLong(future_follow((LoopState *)loop, future, creator, site, now()));
}

/* new_sentinel(number, address) -> Sentinel of a future, which the table of futures knows already. */
static PyObject *
new_sentinel(PyObject *Py_UNUSED(module), PyObject *args)
{
    long long number;
    unsigned long long address;
    if (!PyArg_ParseTuple(args, "LK", &number, &address)) {
        return NULL;
    }
    Sentinel *sentinel = (Sentinel *)Sentinel_Type->tp_alloc(Sentinel_Type, 0);
    if (sentinel != NULL) {
        sentinel->future = number;
        sentinel->address = (uintptr_t)address;
        sentinel->table = (Table *)Py_XNewRef((PyObject *)core.futures);
    }
    return (PyObject *)sentinel;
}

/* end_eager_steps(loop): the trace ends; record the eager steps that run on the loop. */
static PyObject *
end_eager_steps(PyObject *Py_UNUSED(module), PyObject *loop)
{
    if (Py_IS_TYPE(loop, LoopState_Type)) {
        eager_end_all((LoopState *)loop);
    }
    Py_RETURN_NONE;
}

/* method(name, original): what stands in for a method of asyncio's. */
static PyObject *
method(PyObject *Py_UNUSED(module), PyObject *args)
{
    const char *name;
    PyObject *original;
    if (!PyArg_ParseTuple(args, "sO", &name, &original)) {
        return NULL;
    }
    return loop_method(name, original);
}

/* foreign_method(name, original, careful): what stands in for a method of a loop class that is not asyncio's; None if there is no
 * quick way. `careful` does all that is rare.
 */
static PyObject *
new_foreign_method(PyObject *Py_UNUSED(module), PyObject *args)
{
    const char *name;
    PyObject *original, *careful;
    if (!PyArg_ParseTuple(args, "sOO", &name, &original, &careful)) {
        return NULL;
    }
    return foreign_method(name, original, careful);
}

static PyMethodDef methods[] = {
    {"method", method, METH_VARARGS, NULL},
    {"foreign_method", new_foreign_method, METH_VARARGS, NULL},
    {"attribute", new_attribute, METH_VARARGS, NULL},
    {"resource_method", resource_method, METH_VARARGS, NULL},
    {"new_callable", callable_of, METH_VARARGS, NULL},
    {"new_sentinel", new_sentinel, METH_VARARGS, NULL},
    {"watch_cancels", watch_cancels, METH_O, NULL},
    {"set_up", set_up, METH_O, NULL},
    {"begin", begin_trace, METH_VARARGS, NULL},
    {"stop", stop_trace, METH_NOARGS, NULL},
    {"end", end_trace, METH_NOARGS, NULL},
    {"abandon", abandon, METH_NOARGS, NULL},
    {"pause_writer", pause_writer, METH_NOARGS, NULL},
    {"write_now", write_now, METH_NOARGS, NULL},
    {"extend", extend, METH_O, NULL},
    {"row", row, METH_O, NULL},
    {"outdated", outdated, METH_VARARGS, NULL},
    {"watch_runs", watch_runs, METH_O, NULL},
    {"position", position, METH_NOARGS, NULL},
    {"clock", read_clock, METH_NOARGS, NULL},
    {"next_id", next_id, METH_NOARGS, NULL},
    {"error_number", error_number, METH_NOARGS, NULL},
    {"records", records, METH_NOARGS, NULL},
    {"new_state", new_state, METH_O, NULL},
    {"end_eager_steps", end_eager_steps, METH_O, NULL},
    {"finish_step", finish_step, METH_VARARGS, NULL},
    {"follow_future", follow_future, METH_VARARGS, NULL},
    {"watch", watchdog_watch, METH_VARARGS, NULL},
    {"unwatch", watchdog_forget, METH_O, NULL},
    {"pause_watchdog", watchdog_pause, METH_NOARGS, NULL},
    {"unpause_watchdog", watchdog_unpause, METH_NOARGS, NULL},
    {"end_watchdog", watchdog_end, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static int
execute(PyObject *module)
{
    if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
        PyErr_SetString(PyExc_ImportError, "the native core works in the main interpreter only; use --core python in subinterpreters");
        return -1;
    }
#ifdef Py_GIL_DISABLED
    PyErr_SetString(PyExc_ImportError, "the native core needs the GIL; use --core python on free-threaded builds");
    return -1;
#endif
#define INTERN(NAME) \
    if ((names.NAME = PyUnicode_InternFromString(#NAME)) == NULL) { \
        return -1; \
    }
    NAMES(INTERN)
    clock_init();
    return state_init(module) < 0 || tables_init(module) < 0 || futures_init(module) < 0 || methods_init(module) < 0 || callables_init(module) < 0 ? -1 : 0;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, execute},
#if PY_VERSION_HEX >= 0x030C0000
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#endif
#if PY_VERSION_HEX >= 0x030D0000
    {Py_mod_gil, Py_MOD_GIL_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "asyncio_trace.tracer.native_core._native", "The native core.", 0, methods, slots, NULL, NULL, NULL,
};

PyMODINIT_FUNC
PyInit__native(void)
{
    return PyModuleDef_Init(&definition);
}
