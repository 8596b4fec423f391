/* Futures that are not tasks: who made each, who resolved it, even if nobody awaits it; see tracer/futures.py. */
#include "asyncio_parts.h"

static PyObject *context_word; /* ("context",) */

static int
follow(PyObject *future, int64_t number)
{
    Sentinel *sentinel = (Sentinel *)Sentinel_Type->tp_alloc(Sentinel_Type, 0);
    PyObject *id = PyLong_FromLongLong(number);
    int result = -1;
    if (sentinel != NULL && id != NULL && table_set(core.futures, future, id) == 0) {
        sentinel->future = number;
        sentinel->address = (uintptr_t)future;
        sentinel->table = (Table *)Py_NewRef((PyObject *)core.futures);
        PyObject *args[] = {future, (PyObject *)sentinel, core.empty_context};
        PyObject *done = PyObject_Vectorcall(core.add_done_callback, args, 2, context_word);
        result = done == NULL ? -1 : 0;
        Py_XDECREF(done);
    }
    Py_XDECREF(sentinel);
    Py_XDECREF(id);
    return result;
}

/* Take in a future; its id. Sets no error. */
int64_t
future_follow(LoopState *loop, PyObject *future, int64_t creator, int64_t site)
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
    int64_t fields[] = {number, now(), loop->id, creator, site, type_name};
    stream_record(FUTURE_CREATED, fields, 6);
    if (PyType_IsSubtype(type, core.future_type)) {
        PyObject *state = get_by(parts.future_state, core.future_type, future, names._state);
        int pending = state != NULL && PyUnicode_CompareWithASCIIString(state, "PENDING") == 0;
        Py_XDECREF(state);
        if (pending && follow(future, number) < 0) {
            failed(1);
        }
    }
    else {
        PyObject *id = PyLong_FromLongLong(number);
        Py_XDECREF(ask_slow("follow_python_future", future, id, NULL));
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

/* A future was resolved by the code at `frame`. */
void
future_resolved(LoopState *loop, Sentinel *sentinel, PyObject *future, Frame *frame)
{
    Cause cause = current_cause(loop, frame);
    loop->resolved = sentinel->address;
    loop->resolved_cause = cause;
    record_resolved(sentinel->future, outcome_of(future, NULL), &cause);
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

int
futures_init(PyObject *Py_UNUSED(module))
{
    context_word = PyTuple_Pack(1, names.context);
    return context_word == NULL ? -1 : 0;
}
