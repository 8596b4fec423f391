/* What the parts that follow locks, queues and the like share. */
#ifndef ASYNCIO_TRACE_RESOURCES_H
#define ASYNCIO_TRACE_RESOURCES_H

#include "core.h"

/* `ResourceRole` of events/records.py. */
enum { ROLE_LOCK = 1, ROLE_SEMAPHORE, ROLE_EVENT, ROLE_BARRIER, ROLE_QUEUE };

/* What is changing a resource, by the code at `frame`; 0 if nothing is to be recorded of that. */
int resource_cause(PyObject *thing, Cause *cause, Frame *frame);
/* The id of a resource that is changing, having told how it stood; 0 if it has none. */
int64_t resource_told(PyObject *thing, const Cause *cause, int role, int64_t value);

void resource_changed(int role, PyObject *thing, int64_t before, int64_t after, Frame *frame);

static inline void
resource_change(int kind, int64_t id, const Cause *cause, int64_t value)
{
    stream_change(kind, id, cause->ns, cause->kind, cause->id, cause->site, value);
}

#endif
