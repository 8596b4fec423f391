/* Tasks: taken in at their first step, followed step by step; see tracer/tasks.py. */
#include "asyncio_parts.h"

/* The C task whose step or wake-up a callback is. Borrowed: the callback holds it. */
PyObject *
task_of_step(PyObject *callback)
{
    PyObject *task = NULL;
    if (Py_IS_TYPE(callback, core.step_type)) {
        if (parts.step_self != NULL) {
            task = parts.step_self->get(callback, parts.step_self->closure);
        }
        else {
            task = PyObject_GetAttr(callback, names.__self__);
        }
        if (task == NULL) {
            PyErr_Clear();
            return NULL;
        }
        Py_DECREF(task);
        return task;
    }
    if (PyCFunction_CheckExact(callback)) {
        task = PyCFunction_GET_SELF(callback);
        const char *name = ((PyCFunctionObject *)callback)->m_ml->ml_name;
        if (task != NULL && name[0] == 't' && strcmp(name, "task_wakeup") == 0 && PyObject_TypeCheck(task, core.task_type)) {
            return task;
        }
    }
    return NULL;
}

PyObject *
any_task_of_step(PyObject *callback)
{
    PyObject *task = task_of_step(callback);
    if (task == NULL && PyMethod_Check(callback)) {
        task = PyMethod_GET_SELF(callback); /* a task in Python */
    }
    return task;
}

PyObject *
task_waits_on(PyObject *task)
{
    PyObject *future = get_by(parts.task_waiter, core.task_type, task, names._fut_waiter);
    if (future == NULL) {
        PyErr_Clear();
    }
    else if (future == Py_None) {
        Py_CLEAR(future);
    }
    return future;
}

static PyObject *
coroutine_of(PyObject *task)
{
    PyObject *coro = get_by(parts.task_coro, core.task_type, task, names._coro);
    if (coro == NULL) {
        PyErr_Clear();
    }
    return coro;
}

static int64_t
coroutine_name(PyObject *coro)
{
    if (coro != NULL && (PyCoro_CheckExact(coro) || PyGen_CheckExact(coro))) {
        return string_of(((PyGenObject *)coro)->gi_qualname);
    }
    return coro == NULL ? 0 : ask_number("coroutine_name", coro);
}

/* Take in a task in the moment of its creation, by the code at `frame`. Borrowed; NULL with an error set. */
TaskState *
task_created(LoopState *loop, PyObject *task, Frame *frame, int flags)
{
    int64_t at;
    Cause cause = current_cause_at(loop, frame, &at);
    TaskState *state = task_state_new(task);
    if (state == NULL) {
        return NULL;
    }
    cause.ns = at;
    state->wake = cause;
    Py_CLEAR(loop->nascent); /* this is what was being made */
    int64_t parent = loop->current != NULL && cause.kind == WAKER_TASK ? loop->current->id : 0;
    PyObject *coro = coroutine_of(task);
    int64_t fields[] = {state->id, cause.ns, loop->id, parent, coroutine_name(coro), cause.site, flags};
    Py_XDECREF(coro);
    stream_record(TASK_CREATED, fields, 7);
    static PyObject *tracing; /* opentelemetry's module, if the program has it */
    if (tracing == NULL) {
        tracing = PyUnicode_InternFromString("opentelemetry.trace");
    }
    PyObject *module = PyDict_GetItemWithError(core.modules, tracing);
    if (module != NULL) {
        Py_XDECREF(ask_slow("record_parent_span", (PyObject *)state, module, NULL));
    }
    if (!(flags & TASK_EAGER) && PyList_Append(loop->fresh, task) < 0) {
        return NULL;
    }
    return state;
}

/* A future that `task` awaits is resolved and its wake-up is being queued. */
void
task_woken(LoopState *loop, PyObject *task, TaskState *state, PyObject *future, Frame *frame)
{
    Cause cause;
    if (loop->resolved == (uintptr_t)future && loop->resolved_cause.set) {
        cause = loop->resolved_cause;
    }
    else {
        cause = current_cause(loop, frame);
    }
    if (cause.id == state->id && cause.kind == WAKER_TASK && loop->current == NULL) {
        /* a callback that the task itself queued: what it waited for is there only now */
        cause.id = name_of(loop->callback);
        cause.ns = now();
        cause.kind = WAKER_CALLBACK;
    }
    state->wake = cause;
    if (PyList_Append(loop->fresh, task) < 0) {
        failed(0);
    }
    if (state->made) {
        future_made_resolved(state->made, future, &cause);
        state->made = 0;
    }
    if (cancelling(task) > state->cancels) {
        Py_XDECREF(ask_slow("woken_by_cancel", task, (PyObject *)state, future));
    }
}

/* N of a default name `Task-N`, which is told as its number; -1 of another. */
static int64_t
default_name(PyObject *name)
{
    if (PyLong_CheckExact(name)) { /* nobody has asked for it, so it is not made yet */
        int64_t number = PyLong_AsLongLong(name);
        if (number == -1 && PyErr_Occurred()) {
            PyErr_Clear();
        }
        return number;
    }
    Py_ssize_t length = PyUnicode_GET_LENGTH(name);
    if (!PyUnicode_IS_ASCII(name) || length <= 5 || length >= 24) {
        return -1;
    }
    const char *text = (const char *)PyUnicode_1BYTE_DATA(name);
    int64_t number = 0;
    if (memcmp(text, "Task-", 5) != 0 || text[5] == '0') {
        return -1;
    }
    for (Py_ssize_t at = 5; at < length; at++) {
        if (text[at] < '0' || text[at] > '9') {
            return -1;
        }
        number = number * 10 + (text[at] - '0');
    }
    return number;
}

/* A task's name, or the number of its default name. New reference, or NULL. */
static PyObject *
name_of_task(PyObject *task)
{
    if (parts.task_name_at != 0 && Py_IS_TYPE(task, core.task_type)) {
        return Py_XNewRef(*(PyObject **)((char *)task + parts.task_name_at));
    }
    PyObject *name = PyObject_CallMethodNoArgs(task, names.get_name);
    if (name == NULL) {
        PyErr_Clear(); /* a subclass has one of its own */
    }
    return name;
}

/* Record the task's name if it is new. */
static void
note_name(PyObject *task, TaskState *state)
{
    PyObject *name = name_of_task(task);
    if (name == NULL || name == state->name || (!PyUnicode_CheckExact(name) && !PyLong_CheckExact(name))) {
        Py_XDECREF(name);
        return;
    }
    int64_t number = default_name(name);
    int is_same = 0;
    if (state->name != NULL) {
        is_same = number >= 0 ? default_name(state->name) == number
                              : PyUnicode_Check(state->name) && PyUnicode_Compare(name, state->name) == 0;
    }
    Py_XSETREF(state->name, Py_NewRef(name));
    if (!is_same && number >= 0) {
        int64_t fields[] = {state->id, number};
        stream_record(NUMBERED_NAME, fields, 2);
    }
    else if (!is_same) {
        int64_t fields[] = {state->id, ask_number("name_string", name)};
        stream_record(TASK_NAMED, fields, 2);
    }
    Py_DECREF(name);
}

static void
record_step(const TaskState *state, const LoopState *loop, int64_t start, int64_t end, int how, int64_t awaited, int64_t stack,
            const Cause *cause, int64_t made, int64_t made_ns)
{
    if (cause->set == 2) {
        stream_step(state->id, loop->id, start, end, how, awaited, stack, 0, WAKER_TASK, state->id, 0, made, made_ns);
    }
    else {
        stream_step(state->id, loop->id, start, end, how, awaited, stack, cause->ns, cause->kind, cause->id, cause->site, made,
                    made_ns);
    }
}

static int64_t
id_of_awaited(LoopState *loop, PyObject *future)
{
    int64_t known = table_number(core.futures, future);
    if (known != 0) {
        return known;
    }
    if (PyObject_TypeCheck(future, core.task_type)) {
        TaskState *other = task_state(future);
        if (other != NULL) {
            return other->id;
        }
    }
    else {
        TaskState *other = task_state(future);
        if (other != NULL && !other->done && PyObject_HasAttr(future, names.get_name)) {
            return other->id; /* a task in Python */
        }
    }
    return future_follow(loop, future, 0, 0, now());
}

/* Record a step that has ended; times since the trace began. */
void
task_step_over(LoopState *loop, TaskState *state, PyObject *task, const Cause *cause, int64_t start, int64_t end)
{
    PyObject *future = task_waits_on(task);
    if (future != NULL) {
        int64_t awaited = 0, made = 0, made_ns = 0, stack = 0;
        PyObject *thing = NULL, *crowd = NULL;
        PyObject *coro = coroutine_of(task);
        if (coro != NULL) {
            stack = stack_read(coro, 0, &thing, &crowd);
            Py_DECREF(coro);
        }
        if ((uintptr_t)future == loop->made) {
            loop->made = 0;
            state->made = awaited = made = core.next_id++;
            made_ns = loop->made_ns;
        }
        else {
            awaited = id_of_awaited(loop, future);
        }
        if (thing != NULL) {
            int64_t resource = resource_id(thing);
            awaited = resource ? resource : awaited;
            Py_DECREF(thing);
        }
        record_step(state, loop, start, end, STEP_WAITING, awaited, stack, cause, made, made_ns);
        if (crowd != NULL || Py_IS_TYPE(future, parts.gathering_type)) {
            crowd_record(state, future, crowd);
            Py_XDECREF(crowd);
        }
        Py_DECREF(future);
        if (task_state_keep(state, task) < 0) {
            failed(0);
        }
    }
    else if (!is_pending(task)) {
        int64_t exception = 0;
        PyObject *error = NULL;
        note_name(task, state);
        int outcome = outcome_of(task, &error);
        if (error != NULL) {
            exception = ask_number("exception_name", (PyObject *)Py_TYPE(error));
            Py_DECREF(error);
        }
        record_step(state, loop, start, end, STEP_DONE, 0, 0, cause, 0, 0);
        int64_t fields[] = {state->id, end, outcome, exception};
        stream_record(TASK_DONE, fields, 4);
        if (state->cancels > 0 && outcome != OUTCOME_CANCELLED && cancelling(task) > 0) {
            stream_record(CANCEL_IGNORED, fields, 2);
        }
        state->done = 1;
        state->steps = 1;
        if (outcome == OUTCOME_RAISED) {
            if (task_state_keep(state, task) < 0) { /* its exception may be lost: then its id is asked for */
                failed(0);
            }
        }
        else if (!state->cancel_cause.set) {
            /* at once, not all at the end: memory that is freed in another order than it was taken slows the collector down
             * by half. One that was cancelled stays: whoever awaits it may still ask why. */
            Py_CLEAR(state->reference);
            table_remove(core.tasks, task); /* the caller holds the state */
        }
        return;
    }
    else {
        int64_t stack = 0;
        PyObject *coro = coroutine_of(task);
        if (coro != NULL) {
            stack = stack_read(coro, 1, NULL, NULL);
            Py_DECREF(coro);
        }
        if (cause->set == 2) {
            stream_yielded(state->id, loop->id, start, end, stack);
        }
        else {
            record_step(state, loop, start, end, STEP_YIELDED, 0, stack, cause, 0, 0);
        }
        if (!state->wake.set) {
            state->wake.set = 2;
        }
        if (state->reference == NULL && task_state_keep(state, task) < 0) {
            failed(0);
        }
    }
    if (!state->steps) {
        state->steps = 1;
        note_name(task, state);
    }
}

/* What must be looked at when a run ends: eager steps that are still open, and who was cancelled by it. */
void
run_over(LoopState *loop, int64_t end)
{
    Py_ssize_t count = PyList_GET_SIZE(loop->fresh);
    if (count == 0) {
        return;
    }
    int cancelled = 0, maybe = loop->cancel_calls != core.cancel_calls || !are_cancels_counted(); /* else only a task in Python can have been */
    loop->cancel_calls = core.cancel_calls;
    for (Py_ssize_t index = 0; index < count && !cancelled; index++) {
        PyObject *task = PyList_GET_ITEM(loop->fresh, index);
        if (maybe || !PyObject_TypeCheck(task, core.task_type)) {
            TaskState *state = task_state(task);
            cancelled = state != NULL && cancelling(task) > state->cancels;
        }
    }
    if (cancelled) {
        PyObject *ns = PyLong_FromLongLong(end);
        Py_XDECREF(ask_slow("check_fresh", (PyObject *)loop, ns, NULL));
        Py_XDECREF(ns);
    }
    for (count = PyList_GET_SIZE(loop->fresh); count > 0; count = PyList_GET_SIZE(loop->fresh)) {
        PyObject *task = PyList_GET_ITEM(loop->fresh, count - 1); /* one by one: the list keeps its memory */
        Py_SET_SIZE(loop->fresh, count - 1);
        Py_DECREF(task);
    }
}

int
tasks_init(PyObject *Py_UNUSED(module))
{
    return 0;
}
