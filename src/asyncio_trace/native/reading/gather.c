/* The extension module `asyncio_trace.recording._gather`: records to columns, for recordings of many millions of them.
 *
 * The Python side, which does the same without a compiler, is `recording/gather.py`; how fields are packed it takes from
 * `events/packing.py`, as letters. The bytes may be anybody's: nothing is read beyond them, and numbers wrap as 64-bit ones. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdint.h>
#include <string.h>

enum { KINDS = 48, FIRST_SKIPPED = 48, MOST_FIELDS = 32, MOST_WORDS = 255 };
enum { KIND_MASK = 0x3F, RESERVED = 0x40, SAME_LOOP = 0x80 };

/* -- a column that is complete: memory that numpy reads where it lies --------------------------------------------------- */

typedef struct {
    PyObject_HEAD
    int64_t *values;
    Py_ssize_t bytes;
} Column;

static void
column_dealloc(Column *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyMem_RawFree(self->values);
    type->tp_free((PyObject *)self);
    Py_DECREF(type);
}

static int
column_buffer(Column *self, Py_buffer *view, int flags)
{
    static int64_t nothing;
    return PyBuffer_FillInfo(view, (PyObject *)self, self->values == NULL ? &nothing : self->values, self->bytes, 1, flags);
}

static PyType_Slot column_slots[] = {
    {Py_tp_doc, "The values of a field in all records of a kind, as 64-bit integers."},
    {Py_tp_dealloc, column_dealloc},
    {Py_bf_getbuffer, column_buffer},
    {0, NULL},
};

static PyType_Spec column_spec = {
    "asyncio_trace.recording._gather.Column", sizeof(Column), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, column_slots,
};

/* -- records of all kinds ----------------------------------------------------------------------------------------------- */

typedef struct {
    int fields; /* -1: no such kind */
    int has_loop;
    char classes[MOST_FIELDS];
    Py_ssize_t count, room;
    int64_t *columns[1 + MOST_FIELDS]; /* the record's number in the recording, then its fields */
} Kind;

typedef struct {
    PyObject_HEAD
    PyTypeObject *column_type;
    int64_t records;
    Kind kinds[KINDS];
} Gatherer;

static PyObject *
gatherer_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"classes", NULL};
    PyObject *classes, *number, *letters;
    Py_ssize_t at = 0;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "O!:Gatherer", names, &PyDict_Type, &classes)) {
        return NULL;
    }
    PyObject *module = PyType_GetModule(type);
    if (module == NULL) {
        return NULL;
    }
    Gatherer *self = (Gatherer *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->column_type = (PyTypeObject *)Py_NewRef(*(PyObject **)PyModule_GetState(module));
    for (int kind = 0; kind < KINDS; kind++) {
        self->kinds[kind].fields = -1;
    }
    while (PyDict_Next(classes, &at, &number, &letters)) {
        long kind = PyLong_AsLong(number);
        Py_ssize_t length;
        const char *text = PyUnicode_AsUTF8AndSize(letters, &length);
        if (text == NULL || (kind == -1 && PyErr_Occurred())) {
            goto failed;
        }
        if (kind < 0 || kind >= KINDS || length > MOST_FIELDS || strspn(text, "irtdbnsl") != (size_t)length) {
            PyErr_Format(PyExc_ValueError, "no kind of record: %ld %s", kind, text);
            goto failed;
        }
        self->kinds[kind].fields = (int)length;
        self->kinds[kind].has_loop = memchr(text, 'l', length) != NULL;
        memcpy(self->kinds[kind].classes, text, length);
    }
    return (PyObject *)self;
failed:
    Py_DECREF(self);
    return NULL;
}

static void
gatherer_dealloc(Gatherer *self)
{
    PyTypeObject *type = Py_TYPE(self);
    for (int kind = 0; kind < KINDS; kind++) {
        for (int column = 0; column <= MOST_FIELDS; column++) {
            PyMem_RawFree(self->kinds[kind].columns[column]);
        }
    }
    Py_XDECREF(self->column_type);
    type->tp_free((PyObject *)self);
    Py_DECREF(type);
}

/* Room for one more record. Pages that nobody has written to take no memory, so the columns may grow by half again and again. */
static int
make_room(Kind *kind)
{
    if (kind->count < kind->room) {
        return 0;
    }
    Py_ssize_t room = kind->room + kind->room / 2 + 64;
    if (room > PY_SSIZE_T_MAX / (Py_ssize_t)sizeof(int64_t)) {
        PyErr_NoMemory();
        return -1;
    }
    for (int column = 0; column <= kind->fields; column++) {
        int64_t *values = PyMem_RawRealloc(kind->columns[column], room * sizeof(int64_t));
        if (values == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        kind->columns[column] = values;
    }
    kind->room = room;
    return 0;
}

static void
keep(Gatherer *self, Kind *kind, const int64_t *fields)
{
    kind->columns[0][kind->count] = self->records++;
    for (int field = 0; field < kind->fields; field++) {
        kind->columns[1 + field][kind->count] = fields[field];
    }
    kind->count++;
}

/* An unsigned number of up to 64 bits, seven bits a byte. Returns where the next thing begins; NULL if there is none. */
static inline const uint8_t *
read_varint(const uint8_t *at, const uint8_t *end, uint64_t *number)
{
    uint64_t value = 0;
    for (int shift = 0; at < end && shift < 70; shift += 7) {
        uint8_t byte = *at++;
        if (shift == 63 && (byte & 0x7F) > 1) {
            return NULL;
        }
        value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) {
            *number = value;
            return at;
        }
    }
    return NULL;
}

static inline uint64_t
unzigzag(uint64_t number)
{
    return (number >> 1) ^ (0 - (number & 1));
}

typedef struct {
    uint64_t id, time, loop;
} Stream;

/* The fields of one record. Returns where the next begins; NULL if there is none. */
static inline const uint8_t *
read_fields(const Kind *kind, uint8_t head, const uint8_t *at, const uint8_t *end, Stream *stream, int64_t *fields)
{
    uint64_t first = 0, number = 0;
    int timed = 0;
    if ((head & SAME_LOOP) && !kind->has_loop) {
        return NULL;
    }
    for (int field = 0; field < kind->fields; field++) {
        char class = kind->classes[field];
        if (class == 'l' && (head & SAME_LOOP)) {
            fields[field] = (int64_t)stream->loop;
            continue;
        }
        if ((at = read_varint(at, end, &number)) == NULL) {
            return NULL;
        }
        switch (class) {
        case 'i':
            number = stream->id += unzigzag(number);
            break;
        case 't':
            number = stream->time += unzigzag(number);
            first = timed++ ? first : number;
            break;
        case 'd':
            number = stream->time += number;
            break;
        case 'b':
            number = first - unzigzag(number);
            break;
        case 's':
            number = unzigzag(number);
            break;
        case 'l':
            stream->loop = number;
            break;
        default:
            break;
        }
        fields[field] = (int64_t)number;
    }
    return at;
}

/* packed(payload, stream): bytes of the payload that are sound records. */
static PyObject *
gatherer_packed(Gatherer *self, PyObject *const *args, Py_ssize_t count)
{
    static const char *const names[] = {"id", "time", "loop"};
    uint64_t remembered[3];
    Py_buffer view;
    if (count != 2) {
        return PyErr_Format(PyExc_TypeError, "packed() takes a payload and a stream");
    }
    for (int name = 0; name < 3; name++) {
        PyObject *value = PyObject_GetAttrString(args[1], names[name]);
        if (value == NULL) {
            return NULL;
        }
        remembered[name] = (uint64_t)PyLong_AsLongLong(value);
        Py_DECREF(value);
        if (PyErr_Occurred()) {
            return NULL;
        }
    }
    if (PyObject_GetBuffer(args[0], &view, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    Stream stream = {remembered[0], remembered[1], remembered[2]};
    const uint8_t *begin = view.buf, *end = begin + view.len, *good = begin, *at = begin;
    int64_t fields[MOST_FIELDS];
    int wrong = view.len == 0 || *at++ != 0; /* the number of the stream */
    while (!wrong && at < end) {
        good = at;
        uint8_t head = *at++;
        int number = head & (KIND_MASK | RESERVED);
        if (number < KINDS && self->kinds[number].fields >= 0) {
            Kind *kind = &self->kinds[number];
            if ((at = read_fields(kind, head, at, end, &stream, fields)) == NULL) {
                wrong = 1;
            }
            else if (make_room(kind) < 0) {
                PyBuffer_Release(&view);
                return NULL;
            }
            else {
                keep(self, kind, fields);
            }
        }
        else if (number >= FIRST_SKIPPED && number <= KIND_MASK) {
            uint64_t length;
            at = read_varint(at, end, &length);
            wrong = at == NULL || length > (uint64_t)(end - at);
            at += wrong ? 0 : length;
        }
        else {
            wrong = 1;
        }
    }
    Py_ssize_t sound = wrong ? good - begin : view.len;
    PyBuffer_Release(&view);
    remembered[0] = stream.id, remembered[1] = stream.time, remembered[2] = stream.loop;
    for (int name = 0; name < 3; name++) {
        PyObject *value = PyLong_FromLongLong((int64_t)remembered[name]);
        if (value == NULL || PyObject_SetAttrString(args[1], names[name], value) < 0) {
            Py_XDECREF(value);
            return NULL;
        }
        Py_DECREF(value);
    }
    return PyLong_FromSsize_t(sound);
}

static int64_t
word_at(const uint8_t *at)
{
    uint64_t word = 0;
    for (int byte = 7; byte >= 0; byte--) {
        word = word << 8 | at[byte];
    }
    return (int64_t)word;
}

/* words(payload): bytes of the payload that are sound records. */
static PyObject *
gatherer_words(Gatherer *self, PyObject *payload)
{
    Py_buffer view;
    int64_t fields[MOST_FIELDS];
    if (PyObject_GetBuffer(payload, &view, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    const uint8_t *begin = view.buf;
    Py_ssize_t at = 0, end = view.len / 8;
    while (at < end) {
        int64_t head = word_at(begin + 8 * at);
        int64_t given = head >> 8;
        int number = head & 0xFF;
        if (number == 0 || given < 0 || given > MOST_WORDS || given > end - at - 1) {
            break;
        }
        if (number < KINDS && self->kinds[number].fields >= 0 && self->kinds[number].fields <= given) {
            Kind *kind = &self->kinds[number];
            for (int field = 0; field < kind->fields; field++) {
                fields[field] = word_at(begin + 8 * (at + 1 + field));
            }
            if (make_room(kind) < 0) {
                PyBuffer_Release(&view);
                return NULL;
            }
            keep(self, kind, fields);
        }
        at += 1 + given;
    }
    Py_ssize_t sound = at < end ? 8 * at : view.len % 8 ? 8 * end : view.len;
    PyBuffer_Release(&view);
    return PyLong_FromSsize_t(sound);
}

/* take(kind): its columns, which the gatherer no longer has. */
static PyObject *
gatherer_take(Gatherer *self, PyObject *number)
{
    long index = PyLong_AsLong(number);
    if (index == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (index < 0 || index >= KINDS || self->kinds[index].fields < 0) {
        return PyErr_Format(PyExc_ValueError, "no kind of record: %ld", index);
    }
    Kind *kind = &self->kinds[index];
    PyObject *columns = PyList_New(1 + kind->fields);
    if (columns == NULL) {
        return NULL;
    }
    for (int place = 0; place <= kind->fields; place++) {
        Column *column = (Column *)self->column_type->tp_alloc(self->column_type, 0);
        if (column == NULL) {
            Py_DECREF(columns);
            return NULL;
        }
        column->values = kind->columns[place];
        column->bytes = kind->count * (Py_ssize_t)sizeof(int64_t);
        kind->columns[place] = NULL;
        PyList_SET_ITEM(columns, place, (PyObject *)column);
    }
    kind->count = kind->room = 0;
    return columns;
}

static PyObject *
gatherer_records(Gatherer *self, void *closure)
{
    return PyLong_FromLongLong(self->records);
}

static PyMethodDef gatherer_methods[] = {
    {"packed", (PyCFunction)(void (*)(void))gatherer_packed, METH_FASTCALL, "Take in a payload of packed records."},
    {"words", (PyCFunction)gatherer_words, METH_O, "Take in a payload of records as words."},
    {"take", (PyCFunction)gatherer_take, METH_O, "Give away the columns of a kind."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef gatherer_attributes[] = {
    {"records", (getter)gatherer_records, NULL, "Records so far.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot gatherer_slots[] = {
    {Py_tp_doc, "Takes in payloads, gives away columns."},
    {Py_tp_new, gatherer_new},
    {Py_tp_dealloc, gatherer_dealloc},
    {Py_tp_methods, gatherer_methods},
    {Py_tp_getset, gatherer_attributes},
    {0, NULL},
};

static PyType_Spec gatherer_spec = {
    "asyncio_trace.recording._gather.Gatherer", sizeof(Gatherer), 0, Py_TPFLAGS_DEFAULT, gatherer_slots,
};

static int
execute(PyObject *module)
{
    PyObject **column_type = PyModule_GetState(module);
    *column_type = PyType_FromModuleAndSpec(module, &column_spec, NULL);
    if (*column_type == NULL) {
        return -1;
    }
    PyObject *type = PyType_FromModuleAndSpec(module, &gatherer_spec, NULL);
    if (type == NULL) {
        return -1;
    }
    int added = PyModule_AddObjectRef(module, "Gatherer", type);
    Py_DECREF(type);
    return added;
}

static int
traverse(PyObject *module, visitproc visit, void *arg)
{
    PyObject **column_type = PyModule_GetState(module);
    Py_VISIT(*column_type);
    return 0;
}

static int
clear(PyObject *module)
{
    PyObject **column_type = PyModule_GetState(module);
    Py_CLEAR(*column_type);
    return 0;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, execute},
#if PY_VERSION_HEX >= 0x030C0000
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#if PY_VERSION_HEX >= 0x030D0000
    {Py_mod_gil, Py_MOD_GIL_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    "asyncio_trace.recording._gather",
    "Records of a recording to columns.",
    sizeof(PyObject *),
    NULL,
    slots,
    traverse,
    clear,
    NULL,
};

PyMODINIT_FUNC
PyInit__gather(void)
{
    return PyModuleDef_Init(&definition);
}
