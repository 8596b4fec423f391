/* What the parts of the native core share: the one trace that is running, and what is known of loops and tasks.
 *
 * There is one trace at a time, and all of it is under the GIL; `core` is its state. Rare things are left to the Python code of
 * `asyncio_trace.tracer` (tasks.py, futures.py, causes.py, ...), which reads and writes the same objects: their Python side has
 * the names and meanings of `loop_state.py`.
 */
#ifndef ASYNCIO_TRACE_CORE_H
#define ASYNCIO_TRACE_CORE_H

#include "frames.h"
#include "stream.h"

/* `WakerKind`, `Outcome`, `StepEnd` of events/records.py. */
enum { WAKER_NONE, WAKER_TASK, WAKER_CALLBACK, WAKER_TIMER, WAKER_IO, WAKER_THREAD, WAKER_SIGNAL, WAKER_LOOP };
enum { OUTCOME_PENDING, OUTCOME_RETURNED, OUTCOME_RAISED, OUTCOME_CANCELLED };
enum { STEP_WAITING, STEP_YIELDED, STEP_DONE, STEP_CUT };
enum { TASK_EAGER = 1 };

typedef struct eager_step EagerFrame;
typedef struct resolving Resolving;

/* What made something ready. */
typedef struct {
    int64_t ns, kind, id, site;
    int set; /* 0: none; 1: this; 2: the task's own bare yield */
} Cause;

typedef struct {
    PyObject_HEAD
    int64_t id;
    int64_t made;
    int64_t steps;
    int64_t cancels;
    Cause wake;
    Cause cancel_cause;
    PyObject *name;      /* str, or int of a default name that nobody has asked for, or NULL */
    PyObject *reference; /* weak reference to the task once it outlives a step, or NULL */
    int done;
} TaskState;

typedef struct {
    PyObject_HEAD
    PyObject *recorder;
    int64_t id;
    PyObject *reference;
    int foreign;
    unsigned long ident;
    TaskState *current; /* or NULL */
    Cause cause;
    PyObject *callback; /* or NULL */
    PyObject *stepping;        /* the task whose step is running; not held: the run does */
    TaskState *stepping_state; /* its state; not held */
    int64_t step_start, run_end, select_end;
    Cause step_wake;
    uintptr_t resolved; /* the future that was resolved last in this run */
    Cause resolved_cause;
    Resolving *resolving; /* it, while it is being resolved, on the stack of who does it; or NULL */
    int making;
    uintptr_t made;
    int64_t made_ns;
    PyObject *nascent; /* weak reference or NULL */
    PyObject *eager;   /* list */
    PyObject *fresh;   /* list of tasks that were made or woken in this run */
    int64_t cancel_calls; /* up to which those have been looked at */
    PyObject *signals; /* dict */
    int creating;            /* `create_task` of the loop is on, which may name the task only when it is made */
    struct {
        TaskState *state; /* held; NULL if there is none */
        PyObject *task;   /* held */
        Cause cause;
        int64_t start, end;
    } eager_over;            /* the eager step that is over, but not recorded, since its task has no name yet */
    EagerFrame *eager_step; /* the innermost eager task that is in its first step, on the stack of who makes it; or NULL */
    Frame *running;    /* the frame that runs the current handle: walks end there; NULL between handles */
    int64_t trace;     /* which trace it belongs to */
    PyObject *weakreflist;
} LoopState;

/* Address to object or number, open addressing; the objects are held, what is at the addresses is not. */
typedef struct {
    uintptr_t key; /* 0: free */
    union {
        PyObject *value;
        int64_t number;
    };
} Slot;

typedef struct {
    PyObject_HEAD
    Slot *slots;
    size_t mask, used;
    int of_numbers; /* and not of objects */
} Table;

typedef struct {
    PyObject_HEAD
    int64_t future;
    uintptr_t address;
    Table *table; /* held */
} Sentinel;

extern PyTypeObject *TaskState_Type, *LoopState_Type, *Table_Type, *Sentinel_Type, *Buffer_Type;
extern PyTypeObject *Callable_Type;

typedef struct {
    int64_t trace; /* number of the trace that is running, 0 if none */
    int64_t last_trace;
    int active;
    int outdated; /* the recorder has let go of numbers: ask again before they are used */
    int64_t origin;
    PyObject *clock; /* a Python clock, or NULL for the system's */
    int64_t next_id;
    int64_t cancel_calls; /* how often `cancel` of a task was called */
    /* of this trace */
    PyObject *recorder;
    Table *tasks;   /* address to TaskState */
    Table *futures; /* address to number, of those that are pending */
    PyObject *slow; /* namespace of Python functions that take over where it is rare */
    PyObject *modules; /* sys.modules */
    PyObject *yielded; /* what stands for `Cause.set == 2` in Python */
    PyObject *plain_handle_run, *run_code, *run_globals;
    int run_line, run_lasti; /* where it calls the callback */
    PyObject *originals; /* methods of `BaseEventLoop` for when no trace is running */
    PyObject *plain_process_events;
    PyObject *heappush, *tasks_module, *loop_time;
    PyObject *get_running_loop; /* asyncio._get_running_loop */
    LoopState *last_run;        /* the loop that began a run last; not held: it goes when the loop does */
    PyObject *weak_set_remove; /* code of what a WeakSet has called when a member dies */
    /* of this interpreter and asyncio, found once */
    PyTypeObject *future_type, *task_type, *step_type, *iterator_type;
    PyObject *handle_base, *timer_base;
    Py_ssize_t at_callback, at_args, at_cancelled, at_loop, at_source, at_repr, at_context, at_when, at_scheduled;
    PyObject *sleep_over;            /* futures._set_result_unless_cancelled */
    PyObject *base_call_soon_inner;  /* BaseEventLoop._call_soon */
} Core;

extern Core core;

/* Interned attribute names. */
#define NAMES(X) \
    X(_asyncio_trace) X(_ready) X(_closed) X(_debug) X(_fut_waiter) X(_coro) X(_state) X(_exception) X(__self__) X(cancelling) \
    X(get_name) X(_call_soon) X(append) X(context) X(_task_factory) X(loop) X(eager_start) X(_scheduled) X(__qualname__) \
    X(time) X(get_debug) X(current_task) X(task) X(get_task_factory) X(_loop) X(call_exception_handler) X(failed) X(_protocol) \
    X(_thread_id) X(Task) X(run) X(_bound_value) X(_parties) X(_maxsize) X(_waiters) X(_queue) X(_callbacks) \
    X(popleft) X(done) X(set_result) X(_value) X(_children) X(_tasks) X(PENDING) X(FINISHED) X(CANCELLED)
#define DECLARE(NAME) PyObject *NAME;
typedef struct { NAMES(DECLARE) } Names;
extern Names names;

/* methods.c */
typedef PyObject *(*Implementation)(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *kwnames);
typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    Implementation run;
    PyObject *original;
    PyObject *careful; /* of a foreign loop's: the Python side's stand-in, for what is rare */
} Method;
PyObject *method_new(Implementation run, PyObject *original);
PyObject *foreign_method_new(vectorcallfunc call, PyObject *original, PyObject *careful);
int methods_init(PyObject *module);

/* tables.c */
int tables_init(PyObject *module);
Table *table_new(int of_numbers);
PyObject *table_get(Table *table, const void *address); /* borrowed or NULL; sets no error */
int table_set(Table *table, const void *address, PyObject *value);
int64_t table_number(Table *table, const void *address); /* or 0 */
int table_set_number(Table *table, const void *address, int64_t number);
void table_remove(Table *table, const void *address);

/* state.c */
int state_init(PyObject *module);
TaskState *task_state(PyObject *task); /* borrowed, or NULL if it is not known (or one that died had its address) */
TaskState *task_state_new(PyObject *task);
int task_state_keep(TaskState *state, PyObject *task);
static inline void
set_current(LoopState *loop, TaskState *state)
{
    TaskState *previous = loop->current;
    loop->current = (TaskState *)Py_XNewRef((PyObject *)state);
    Py_XDECREF(previous);
}

/* buffer.c: what Python code of the tracer writes to */
int buffer_init(PyObject *module);

/* clock.c */
void clock_init(void);
int64_t system_clock(void); /* with the GIL */
int64_t plain_clock(void);  /* the same time, within a microsecond, for who has no GIL */
int64_t python_clock(void);
static inline int64_t
now(void)
{
    return (core.clock == NULL ? system_clock() : python_clock()) - core.origin;
}

/* sites.c */
int sites_init(PyObject *module);
void sites_clear(void);
void numbers_forget(void);
int64_t site_of(Frame *frame, PyCodeObject *code);
int64_t site_find(Frame *frame, Frame *end);
int asks_for_debug(PyCodeObject *code);
int64_t string_of(PyObject *text);
int64_t name_of(PyObject *callback);

/* stacks.c */
int stacks_init(PyObject *module);
void stacks_clear(void);
void stacks_drop(void);
int stacks_begin(void);
int64_t stack_read(PyObject *coro, int yields, PyObject **thing, PyObject **crowd);

/* resources.c */
int resources_init(PyObject *module);
void resources_clear(void);
int64_t resource_id(PyObject *thing);
PyObject *new_attribute(PyObject *module, PyObject *args);

/* queues.c */
PyObject *resource_method(PyObject *module, PyObject *args);

/* crowds.c */
void crowd_record(TaskState *waiting, PyObject *future, PyObject *crowd);

/* causes.c */
Cause current_cause(LoopState *loop, Frame *frame);
Cause current_cause_at(LoopState *loop, Frame *frame, int64_t *at);

/* futures.c */
int futures_init(PyObject *module);
int64_t future_follow(LoopState *loop, PyObject *future, int64_t creator, int64_t site, int64_t at);
void future_begins(LoopState *loop, PyObject *future, Frame *frame);
void future_resolved(int64_t number, PyObject *future, const Cause *cause);
void sentinel_told(LoopState *loop, Sentinel *sentinel, PyObject *future, Frame *frame);
void future_made_resolved(int64_t made, PyObject *future, const Cause *cause);
int is_maker(PyCodeObject *code);

/* tasks.c */
int tasks_init(PyObject *module);
TaskState *task_created(LoopState *loop, PyObject *task, Frame *frame, int flags);
void task_woken(LoopState *loop, PyObject *task, TaskState *state, PyObject *future, Frame *frame);
void task_step_over(LoopState *loop, TaskState *state, PyObject *task, const Cause *cause, int64_t start, int64_t end);
void run_over(LoopState *loop, int64_t end);
PyObject *task_of_step(PyObject *callback); /* borrowed; NULL if the callback is no step of a C task */
PyObject *any_task_of_step(PyObject *callback); /* the same, also of a task in Python */
PyObject *task_waits_on(PyObject *task);    /* new reference; NULL if nothing; sets no error */

/* making.c */
int is_making(void);
void eager_asked(LoopState *loop);
void eager_end_all(LoopState *loop);
void eager_record(LoopState *loop);
PyObject *make_future(PyObject *loop, LoopState *state);
PyObject *make_task(PyObject *loop, LoopState *state, PyObject *coro, PyObject *const *values, PyObject *kwnames, int is_eager);
void constructors_change(void);
void constructors_restore(void);

/* types.c */
int types_init(void);
int types_change(void);
void types_restore(void);
void resolving_done(Resolving *resolving);
int tells_of_futures(PyTypeObject *type);
int tells_of_its_end(PyObject *task);

/* handles.c */
int handles_init(void);
PyObject *handle_base_run(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *kwnames);
PyObject *step_handle_new(PyObject *callback, PyObject *const *args, Py_ssize_t count, PyObject *loop, PyObject *context);
PyObject *handle_new(PyObject *callback, PyObject *const *args, Py_ssize_t count, PyObject *loop, PyObject *context,
                     const Cause *cause);
PyObject *timer_handle_new(PyObject *when, PyObject *callback, PyObject *const *args, Py_ssize_t count, PyObject *loop,
                           PyObject *context, int64_t due, int64_t site);

/* loop.c */
PyObject *loop_method(const char *name, PyObject *original);
LoopState *loop_state(PyObject *loop); /* borrowed; NULL if it is not followed */
LoopState *loop_state_if_any(PyObject *loop); /* the same, but a loop that is not followed yet is left so */
int classify(LoopState *loop, PyObject *callback, PyObject *const *args, Py_ssize_t count, TaskState **state, Cause *cause);
void future_made(LoopState *loop, PyObject *future);
int asked_for_debug(LoopState *loop, PyObject *self);

/* callables.c */
int callables_init(PyObject *module);
PyObject *foreign_method(const char *name, PyObject *original, PyObject *careful);
PyObject *callable_of(PyObject *module, PyObject *args);

/* What a weak reference leads to, to compare with only; NULL or None if it is gone. */
static inline PyObject *
weak_target(PyObject *reference)
{
#if PY_VERSION_HEX >= 0x030D0000
    PyObject *target = NULL;
    if (PyWeakref_GetRef(reference, &target) < 0) {
        PyErr_Clear();
    }
    Py_XDECREF(target);
    return target == NULL ? Py_None : target;
#else
    return PyWeakref_GET_OBJECT(reference);
#endif
}

/* A failure of ours: counted, told once, never the program's. Clears the error that is set. */
void failed(int lost);
/* Call a function of the Python side; new reference, or NULL with the error told and cleared. */
PyObject *ask_slow(const char *name, PyObject *first, PyObject *second, PyObject *third);

#endif
