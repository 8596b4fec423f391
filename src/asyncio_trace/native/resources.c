/* Locks, semaphores and barriers: which is which, and who changes them; see tracer/resources.py for the rule, which this
 * follows word by word. Queues and events are in queues.c.
 *
 * While a trace runs, a data descriptor on the class stands in front of the instance's attribute: `Lock._locked`,
 * `Semaphore._value` and the like. The value stays where it was, in the instance.
 */
#include "asyncio_parts.h"
#include "resources.h"

/* -- identity --------------------------------------------------------------------------------------------------------- */

typedef struct {
    uintptr_t key; /* 0: free */
    int64_t id;
    PyObject *reference; /* weak */
    int told;            /* how it stood is recorded */
} Known;

static Known *all;
static size_t mask, filled;

static inline size_t
spread(uintptr_t key)
{
    return (size_t)((key >> 4) * 0x9E3779B97F4A7C15ull >> 17);
}

static Known *
find(PyObject *thing)
{
    uintptr_t key = (uintptr_t)thing;
    if (all == NULL) {
        return NULL;
    }
    for (size_t at = spread(key) & mask; all[at].key != 0; at = (at + 1) & mask) {
        if (all[at].key == key) {
            /* else it lives where another lived */
            return weak_target(all[at].reference) == thing ? &all[at] : NULL;
        }
    }
    return NULL;
}

/* Make room for more; those that are gone are left out. */
static int
grow(void)
{
    size_t alive = 0, size = 64;
    for (size_t at = 0; all != NULL && at <= mask; at++) {
        alive += all[at].key != 0 && weak_target(all[at].reference) != Py_None;
    }
    while (size < alive * 4) {
        size *= 2;
    }
    Known *fresh = PyMem_Calloc(size, sizeof(Known)), *old = all;
    if (fresh == NULL) {
        return -1;
    }
    size_t old_size = old == NULL ? 0 : mask + 1;
    all = fresh;
    mask = size - 1;
    filled = 0;
    for (size_t from = 0; from < old_size; from++) {
        if (old[from].key == 0) {
            continue;
        }
        if (weak_target(old[from].reference) == Py_None) {
            Py_DECREF(old[from].reference);
            continue;
        }
        size_t at = spread(old[from].key) & mask;
        while (all[at].key != 0) {
            at = (at + 1) & mask;
        }
        all[at] = old[from];
        filled++;
    }
    PyMem_Free(old);
    return 0;
}

/* A new id for something that is met for the first time; NULL if it can't be remembered. Sets no error. */
static Known *
add(PyObject *thing)
{
    int64_t id = core.next_id++;
    PyObject *name = PyType_GetName(Py_TYPE(thing)), *reference = PyWeakref_NewRef(thing, NULL);
    int64_t type_name = string_of(name);
    Py_XDECREF(name);
    if (reference == NULL || ((all == NULL || (filled + 1) * 3 > mask * 2) && grow() < 0)) {
        PyErr_Clear();
        Py_XDECREF(reference);
        return NULL;
    }
    if (PyObject_GC_IsTracked(reference)) {
        PyObject_GC_UnTrack(reference); /* it refers to nothing */
    }
    size_t at = spread((uintptr_t)thing) & mask;
    while (all[at].key != 0 && all[at].key != (uintptr_t)thing) {
        at = (at + 1) & mask;
    }
    if (all[at].key == 0) {
        filled++;
    }
    Py_XDECREF(all[at].reference);
    all[at] = (Known){(uintptr_t)thing, id, reference, 0};
    int64_t fields[] = {id, type_name};
    stream_record(RESOURCE_SEEN, fields, 2);
    return &all[at];
}

/* Id of a lock, queue or the like; 0 if it can't be had. Sets no error. */
int64_t
resource_id(PyObject *thing)
{
    Known *known = find(thing);
    if (known == NULL) {
        known = add(thing);
    }
    return known != NULL ? known->id : ask_number("identify", thing); /* it takes no weak references */
}

void
resources_clear(void)
{
    Known *old = all;
    size_t size = old == NULL ? 0 : mask + 1;
    all = NULL;
    mask = filled = 0;
    for (size_t at = 0; at < size; at++) {
        Py_XDECREF(old[at].reference);
    }
    PyMem_Free(old);
}

/* -- attributes ------------------------------------------------------------------------------------------------------- */

typedef struct {
    PyObject_HEAD
    PyObject *name;
    int role;
} Attribute;

static PyTypeObject *Attribute_Type;
static descrgetfunc attribute_get_slot;
static descrsetfunc attribute_set_slot;

/* The interpreter's own way to an instance's attributes knows where they are (a dict, or in the object itself), but would come to
 * us. Without these slots we are, for the length of a call, an attribute of the class like any other.
 */
#define HIDDEN(STATEMENT) \
    do { \
        Attribute_Type->tp_descr_get = NULL; \
        Attribute_Type->tp_descr_set = NULL; \
        STATEMENT; \
        Attribute_Type->tp_descr_get = attribute_get_slot; \
        Attribute_Type->tp_descr_set = attribute_set_slot; \
    } while (0)

/* The value in the instance, or NULL and no error. */
static PyObject *
value_of(Attribute *attribute, PyObject *thing)
{
    PyObject *value;
    HIDDEN(value = PyObject_GenericGetAttr(thing, attribute->name));
    if (value == (PyObject *)attribute) {
        Py_CLEAR(value);
    }
    if (value == NULL) {
        PyErr_Clear();
    }
    return value;
}

/* The value of another attribute of the instance; 0 if it is no number. Sets no error. */
static int64_t
number_at(PyObject *thing, PyObject *name)
{
    PyObject *value = PyObject_GenericGetAttr(thing, name);
    int64_t number = value != NULL && PyLong_Check(value) ? PyLong_AsLongLong(value) : 0;
    Py_XDECREF(value);
    PyErr_Clear();
    return number;
}

/* What is changing a resource; 0 if nothing is to be recorded of that. A loop that is not followed is none of ours; without a loop it
 * is its thread.
 */
int
resource_cause(PyObject *thing, Cause *cause, Frame *frame)
{
    LoopState *loop = core.last_run;
    if (loop == NULL || loop->running == NULL || loop->ident != PyThread_get_thread_ident() || loop->trace != core.trace) {
        PyObject *running = PyObject_CallNoArgs(core.get_running_loop);
        loop = running == NULL ? NULL : running == Py_None ? NULL : loop_state_if_any(running);
        int is_free = running == Py_None;
        Py_XDECREF(running);
        PyErr_Clear();
        if (loop == NULL) {
            if (!is_free || find(thing) == NULL) {
                return 0;
            }
            int64_t site = site_find(frame, NULL);
            *cause = (Cause){.ns = now(), .kind = WAKER_THREAD, .site = site < 0 ? 0 : site, .set = 1};
            cause->id = ask_number("thread", NULL);
            return 1;
        }
    }
    *cause = current_cause(loop, frame);
    return 1;
}

/* The id of a resource that is changing, having told how it stood. */
int64_t
resource_told(PyObject *thing, const Cause *cause, int role, int64_t value)
{
    Known *known = find(thing);
    if (known == NULL && (known = add(thing)) == NULL) {
        return 0;
    }
    if (!known->told) {
        known->told = 1;
        int64_t most = role == ROLE_SEMAPHORE ? number_at(thing, names._bound_value)
                       : role == ROLE_BARRIER ? number_at(thing, names._parties)
                       : role == ROLE_QUEUE   ? number_at(thing, names._maxsize)
                                              : 0;
        int64_t fields[] = {known->id, cause->ns, role, value, most};
        stream_record(RESOURCE_STATE, fields, 5);
    }
    return known->id;
}

/* Id of the task that a semaphore is about to wake with a unit of its own; 0 if unknown. */
static int64_t
first_in_line(PyObject *semaphore)
{
    int64_t id = 0;
    PyObject *waiters = PyObject_GenericGetAttr(semaphore, names._waiters);
    PyObject *all_waiters = waiters == NULL ? NULL : PyObject_GetIter(waiters), *future;
    while (all_waiters != NULL && (future = PyIter_Next(all_waiters)) != NULL) {
        PyObject *state = get_by(parts.future_state, core.future_type, future, names._state);
        int pending = state != NULL && PyUnicode_Check(state) && PyUnicode_CompareWithASCIIString(state, "PENDING") == 0;
        Py_XDECREF(state);
        PyObject *called = pending ? PyObject_GetAttr(future, names._callbacks) : NULL;
        for (Py_ssize_t at = 0; called != NULL && PyList_Check(called) && at < PyList_GET_SIZE(called) && id == 0; at++) {
            PyObject *pair = PyList_GET_ITEM(called, at), *callback;
            callback = PyTuple_Check(pair) && PyTuple_GET_SIZE(pair) > 0 ? PyTuple_GET_ITEM(pair, 0) : NULL;
            PyObject *task = callback == NULL ? NULL
                             : PyMethod_Check(callback) ? PyMethod_GET_SELF(callback)
                                                        : task_of_step(callback);
            TaskState *waiting = task == NULL ? NULL : task_state(task);
            id = waiting == NULL ? 0 : waiting->id;
        }
        Py_XDECREF(called);
        Py_DECREF(future);
        if (pending) {
            break;
        }
    }
    Py_XDECREF(all_waiters);
    Py_XDECREF(waiters);
    PyErr_Clear();
    return id;
}

/* Record that the code at `frame` has changed the state of a lock, semaphore, event or barrier. Sets no error. */
void
resource_changed(int role, PyObject *thing, int64_t before, int64_t after, Frame *frame)
{
    Cause cause;
    if (!resource_cause(thing, &cause, frame)) {
        return;
    }
    int is_lock = role == ROLE_LOCK;
    int64_t id = resource_told(thing, &cause, role, is_lock ? !before : before);
    if (id == 0) {
        return;
    }
    if (is_lock || role == ROLE_SEMAPHORE) {
        int64_t change = is_lock ? before - after : after - before, free = is_lock ? !after : after;
        if (change == -1) {
            int64_t task = cause.kind == WAKER_TASK ? cause.id : 0;
            if (frame != NULL && (PyObject *)frame_code(frame) == parts.wakes_next) {
                task = first_in_line(thing);
                cause.site = 0;
            }
            int64_t fields[] = {id, cause.ns, task, cause.site, free};
            stream_record(RESOURCE_TAKEN, fields, 5);
            return;
        }
        if (change == 1) {
            resource_change(RESOURCE_RELEASED, id, &cause, free);
            return;
        }
    }
    resource_change(RESOURCE_SET, id, &cause, after);
}

static PyObject *
attribute_get(PyObject *self, PyObject *thing, PyObject *type)
{
    Attribute *attribute = (Attribute *)self;
    if (thing == NULL || thing == Py_None) {
        if (type != NULL && PyType_Check(type)) {
            PyErr_Format(PyExc_AttributeError, "type object '%.50s' has no attribute '%U'", ((PyTypeObject *)type)->tp_name,
                         attribute->name);
        }
        else {
            PyErr_SetObject(PyExc_AttributeError, attribute->name);
        }
        return NULL;
    }
    PyObject *value = value_of(attribute, thing);
    if (value == NULL) {
        return PyErr_Format(PyExc_AttributeError, "'%.100s' object has no attribute '%U'", Py_TYPE(thing)->tp_name,
                            attribute->name);
    }
    return value;
}

static int
attribute_set(PyObject *self, PyObject *thing, PyObject *value)
{
    Attribute *attribute = (Attribute *)self;
    PyObject *before = core.active && value != NULL ? value_of(attribute, thing) : NULL;
    if (before != NULL && before == value) {
        Py_DECREF(before);
        return 0; /* it is there already */
    }
    int result;
    HIDDEN(result = PyObject_GenericSetAttr(thing, attribute->name, value));
    if (result == 0 && before != NULL && PyLong_Check(before) && PyLong_Check(value)) {
        int64_t was = PyLong_AsLongLong(before), is = PyLong_AsLongLong(value);
        if (PyErr_Occurred()) {
            PyErr_Clear();
        }
        else if (was != is) {
            resource_changed(attribute->role, thing, was, is, frame_current());
        }
    }
    Py_XDECREF(before);
    return result;
}

static void
attribute_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    Py_XDECREF(((Attribute *)self)->name);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyType_Slot slots[] = {
    {Py_tp_dealloc, attribute_dealloc},
    {Py_tp_descr_get, attribute_get},
    {Py_tp_descr_set, attribute_set},
    {0, NULL},
};

static PyType_Spec spec = {
    "asyncio_trace.tracer.native_core._native.Attribute", sizeof(Attribute), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots,
};

/* attribute(name, role): stands in front of an attribute of that name in the instances of a class. */
PyObject *
new_attribute(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *name;
    int role;
    if (!PyArg_ParseTuple(args, "Ui", &name, &role)) {
        return NULL;
    }
    Attribute *attribute = (Attribute *)Attribute_Type->tp_alloc(Attribute_Type, 0);
    if (attribute != NULL) {
        attribute->name = Py_NewRef(name);
        PyUnicode_InternInPlace(&attribute->name);
        attribute->role = role;
    }
    return (PyObject *)attribute;
}

int
resources_init(PyObject *Py_UNUSED(module))
{
    Attribute_Type = (PyTypeObject *)PyType_FromSpec(&spec);
    if (Attribute_Type == NULL) {
        return -1;
    }
    attribute_get_slot = Attribute_Type->tp_descr_get;
    attribute_set_slot = Attribute_Type->tp_descr_set;
    return 0;
}
