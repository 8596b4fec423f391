/* Clocks: the system's monotonic one, or one that a test gives.
 *
 * A trace reads the clock three times for each step, and a read of the system's takes 25 ns: more than to pack the record. Linux works
 * the time out from the processor's time stamp counter, and so do we, without the fence that the system sets before it reads that.
 * We set the two side by side once in a millisecond; between, what the system corrects in its own rate (500 ppm at the very most)
 * comes to less than a microsecond, so that times compare with what `time.monotonic` says. All is under the GIL, and
 * no time is less than one that was told before, on whichever thread or core.
 */
#include "core.h"

#include <time.h>

int64_t
plain_clock(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

#if defined(__linux__) && defined(__x86_64__) && defined(__GNUC__)

#include <cpuid.h>
#include <fcntl.h>
#include <unistd.h>
#include <x86intrin.h>

#define SIDE_BY_SIDE_NS 1000000 /* how long a reading of both is good for */
#define LEAST_BASE_NS 5000000   /* what it takes to learn the rate: ticks and system are read within 100 ns, 20 ppm of this */
#define MOST_BASE_NS 1000000000
#define MOST_READING_NS 1000    /* whoever takes longer to read both was interrupted */
#define MOST_SURPRISES 8        /* rates that can't be: after so many the counter is not to be relied on */

typedef struct {
    uint64_t ticks;
    int64_t ns;
} Reading;

static struct {
    int usable;
    uint64_t span;        /* ticks for which `latest` is good; 0 while the rate is not known */
    uint64_t rate;        /* ns to a tick, in units of 2^-32 */
    Reading latest;
    Reading base, next_base; /* the rate is learned over the time since `base` */
    int64_t told;         /* the latest time that was told */
    int surprises;
} C;

/* Whether the counter runs at one rate, on all cores alike, whatever they do, and Linux itself reads the time from it. */
void
clock_init(void)
{
    unsigned a, b, c, d;
    char source[4];
    C.usable = 0;
    if (!__get_cpuid(0x80000007, &a, &b, &c, &d) || !(d & 1u << 8)) {
        return;
    }
    int file = open("/sys/devices/system/clocksource/clocksource0/current_clocksource", O_RDONLY | O_CLOEXEC);
    if (file >= 0) {
        C.usable = read(file, source, sizeof source) == sizeof source && memcmp(source, "tsc\n", sizeof source) == 0;
        close(file);
    }
}

static inline int64_t
told(int64_t ns)
{
    return ns < C.told ? C.told : (C.told = ns);
}

static void
start_over(Reading reading)
{
    C.span = 0;
    C.base = C.next_base = reading;
}

/* Read both, and learn from it how many nanoseconds a tick has. */
static int64_t
side_by_side(void)
{
    Reading now;
    uint64_t before = __rdtsc();
    now.ns = plain_clock();
    uint64_t after = __rdtsc();
    now.ticks = before + (after - before) / 2;
    int64_t since = now.ns - C.base.ns;
    uint64_t ticks = now.ticks - C.base.ticks;
    if (C.base.ns == 0 || since < 0 || (int64_t)ticks < 0) {
        start_over(now);
        return told(now.ns);
    }
    if (since < LEAST_BASE_NS) {
        return told(now.ns);
    }
    uint64_t rate = (uint64_t)((double)since / (double)ticks * 4294967296.0);
    if ((double)(after - before) * (double)rate > MOST_READING_NS * 4294967296.0) {
        return told(now.ns); /* the next who asks tries again */
    }
    if (C.span != 0 && (rate > C.rate + C.rate / 1024 || rate < C.rate - C.rate / 1024)) {
        C.usable = ++C.surprises < MOST_SURPRISES; /* the machine slept, or moved to another host */
        start_over(now);
        return told(now.ns);
    }
    C.rate = rate;
    C.latest = now;
    C.span = (uint64_t)((double)SIDE_BY_SIDE_NS / (double)rate * 4294967296.0);
    if (now.ns - C.next_base.ns > MOST_BASE_NS / 2) {
        C.base = C.next_base;
        C.next_base = now;
    }
    return told(now.ns);
}

int64_t
system_clock(void)
{
    if (!C.usable) {
        return told(plain_clock());
    }
    uint64_t since = __rdtsc() - C.latest.ticks; /* of a counter that was put back: huge */
    if (since >= C.span) {
        return side_by_side();
    }
    return told(C.latest.ns + (int64_t)(since * C.rate >> 32)); /* under 2^54: a millisecond is 2^22 ticks at most, of 2^32 */
}

#else

void
clock_init(void)
{
}

int64_t
system_clock(void)
{
    return plain_clock();
}

#endif

int64_t
python_clock(void)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *number = PyObject_CallNoArgs(core.clock);
    int64_t ns = number == NULL ? 0 : PyLong_AsLongLong(number);
    Py_XDECREF(number);
    if (PyErr_Occurred()) {
        PyErr_Clear();
        ns = core.origin;
    }
    PyErr_Restore(type, value, traceback);
    return ns;
}
