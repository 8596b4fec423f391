/* What is known of loops and tasks while they live, and tables from addresses to it. See loop_state.py for the meanings. */
#include "core.h"

#include <stddef.h>
#include <structmember.h>

PyTypeObject *TaskState_Type, *LoopState_Type, *Table_Type, *Sentinel_Type;

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

/* From now on tell a task by its weak reference: it outlives its step, and may die without another. */
int
task_state_keep(TaskState *state, PyObject *task)
{
    if (state->reference != NULL) {
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

/* -- tables ----------------------------------------------------------------------------------------------------------- */

#define REMOVED ((uintptr_t)1)

static inline size_t
spread(uintptr_t key)
{
    return (size_t)((key >> 4) * 0x9E3779B97F4A7C15ull >> 17);
}

PyObject *
table_get(Table *table, const void *address)
{
    uintptr_t key = (uintptr_t)address;
    for (size_t at = spread(key) & table->mask;; at = (at + 1) & table->mask) {
        if (table->slots[at].key == key) {
            return table->slots[at].value;
        }
        if (table->slots[at].key == 0) {
            return NULL;
        }
    }
}

static int
resize(Table *table)
{
    size_t size = 64;
    while (size < table->used * 4) {
        size *= 2;
    }
    Slot *fresh = PyMem_Calloc(size, sizeof(Slot)), *slots = table->slots;
    if (fresh == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t from = 0; from <= table->mask; from++) {
        if (slots[from].key > REMOVED) {
            size_t at = spread(slots[from].key) & (size - 1);
            while (fresh[at].key != 0) {
                at = (at + 1) & (size - 1);
            }
            fresh[at] = slots[from];
        }
    }
    PyMem_Free(slots);
    table->slots = fresh;
    table->mask = size - 1;
    table->filled = table->used;
    return 0;
}

/* Forget tasks that have ended (unless they were cancelled: whoever awaits them may still ask why) or died. */
static void
forget_ended(Table *table)
{
    for (size_t at = 0; at <= table->mask; at++) {
        PyObject *value = table->slots[at].value;
        if (table->slots[at].key > REMOVED && Py_IS_TYPE(value, TaskState_Type)) {
            TaskState *state = (TaskState *)value;
            int dead = state->reference != NULL && weak_target(state->reference) == Py_None;
            if (dead || (state->done && !state->cancel_cause.set)) {
                table->slots[at].key = REMOVED;
                table->slots[at].value = NULL;
                table->used--;
                Py_DECREF(value);
            }
        }
    }
}

int
table_set(Table *table, const void *address, PyObject *value)
{
    uintptr_t key = (uintptr_t)address;
    if ((table->filled + 1) * 3 > table->mask * 2) {
        if (table == core.tasks) {
            forget_ended(table);
        }
        if (resize(table) < 0) {
            return -1;
        }
    }
    for (size_t at = spread(key) & table->mask;; at = (at + 1) & table->mask) {
        Slot *slot = &table->slots[at];
        if (slot->key == key) {
            PyObject *previous = slot->value;
            slot->value = Py_NewRef(value);
            Py_DECREF(previous);
            return 0;
        }
        if (slot->key == 0) {
            slot->key = key;
            slot->value = Py_NewRef(value);
            table->used++;
            table->filled++;
            return 0;
        }
    }
}

void
table_remove(Table *table, const void *address)
{
    uintptr_t key = (uintptr_t)address;
    for (size_t at = spread(key) & table->mask; table->slots[at].key != 0; at = (at + 1) & table->mask) {
        if (table->slots[at].key == key) {
            PyObject *value = table->slots[at].value;
            table->slots[at].key = REMOVED;
            table->slots[at].value = NULL;
            table->used--;
            Py_DECREF(value);
            return;
        }
    }
}

Table *
table_new(void)
{
    Table *table = (Table *)Table_Type->tp_alloc(Table_Type, 0);
    if (table != NULL) {
        table->slots = PyMem_Calloc(64, sizeof(Slot));
        table->mask = 63;
        if (table->slots == NULL) {
            Py_DECREF(table);
            PyErr_NoMemory();
            return NULL;
        }
    }
    return table;
}

static void
table_dealloc(PyObject *self)
{
    Table *table = (Table *)self;
    PyTypeObject *type = Py_TYPE(self);
    if (table->slots != NULL) {
        for (size_t at = 0; at <= table->mask; at++) {
            Py_XDECREF(table->slots[at].value);
        }
        PyMem_Free(table->slots);
    }
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *
find(Table *table, PyObject *key)
{
    void *address = PyLong_AsVoidPtr(key);
    if (address == NULL) {
        return NULL;
    }
    if (table == core.tasks) {
        TaskState *state = (TaskState *)table_get(table, address);
        if (state != NULL && state->reference != NULL && weak_target(state->reference) == Py_None) {
            table_remove(table, address);
            return NULL;
        }
        return (PyObject *)state;
    }
    return table_get(table, address);
}

static PyObject *
table_method_get(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    PyObject *value = count > 0 ? find((Table *)self, args[0]) : NULL;
    if (value == NULL) {
        if (PyErr_Occurred()) {
            return NULL;
        }
        value = count > 1 ? args[1] : Py_None;
    }
    return Py_NewRef(value);
}

static PyObject *
table_method_pop(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    PyObject *value = table_method_get(self, args, count);
    if (value != NULL && count > 0) {
        table_remove((Table *)self, PyLong_AsVoidPtr(args[0]));
    }
    return value;
}

static int
table_contains(PyObject *self, PyObject *key)
{
    return find((Table *)self, key) != NULL ? 1 : PyErr_Occurred() ? -1 : 0;
}

static PyObject *
table_subscript(PyObject *self, PyObject *key)
{
    PyObject *value = find((Table *)self, key);
    if (value == NULL && !PyErr_Occurred()) {
        PyErr_SetObject(PyExc_KeyError, key);
    }
    return Py_XNewRef(value);
}

static int
table_assign(PyObject *self, PyObject *key, PyObject *value)
{
    void *address = PyLong_AsVoidPtr(key);
    if (address == NULL) {
        return -1;
    }
    if (value == NULL) {
        table_remove((Table *)self, address);
        return 0;
    }
    return table_set((Table *)self, address, value);
}

static Py_ssize_t
table_length(PyObject *self)
{
    return (Py_ssize_t)((Table *)self)->used;
}

static PyObject *
table_method_values(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    Table *table = (Table *)self;
    PyObject *list = PyList_New(0);
    for (size_t at = 0; list != NULL && at <= table->mask; at++) {
        if (table->slots[at].key > REMOVED && PyList_Append(list, table->slots[at].value) < 0) {
            Py_CLEAR(list);
        }
    }
    return list;
}

static PyMethodDef table_methods[] = {
    {"get", (PyCFunction)(void (*)(void))table_method_get, METH_FASTCALL, NULL},
    {"pop", (PyCFunction)(void (*)(void))table_method_pop, METH_FASTCALL, NULL},
    {"values", table_method_values, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot table_slots[] = {
    {Py_tp_dealloc, table_dealloc},
    {Py_tp_methods, table_methods},
    {Py_mp_subscript, table_subscript},
    {Py_mp_ass_subscript, table_assign},
    {Py_mp_length, table_length},
    {Py_sq_contains, table_contains},
    {0, NULL},
};

static PyType_Spec table_spec = {
    "asyncio_trace.tracer.native_core._native.Table", sizeof(Table), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, table_slots,
};

/* -- sentinels -------------------------------------------------------------------------------------------------------- */

static void
sentinel_dealloc(PyObject *self)
{
    Sentinel *sentinel = (Sentinel *)self;
    PyTypeObject *type = Py_TYPE(self);
    if (sentinel->table != NULL) {
        table_remove(sentinel->table, (void *)sentinel->address);
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
state_init(PyObject *module)
{
    struct { PyTypeObject **type; PyType_Spec *spec; const char *name; } all[] = {
        {&TaskState_Type, &task_spec, "TaskState"},
        {&LoopState_Type, &loop_spec, "LoopState"},
        {&Table_Type, &table_spec, "Table"},
        {&Sentinel_Type, &sentinel_spec, "Sentinel"},
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
