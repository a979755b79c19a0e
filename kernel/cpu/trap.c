/* Hooks: how the engine is stopped and why.
 *
 * A hook only notes the cause and asks Unicorn to stop; trap_report, outside the engine, fills in the
 * words Python reads.
 */
#include "engine.h"

static void stop(Engine *e, int cause)
{
    e->cause = cause;
    e->u.emu_stop(e->uc);
}

static __attribute__((noinline)) void end_slice(Engine *e, int cause)
{
    if (e->in_stub)
        e->budget++;
    else
        stop(e, cause);
}

/* Before each translated block.  The only hook of this kind: then Unicorn calls it inline.  Nobody
 * else writes `budget` while the guest runs, since a store could be lost in this decrement; others
 * ask through the attention word.  Kept to five instructions: this is the price of preemption. */
static void on_block(uc_engine *uc, uint64_t address, uint32_t size, void *user)
{
    (void)uc, (void)address, (void)size;
    Engine *e = user;
    if (__builtin_expect(--e->budget < 0, 0))
        end_slice(e, TRAP_SLICE);
    else if (__builtin_expect(__atomic_load_n(&e->words[W_ATTENTION], __ATOMIC_RELAXED) != 0, 0))
        end_slice(e, TRAP_ATTENTION);
}

static void on_interrupt(uc_engine *uc, uint32_t number, void *user)
{
    (void)uc;
    Engine *e = user;
    if (e->cause == TRAP_SYSCALL)
        return;         /* x86: TF traps behind `syscall` in the same breath; the call comes first */
    e->exception = number;
    stop(e, e->arch == UC_ARCH_ARM64 && number == 2 ? TRAP_SYSCALL : TRAP_EXCEPTION);
}

int trap_add_hooks(Engine *e)
{
    uc_hook hook;
    if (e->u.hook_add(e->uc, &hook, UC_HOOK_TLB_FILL, (void *)mmu_fill, e, 1, 0) ||
        e->u.hook_add(e->uc, &hook, UC_HOOK_INTR, (void *)on_interrupt, e, 1, 0) ||
        e->u.hook_add(e->uc, &hook, UC_HOOK_BLOCK, (void *)on_block, e, 1, 0))
        return 40;
    return e->arch == UC_ARCH_X86 ? x86_add_hooks(e) : 0;
}

static int report_exception(Engine *e, uint32_t number)
{
    e->words[T_EXCEPTION] = number;
    if (e->arch == UC_ARCH_X86)
        x86_forget_exception(e);
    return TRAP_EXCEPTION;
}

/* An instruction Unicorn cannot do: name the vector extensions, since that is worth a message. */
static int report_illegal(Engine *e)
{
    Finding found = {CODE_CLEAN, 0, true};
    if (e->arch == UC_ARCH_X86)
        found = x86_scan(e, e->pc, 1);
    return report_exception(e, found.kind == CODE_AVX ? EXCEPTION_AVX : EXCEPTION_ILLEGAL);
}

/* Our breakpoint instruction: the program is put back to what stands there in its own page. */
static bool met_breakpoint(Engine *e)
{
    bool x86 = e->arch == UC_ARCH_X86;
    if (!e->debug || e->stepping || debug_passing(e))
        return false;       /* a step executes what stands in the page */
    if (e->exception != (x86 ? 3u : 7u) || !debug_is_breakpoint(e, e->pc - x86))
        return false;
    register_write(e, register_pc(e), e->pc - x86);
    e->words[T_PC] = e->pc;
    return true;
}

/* Say in the trap words why the engine stopped; 0: for no reason the kernel need know, run on. */
int trap_report(Engine *e, int error)
{
    uint64_t *w = e->words;
    if (e->cause == TRAP_SYSCALL && error == UC_ERR_OK) {
        (e->arch == UC_ARCH_X86 ? x86_report_syscall : arm64_report_syscall)(e);
        return TRAP_SYSCALL;
    }
    if (e->arch == UC_ARCH_X86)
        x86_clean_flags(e);
    if (e->hook_pc_set)
        register_write(e, register_pc(e), e->hook_pc);
    e->pc = w[T_PC] = register_read(e, register_pc(e));
    e->pc_known = true;
    w[T_SP] = register_read(e, register_sp(e));
    if (e->hook_pc_set)
        return report_exception(e, EXCEPTION_PRIVILEGED);
    if (error == UC_ERR_EXCEPTION && e->faulted) {
        w[T_ADDRESS] = e->fault_address;
        w[T_ACCESS] = e->fault_access;
        return TRAP_PAGE_FAULT;
    }
    if (error == UC_ERR_INSN_INVALID)
        return report_illegal(e);
    if (error == UC_ERR_OK) {
        if (e->cause == TRAP_EXCEPTION) {
            if (e->arch == UC_ARCH_ARM64 && e->exception == 1 && arm64_emulate(e)) {
                w[T_PC] = e->pc;
                return e->stepping || debug_passing(e) ? TRAP_STEP : 0;
            }
            if (met_breakpoint(e))
                return TRAP_BREAKPOINT;
            return report_exception(e, e->exception);
        }
        if (e->cause == TRAP_ATTENTION)
            __atomic_store_n(&w[W_ATTENTION], 0, __ATOMIC_RELAXED);
        if (e->cause == TRAP_ATTENTION || e->cause == TRAP_SLICE)
            return e->cause;
        if (e->cause == CAUSE_STEPPED)
            return TRAP_STEP;
        if (e->cause == CAUSE_SUSPECT)
            return 0;
        if (e->arch == UC_ARCH_ARM64)
            return TRAP_IDLE;       /* wfi, the only way to stop without a word */
    }
    w[T_NUMBER] = (uint64_t)error;
    return report_exception(e, EXCEPTION_STUCK);
}
