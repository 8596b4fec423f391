#include "watchdog.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

#define FIRST_LOOKS 8     /* samples of one run that are taken at every look */
#define LEAST_OFTEN 10    /* looks between two samples of a run that lasts */
#define MOST_FRAMES 200

typedef struct {
    LoopState *loop; /* held */
    int64_t run_end; /* as it was at the last look: it changes with every run */
    int64_t since;   /* when this run was first seen; 0 if none was */
    int looks, wait; /* looks that it has lasted; those until the next sample */
    int due;
} Watched;

static struct {
    Watched *loops; /* changed with the GIL and the lock, read with either */
    int count, room;
    int64_t period;
    int wanted; /* there is something to watch */
    int paused; /* a fork is under way */
    pthread_t thread;
    int running, stopping;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
} W = {.mutex = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

static void
make_locks(void)
{
    pthread_mutex_init(&W.mutex, NULL);
#ifdef __APPLE__
    pthread_cond_init(&W.wake, NULL);
#else
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&W.wake, &attributes);
    pthread_condattr_destroy(&attributes);
#endif
}

static int
is_finalizing(void)
{
#if PY_VERSION_HEX >= 0x030D0000
    return Py_IsFinalizing();
#else
    return _Py_IsFinalizing();
#endif
}

/* The innermost frame of the thread that runs a loop; NULL if there is none. */
static Frame *
frame_of_thread(unsigned long ident)
{
    for (PyThreadState *tstate = PyInterpreterState_ThreadHead(PyInterpreterState_Get()); tstate != NULL;
         tstate = PyThreadState_Next(tstate)) {
        if (tstate->thread_id == ident) {
#if PY_VERSION_HEX >= 0x030D0000
            return frame_first_complete(tstate->current_frame);
#else
            return frame_first_complete(tstate->cframe->current_frame);
#endif
        }
    }
    return NULL;
}

/* The frames of the run that is on, innermost first, as (code, instruction, module). Codes only: a frame object would keep locals
 * alive. Nothing runs meanwhile: we hold the GIL and call no code of the program's.
 */
static PyObject *
frames_of_run(const LoopState *loop)
{
    PyObject *found = PyList_New(0);
    Frame *frame = found == NULL ? NULL : frame_of_thread(loop->ident);
    for (int depth = 0; frame != NULL && frame != loop->running && depth < MOST_FRAMES; depth++) {
        PyCodeObject *code = frame_code(frame);
        PyObject *globals = frame->f_globals;
        PyObject *module = globals != NULL && PyDict_Check(globals) ? PyDict_GetItemString(globals, "__name__") : NULL;
        PyObject *place = Py_BuildValue("(OiO)", code, frame_lasti(frame, code), module == NULL ? Py_None : module);
        if (place == NULL || PyList_Append(found, place) < 0) {
            Py_XDECREF(place);
            Py_CLEAR(found);
            return NULL;
        }
        Py_DECREF(place);
        frame = frame_back(frame);
    }
    return found;
}

/* Whether a run is going on, in C or (in debug mode) in Python. Without the GIL: a word that is read while it changes only costs
 * a look.
 */
static int
is_running(LoopState *loop)
{
    return __atomic_load_n(&loop->running, __ATOMIC_RELAXED) != NULL || __atomic_load_n(&loop->current, __ATOMIC_RELAXED) != NULL
           || __atomic_load_n(&loop->callback, __ATOMIC_RELAXED) != NULL;
}

static void
sample(const Watched *watched, int64_t asked)
{
    LoopState *loop = (LoopState *)Py_NewRef((PyObject *)watched->loop);
    if (core.active && loop->trace == core.trace && is_running(loop) && loop->run_end == watched->run_end) {
        int64_t since = loop->current != NULL ? loop->step_start : watched->since;
        PyObject *frames = frames_of_run(loop);
        long long task = loop->current == NULL ? 0 : loop->current->id;
        PyObject *about = Py_BuildValue("(LLL)", task, (long long)since, (long long)(plain_clock() - asked));
        if (frames == NULL || about == NULL) {
            failed(0);
        }
        else {
            Py_XDECREF(ask_slow("blocked", (PyObject *)loop, frames, about));
        }
        Py_XDECREF(frames);
        Py_XDECREF(about);
    }
    Py_DECREF(loop);
}

/* Whether a sample of any loop is due; without the GIL. */
static int
look(int64_t now)
{
    int due = 0;
    for (int index = 0; index < W.count; index++) {
        Watched *watched = &W.loops[index];
        int64_t run_end = __atomic_load_n(&watched->loop->run_end, __ATOMIC_RELAXED);
        int running = is_running(watched->loop);
        watched->due = 0;
        if (!running || watched->since == 0 || run_end != watched->run_end) {
            watched->run_end = run_end;
            watched->since = running ? now : 0;
            watched->looks = watched->wait = 0;
        }
        else if (watched->wait > 0) {
            watched->wait--;
        }
        else {
            watched->due = due = 1;
            watched->looks++;
            watched->wait = watched->looks < FIRST_LOOKS ? 0 : LEAST_OFTEN - 1;
        }
    }
    return due;
}

static void *
watch_loops(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&W.mutex);
    while (!W.stopping) {
        struct timespec until;
#ifdef __APPLE__
        clock_gettime(CLOCK_REALTIME, &until);
#else
        clock_gettime(CLOCK_MONOTONIC, &until);
#endif
        int64_t ns = until.tv_nsec + W.period;
        until.tv_sec += (time_t)(ns / 1000000000);
        until.tv_nsec = (long)(ns % 1000000000);
        pthread_cond_timedwait(&W.wake, &W.mutex, &until);
        int64_t asked = plain_clock();
        if (W.stopping || !look(asked) || is_finalizing()) {
            continue;
        }
        pthread_mutex_unlock(&W.mutex);
        PyGILState_STATE state = PyGILState_Ensure();
        for (int index = 0; index < W.count; index++) {
            if (W.loops[index].due) {
                Watched watched = W.loops[index];
                W.loops[index].due = 0;
                sample(&watched, asked);
            }
        }
        PyGILState_Release(state);
        pthread_mutex_lock(&W.mutex);
    }
    pthread_mutex_unlock(&W.mutex);
    return NULL;
}

void
watchdog_resume(void)
{
    if (W.running || !W.wanted || W.paused || W.stopping) {
        return;
    }
    sigset_t all, before;
    sigfillset(&all);
    /* the program's signals are for the program's threads */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    W.running = pthread_create(&W.thread, NULL, watch_loops, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void
stop(void)
{
    pthread_mutex_lock(&W.mutex);
    int running = W.running;
    pthread_t thread = W.thread;
    W.running = 0; /* who sees it last joins */
    if (running) {
        W.stopping = 1;
    }
    pthread_cond_signal(&W.wake);
    pthread_mutex_unlock(&W.mutex);
    if (running) {
        Py_BEGIN_ALLOW_THREADS /* it may be waiting for the GIL */
        pthread_join(thread, NULL);
        Py_END_ALLOW_THREADS
        W.stopping = 0;
    }
}

/* In a forked child, whoever forked: the thread is not there. */
static void
forked(void)
{
    W.running = W.wanted = W.paused = W.stopping = 0;
    make_locks();
}

PyObject *
watchdog_watch(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *loop;
    long long period;
    if (!PyArg_ParseTuple(args, "O!L", LoopState_Type, &loop, &period)) {
        return NULL;
    }
    static int prepared;
    if (!prepared) {
        prepared = 1;
        make_locks();
        pthread_atfork(NULL, NULL, forked);
    }
    pthread_mutex_lock(&W.mutex);
    if (W.count == W.room) {
        int room = W.room == 0 ? 4 : W.room * 2;
        Watched *more = PyMem_RawRealloc(W.loops, (size_t)room * sizeof(Watched));
        if (more == NULL) {
            pthread_mutex_unlock(&W.mutex);
            return PyErr_NoMemory();
        }
        W.loops = more;
        W.room = room;
    }
    W.loops[W.count++] = (Watched){.loop = (LoopState *)Py_NewRef(loop)};
    W.period = period;
    W.wanted = 1;
    pthread_mutex_unlock(&W.mutex);
    watchdog_resume();
    Py_RETURN_NONE;
}

PyObject *
watchdog_forget(PyObject *Py_UNUSED(module), PyObject *loop)
{
    pthread_mutex_lock(&W.mutex);
    PyObject *found = NULL;
    for (int index = 0; index < W.count && found == NULL; index++) {
        if ((PyObject *)W.loops[index].loop == loop) {
            found = loop;
            W.loops[index] = W.loops[--W.count];
        }
    }
    pthread_mutex_unlock(&W.mutex);
    Py_XDECREF(found);
    Py_RETURN_NONE;
}

PyObject *
watchdog_pause(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    W.paused = 1; /* other threads' loops go on meanwhile, and must not start it again */
    stop();
    Py_RETURN_NONE;
}

PyObject *
watchdog_unpause(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    W.paused = 0;
    if (W.wanted) {
        stream_attend();
    }
    Py_RETURN_NONE;
}

PyObject *
watchdog_end(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    W.wanted = 0;
    stop();
    pthread_mutex_lock(&W.mutex);
    Watched *loops = W.loops;
    int count = W.count;
    W.loops = NULL;
    W.count = W.room = 0;
    pthread_mutex_unlock(&W.mutex);
    for (int index = 0; index < count; index++) {
        Py_DECREF(loops[index].loop);
    }
    PyMem_RawFree(loops);
    Py_RETURN_NONE;
}
