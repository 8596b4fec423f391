/* Keeps sentinels out of what a program reads from a future's `_callbacks`. The type is immutable, but the table that its descriptor
 * reads its getter from is not: the descriptor and every subclass stay the objects that they are. */
#include "asyncio_parts.h"

static PyGetSetDef *callbacks;
static getter original;

static PyObject *
without_sentinels(PyObject *future, void *closure)
{
    PyObject *all = original(future, closure);
    if (all == NULL || !PyList_CheckExact(all)) {
        return all;
    }
    Py_ssize_t count = PyList_GET_SIZE(all), ours = 0;
    PyObject *others = PyList_New(0);
    for (Py_ssize_t index = 0; others != NULL && index < count; index++) {
        PyObject *pair = PyList_GET_ITEM(all, index);
        if (PyTuple_Check(pair) && PyTuple_GET_SIZE(pair) > 0 && Py_IS_TYPE(PyTuple_GET_ITEM(pair, 0), Sentinel_Type)) {
            ours++;
        }
        else if (PyList_Append(others, pair) < 0) {
            Py_CLEAR(others);
        }
    }
    if (others != NULL && ours == 0) {
        Py_DECREF(others); /* it may be the future's own list: as without us */
        return all;
    }
    Py_DECREF(all);
    if (others != NULL && PyList_GET_SIZE(others) == 0) {
        Py_DECREF(others);
        Py_RETURN_NONE;
    }
    return others;
}

/* hide_sentinels(on) */
PyObject *
hide_sentinels(PyObject *Py_UNUSED(module), PyObject *on)
{
    if (callbacks == NULL) {
        callbacks = find_getter(core.future_type, "_callbacks");
    }
    if (callbacks != NULL && on == Py_True && original == NULL) {
        original = callbacks->get;
        callbacks->get = without_sentinels;
    }
    else if (callbacks != NULL && on != Py_True && original != NULL) {
        callbacks->get = original;
        original = NULL;
    }
    Py_RETURN_NONE;
}
