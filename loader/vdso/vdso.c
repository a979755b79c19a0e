/* The vDSO: the clock read in user code, without a system call.  See vdso(7).
 *
 * The processor's counter is the machine's monotonic time: the time stamp counter counts
 * nanoseconds since boot, CNTVCT ticks of 16 ns.  One number is missing for the time of day, and it
 * stands in the page before this image, which the kernel writes and programs can only read.
 *
 * tools/generators/vdso.py makes loader/vdso/images.py of this.
 */
typedef unsigned long u64;
typedef unsigned int u32;

struct page { u64 offset; };                /* time of day = monotonic time + offset */
struct timespec { long seconds, nanoseconds; };
struct timeval { long seconds, microseconds; };
struct timezone { int west, dst; };

enum { REALTIME, MONOTONIC, MONOTONIC_RAW = 4, REALTIME_COARSE, MONOTONIC_COARSE, BOOTTIME, TAI = 11 };
enum { SECOND = 1000000000, COARSE = 4000000 };
#define BIT(clock) (1u << (clock))
#define FINE (BIT(REALTIME) | BIT(MONOTONIC) | BIT(MONOTONIC_RAW) | BIT(BOOTTIME) | BIT(TAI))
#define ROUGH (BIT(REALTIME_COARSE) | BIT(MONOTONIC_COARSE))
#define OF_DAY (BIT(REALTIME) | BIT(REALTIME_COARSE) | BIT(TAI))

extern const char __ehdr_start[] __attribute__((visibility("hidden")));

#define EXPORT __attribute__((visibility("default")))

#if defined(__x86_64__)
#define NAME(call) __vdso_##call
enum { SYS_clock_gettime = 228, SYS_clock_getres = 229 };

static u64 monotonic(void)
{
    u32 low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (u64)high << 32 | low;
}

static long system_call(long number, long first, long second)
{
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "0"(number), "D"(first), "S"(second)
                     : "rcx", "r11", "memory");
    return result;
}
#else
#define NAME(call) __kernel_##call
enum { SYS_clock_gettime = 113, SYS_clock_getres = 114 };

static u64 monotonic(void)
{
    u64 ticks;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks * 16;
}

static long system_call(long number, long first, long second)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = first;
    register long x1 __asm__("x1") = second;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x1), "r"(x8) : "memory");
    return x0;
}
#endif

static u64 offset(void)
{
    return ((const volatile struct page *)(__ehdr_start - 4096))->offset;
}

static int known(u32 clock, u32 set)
{
    return clock < 32 && (BIT(clock) & set);
}

EXPORT int NAME(clock_gettime)(int clock, struct timespec *time)
{
    if (!known(clock, FINE | ROUGH))
        return system_call(SYS_clock_gettime, clock, (long)time);
    u64 ns = monotonic();
    if (known(clock, OF_DAY))
        ns += offset();
    if (known(clock, ROUGH))
        ns -= ns % COARSE;
    time->seconds = ns / SECOND;
    time->nanoseconds = ns % SECOND;
    return 0;
}

EXPORT int NAME(clock_getres)(int clock, struct timespec *resolution)
{
    return system_call(SYS_clock_getres, clock, (long)resolution);
}

EXPORT int NAME(gettimeofday)(struct timeval *time, struct timezone *zone)
{
    if (time) {
        u64 ns = monotonic() + offset();
        time->seconds = ns / SECOND;
        time->microseconds = ns % SECOND / 1000;
    }
    if (zone)
        zone->west = zone->dst = 0;
    return 0;
}

#if defined(__x86_64__)
EXPORT long NAME(time)(long *seconds)
{
    long now = (monotonic() + offset()) / SECOND;
    if (seconds)
        *seconds = now;
    return now;
}

/* There is one processor. */
EXPORT long NAME(getcpu)(u32 *cpu, u32 *node, void *unused)
{
    (void)unused;
    if (cpu)
        *cpu = 0;
    if (node)
        *node = 0;
    return 0;
}
#endif
