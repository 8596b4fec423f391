#include "asyncio_parts.h"

Parts parts;

PyGetSetDef *
find_getter(PyTypeObject *type, const char *name)
{
    PyObject *descriptor = type == NULL ? NULL : PyObject_GetAttrString((PyObject *)type, name);
    if (descriptor == NULL) {
        PyErr_Clear();
        return NULL;
    }
    PyGetSetDef *found = NULL;
    if (Py_IS_TYPE(descriptor, &PyGetSetDescr_Type)) {
        found = ((PyGetSetDescrObject *)descriptor)->d_getset;
    }
    Py_DECREF(descriptor); /* its type holds it */
    return found;
}

PyMethodDef *
find_method(PyTypeObject *type, const char *name, int flags)
{
    PyObject *descriptor = PyObject_GetAttrString((PyObject *)type, name);
    if (descriptor == NULL) {
        PyErr_Clear();
        return NULL;
    }
    PyMethodDef *found = NULL;
    if (Py_IS_TYPE(descriptor, &PyMethodDescr_Type)) {
        found = ((PyMethodDescrObject *)descriptor)->d_method;
        if (flags != ANY_FLAGS && found->ml_flags != flags) {
            found = NULL;
        }
    }
    Py_DECREF(descriptor);
    return found;
}

/* Where in a task its name is, told by one whose name is like no other object in it. Before 3.12 a default name is made with the task;
 * since, it is made when somebody asks for it, which takes longer than all that we do for a short task.
 */
static Py_ssize_t
find_name_in(PyObject *task)
{
    PyObject *name = PyObject_CallMethodNoArgs(task, names.get_name);
    Py_ssize_t found = 0;
    for (Py_ssize_t at = sizeof(PyObject); name != NULL && at + (Py_ssize_t)sizeof(void *) <= Py_TYPE(task)->tp_basicsize;
         at += sizeof(void *)) {
        if (*(PyObject **)((char *)task + at) == name) {
            if (found != 0) {
                Py_DECREF(name);
                return 0;
            }
            found = at;
        }
    }
    Py_XDECREF(name);
    PyErr_Clear();
    return found;
}

/* `found` is a dict of what the Python side looked up in asyncio. */
int
parts_init(PyObject *found)
{
    PyObject *makers = PyDict_GetItemString(found, "makers");
    parts.wakes_reader = Py_XNewRef(PyDict_GetItemString(found, "wakes_reader"));
    parts.reader_protocol = (PyTypeObject *)Py_XNewRef(PyDict_GetItemString(found, "reader_protocol"));
    parts.wakes_next = Py_XNewRef(PyDict_GetItemString(found, "wakes_next"));
    parts.puts = Py_XNewRef(PyDict_GetItemString(found, "puts"));
    parts.gets = Py_XNewRef(PyDict_GetItemString(found, "gets"));
    parts.deque_type = (PyTypeObject *)Py_XNewRef(PyDict_GetItemString(found, "deque_type"));
    parts.event_type = (PyTypeObject *)Py_XNewRef(PyDict_GetItemString(found, "event_type"));
    parts.gathering_type = (PyTypeObject *)Py_XNewRef(PyDict_GetItemString(found, "gathering_type"));
    parts.crowd_codes = Py_XNewRef(PyDict_GetItemString(found, "crowd_codes"));
    if (parts.gathering_type == NULL || parts.crowd_codes == NULL || !PyTuple_Check(parts.crowd_codes)
        || parts.event_type == NULL || parts.wakes_next == NULL || parts.puts == NULL || parts.gets == NULL || parts.deque_type == NULL
        || !PyCode_Check(parts.puts)) {
        PyErr_SetString(PyExc_TypeError, "parts are missing");
        return -1;
    }
    parts.queues_file = Py_NewRef(((PyCodeObject *)parts.puts)->co_filename);
    PyObject *steps = PyDict_GetItemString(found, "python_steps"), *probed = PyDict_GetItemString(found, "probed_task");
    if (makers == NULL || !PyTuple_Check(makers) || parts.wakes_reader == NULL || steps == NULL || !PyTuple_Check(steps)
        || PyTuple_GET_SIZE(steps) != 2 || probed == NULL || !Py_IS_TYPE(probed, core.task_type)) {
        PyErr_SetString(PyExc_TypeError, "parts are missing");
        return -1;
    }
    parts.makers_count = 0;
    for (Py_ssize_t index = 0; index < PyTuple_GET_SIZE(makers) && index < 16; index++) {
        parts.makers[parts.makers_count++] = Py_NewRef(PyTuple_GET_ITEM(makers, index));
    }
    parts.python_steps[0] = Py_NewRef(PyTuple_GET_ITEM(steps, 0));
    parts.python_steps[1] = Py_NewRef(PyTuple_GET_ITEM(steps, 1));
    parts.task_name_at = find_name_in(probed);
    parts.deque_append = find_method(parts.deque_type, "append", METH_O);
    parts.task_coro = find_getter(core.task_type, "_coro");
    parts.task_waiter = find_getter(core.task_type, "_fut_waiter");
    parts.future_state = find_getter(core.future_type, "_state");
    parts.future_exception = find_getter(core.future_type, "_exception");
    parts.step_self = find_getter(core.step_type, "__self__");
    parts.future_loop = find_getter(core.future_type, "_loop");
    parts.task_cancelling = find_method(core.task_type, "cancelling", METH_NOARGS);
    return 0;
}

int
is_maker(PyCodeObject *code)
{
    for (int index = 0; index < parts.makers_count; index++) {
        if (parts.makers[index] == (PyObject *)code) {
            return 1;
        }
    }
    return 0;
}

/* Whether a callback belongs to a transport whose protocol is a plain stream reader's. */
int
is_stream_reader_callback(PyObject *callback)
{
    if (callback == NULL || !PyMethod_Check(callback)) {
        return 0;
    }
    PyObject *protocol = PyObject_GetAttr(PyMethod_GET_SELF(callback), names._protocol);
    if (protocol == NULL) {
        PyErr_Clear();
        return 0;
    }
    int is = Py_IS_TYPE(protocol, parts.reader_protocol);
    Py_DECREF(protocol);
    return is;
}

PyObject *
ask_slow(const char *name, PyObject *first, PyObject *second, PyObject *third)
{
    PyObject *function = core.slow == NULL ? NULL : PyObject_GetAttrString(core.slow, name);
    PyObject *answer = function == NULL ? NULL : PyObject_CallFunctionObjArgs(function, first, second, third, NULL);
    Py_XDECREF(function);
    if (answer == NULL) {
        failed(1);
    }
    return answer;
}

int64_t
ask_number(const char *name, PyObject *argument)
{
    PyObject *answer = ask_slow(name, argument, NULL, NULL);
    int64_t number = answer == NULL ? 0 : PyLong_AsLongLong(answer);
    Py_XDECREF(answer);
    if (PyErr_Occurred()) {
        failed(0);
    }
    return number;
}

int
is_loop_running(LoopState *loop)
{
    return ask_number("loop_runs", (PyObject *)loop) > 0;
}

/* Whether the state of a future is the one of this name. Futures in C say it by one object for each, and it is one of these. */
static int
is_name(PyObject *state, PyObject *name)
{
    return state == name
           || (state != names.PENDING && state != names.FINISHED && state != names.CANCELLED && PyUnicode_Check(state)
               && PyUnicode_Compare(state, name) == 0);
}

int
is_pending(PyObject *future)
{
    PyObject *state = get_by(parts.future_state, core.future_type, future, names._state);
    int is = state != NULL && is_name(state, names.PENDING);
    if (state == NULL) {
        PyErr_Clear();
    }
    Py_XDECREF(state);
    return is;
}

int
outcome_of(PyObject *future, PyObject **exception)
{
    int outcome = OUTCOME_RETURNED;
    PyObject *state = get_by(parts.future_state, core.future_type, future, names._state);
    if (state == NULL) {
        PyErr_Clear();
    }
    else if (is_name(state, names.CANCELLED)) {
        Py_DECREF(state);
        return OUTCOME_CANCELLED;
    }
    Py_XDECREF(state);
    PyObject *error = get_by(parts.future_exception, core.future_type, future, names._exception);
    if (error == NULL) {
        PyErr_Clear();
    }
    else if (error != Py_None) {
        outcome = OUTCOME_RAISED;
        if (exception != NULL) {
            *exception = Py_NewRef(error);
        }
    }
    Py_XDECREF(error);
    return outcome;
}

int64_t
cancelling(PyObject *task)
{
    PyObject *number;
    if (parts.task_cancelling != NULL && PyObject_TypeCheck(task, core.task_type)) {
        number = parts.task_cancelling->ml_meth(task, NULL);
    }
    else {
        number = PyObject_CallMethodNoArgs(task, names.cancelling);
    }
    int64_t count = number == NULL ? 0 : PyLong_AsLongLong(number);
    Py_XDECREF(number);
    if (PyErr_Occurred()) {
        PyErr_Clear();
    }
    return count;
}
