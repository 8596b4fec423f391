/* What is known of loops and tasks while they live. See loop_state.py for the meanings. */
#include "core.h"

#include <stddef.h>
#include <structmember.h>

PyTypeObject *TaskState_Type, *LoopState_Type;

/* -- causes as Python sees them --------------------------------------------------------------------------------------- */

static PyObject *
cause_get(const Cause *cause)
{
    if (!cause->set) {
        Py_RETURN_NONE;
    }
    if (cause->set == 2 && core.yielded != NULL) {
        return Py_NewRef(core.yielded);
    }
    return Py_BuildValue("(LLLL)", cause->ns, cause->kind, cause->id, cause->site);
}

static int
cause_set(Cause *cause, PyObject *value)
{
    if (value == NULL || value == Py_None) {
        cause->set = 0;
        return 0;
    }
    if (value == core.yielded) {
        *cause = (Cause){.set = 2};
        return 0;
    }
    if (!PyArg_ParseTuple(value, "LLLL", &cause->ns, &cause->kind, &cause->id, &cause->site)) {
        return -1;
    }
    cause->set = 1;
    return 0;
}

static PyObject *
get_cause_at(PyObject *self, void *offset)
{
    return cause_get((Cause *)((char *)self + (size_t)offset));
}

static int
set_cause_at(PyObject *self, PyObject *value, void *offset)
{
    return cause_set((Cause *)((char *)self + (size_t)offset), value);
}

static PyObject *
get_object_at(PyObject *self, void *offset)
{
    PyObject *value = *(PyObject **)((char *)self + (size_t)offset);
    return Py_NewRef(value == NULL ? Py_None : value);
}

/* None is no object. */
static int
set_object_at(PyObject *self, PyObject *value, void *offset)
{
    PyObject **at = (PyObject **)((char *)self + (size_t)offset), *previous = *at;
    *at = value == Py_None ? NULL : Py_XNewRef(value);
    Py_XDECREF(previous);
    return 0;
}

static int
set_current_at(PyObject *self, PyObject *value, void *offset)
{
    if (value != NULL && value != Py_None && !Py_IS_TYPE(value, TaskState_Type)) {
        PyErr_SetString(PyExc_TypeError, "not a task's state");
        return -1;
    }
    return set_object_at(self, value, offset);
}

#define OBJECT(TYPE, NAME) {#NAME, get_object_at, set_object_at, NULL, (void *)offsetof(TYPE, NAME)}
#define CAUSE(TYPE, NAME) {#NAME, get_cause_at, set_cause_at, NULL, (void *)offsetof(TYPE, NAME)}

/* -- tasks ------------------------------------------------------------------------------------------------------------ */

static PyMemberDef task_members[] = {
    {"reference", T_OBJECT, offsetof(TaskState, reference), READONLY, NULL},
    {"id", T_LONGLONG, offsetof(TaskState, id), READONLY, NULL},
    {"made", T_LONGLONG, offsetof(TaskState, made), 0, NULL},
    {"steps", T_LONGLONG, offsetof(TaskState, steps), 0, NULL},
    {"cancels", T_LONGLONG, offsetof(TaskState, cancels), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef task_getset[] = {
    CAUSE(TaskState, wake),
    CAUSE(TaskState, cancel_cause),
    OBJECT(TaskState, name),
    {NULL, NULL, NULL, NULL, NULL},
};

static void
task_dealloc(PyObject *self)
{
    TaskState *state = (TaskState *)self;
    PyTypeObject *type = Py_TYPE(self);
    Py_XDECREF(state->name);
    Py_XDECREF(state->reference);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyType_Slot task_slots[] = {
    {Py_tp_dealloc, task_dealloc},
    {Py_tp_members, task_members},
    {Py_tp_getset, task_getset},
    {0, NULL},
};

static PyType_Spec task_spec = {
    "asyncio_trace.tracer.native_core._native.TaskState", sizeof(TaskState), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, task_slots,
};

TaskState *
task_state_new(PyObject *task)
{
    TaskState *state = (TaskState *)TaskState_Type->tp_alloc(TaskState_Type, 0);
    if (state == NULL) {
        return NULL;
    }
    state->id = core.next_id++;
    if (table_set(core.tasks, task, (PyObject *)state) < 0) {
        Py_DECREF(state);
        return NULL;
    }
    Py_DECREF(state); /* the table holds it */
    return state;
}

/* The weak reference to a task by which asyncio's set of all tasks has it (before 3.14); borrowed, or NULL. That one costs nothing.
 * One of another kind will not do: whoever drops his does not want to be called back.
 */
static PyObject *
weak_set_reference(PyObject *task)
{
#if PY_VERSION_HEX < 0x030E0000
    PyWeakReference *reference = *(PyWeakReference **)PyObject_GET_WEAKREFS_LISTPTR(task);
    for (int looked = 0; reference != NULL && looked < 4; looked++, reference = reference->wr_next) {
        PyObject *called = reference->wr_callback;
        if (called != NULL && PyFunction_Check(called) && PyFunction_GET_CODE(called) == core.weak_set_remove) {
            return (PyObject *)reference;
        }
    }
#endif
    (void)task;
    return NULL;
}

/* From now on tell a task by its weak reference, if it won't tell itself: it outlives its step, and may die without another. */
int
task_state_keep(TaskState *state, PyObject *task)
{
    if (state->reference != NULL || tells_of_its_end(task)) {
        return 0;
    }
    PyObject *there = weak_set_reference(task);
    if (there != NULL) {
        state->reference = Py_NewRef(there);
        return 0;
    }
    state->reference = PyWeakref_NewRef(task, NULL);
    if (state->reference == NULL) {
        return -1;
    }
    if (PyObject_GC_IsTracked(state->reference)) {
        PyObject_GC_UnTrack(state->reference); /* it refers to nothing: the collector need not go over one for each task */
    }
    return 0;
}

TaskState *
task_state(PyObject *task)
{
    TaskState *state = (TaskState *)table_get(core.tasks, task);
    if (state != NULL && state->reference != NULL) {
        if (weak_target(state->reference) != task) {
            table_remove(core.tasks, task);
            return NULL;
        }
    }
    return state;
}

/* -- loops ------------------------------------------------------------------------------------------------------------ */

static PyMemberDef loop_members[] = {
    {"recorder", T_OBJECT, offsetof(LoopState, recorder), READONLY, NULL},
    {"id", T_LONGLONG, offsetof(LoopState, id), READONLY, NULL},
    {"reference", T_OBJECT, offsetof(LoopState, reference), READONLY, NULL},
    {"foreign", T_BOOL, offsetof(LoopState, foreign), READONLY, NULL},
    {"ident", T_ULONG, offsetof(LoopState, ident), 0, NULL},
    {"step_start", T_LONGLONG, offsetof(LoopState, step_start), 0, NULL},
    {"run_end", T_LONGLONG, offsetof(LoopState, run_end), 0, NULL},
    {"select_end", T_LONGLONG, offsetof(LoopState, select_end), 0, NULL},
    {"resolved", T_ULONGLONG, offsetof(LoopState, resolved), 0, NULL},
    {"making", T_BOOL, offsetof(LoopState, making), 0, NULL},
    {"made", T_ULONGLONG, offsetof(LoopState, made), 0, NULL},
    {"made_ns", T_LONGLONG, offsetof(LoopState, made_ns), 0, NULL},
    {"eager", T_OBJECT, offsetof(LoopState, eager), READONLY, NULL},
    {"fresh", T_OBJECT, offsetof(LoopState, fresh), READONLY, NULL},
    {"signals", T_OBJECT, offsetof(LoopState, signals), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(LoopState, weakreflist), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef loop_getset[] = {
    CAUSE(LoopState, cause),
    CAUSE(LoopState, step_wake),
    CAUSE(LoopState, resolved_cause),
    OBJECT(LoopState, callback),
    OBJECT(LoopState, nascent),
    {"current", get_object_at, set_current_at, NULL, (void *)offsetof(LoopState, current)},
    {NULL, NULL, NULL, NULL, NULL},
};

static int
loop_traverse(PyObject *self, visitproc visit, void *arg)
{
    LoopState *loop = (LoopState *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(loop->recorder);
    Py_VISIT(loop->callback);
    Py_VISIT(loop->nascent);
    Py_VISIT(loop->eager);
    Py_VISIT(loop->fresh);
    Py_VISIT(loop->signals);
    Py_VISIT(loop->reference);
    return 0;
}

static int
loop_clear(PyObject *self)
{
    LoopState *loop = (LoopState *)self;
    Py_CLEAR(loop->recorder);
    Py_CLEAR(loop->current);
    Py_CLEAR(loop->eager_over.state);
    Py_CLEAR(loop->eager_over.task);
    Py_CLEAR(loop->callback);
    Py_CLEAR(loop->nascent);
    Py_CLEAR(loop->eager);
    Py_CLEAR(loop->fresh);
    Py_CLEAR(loop->signals);
    Py_CLEAR(loop->reference);
    return 0;
}

static void
loop_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (((LoopState *)self)->weakreflist != NULL) {
        PyObject_ClearWeakRefs(self);
    }
    if (core.last_run == (LoopState *)self) {
        core.last_run = NULL;
    }
    loop_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static int
loop_init_object(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *words[] = {"recorder", "loop", "foreign", NULL};
    LoopState *loop = (LoopState *)self;
    PyObject *recorder, *target;
    int foreign;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO$p", words, &recorder, &target, &foreign)) {
        return -1;
    }
    loop->recorder = Py_NewRef(recorder);
    loop->id = core.next_id++;
    loop->reference = PyWeakref_NewRef(target, NULL);
    loop->foreign = foreign;
    loop->ident = PyThread_get_thread_ident();
    loop->eager = PyList_New(0);
    loop->fresh = PyList_New(0);
    loop->signals = PyDict_New();
    loop->trace = core.trace;
    loop->select_end = loop->run_end = now();
    return loop->reference && loop->eager && loop->fresh && loop->signals ? 0 : -1;
}

static PyType_Slot loop_slots[] = {
    {Py_tp_init, loop_init_object},
    {Py_tp_new, PyType_GenericNew},
    {Py_tp_dealloc, loop_dealloc},
    {Py_tp_traverse, loop_traverse},
    {Py_tp_clear, loop_clear},
    {Py_tp_members, loop_members},
    {Py_tp_getset, loop_getset},
    {0, NULL},
};

static PyType_Spec loop_spec = {
    "asyncio_trace.tracer.native_core._native.LoopState", sizeof(LoopState), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, loop_slots,
};

int
state_init(PyObject *module)
{
    struct { PyTypeObject **type; PyType_Spec *spec; const char *name; } all[] = {
        {&TaskState_Type, &task_spec, "TaskState"},
        {&LoopState_Type, &loop_spec, "LoopState"},
    };
    for (size_t index = 0; index < sizeof all / sizeof *all; index++) {
        PyObject *type = PyType_FromSpec(all[index].spec);
        if (type == NULL || PyModule_AddObjectRef(module, all[index].name, type) < 0) {
            return -1;
        }
        *all[index].type = (PyTypeObject *)type;
    }
    return 0;
}
