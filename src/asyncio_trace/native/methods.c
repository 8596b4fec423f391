/* A method in C that stands in for a function of a class: it binds as a function does, and to whoever looks it is the function
 * that it stands in for (name, signature, code).
 */
#include "core.h"

#include <stddef.h>
#include <structmember.h>

PyTypeObject *Method_Type;

static PyObject *
method_vectorcall(PyObject *self, PyObject *const *args, size_t flagged, PyObject *kwnames)
{
    Py_ssize_t count = PyVectorcall_NARGS(flagged);
    Method *method = (Method *)self;
    if (count < 1) {
        return PyObject_Vectorcall(method->original, args, flagged, kwnames); /* to fail in its own words */
    }
    return method->run(args[0], args + 1, count - 1, kwnames);
}

static PyObject *
method_get(PyObject *self, PyObject *object, PyObject *Py_UNUSED(type))
{
    return object == NULL || object == Py_None ? Py_NewRef(self) : PyMethod_New(self, object);
}

static PyObject *
method_getattro(PyObject *self, PyObject *name)
{
    return PyObject_GetAttr(((Method *)self)->original, name);
}

static PyObject *
method_repr(PyObject *self)
{
    return PyObject_Repr(((Method *)self)->original);
}

static int
method_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((Method *)self)->original);
    Py_VISIT(((Method *)self)->careful);
    return 0;
}

static void
method_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    Py_XDECREF(((Method *)self)->original);
    Py_XDECREF(((Method *)self)->careful);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMemberDef members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Method, vectorcall), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_call, PyVectorcall_Call}, {Py_tp_descr_get, method_get}, {Py_tp_getattro, method_getattro},
    {Py_tp_repr, method_repr}, {Py_tp_traverse, method_traverse}, {Py_tp_dealloc, method_dealloc},
    {Py_tp_members, members}, {0, NULL},
};

static PyType_Spec spec = {
    "asyncio_trace.tracer.native_core._native.Method", sizeof(Method), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_METHOD_DESCRIPTOR | Py_TPFLAGS_HAVE_VECTORCALL
        | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    slots,
};

/* A method that runs `run` in place of `original`. New reference. */
PyObject *
method_new(Implementation run, PyObject *original)
{
    Method *method = (Method *)Method_Type->tp_alloc(Method_Type, 0);
    if (method != NULL) {
        method->vectorcall = method_vectorcall;
        method->run = run;
        method->original = Py_NewRef(original);
    }
    return (PyObject *)method;
}

/* A method of a foreign loop class, whose `call` looks up in it what it stands in for. New reference. */
PyObject *
foreign_method_new(vectorcallfunc call, PyObject *original, PyObject *careful)
{
    Method *method = (Method *)method_new(NULL, original);
    if (method != NULL) {
        method->vectorcall = call;
        method->careful = Py_NewRef(careful);
    }
    return (PyObject *)method;
}

int
methods_init(PyObject *module)
{
    Method_Type = (PyTypeObject *)PyType_FromSpec(&spec);
    return Method_Type == NULL ? -1 : PyModule_AddObjectRef(module, "Method", (PyObject *)Method_Type);
}
