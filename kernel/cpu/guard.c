/* A guest cannot end the host process.
 *
 * Unicorn asserts: over a few instructions that its translator gets wrong it calls abort().  Signals
 * are per process, so is this: while an engine runs, SIGABRT jumps back to the run loop.  That engine
 * is lost, its registers are not, since translation happens between blocks; a new one is made in its
 * place.  The instruction is then looked for in single steps and reported as illegal.
 */
#include "engine.h"

#include <setjmp.h>
#include <signal.h>
#include <string.h>

enum { EFLAGS = 25, MOST_REBUILDS = 1000 };

static _Thread_local sigjmp_buf *volatile way_back;
static struct sigaction before;

static void on_abort(int number, siginfo_t *info, void *context)
{
    if (way_back)
        siglongjmp(*way_back, 1);
    if (before.sa_flags & SA_SIGINFO)
        before.sa_sigaction(number, info, context);
    else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN)
        before.sa_handler(number);
    else {
        signal(number, SIG_DFL);    /* not ours: abort() means it */
        raise(number);
    }
}

/* Once per process; again if somebody (faulthandler) has taken the signal since. */
void guard_install(void)
{
    struct sigaction present, ours;
    memset(&ours, 0, sizeof ours);
    ours.sa_sigaction = on_abort;
    ours.sa_flags = SA_SIGINFO | SA_NODEFER;
    sigemptyset(&ours.sa_mask);
    if (sigaction(SIGABRT, NULL, &present))
        return;
    if (present.sa_flags & SA_SIGINFO && present.sa_sigaction == on_abort)
        return;
    before = present;
    sigaction(SIGABRT, &ours, NULL);
}

/* uc_emu_start from the present program counter, or UC_ABORTED. */
int guard_start(Engine *e)
{
    sigjmp_buf here;
    if (sigsetjmp(here, 0)) {
        way_back = NULL;
        return UC_ABORTED;
    }
    way_back = &here;
    int error = e->u.emu_start(e->uc, e->pc, 0, 0, 0);
    way_back = NULL;
    return error;
}

/* The broken engine may not survive its own end; then it is left behind. */
static void close_broken(Engine *e, uc_engine *broken)
{
    sigjmp_buf here;
    if (!sigsetjmp(here, 0)) {
        way_back = &here;
        e->u.close(broken);
    }
    way_back = NULL;
}

/* Replace the engine, keeping the registers; nonzero if that cannot be done. */
int guard_rebuild(Engine *e)
{
    uc_engine *broken = e->uc;
    if (++e->words[W_REBUILDS] > MOST_REBUILDS || e->u.context_save(broken, e->temporary))
        return 1;
    /* x86: in the middle of a run the flags are spread over other fields, which a start forgets. */
    uint64_t flags = e->arch == UC_ARCH_X86 ? register_read(e, EFLAGS) : 0;
    e->uc = NULL;
    int stage = engine_open(e);
    if (stage) {
        if (e->uc)
            e->u.close(e->uc);
        e->uc = broken;
        return stage;
    }
    e->u.context_restore(e->uc, e->temporary);
    if (e->arch == UC_ARCH_X86)
        register_write(e, EFLAGS, flags);
    close_broken(e, broken);
    e->suspect = e->in_stub = false;
    e->scratch_frame = 0;
    e->flush_all = true;
    return 0;
}
