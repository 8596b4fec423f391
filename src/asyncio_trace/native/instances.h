/* Attributes of an instance, read where the interpreter's own quick code reads them: by their place in the instance.
 *
 * `call_soon` asks its loop whether it is closed, whether it is in debug mode, and for its queue. Python code gets these with a few
 * instructions each, since the interpreter remembers the place; `PyObject_GetAttr` looks for them anew, which takes 200. The layout
 * is the interpreter's own business, as that of frames is; a version that this file does not know goes the public way.
 */
#ifndef ASYNCIO_TRACE_INSTANCES_H
#define ASYNCIO_TRACE_INSTANCES_H

#include "frames.h"

#include <internal/pycore_dict.h>
#include <internal/pycore_object.h>

/* Where the attribute of a name was found last. */
typedef struct {
    PyTypeObject *type;
    unsigned int version; /* of the type; 0: of none */
    PyDictKeysObject *keys;
    Py_ssize_t index;
} Whereabouts;

#if (PY_VERSION_HEX >= 0x030B0000 && PY_VERSION_HEX < 0x030C0000) || PY_VERSION_HEX >= 0x030D0000

/* The values of an instance that has no dict of its own yet; NULL if it has. */
static inline PyDictValues *
instance_values(PyObject *object)
{
#if PY_VERSION_HEX >= 0x030D0000
    if (!PyType_HasFeature(Py_TYPE(object), Py_TPFLAGS_INLINE_VALUES)) {
        return NULL;
    }
    PyDictValues *values = _PyObject_InlineValues(object);
    return values->valid ? values : NULL;
#else
    return PyType_HasFeature(Py_TYPE(object), Py_TPFLAGS_MANAGED_DICT) ? *_PyObject_ValuesPointer(object) : NULL;
#endif
}

static inline int
learn_place(PyObject *object, PyObject *name, Whereabouts *place)
{
    PyTypeObject *type = Py_TYPE(object);
    place->version = 0;
    if (type->tp_getattro != PyObject_GenericGetAttr || _PyType_Lookup(type, name) != NULL || instance_values(object) == NULL) {
        return 0;
    }
    PyDictKeysObject *keys = ((PyHeapTypeObject *)type)->ht_cached_keys;
    if (keys == NULL || !DK_IS_UNICODE(keys)) {
        return 0;
    }
    for (Py_ssize_t index = 0; index < keys->dk_nentries; index++) {
        if (DK_UNICODE_ENTRIES(keys)[index].me_key == name) {
            *place = (Whereabouts){type, type->tp_version_tag, keys, index};
            return place->version != 0;
        }
    }
    return 0;
}

/* An attribute of an instance, whose name is interned; new reference, or NULL with an error set. */
static inline PyObject *
instance_attribute(PyObject *object, PyObject *name, Whereabouts *place)
{
    PyTypeObject *type = Py_TYPE(object);
    if ((place->type == type && place->version != 0 && place->version == type->tp_version_tag
         && place->keys == ((PyHeapTypeObject *)type)->ht_cached_keys)
        || learn_place(object, name, place)) {
        PyDictValues *values = instance_values(object);
        PyObject *value = values == NULL ? NULL : values->values[place->index];
        if (value != NULL) {
            return Py_NewRef(value);
        }
    }
    return PyObject_GetAttr(object, name);
}

/* `dict[key] = value` of a dict of our own that has this one key or none, which the interpreter would look for. */
static inline int
set_only_value(PyObject *dict, PyObject *key, PyObject *value)
{
    PyDictKeysObject *keys = ((PyDictObject *)dict)->ma_keys;
    if (((PyDictObject *)dict)->ma_values == NULL && ((PyDictObject *)dict)->ma_used == 1 && DK_IS_UNICODE(keys)
        && keys->dk_nentries == 1 && DK_UNICODE_ENTRIES(keys)[0].me_key == key) {
        Py_SETREF(DK_UNICODE_ENTRIES(keys)[0].me_value, Py_NewRef(value));
        return 0;
    }
    return PyDict_SetItem(dict, key, value);
}

#else

static inline int
set_only_value(PyObject *dict, PyObject *key, PyObject *value)
{
    return PyDict_SetItem(dict, key, value);
}

static inline PyObject *
instance_attribute(PyObject *object, PyObject *name, Whereabouts *place)
{
    (void)place;
    return PyObject_GetAttr(object, name);
}

#endif

#endif
