/* Futures that are not tasks: who made each, who resolved it, even if nobody awaits it; see tracer/futures.py. */
#include "asyncio_parts.h"

#include <stddef.h>
#include <structmember.h>

PyTypeObject *Sentinel_Type;

/* Take in a future that was made, or found, at a time; its id. Sets no error. */
int64_t
future_follow(LoopState *loop, PyObject *future, int64_t creator, int64_t site, int64_t at)
{
    int64_t number = core.next_id++;
    PyTypeObject *type = Py_TYPE(future);
    int64_t type_name = 0;
    if (type == core.future_type) {
        static PyObject *plain_name; /* "Future" */
        if (plain_name == NULL) {
            plain_name = PyUnicode_InternFromString("Future");
        }
        type_name = string_of(plain_name);
    }
    else {
        PyObject *name = PyObject_GetAttrString((PyObject *)type, "__name__");
        type_name = string_of(name);
        Py_XDECREF(name);
    }
    int64_t fields[] = {number, at, loop->id, creator, site, type_name};
    stream_record(FUTURE_CREATED, fields, 6);
    if (PyType_IsSubtype(type, core.future_type) && tells_of_futures(type)) {
        if (is_pending(future) && table_set_number(core.futures, future, number) < 0) {
            failed(1);
        }
    }
    else {
        PyObject *id = PyLong_FromLongLong(number);
        Py_XDECREF(ask_slow("follow_in_python", future, id, NULL));
        Py_XDECREF(id);
    }
    if (PyErr_Occurred()) {
        failed(1);
    }
    return number;
}

static void
record_resolved(int64_t number, int outcome, const Cause *cause)
{
    int64_t fields[] = {number, cause->ns, outcome, cause->kind, cause->id, cause->site};
    stream_record(FUTURE_RESOLVED, fields, 6);
}

/* Take in a future that is being made by the code at `frame`. */
void
future_begins(LoopState *loop, PyObject *future, Frame *frame)
{
    int64_t at;
    Cause cause = current_cause_at(loop, frame, &at);
    future_follow(loop, future, loop->current != NULL && cause.kind == WAKER_TASK ? loop->current->id : 0, cause.site, at);
}

void
future_resolved(int64_t number, PyObject *future, const Cause *cause)
{
    record_resolved(number, outcome_of(future, NULL), cause);
}

/* A sentinel tells that its future was resolved by the code at `frame`. */
void
sentinel_told(LoopState *loop, Sentinel *sentinel, PyObject *future, Frame *frame)
{
    if (sentinel->table != core.futures || table_number(core.futures, (void *)sentinel->address) != sentinel->future) {
        return; /* it was told already */
    }
    Cause cause = current_cause(loop, frame);
    loop->resolved = sentinel->address;
    loop->resolved_cause = cause;
    table_remove(core.futures, (void *)sentinel->address);
    future_resolved(sentinel->future, future, &cause);
}

/* A future that asyncio made for a wait of its own is resolved; say so only if it got no plain result. */
void
future_made_resolved(int64_t made, PyObject *future, const Cause *cause)
{
    int outcome = outcome_of(future, NULL);
    if (outcome != OUTCOME_RETURNED) {
        record_resolved(made, outcome, cause);
    }
}

/* -- sentinels: what the Python side puts on a future that does not tell (types.c) -------------------------------------------- */

static void
sentinel_dealloc(PyObject *self)
{
    Sentinel *sentinel = (Sentinel *)self;
    PyTypeObject *type = Py_TYPE(self);
    if (sentinel->table != NULL) {
        if (table_number(sentinel->table, (void *)sentinel->address) == sentinel->future) {
            table_remove(sentinel->table, (void *)sentinel->address);
        }
        Py_DECREF(sentinel->table);
    }
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *
sentinel_call(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    Py_RETURN_NONE; /* the trace has ended meanwhile */
}

static PyMemberDef sentinel_members[] = {
    {"future", T_LONGLONG, offsetof(Sentinel, future), READONLY, NULL},
    {"address", T_ULONGLONG, offsetof(Sentinel, address), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot sentinel_slots[] = {
    {Py_tp_dealloc, sentinel_dealloc},
    {Py_tp_call, sentinel_call},
    {Py_tp_members, sentinel_members},
    {0, NULL},
};

static PyType_Spec sentinel_spec = {
    "asyncio_trace.tracer.native_core._native.Sentinel", sizeof(Sentinel), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, sentinel_slots,
};

int
futures_init(PyObject *module)
{
    Sentinel_Type = (PyTypeObject *)PyType_FromSpec(&sentinel_spec);
    return Sentinel_Type == NULL ? -1 : PyModule_AddObjectRef(module, "Sentinel", (PyObject *)Sentinel_Type);
}
