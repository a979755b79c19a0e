/* The run loop, contexts, and the making of an engine. */
#include "engine.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

uint64_t host_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* The machine's time, in ns since it booted: what rdtsc, CNTVCT and the kernel's clock show.
 * Virtual time is a function of the work done, so two equal runs see equal times. */
uint64_t guest_ns(const Engine *e)
{
    const uint64_t *w = e->words;
    if (!w[W_TIME_VIRTUAL])
        return host_ns() - w[W_TIME_BASE];
    uint64_t here = (uint64_t)(e->granted - e->budget);
    return w[W_TIME_BASE] + (w[T_BLOCKS_DONE] + here) * BLOCK_NS;
}

/* For user and system time: host time that was spent, or virtual time that passed. */
static uint64_t accounting_ns(const Engine *e)
{
    return e->words[W_TIME_VIRTUAL] ? guest_ns(e) : host_ns();
}

/* ---- contexts ----------------------------------------------------------------------------------- */

/* A result set after the last trap belongs to the registers before anything else looks at them. */
static void apply_result(Engine *e)
{
    if (!e->words[W_RESULT_SET])
        return;
    e->words[W_RESULT_SET] = 0;
    register_write(e, e->arch == UC_ARCH_X86 ? 35 /* RAX */ : 199 /* X0 */, e->words[W_RESULT]);
}

static void engine_save(Engine *e)
{
    if (!e->loaded)
        return;
    apply_result(e);
    e->u.context_save(e->uc, e->loaded->saved);
    e->loaded = NULL;
}

/* Put a context's registers into the engine, saving those that are there. */
void engine_load(Engine *e, Context *context)
{
    if (e->loaded == context || !context) {
        apply_result(e);
        return;
    }
    engine_save(e);
    e->words[W_RESULT_SET] = 0;
    e->u.context_restore(e->uc, context->saved);
    e->loaded = context;
    e->words[W_LOADED] = (uint64_t)(uintptr_t)context;
    e->words[W_SWITCHES]++;
    e->pc_known = false;
}

PUBLIC Context *engine_new_context(Engine *e, Context *from)
{
    Context *context = calloc(1, sizeof *context);
    if (!context)
        return NULL;
    if (e->u.context_alloc(e->uc, &context->saved)) {
        free(context);
        return NULL;
    }
    if (from && from == e->loaded) {
        apply_result(e);
        e->u.context_save(e->uc, context->saved);
    } else {
        memcpy(context->saved, from ? from->saved : e->template, e->context_size);
    }
    return context;
}

PUBLIC void engine_reset_context(Engine *e, Context *context)
{
    if (context == e->loaded) {
        e->loaded = NULL;
        e->words[W_LOADED] = e->words[W_RESULT_SET] = 0;
    }
    memcpy(context->saved, e->template, e->context_size);
}

PUBLIC void engine_free_context(Engine *e, Context *context)
{
    if (context == e->loaded) {
        e->loaded = NULL;
        e->words[W_LOADED] = e->words[W_RESULT_SET] = 0;
    }
    if (context == e->charged)
        e->charged = NULL;
    e->u.context_free(context->saved);
    free(context);
}

PUBLIC void engine_set_result(Engine *e, Context *context, uint64_t value)
{
    engine_load(e, context);
    e->words[W_RESULT] = value;
    e->words[W_RESULT_SET] = 1;
}

PUBLIC uint64_t engine_user_ns(const Context *context) { return context->user_ns; }

PUBLIC uint64_t engine_system_ns(const Context *context) { return context->system_ns; }

/* The kernel is about to sleep: what passes until the next run is nobody's system time. */
PUBLIC void engine_stop_charging(Engine *e)
{
    if (e->charged)
        e->charged->system_ns += accounting_ns(e) - e->left_at;
    e->charged = NULL;
}

/* ---- running -------------------------------------------------------------------------------------- */

/* Run the kernel's own instructions at `offset` of the stub page.  The page is let in once and
 * throws itself out of the TLB at the end, so the last fetch is refused: that is the normal end. */
int run_stub(Engine *e, uint64_t offset)
{
    e->in_stub = true;
    e->stub_filled = false;
    e->cause = CAUSE_NONE;
    int64_t budget = e->budget;     /* the kernel's own blocks are nobody's time */
    int error = e->u.emu_start(e->uc, STUB_PAGE + offset, 0, 0, 0);
    e->budget = budget;
    e->in_stub = false;
    e->cause = CAUSE_NONE;
    e->faulted = false;
    return error;
}

/* Unicorn gave up over an instruction ahead.  x86: go there in single steps, then it is the one at
 * the program counter.  aarch64 (the `max` model only): blame the block's first. */
static int after_abort(Engine *e, bool stepped)
{
    if (guard_rebuild(e)) {
        e->words[T_EXCEPTION] = EXCEPTION_STUCK;
        return TRAP_EXCEPTION;
    }
    e->pc = e->words[T_PC] = register_read(e, register_pc(e));
    e->pc_known = true;
    if (e->arch == UC_ARCH_X86 && !stepped) {
        e->careful = CAREFUL_STEPS;
        mmu_settle(e);
        return 0;
    }
    e->careful = 0;
    e->words[T_SP] = register_read(e, register_sp(e));
    e->words[T_EXCEPTION] = e->arch == UC_ARCH_X86 ? EXCEPTION_ILLEGAL : 1 /* undefined */;
    return TRAP_EXCEPTION;
}

/* Up to the next trap; 0 when there is no reason to stop; TRAP_STEP after a single step. */
int run_once(Engine *e)
{
    bool asked = e->stepping || debug_passing(e), step = asked;
    e->hook_pc_set = false;
    if (e->arch == UC_ARCH_X86) {
        int found = x86_check_entry(e);
        if (found == TRAP_EXCEPTION) {
            e->careful = 0;
            return found;
        }
        step |= found || e->careful;    /* a forbidden instruction lies ahead: go there in steps */
        asked |= found == CODE_OVERLAP;
    }
    e->step_pc = e->pc;
    if (asked && e->debug)
        debug_bare(e, true);
    mmu_settle(e);
    if (step)
        (e->arch == UC_ARCH_X86 ? x86_begin_step : arm64_begin_step)(e);
    e->cause = CAUSE_NONE;
    e->faulted = false;
    int error = guard_start(e);
    e->pc_known = false;
    if (step)
        (e->arch == UC_ARCH_X86 ? x86_end_step : arm64_end_step)(e);
    if (asked && e->debug)
        debug_bare(e, false);
    if (error == UC_ABORTED)
        return after_abort(e, step);
    if (e->debug && debug_withheld(e))
        return debug_resolve(e);
    int trap = trap_report(e, error);
    if (e->suspect) {       /* a block that must not run is in the cache now: out with it */
        e->suspect = false;
        uint64_t physical = mmu_code_at(e, e->suspect_pc);
        if (physical)
            mmu_drop_code(e, physical >> 12);
        mmu_settle(e);
    }
    return trap;
}

/* See Cpu.run.  Arguments and results are words: a call without arguments is the cheapest. */
PUBLIC int engine_run(Engine *e)
{
    uint64_t *w = e->words;
    if (__atomic_load_n(&w[W_ATTENTION], __ATOMIC_RELAXED)) {
        __atomic_store_n(&w[W_ATTENTION], 0, __ATOMIC_RELAXED);
        w[T_BLOCKS_LEFT] = w[W_BLOCKS];
        return TRAP_ATTENTION;
    }
    engine_load(e, (Context *)(uintptr_t)w[W_CONTEXT]);
    if (!e->loaded || !w[W_CONTEXT]) {      /* a context that was freed: the kernel's mistake */
        w[T_EXCEPTION] = EXCEPTION_STUCK;
        return TRAP_EXCEPTION;
    }
    if (w[W_ROOT] != e->root) {
        e->root = w[W_ROOT_LOADED] = w[W_ROOT];
        e->miss_limit = 384;
        e->flush_all = true;
    }
    if (!e->pc_known)
        e->pc = register_read(e, register_pc(e));

    int64_t budget = (int64_t)w[W_BLOCKS];
    e->budget = e->granted = budget;
    if (w[W_TIME_VIRTUAL])
        w[W_TIME_BASE] += TRAP_NS;
    uint64_t entered = accounting_ns(e);
    if (e->charged)
        e->charged->system_ns += entered - e->left_at;
    int trap;
    do
        trap = run_once(e);
    while (trap == 0 || (trap == TRAP_STEP && !e->stepping));
    if (trap == TRAP_ATTENTION) {           /* before a block that was counted and did not run; */
        e->budget++;                        /* virtual time does not tell who looked, or when */
        if (w[W_TIME_VIRTUAL])
            w[W_TIME_BASE] -= TRAP_NS;
    }
    uint64_t left = e->budget < 0 ? 0 : (uint64_t)e->budget;
    w[T_BLOCKS_LEFT] = left;
    w[T_BLOCKS_DONE] += (uint64_t)budget - left;
    e->granted = e->budget = (int64_t)left;
    e->left_at = accounting_ns(e);
    e->loaded->user_ns += e->left_at - entered;
    e->charged = e->loaded;
    return trap;
}

/* As engine_run, but one instruction at most: TRAP_STEP when it is done. */
PUBLIC int engine_step(Engine *e)
{
    e->stepping = true;
    int trap = engine_run(e);
    e->stepping = false;
    return trap;
}

/* ---- making and ending ------------------------------------------------------------------------------ */

static int allocate_contexts(Engine *e)
{
    e->context_size = e->u.context_size(e->uc);
    return e->u.context_alloc(e->uc, &e->template) || e->u.context_alloc(e->uc, &e->boot) ||
           e->u.context_alloc(e->uc, &e->temporary);
}

/* Also when an engine is made again (guard.c). */
int engine_open(Engine *e)
{
    Unicorn *u = &e->u;
    bool x86 = e->arch == UC_ARCH_X86;
    if (u->open(e->arch, x86 ? UC_MODE_64 : UC_MODE_ARM, &e->uc))
        return 1;
    /* Only before the first use, which is mem_map_ptr below: */
    if (e->model >= 0 && u->ctl(e->uc, CTL_WRITE(UC_CTL_CPU_MODEL, 1), e->model))
        return 2;
    if (!x86 && u->ctl(e->uc, CTL_WRITE(UC_CTL_PAGE_SIZE, 1), (uint32_t)PAGE))
        return 3;
    if (u->ctl(e->uc, CTL_WRITE(UC_CTL_TCG_BUFFER, 1), (uint32_t)256 << 20))
        return 4;
    if (u->ctl(e->uc, CTL_WRITE(UC_CTL_TLB_TYPE, 1), 1 /* UC_TLB_VIRTUAL */))
        return 5;
    if (u->ctl(e->uc, CTL_WRITE(UC_CTL_USE_EXITS, 1), 1))
        return 6;
    if (e->m.size > RAM_LIMIT || u->mem_map_ptr(e->uc, 0, e->m.size, UC_PROT_ALL, e->m.ram))
        return 7;
    if (u->mem_map_ptr(e->uc, STUB_PHYSICAL, PAGE, UC_PROT_ALL, e->stub))
        return 8;
    if (debug_map(e))
        return 9;
    e->words[W_EXIT_CHECKS] = !exits_leave_out(e);
    return trap_add_hooks(e);
}

PUBLIC int engine_abi(void) { return ENGINE_ABI; }

PUBLIC void engine_close(Engine *e)
{
    ticker_free(e);
    if (e->template)
        e->u.context_free(e->template);
    if (e->boot)
        e->u.context_free(e->boot);
    if (e->temporary)
        e->u.context_free(e->temporary);
    if (e->uc)
        e->u.close(e->uc);
    debug_free(e);
    if (e->stub)
        munmap(e->stub, PAGE);
    free(e);
}

/* `config`: arch, model, the six fields of Memory, the cpuid table and its rows, the id registers,
 * then the functions of libunicorn.  On failure `*stage` says where, for a bug report. */
PUBLIC Engine *engine_create(const uint64_t *config, int *stage)
{
    Engine *e = NULL;
    if (posix_memalign((void **)&e, 4096, sizeof *e))
        return NULL;
    memset(e, 0, sizeof *e);
    e->arch = (int)config[0];
    e->model = (int)(int64_t)config[1];
    e->m = (Memory){(uint8_t *)(uintptr_t)config[2], config[3], (uint32_t *)(uintptr_t)config[4],
                    (uint8_t *)(uintptr_t)config[5], (uint32_t *)(uintptr_t)config[6],
                    (uint64_t *)(uintptr_t)config[7]};
    e->cpuid = (const uint32_t *)(uintptr_t)config[8];
    e->cpuid_rows = (uint32_t)config[9];
    if (config[10])
        memcpy(e->id_registers, (void *)(uintptr_t)config[10], sizeof e->id_registers);
    memcpy(&e->u, config + 11, sizeof e->u);
    e->miss_limit = 384;
    e->old_exception = -1;
    e->clean_generation = 1;
    e->stub = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
    guard_install();
    *stage = e->stub == MAP_FAILED ? 20 : engine_open(e);
    if (!*stage && allocate_contexts(e))
        *stage = 30;
    if (!*stage)
        *stage = e->arch == UC_ARCH_X86 ? x86_setup(e) : arm64_setup(e);
    if (*stage) {
        if (e->stub == MAP_FAILED)
            e->stub = NULL;
        engine_close(e);
        return NULL;
    }
    e->root = 0;
    e->flush_all = true;
    uint64_t exit_checks = e->words[W_EXIT_CHECKS];
    memset(e->words, 0, sizeof e->words);
    e->words[W_EXIT_CHECKS] = exit_checks;
    return e;
}
