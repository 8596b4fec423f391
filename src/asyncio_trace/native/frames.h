/* What the tracer reads of the interpreter's own frames: who called, and where a suspended coroutine stands.
 *
 * The public way makes a frame object for each frame looked at, which costs more than the whole event. The layout of frames is
 * the interpreter's own business and differs from one minor version to the next, so all of it is here; a version that this file
 * does not know is refused when the extension is built.
 */
#ifndef ASYNCIO_TRACE_FRAMES_H
#define ASYNCIO_TRACE_FRAMES_H

#define PY_SSIZE_T_CLEAN
#define Py_BUILD_CORE_MODULE 1
#include <Python.h>
#include <frameobject.h>
#if PY_VERSION_HEX < 0x030B0000 || PY_VERSION_HEX >= 0x03100000
#error "the native core knows the frames of Python 3.11 to 3.15"
#endif
#include <internal/pycore_code.h>
#include <internal/pycore_frame.h>
#if PY_VERSION_HEX < 0x030E0000
#include <internal/pycore_gc.h>
#include <internal/pycore_interp.h>
#endif
#if PY_VERSION_HEX >= 0x030E0000
#include <internal/pycore_interpframe.h>
#include <internal/pycore_stackref.h>
#endif
#ifndef CO_COROUTINE
#include <cpython/code.h>
#endif

typedef _PyInterpreterFrame Frame;

/* The object that the collector has known for the `nth` shortest time, from 0 on; NULL where it does not tell. Borrowed. */
static inline PyObject *
young_object(int nth)
{
#if PY_VERSION_HEX < 0x030E0000
    PyGC_Head *head = &PyInterpreterState_Get()->gc.generations[0].head, *at = _PyGCHead_PREV(head);
    while (at != head && nth > 0) {
        at = _PyGCHead_PREV(at);
        nth--;
    }
    return at == head ? NULL : (PyObject *)(at + 1);
#else
    (void)nth;
    return NULL;
#endif
}

/* The code that a frame runs; NULL for frames that are the interpreter's own. Borrowed. */
static inline PyCodeObject *
frame_code(Frame *frame)
{
#if PY_VERSION_HEX >= 0x030E0000
    PyObject *code = PyStackRef_AsPyObjectBorrow(frame->f_executable);
#elif PY_VERSION_HEX >= 0x030D0000
    PyObject *code = frame->f_executable;
#else
    PyObject *code = (PyObject *)frame->f_code;
#endif
    return code != NULL && PyCode_Check(code) ? (PyCodeObject *)code : NULL;
}

/* Byte offset of the instruction that a frame stands at, as `f_lasti` says it. */
static inline int
frame_lasti(Frame *frame, PyCodeObject *code)
{
#if PY_VERSION_HEX >= 0x030D0000
    return (int)((char *)frame->instr_ptr - (char *)_PyCode_CODE(code));
#else
    return (int)((char *)frame->prev_instr - (char *)_PyCode_CODE(code));
#endif
}

static inline int
frame_is_incomplete(Frame *frame)
{
    PyCodeObject *code = frame_code(frame);
    if (code == NULL) {
        return 1;
    }
#if PY_VERSION_HEX >= 0x030E0000
    if (frame->owner >= FRAME_OWNED_BY_INTERPRETER) {
        return 1;
    }
#elif PY_VERSION_HEX >= 0x030C0000
    if (frame->owner == FRAME_OWNED_BY_CSTACK) {
        return 1;
    }
#endif
    return frame->owner != FRAME_OWNED_BY_GENERATOR
           && frame_lasti(frame, code) < (int)(code->_co_firsttraceable * sizeof(_Py_CODEUNIT));
}

static inline Frame *
frame_first_complete(Frame *frame)
{
    while (frame != NULL && frame_is_incomplete(frame)) {
        frame = frame->previous;
    }
    return frame;
}

/* The innermost frame of Python code that runs on this thread; NULL if none does. */
static inline Frame *
frame_current(void)
{
    PyThreadState *tstate = PyThreadState_Get();
#if PY_VERSION_HEX >= 0x030D0000
    return frame_first_complete(tstate->current_frame);
#else
    return frame_first_complete(tstate->cframe->current_frame);
#endif
}

/* The frame that called this one; NULL for the outermost. */
static inline Frame *
frame_back(Frame *frame)
{
    return frame_first_complete(frame->previous);
}

/* Local variable by index, seen through a cell; NULL if it is not set. Borrowed. */
static inline PyObject *
frame_local(Frame *frame, int index)
{
#if PY_VERSION_HEX >= 0x030E0000
    if (PyStackRef_IsNull(frame->localsplus[index])) {
        return NULL;
    }
    PyObject *value = PyStackRef_AsPyObjectBorrow(frame->localsplus[index]);
#else
    PyObject *value = frame->localsplus[index];
#endif
    if (value != NULL && PyCell_Check(value)) {
        value = PyCell_GET(value);
    }
    return value;
}

/* The frame inside a generator, coroutine or async generator; NULL once it has ended. */
static inline Frame *
generator_frame(PyGenObject *generator)
{
#if PY_VERSION_HEX >= 0x030F0000
    int has_ended = generator->gi_frame_state >= FRAME_CLEARED;
#else
    int has_ended = generator->gi_frame_state >= FRAME_COMPLETED;
#endif
    if (has_ended) {
        return NULL;
    }
#if PY_VERSION_HEX >= 0x030E0000
    return &generator->gi_iframe;
#else
    return (Frame *)generator->gi_iframe;
#endif
}

/* What a suspended generator, coroutine or async generator delegates to; NULL if nothing. Borrowed. */
static inline PyObject *
generator_awaits(PyGenObject *generator)
{
#if PY_VERSION_HEX >= 0x030F0000
    if (generator->gi_frame_state != FRAME_SUSPENDED_YIELD_FROM) {
        return NULL;
    }
    return PyStackRef_AsPyObjectBorrow(_PyFrame_StackPeek(&generator->gi_iframe, 2));
#elif PY_VERSION_HEX >= 0x030E0000
    if (generator->gi_frame_state != FRAME_SUSPENDED_YIELD_FROM) {
        return NULL;
    }
    return PyStackRef_AsPyObjectBorrow(_PyFrame_StackPeek(&generator->gi_iframe));
#elif PY_VERSION_HEX >= 0x030D0000
    if (generator->gi_frame_state != FRAME_SUSPENDED_YIELD_FROM) {
        return NULL;
    }
    return _PyFrame_StackPeek((Frame *)generator->gi_iframe);
#else
    if (generator->gi_frame_state >= FRAME_CLEARED || generator->gi_frame_state == FRAME_CREATED
        || generator->gi_frame_state == FRAME_EXECUTING || generator->gi_frame_state == FRAME_COMPLETED) {
        return NULL;
    }
    Frame *frame = (Frame *)generator->gi_iframe;
    /* the next instruction is RESUME, whose argument says what it comes back from: 2 and 3 are `yield from` and `await` */
    _Py_CODEUNIT next = frame->prev_instr[1];
#if PY_VERSION_HEX >= 0x030C0000
    unsigned char opcode = next.op.code, argument = next.op.arg;
#else
    unsigned char opcode = _Py_OPCODE(next), argument = _Py_OPARG(next);
#endif
    if ((opcode != 151 && opcode != 150 && opcode != 240) || argument < 2) { /* RESUME, quickened, instrumented */
        return NULL;
    }
    return _PyFrame_StackPeek(frame);
#endif
}

#endif
