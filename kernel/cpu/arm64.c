/* aarch64: entering EL0, system calls, and the system registers Linux reads for user code. */
#include "engine.h"

#include <string.h>

enum { X0 = 199, X29 = 1, X30 = 2, SP = 4, PC = 260, PSTATE = 265, CPACR_EL1 = 261, CP_REG = 290,
       TPIDR_EL0 = 262 };

static int x(int number) { return number < 29 ? X0 + number : number == 29 ? X29 : X30; }

/* Kernel instructions, run at EL1: for each page number of the list `tlbi vae1`, then the same for
 * the page they stand in. */
static const uint32_t flush_code[] = {
    0xf8408420, /* ldr x0, [x1], #8 */
    0xd5088720, /* tlbi vae1, x0 */
    0xd1000442, /* sub x2, x2, #1 */
    0xb5ffffa2, /* cbnz x2, -12 */
    0xd5088723, /* tlbi vae1, x3 */
    0xd4000001, /* svc #0: if the fetch of this is not refused, as it should be */
};

/* The real way into user mode; setting PSTATE alone leaves Unicorn translating for EL1. */
static const uint32_t enter_code[] = {
    0xd5184000, /* msr spsr_el1, x0 */
    0xd5184021, /* msr elr_el1, x1 */
    0xd69f03e0, /* eret */
    0xd4000001, /* svc #0, at its target */
};

void arm64_flush_registers(Engine *e)
{
    register_write(e, x(1), STUB_PAGE + STUB_LIST);
    register_write(e, x(2), e->pending);
    register_write(e, x(3), STUB_PAGE >> 12 & ((1ull << 44) - 1));
}

/* SCTLR_EL1: DZE, UCT, UCI let EL0 use dc zva, read CTR_EL0 and maintain caches, as Linux does. */
static int set_system_registers(Engine *e)
{
    uc_arm64_cp_reg sctlr = {1, 0, 3, 0, 0, 0};
    if (e->u.reg_read(e->uc, CP_REG, &sctlr))
        return 50;
    sctlr.val |= 1u << 14 | 1u << 15 | 1u << 26;
    if (e->u.reg_write(e->uc, CP_REG, &sctlr))
        return 51;
    uc_arm64_cp_reg scr = {1, 1, 3, 6, 0, 0};
    if (e->u.reg_read(e->uc, CP_REG, &scr))
        return 55;
    scr.val |= 1u << 10;                        /* RW: EL1 is 64-bit, so single steps go there */
    if (e->u.reg_write(e->uc, CP_REG, &scr))
        return 56;
    register_write(e, CPACR_EL1, 3u << 20);     /* no trap on floating point */
    return 0;       /* CNTKCTL_EL1 stays 0: reads of the counter trap, and we answer them */
}

int arm64_setup(Engine *e)
{
    memcpy(e->stub + STUB_FLUSH, flush_code, sizeof flush_code);
    int stage = set_system_registers(e);
    if (stage)
        return stage;
    if (e->u.context_save(e->uc, e->boot))
        return 52;
    memcpy(e->stub + STUB_ENTER, enter_code, sizeof enter_code);
    register_write(e, x(0), 0);                 /* EL0t, nothing masked */
    register_write(e, x(1), STUB_PAGE + STUB_ENTER + 12);
    run_stub(e, STUB_ENTER);
    if (register_read(e, PSTATE) & 0xffffffff)
        return 54;
    for (int i = 0; i < 31; i++)
        register_write(e, x(i), 0);
    register_write(e, SP, 0);
    register_write(e, PC, 0);
    return e->u.context_save(e->uc, e->template) ? 53 : 0;
}

/* ---- single steps ----------------------------------------------------------------------------------- */

enum { PSTATE_SS = 1 << 21, UNDEFINED = 1 };
#define TBI1 (1ull << 38)

static void write_system(Engine *e, uint32_t op0, uint32_t crn, uint32_t crm, uint32_t op2, uint64_t value)
{
    uc_arm64_cp_reg reg = {crn, crm, op0, 0, op2, value};
    e->u.reg_write(e->uc, CP_REG, &reg);
}

static void set_single_step(Engine *e, bool on)
{
    write_system(e, 2, 0, 2, 2, on);            /* MDSCR_EL1.SS */
}

/* The architecture's own single step: user code is stepped for EL1, and cannot see it. */
void arm64_begin_step(Engine *e)
{
    /* TBI1, which means nothing to user code, chooses translations of their own. */
    if (debug_watching(e)) {
        uc_arm64_cp_reg tcr = {2, 0, 3, 0, 2, 0};
        e->u.reg_read(e->uc, CP_REG, &tcr);
        e->translation_control = tcr.val;
        write_system(e, 3, 2, 0, 2, tcr.val | TBI1);
    }
    set_single_step(e, true);
    register_write(e, PSTATE, register_read(e, PSTATE) | PSTATE_SS);
}

/* A finished step and an undefined instruction are the same exception; only the step clears SS. */
void arm64_end_step(Engine *e)
{
    uint64_t pstate = register_read(e, PSTATE);
    if (e->cause == TRAP_EXCEPTION && e->exception == UNDEFINED && !(pstate & PSTATE_SS))
        e->cause = CAUSE_STEPPED;
    register_write(e, PSTATE, pstate & ~(uint64_t)PSTATE_SS);
    set_single_step(e, false);
    if (debug_watching(e))
        write_system(e, 3, 2, 0, 2, e->translation_control);
}

void arm64_report_syscall(Engine *e)
{
    static const int regs[] = {X0 + 8, X0, X0 + 1, X0 + 2, X0 + 3, X0 + 4, X0 + 5, PC, SP};
    uint64_t *w = e->words;
    void *values[] = {&w[T_NUMBER], &w[T_ARG0],     &w[T_ARG0 + 1], &w[T_ARG0 + 2], &w[T_ARG0 + 3],
                      &w[T_ARG0 + 4], &w[T_ARG0 + 5], &w[T_PC],       &w[T_SP]};
    e->u.reg_read_batch(e->uc, regs, values, 9);
    e->pc = w[T_PC];
    e->pc_known = true;
}

/* ---- mrs ------------------------------------------------------------------------------------------- */

enum { COUNTER_HZ = 62500000 };

/* The value user code sees of system register (op1, CRn, CRm, op2) with op0 = 3, as Linux answers:
 * identification registers from a table (Python's), those without an entry read as zero. */
static bool system_register(const Engine *e, uint32_t insn, uint64_t *value)
{
    uint32_t op1 = insn >> 16 & 7, crn = insn >> 12 & 15, crm = insn >> 8 & 15, op2 = insn >> 5 & 7;
    if (op1 == 0 && crn == 0 && crm < 8) {
        if (crm == 0 && op2 != 0 && op2 != 5 && op2 != 6)
            return false;                       /* only MIDR, MPIDR, REVIDR */
        if (crm >= 1 && crm <= 3)
            return false;                       /* 32-bit features: there is no 32-bit mode */
        *value = e->id_registers[crm << 3 | op2];
        return true;
    }
    if (op1 == 3 && crn == 14 && crm == 0 && op2 <= 2) {
        uint64_t ns = guest_ns(e);
        *value = op2 == 0 ? COUNTER_HZ : ns / 1000000000u * COUNTER_HZ +
                                             ns % 1000000000u * COUNTER_HZ / 1000000000u;
        return true;
    }
    return false;
}

/* An undefined instruction that is a read of such a register: do it and step over it. */
bool arm64_emulate(Engine *e)
{
    uint64_t physical = e->pc & 3 ? 0 : mmu_code_at(e, e->pc);
    if (!physical)
        return false;
    uint32_t insn;
    memcpy(&insn, e->m.ram + physical, sizeof insn);
    uint64_t value;
    if (insn >> 20 != 0xd53 || !(insn >> 19 & 1) || !system_register(e, insn, &value))
        return false;
    if ((insn & 31) != 31)
        register_write(e, x((int)(insn & 31)), value);
    register_write(e, PC, e->pc + 4);
    return true;
}
