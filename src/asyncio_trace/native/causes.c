/* What is making something happen right now; see tracer/causes.py for the rule, which this follows word by word. */
#include "core.h"

#include "asyncio_parts.h"

static int
is_outside(int64_t kind)
{
    return kind == WAKER_TIMER || kind == WAKER_IO || kind == WAKER_THREAD || kind == WAKER_SIGNAL;
}

Cause
current_cause(LoopState *loop, Frame *frame)
{
    return current_cause_at(loop, frame, NULL);
}

/* The same; `at`, if given, gets the time now. */
Cause
current_cause_at(LoopState *loop, Frame *frame, int64_t *at)
{
    int on_its_thread = PyThread_get_thread_ident() == loop->ident;
    if (loop->cause.set && loop->cause.kind == WAKER_IO && frame != NULL && on_its_thread
        && (PyObject *)frame_code(frame) == parts.wakes_reader && is_stream_reader_callback(loop->callback)) {
        if (at != NULL) {
            *at = now();
        }
        return loop->cause; /* the commonest relay, told without a walk */
    }
    Cause cause = {.ns = now(), .set = 1};
    if (at != NULL) {
        *at = cause.ns;
    }
    int64_t site = site_find(frame, on_its_thread ? loop->running : NULL);
    if (site < 0) {
        cause.kind = WAKER_SIGNAL;
        return cause;
    }
    cause.site = site;
    if (!on_its_thread) {
        cause.kind = WAKER_THREAD;
        cause.id = ask_number("thread", NULL);
        return cause;
    }
    if (loop->current != NULL) {
        cause.kind = WAKER_TASK;
        cause.id = loop->current->id;
        return cause;
    }
    if (loop->cause.set) {
        if (site == 0) {
            return loop->cause;
        }
        if (is_outside(loop->cause.kind)) {
            cause.kind = loop->cause.kind;
            cause.id = loop->cause.id;
            return cause;
        }
        cause.kind = WAKER_CALLBACK;
        cause.id = name_of(loop->callback);
        return cause;
    }
    if (is_loop_running(loop)) {
        cause.kind = loop->foreign ? WAKER_IO : WAKER_SIGNAL;
        return cause;
    }
    cause.kind = WAKER_LOOP;
    return cause;
}
