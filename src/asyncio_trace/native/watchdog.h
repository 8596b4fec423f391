/* A thread that notices when a loop does not come back, and has the stack of what blocks it taken while it does.
 *
 * It looks without the GIL, and takes that only once a run has lasted for two looks. The rule and the records are in
 * tracer/watchdog.py.
 */
#ifndef ASYNCIO_TRACE_WATCHDOG_H
#define ASYNCIO_TRACE_WATCHDOG_H

#include "core.h"

/* watch(loop, period): look at this loop, too, every so many nanoseconds. */
PyObject *watchdog_watch(PyObject *module, PyObject *args);
/* forget(loop): it is closed. */
PyObject *watchdog_forget(PyObject *module, PyObject *loop);
/* pause() and unpause(): before a fork, stop the thread; after it, in the parent, let it start again with the next event. */
PyObject *watchdog_pause(PyObject *module, PyObject *ignored);
PyObject *watchdog_unpause(PyObject *module, PyObject *ignored);
/* end(): stop the thread, and let go of all loops. */
PyObject *watchdog_end(PyObject *module, PyObject *ignored);

#endif
