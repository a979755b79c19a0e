/* Attention from outside: a thread that asks at intervals, and host signals.
 *
 * Neither may touch the engine (stopping it from elsewhere executes instructions twice); both set the
 * attention word, which the block hook looks at.  A Python thread would do for neither: traps would
 * wait for the interpreter's lock.
 */
#include "engine.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

typedef struct {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t ending;
    bool end;
    uint64_t interval_ns;
    uint64_t *attention;
} Ticker;

PUBLIC void engine_request_attention(Engine *e)
{
    __atomic_store_n(&e->words[W_ATTENTION], 1, __ATOMIC_RELAXED);
}

static struct timespec after(uint64_t ns)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    ns += (uint64_t)t.tv_nsec;
    t.tv_sec += (time_t)(ns / 1000000000u);
    t.tv_nsec = (long)(ns % 1000000000u);
    return t;
}

static void *tick(void *argument)
{
    Ticker *t = argument;
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);     /* signals are for the thread that runs Python */
    pthread_mutex_lock(&t->lock);
    while (!t->end) {
        struct timespec until = after(t->interval_ns);
        while (!t->end && pthread_cond_timedwait(&t->ending, &t->lock, &until) != ETIMEDOUT)
            ;
        if (!t->end)
            __atomic_store_n(t->attention, 1, __ATOMIC_RELAXED);
    }
    pthread_mutex_unlock(&t->lock);
    return NULL;
}

PUBLIC int engine_start_ticker(Engine *e, uint64_t interval_us)
{
    ticker_free(e);
    Ticker *t = calloc(1, sizeof *t);
    if (!t)
        return ENOMEM;
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->ending, NULL);
    t->interval_ns = interval_us * 1000;
    t->attention = &e->words[W_ATTENTION];
    int error = pthread_create(&t->thread, NULL, tick, t);
    if (error)
        free(t);
    else
        e->ticker = t;
    return error;
}

void ticker_free(Engine *e)
{
    Ticker *t = e->ticker;
    if (!t)
        return;
    e->ticker = NULL;
    pthread_mutex_lock(&t->lock);
    t->end = true;
    pthread_cond_signal(&t->ending);
    pthread_mutex_unlock(&t->lock);
    pthread_join(t->thread, NULL);
    pthread_mutex_destroy(&t->lock);
    pthread_cond_destroy(&t->ending);
    free(t);
}

PUBLIC void engine_stop_ticker(Engine *e) { ticker_free(e); }

/* ---- host signals ----------------------------------------------------------------------------------- */

enum { SIGNALS = 65 };
static Engine *volatile watcher;                /* signal handlers are the process's, not an engine's */
static struct sigaction chained[SIGNALS];
static bool watched[SIGNALS];

static void on_host_signal(int number, siginfo_t *info, void *context)
{
    int saved = errno;
    Engine *e = watcher;
    if (e)
        engine_request_attention(e);
    const struct sigaction *next = &chained[number];
    if (next->sa_flags & SA_SIGINFO)
        next->sa_sigaction(number, info, context);
    else if (next->sa_handler != SIG_DFL && next->sa_handler != SIG_IGN)
        next->sa_handler(number);
    errno = saved;
}

/* End guest code when this signal comes, then do what its present handler (Python's) does. */
PUBLIC int engine_watch_signal(Engine *e, int number)
{
    if (number <= 0 || number >= SIGNALS || watched[number])
        return EINVAL;
    watcher = e;
    if (sigaction(number, NULL, &chained[number]))
        return errno;
    struct sigaction action = chained[number];
    action.sa_flags |= SA_SIGINFO;
    action.sa_sigaction = on_host_signal;
    if (sigaction(number, &action, NULL))
        return errno;
    watched[number] = true;
    return 0;
}

PUBLIC void engine_unwatch_signals(Engine *e)
{
    if (watcher != e)
        return;
    for (int number = 1; number < SIGNALS; number++)
        if (watched[number]) {
            sigaction(number, &chained[number], NULL);
            watched[number] = false;
        }
    watcher = NULL;
}
