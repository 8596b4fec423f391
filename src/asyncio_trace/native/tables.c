/* Tables from addresses to what is known of the object there: the objects of a table of tasks, the numbers of one of futures. Whatever is
 * known under an address is forgotten when the memory there is let go (types.c), or is checked against a weak reference.
 */
#include "core.h"

#include <stddef.h>

PyTypeObject *Table_Type;

static inline size_t
spread(uintptr_t key)
{
    return (size_t)((key >> 4) * 0x9E3779B97F4A7C15ull >> 17);
}

static inline Slot *
slot_of(const Table *table, const void *address)
{
    uintptr_t key = (uintptr_t)address;
    for (size_t at = spread(key) & table->mask;; at = (at + 1) & table->mask) {
        if (table->slots[at].key == key || table->slots[at].key == 0) {
            return &table->slots[at];
        }
    }
}

PyObject *
table_get(Table *table, const void *address)
{
    Slot *slot = slot_of(table, address);
    return slot->key == 0 ? NULL : slot->value;
}

int64_t
table_number(Table *table, const void *address)
{
    Slot *slot = slot_of(table, address);
    return slot->key == 0 ? 0 : slot->number;
}

/* Whether a task that does not tell when it is let go has died. */
static int
is_over(const Table *table, const Slot *slot)
{
    if (table != core.tasks || !Py_IS_TYPE(slot->value, TaskState_Type)) {
        return 0;
    }
    TaskState *state = (TaskState *)slot->value;
    return state->reference != NULL && weak_target(state->reference) == Py_None;
}

/* Make room, and forget tasks that have died. */
static int
resize(Table *table)
{
    size_t size = 64;
    while (size < (table->used + 1) * 3) {
        size *= 2;
    }
    Slot *fresh = PyMem_Calloc(size, sizeof(Slot)), *slots = table->slots;
    if (fresh == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t from = 0; from <= table->mask; from++) {
        if (slots[from].key == 0) {
            continue;
        }
        if (is_over(table, &slots[from])) {
            table->used--;
            Py_DECREF(slots[from].value); /* runs no code of the program's */
            continue;
        }
        size_t at = spread(slots[from].key) & (size - 1);
        while (fresh[at].key != 0) {
            at = (at + 1) & (size - 1);
        }
        fresh[at] = slots[from];
    }
    PyMem_Free(slots);
    table->slots = fresh;
    table->mask = size - 1;
    return 0;
}

static Slot *
slot_for(Table *table, const void *address)
{
    Slot *slot = slot_of(table, address);
    if (slot->key == 0) {
        if ((table->used + 1) * 3 > (table->mask + 1) * 2) {
            if (resize(table) < 0) {
                return NULL;
            }
            slot = slot_of(table, address);
        }
        slot->key = (uintptr_t)address;
        table->used++;
    }
    return slot;
}

int
table_set(Table *table, const void *address, PyObject *value)
{
    Slot *slot = slot_for(table, address);
    if (slot == NULL) {
        return -1;
    }
    PyObject *previous = slot->value;
    slot->value = Py_NewRef(value);
    Py_XDECREF(previous);
    return 0;
}

int
table_set_number(Table *table, const void *address, int64_t number)
{
    Slot *slot = slot_for(table, address);
    if (slot == NULL) {
        return -1;
    }
    slot->number = number;
    return 0;
}

/* What follows moves up, so that there are no gaps to be skipped; see Knuth, The Art of Computer Programming, vol. 3, 6.4, algorithm R. */
void
table_remove(Table *table, const void *address)
{
    Slot *slot = slot_of(table, address);
    if (slot->key == 0) {
        return;
    }
    PyObject *value = table->of_numbers ? NULL : slot->value;
    size_t gap = (size_t)(slot - table->slots), mask = table->mask;
    for (size_t at = (gap + 1) & mask; table->slots[at].key != 0; at = (at + 1) & mask) {
        if (((at - spread(table->slots[at].key)) & mask) >= ((at - gap) & mask)) {
            table->slots[gap] = table->slots[at];
            gap = at;
        }
    }
    table->slots[gap] = (Slot){0};
    table->used--;
    Py_XDECREF(value);
}

Table *
table_new(int of_numbers)
{
    Table *table = (Table *)Table_Type->tp_alloc(Table_Type, 0);
    if (table != NULL) {
        table->slots = PyMem_Calloc(64, sizeof(Slot));
        table->mask = 63;
        table->of_numbers = of_numbers;
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
        for (size_t at = 0; at <= table->mask && !table->of_numbers; at++) {
            Py_XDECREF(table->slots[at].value);
        }
        PyMem_Free(table->slots);
    }
    type->tp_free(self);
    Py_DECREF(type);
}

/* New reference, or NULL. */
static PyObject *
find(Table *table, PyObject *key)
{
    void *address = PyLong_AsVoidPtr(key);
    if (address == NULL) {
        return NULL;
    }
    if (table->of_numbers) {
        int64_t number = table_number(table, address);
        return number == 0 ? NULL : PyLong_FromLongLong(number);
    }
    TaskState *state = (TaskState *)table_get(table, address);
    if (table == core.tasks && state != NULL && state->reference != NULL && weak_target(state->reference) == Py_None) {
        table_remove(table, address);
        return NULL;
    }
    return Py_XNewRef((PyObject *)state);
}

static PyObject *
table_method_get(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    PyObject *value = count > 0 ? find((Table *)self, args[0]) : NULL;
    if (value == NULL && !PyErr_Occurred()) {
        value = Py_NewRef(count > 1 ? args[1] : Py_None);
    }
    return value;
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
    PyObject *value = find((Table *)self, key);
    Py_XDECREF(value);
    return value != NULL ? 1 : PyErr_Occurred() ? -1 : 0;
}

static PyObject *
table_subscript(PyObject *self, PyObject *key)
{
    PyObject *value = find((Table *)self, key);
    if (value == NULL && !PyErr_Occurred()) {
        PyErr_SetObject(PyExc_KeyError, key);
    }
    return value;
}

static int
table_assign(PyObject *self, PyObject *key, PyObject *value)
{
    Table *table = (Table *)self;
    void *address = PyLong_AsVoidPtr(key);
    if (address == NULL) {
        return -1;
    }
    if (value == NULL) {
        table_remove(table, address);
        return 0;
    }
    if (table->of_numbers) {
        int64_t number = PyLong_AsLongLong(value);
        return PyErr_Occurred() ? -1 : table_set_number(table, address, number);
    }
    return table_set(table, address, value);
}

static Py_ssize_t
table_length(PyObject *self)
{
    return (Py_ssize_t)((Table *)self)->used;
}

static PyMethodDef table_methods[] = {
    {"get", (PyCFunction)(void (*)(void))table_method_get, METH_FASTCALL, NULL},
    {"pop", (PyCFunction)(void (*)(void))table_method_pop, METH_FASTCALL, NULL},
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

int
tables_init(PyObject *module)
{
    Table_Type = (PyTypeObject *)PyType_FromSpec(&table_spec);
    return Table_Type == NULL ? -1 : PyModule_AddObjectRef(module, "Table", (PyObject *)Table_Type);
}
