/* Which of the program's own lines did something; see tracer/sites.py for the rule. What is seen for the first time is worked out
 * by the Python code and kept here.
 */
#include "core.h"

enum { ROLE_PROGRAM = 1, ROLE_PLUMBING, ROLE_HANDLE_RUN, ROLE_RUN_FOREVER, ROLE_SIGINT };

#define MOST_KEPT (1 << 16)

typedef struct {
    PyObject *object; /* held, so that its address keeps its meaning */
    int64_t extra;    /* second half of the key */
    int64_t number;
} Entry;

typedef struct {
    Entry *entries;
    size_t mask, used;
} Map;

static Map roles, sites, strings, builtins, askers;

static void
map_clear(Map *map)
{
    Entry *entries = map->entries;
    size_t size = map->entries == NULL ? 0 : map->mask + 1;
    map->entries = NULL;
    map->mask = map->used = 0;
    for (size_t at = 0; at < size; at++) {
        Py_XDECREF(entries[at].object);
    }
    PyMem_Free(entries);
}

static inline size_t
spread(PyObject *object, int64_t extra)
{
    return (size_t)((((uintptr_t)object >> 4) ^ (uint64_t)extra * 0x9E3779B1u) * 0x9E3779B97F4A7C15ull >> 20);
}

static inline Entry *
map_find(Map *map, PyObject *object, int64_t extra)
{
    if (map->entries == NULL) {
        return NULL;
    }
    for (size_t at = spread(object, extra) & map->mask; map->entries[at].object != NULL; at = (at + 1) & map->mask) {
        if (map->entries[at].object == object && map->entries[at].extra == extra) {
            return &map->entries[at];
        }
    }
    return NULL;
}

static void
map_add(Map *map, PyObject *object, int64_t extra, int64_t number)
{
    if (map->used >= MOST_KEPT) {
        map_clear(map);
    }
    if (map->entries == NULL || (map->used + 1) * 2 > map->mask) {
        size_t size = map->entries == NULL ? 256 : (map->mask + 1) * 2;
        Entry *fresh = PyMem_Calloc(size, sizeof(Entry));
        if (fresh == NULL) {
            return;
        }
        for (size_t from = 0; map->entries != NULL && from <= map->mask; from++) {
            if (map->entries[from].object != NULL) {
                size_t at = spread(map->entries[from].object, map->entries[from].extra) & (size - 1);
                while (fresh[at].object != NULL) {
                    at = (at + 1) & (size - 1);
                }
                fresh[at] = map->entries[from];
            }
        }
        PyMem_Free(map->entries);
        map->entries = fresh;
        map->mask = size - 1;
    }
    size_t at = spread(object, extra) & map->mask;
    while (map->entries[at].object != NULL) {
        at = (at + 1) & map->mask;
    }
    map->entries[at] = (Entry){Py_NewRef(object), extra, number};
    map->used++;
}

/* Ask a function of the Python side for a number; `fallback` if it fails. */
static int64_t
ask(const char *name, PyObject *first, PyObject *second, PyObject *third, int64_t fallback)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    int64_t number = fallback;
    PyObject *function = core.slow == NULL ? NULL : PyObject_GetAttrString(core.slow, name);
    PyObject *answer = function == NULL ? NULL : PyObject_CallFunctionObjArgs(function, first, second, third, NULL);
    if (answer != NULL) {
        number = PyLong_AsLongLong(answer);
    }
    Py_XDECREF(function);
    Py_XDECREF(answer);
    if (PyErr_Occurred()) {
        failed(0);
        number = fallback;
    }
    PyErr_Restore(type, value, traceback);
    return number;
}

static int
role_of(PyCodeObject *code)
{
    Entry *entry = map_find(&roles, (PyObject *)code, 0);
    if (entry != NULL) {
        return (int)entry->number;
    }
    int64_t role = ask("role", (PyObject *)code, NULL, NULL, ROLE_PLUMBING);
    map_add(&roles, (PyObject *)code, 0, role);
    return (int)role;
}

/* Whether a function calls `get_debug` by itself, so that a call from it does not mean that it makes a future. */
int
asks_for_debug(PyCodeObject *code)
{
    Entry *entry = map_find(&askers, (PyObject *)code, 0);
    if (entry != NULL) {
        return (int)entry->number;
    }
    int asks = PyUnicode_CompareWithASCIIString(code->co_name, "__init__") != 0
               && PySequence_Contains(code->co_names, names.get_debug) == 1;
    PyErr_Clear();
    map_add(&askers, (PyObject *)code, 0, asks);
    return asks;
}

int64_t
site_of(Frame *frame, PyCodeObject *code)
{
    int lasti = frame_lasti(frame, code);
    Entry *entry = map_find(&sites, (PyObject *)code, lasti);
    if (entry != NULL) {
        return entry->number;
    }
    PyObject *globals = frame->f_globals;
    PyObject *module = globals != NULL && PyDict_Check(globals) ? PyDict_GetItemString(globals, "__name__") : NULL;
    PyObject *at = PyLong_FromLong(lasti);
    int64_t number = at == NULL ? 0 : ask("site", (PyObject *)code, at, module == NULL ? Py_None : module, 0);
    Py_XDECREF(at);
    map_add(&sites, (PyObject *)code, lasti, number);
    return number;
}

/* Site of the innermost frame of the program from `frame` outwards, `end` excluded; 0 if there is none; -1 if asyncio's handler
 * for Ctrl-C comes first.
 */
int64_t
site_find(Frame *frame, Frame *end)
{
    while (frame != NULL && frame != end) {
        PyCodeObject *code = frame_code(frame);
        switch (role_of(code)) {
        case ROLE_PROGRAM:
            return site_of(frame, code);
        case ROLE_PLUMBING:
            frame = frame_back(frame);
            break;
        case ROLE_SIGINT:
            return -1;
        default:
            return 0;
        }
    }
    return 0;
}

int64_t
string_of(PyObject *text)
{
    if (text == NULL || !PyUnicode_CheckExact(text)) {
        return 0;
    }
    Entry *entry = map_find(&strings, text, 0);
    if (entry != NULL) {
        return entry->number;
    }
    int64_t number = ask("string", text, NULL, NULL, 0);
    if (strings.used >= 4096) {
        map_clear(&strings);
    }
    map_add(&strings, text, 0, number);
    return number;
}

/* The recorder has let go of numbers: what has them kept here asks again. Not where an entry is in use. */
void
numbers_forget(void)
{
    core.outdated = 0;
    map_clear(&sites);
    map_clear(&strings);
    map_clear(&builtins);
    stacks_drop();
}

/* String of a callback's qualified name. */
int64_t
name_of(PyObject *callback)
{
    if (core.outdated) {
        numbers_forget();
    }
    PyObject *function = callback;
    if (callback == NULL) {
        return 0;
    }
    if (PyMethod_Check(function)) {
        function = PyMethod_GET_FUNCTION(function);
    }
    if (PyFunction_Check(function)) {
        return string_of(((PyFunctionObject *)function)->func_qualname);
    }
    if (PyCFunction_Check(callback) && PyCFunction_GET_SELF(callback) != NULL) {
        /* a method of a type in C: the same name for each object of that type */
        PyObject *type = (PyObject *)Py_TYPE(PyCFunction_GET_SELF(callback));
        int64_t method = (int64_t)(uintptr_t)((PyCFunctionObject *)callback)->m_ml;
        if (PyModule_Check(PyCFunction_GET_SELF(callback)) || PyType_Check(PyCFunction_GET_SELF(callback))) {
            return ask("name", callback, NULL, NULL, 0);
        }
        Entry *entry = map_find(&builtins, type, method);
        if (entry != NULL) {
            return entry->number;
        }
        int64_t number = ask("name", callback, NULL, NULL, 0);
        map_add(&builtins, type, method, number);
        return number;
    }
    return ask("name", callback, NULL, NULL, 0);
}

void
sites_clear(void)
{
    map_clear(&roles);
    map_clear(&sites);
    map_clear(&strings);
    map_clear(&builtins);
    map_clear(&askers);
}
