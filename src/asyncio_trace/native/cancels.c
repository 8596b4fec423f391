/* Who cancels a task that does not wait: nothing of that passes the loop, so `Task.cancel` tells. The type is immutable, but the table
 * that its method descriptor reads its function from is not: the descriptor stays the object that it is. A task that waits is told
 * of by its wake-up (tasks.c).
 */
#include "asyncio_parts.h"

typedef PyObject *(*Cancel)(PyObject *task, PyObject *const *args, Py_ssize_t count, PyObject *kwnames);

static PyMethodDef *cancel;
static Cancel original;
static PyGetSetDef *must_cancel, *message;

/* Whether the next step of a task will raise `CancelledError`, or was asked to with a message. */
static int
is_marked(PyObject *task)
{
    PyObject *must = must_cancel->get(task, must_cancel->closure), *said = message->get(task, message->closure);
    int is = must == Py_True || said != Py_None;
    Py_XDECREF(must);
    Py_XDECREF(said);
    PyErr_Clear();
    return is;
}

static PyObject *
cancel_and_tell(PyObject *task, PyObject *const *args, Py_ssize_t count, PyObject *kwnames)
{
    core.cancel_calls++;
    TaskState *state = core.active ? task_state(task) : NULL;
    if (state == NULL || is_marked(task)) {
        return original(task, args, count, kwnames);
    }
    Py_INCREF(state);
    PyObject *result = original(task, args, count, kwnames);
    PyObject *must = result == Py_True && core.active ? must_cancel->get(task, must_cancel->closure) : NULL;
    if (must == Py_True && cancelling(task) > state->cancels) {
        PyObject *loop = PyObject_GetAttr(task, names._loop);
        LoopState *loop_state = loop == NULL ? NULL : loop_state_if_any(loop);
        if (loop_state != NULL) {
            Cause cause = current_cause(loop_state, frame_current());
            state->cancels = cancelling(task);
            state->cancel_cause = cause;
            int64_t fields[] = {state->id, cause.ns, cause.kind, cause.id, cause.site};
            stream_record(CANCEL_REQUESTED, fields, 5);
        }
        Py_XDECREF(loop);
        PyErr_Clear();
    }
    Py_XDECREF(must);
    Py_DECREF(state);
    return result;
}

int
are_cancels_counted(void)
{
    return original != NULL;
}

/* watch_cancels(on) */
PyObject *
watch_cancels(PyObject *Py_UNUSED(module), PyObject *on)
{
    if (cancel == NULL) {
        cancel = find_method(core.task_type, "cancel", METH_FASTCALL | METH_KEYWORDS);
        must_cancel = find_getter(core.task_type, "_must_cancel");
        message = find_getter(core.future_type, "_cancel_message");
    }
    if (cancel == NULL || must_cancel == NULL || message == NULL) {
        Py_RETURN_NONE;
    }
    if (on == Py_True && original == NULL) {
        original = (Cancel)(void (*)(void))cancel->ml_meth;
        cancel->ml_meth = (PyCFunction)(void (*)(void))cancel_and_tell;
    }
    else if (on != Py_True && original != NULL) {
        cancel->ml_meth = (PyCFunction)(void (*)(void))original;
        original = NULL;
    }
    Py_RETURN_NONE;
}
