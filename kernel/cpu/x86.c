/* x86_64: entering user mode, system calls, and instructions answered or refused by us. */
#include "engine.h"

#include <string.h>

enum { CS = 11, DS = 17, EFLAGS = 25, ES = 28, FS = 32, GS = 33, RAX = 35, RBX = 37, RCX = 38,
       RDI = 39, RDX = 40, RIP = 41, RSI = 43, RSP = 44, R8 = 106, R9, R10, R11, R12, R13, R14, R15,
       RBP = 36, IDTR = 242, GDTR, LDTR, TR, FPCW = 246, FPTAG, MXCSR = 249, FS_BASE, GS_BASE };
enum { INSN_CPUID = 113, INSN_IN = 218, INSN_OUT = 500, INSN_RDTSC = 608, INSN_RDTSCP,
       INSN_SYSCALL = 699, INSN_SYSENTER };

/* ---- kernel instructions ------------------------------------------------------------------------- */

/* For each address of the list `invlpg`, then the same for the page this code stands in. */
static const uint8_t flush_code[] = {
    0x48, 0xad,       /* lodsq: rax = next address */
    0x0f, 0x01, 0x38, /* invlpg [rax] */
    0xff, 0xc9,       /* dec ecx */
    0x75, 0xf7,       /* jnz -9 */
    0x0f, 0x01, 0x3b, /* invlpg [rbx] */
    0x0f, 0x05,       /* syscall: if the fetch of this is not refused, as it should be */
};
static const uint8_t enter_code[] = {0x48, 0xcf, 0x0f, 0x05};  /* iretq; at its target: syscall */
static const uint8_t divide_code[] = {0xf7, 0xf1, 0x0f, 0x05}; /* div ecx; syscall */

enum { USER_DS = 0x2b, USER_CS = 0x33 };
static const uint64_t gdt[] = {
    0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0, 0,
    0x00cff3000000ffff, /* USER_DS */
    0x00affb000000ffff, /* USER_CS, 64-bit */
};

void x86_flush_registers(Engine *e)
{
    register_write(e, RSI, STUB_PAGE + STUB_LIST);
    register_write(e, RCX, e->pending);
    register_write(e, RBX, STUB_PAGE);
}

static void set_table(Engine *e, int reg, uint64_t base, uint32_t limit)
{
    uc_x86_mmr table = {0, base, limit, reg == LDTR ? 0x8200u : 0u};
    e->u.reg_write(e->uc, reg, &table);
}

/* The real way into user mode: return from an interrupt to CPL 3. */
static int enter_user_mode(Engine *e)
{
    const uint64_t frame[] = {STUB_PAGE + STUB_ENTER + 2, USER_CS, 0x202, 0, USER_DS};
    memcpy(e->stub + STUB_ENTER, enter_code, sizeof enter_code);
    memcpy(e->stub + STUB_GDT, gdt, sizeof gdt);
    memcpy(e->stub + STUB_FRAME, frame, sizeof frame);
    set_table(e, GDTR, STUB_PAGE + STUB_GDT, sizeof gdt - 1);
    register_write(e, RSP, STUB_PAGE + STUB_FRAME);
    run_stub(e, STUB_ENTER);
    if (register_read(e, CS) != USER_CS)
        return 60;
    return 0;
}

/* Nothing in memory may reach the kernel: a guest could map over tables we left behind. */
static void clean_registers(Engine *e)
{
    static const int general[] = {RAX, RBX, RCX, RDX, RSI, RDI, RBP, RSP, R8, R9, R10, R11, R12,
                                  R13, R14, R15, RIP, FS_BASE, GS_BASE};
    set_table(e, GDTR, 0, 0);
    set_table(e, IDTR, 0, 0);
    set_table(e, LDTR, 0, 0);
    for (size_t i = 0; i < sizeof general / sizeof *general; i++)
        register_write(e, general[i], 0);
    register_write(e, EFLAGS, 0x202);
    register_write(e, FPCW, 0x37f);
    register_write(e, FPTAG, 0xffff);
    register_write(e, MXCSR, 0x1f80);
}

/* Unicorn never ends an exception it has delivered, so the next one would be a double fault.  The
 * field that remembers is found by causing one and looking for the int32 that went from -1 to 0. */
static int find_old_exception(Engine *e)
{
    memcpy(e->stub + STUB_DIVIDE, divide_code, sizeof divide_code);
    e->u.context_restore(e->uc, e->template);
    run_stub(e, STUB_DIVIDE);
    e->u.context_save(e->uc, e->temporary);
    const uint8_t *before = (const uint8_t *)e->template, *after = (const uint8_t *)e->temporary;
    for (size_t i = 0; i + 4 <= e->context_size; i += 4) {
        int32_t was, is;
        memcpy(&was, before + i, 4);
        memcpy(&is, after + i, 4);
        if (was != -1 || is != 0)
            continue;
        if (e->old_exception >= 0)
            return 61;
        e->old_exception = (long)i;
    }
    return e->old_exception < 0 ? 62 : 0;
}

void x86_forget_exception(Engine *e)
{
    const int32_t none = -1;
    e->u.context_save(e->uc, e->temporary);
    memcpy((uint8_t *)e->temporary + e->old_exception, &none, sizeof none);
    e->u.context_restore(e->uc, e->temporary);
}

int x86_setup(Engine *e)
{
    memcpy(e->stub + STUB_FLUSH, flush_code, sizeof flush_code);
    if (e->u.context_save(e->uc, e->boot))
        return 63;
    int stage = enter_user_mode(e);
    if (stage)
        return stage;
    clean_registers(e);
    if (e->u.context_save(e->uc, e->template))
        return 64;
    return find_old_exception(e);
}

/* ---- single steps ----------------------------------------------------------------------------------- */

enum { TF = 1 << 8, RF = 1 << 16, DEBUG_EXCEPTION = 1 };
enum { NO_FLAGS, PUSHF, POPF };

static uint64_t user_bytes(Engine *e, uint64_t address, uint8_t **bytes)
{
    const uint64_t *slot = address >> 47 ? NULL : mmu_walk(&e->m, e->root, address >> 12);
    if (!slot || !(*slot & PTE_PRESENT))
        return 0;
    *bytes = e->m.ram + (*slot & ~(uint64_t)PTE_FLAGS) + (address & (PAGE - 1));
    return PAGE - (address & (PAGE - 1));
}

/* Is the next instruction one that shows or sets the flags? */
static int flag_access(Engine *e)
{
    for (uint64_t pc = e->pc; pc < e->pc + 15; pc++) {
        uint8_t *code;
        if (!user_bytes(e, pc, &code))
            return NO_FLAGS;
        if (*code == 0x9c || *code == 0x9d)
            return *code == 0x9c ? PUSHF : POPF;
        bool prefix = (*code & 0xf0) == 0x40 || *code == 0x66 || *code == 0x67 || *code == 0xf2 ||
                      *code == 0xf3 || *code == 0x2e || *code == 0x36 || *code == 0x3e ||
                      *code == 0x26 || *code == 0x64 || *code == 0x65;
        if (!prefix)
            return NO_FLAGS;
    }
    return NO_FLAGS;
}

/* The flag is the second byte's lowest bit of an image of the flags. */
static uint8_t *flag_byte(Engine *e)
{
    uint8_t *byte;
    return user_bytes(e, register_read(e, RSP) + 1, &byte) ? byte : NULL;
}

/* One instruction: with TF Unicorn makes blocks of one.  (Counting would cost a flush of all blocks
 * each way.)  The program's own TF stays what it is: pushf and popf are put right. */
void x86_begin_step(Engine *e)
{
    e->flags_before_step = register_read(e, EFLAGS);
    e->flag_access = flag_access(e);
    if (e->flag_access == POPF) {
        const uint8_t *byte = flag_byte(e);
        e->popped_trap_flag = byte && *byte & 1;
    }
    /* RF chooses translations of their own, for accesses that are looked at. */
    register_write(e, EFLAGS, e->flags_before_step | TF | (debug_watching(e) ? RF : 0));
    if (e->careful)
        e->careful--;
}

static void hide_trap_flag(Engine *e)
{
    uint8_t *byte = flag_byte(e);
    if (byte)
        *byte &= (uint8_t)~1;
}

void x86_end_step(Engine *e)
{
    if (e->flags_before_step & TF)
        return;                                 /* the guest steps itself */
    bool done = e->cause == TRAP_EXCEPTION && e->exception == DEBUG_EXCEPTION;
    uint64_t flags = register_read(e, EFLAGS) & ~(uint64_t)(TF | RF);
    if (done && e->flag_access == PUSHF)
        hide_trap_flag(e);
    if (done && e->flag_access == POPF && e->popped_trap_flag)
        flags |= TF;
    register_write(e, EFLAGS, flags);
    if (done)
        e->cause = CAUSE_STEPPED;
}

/* ---- system calls ---------------------------------------------------------------------------------- */

/* Bits that user code cannot set, but a bug of Unicorn can: `cmpxchg8b` takes any garbage that a `cmp`
 * left for flags, and at the next stop it becomes eflags, IOPL and VM included. */
enum { EFLAGS_FORBIDDEN = ~0x244fd7 };      /* all but CF PF AF ZF SF TF IF DF OF NT AC ID, bit 1 */

static uint64_t cleaned(Engine *e, uint64_t flags)
{
    if (flags & (uint32_t)EFLAGS_FORBIDDEN) {
        flags &= ~(uint64_t)(uint32_t)EFLAGS_FORBIDDEN;
        register_write(e, EFLAGS, flags);
    }
    return flags | 2;
}

void x86_clean_flags(Engine *e) { cleaned(e, register_read(e, EFLAGS)); }

/* The processor leaves the return address in rcx and the flags in r11; Unicorn's hook comes before. */
void x86_report_syscall(Engine *e)
{
    static const int regs[] = {RAX, RDI, RSI, RDX, R10, R8, R9, RIP, RSP, EFLAGS};
    uint64_t *w = e->words, flags = 0;
    void *values[] = {&w[T_NUMBER],   &w[T_ARG0],     &w[T_ARG0 + 1], &w[T_ARG0 + 2], &w[T_ARG0 + 3],
                      &w[T_ARG0 + 4], &w[T_ARG0 + 5], &w[T_PC],       &w[T_SP],       &flags};
    e->u.reg_read_batch(e->uc, regs, values, 10);
    e->pc = w[T_PC];
    e->pc_known = true;
    flags = cleaned(e, flags);
    e->u.reg_write(e->uc, RCX, &w[T_PC]);
    e->u.reg_write(e->uc, R11, &flags);
}

static void on_syscall(uc_engine *uc, void *user)
{
    Engine *e = user;
    e->cause = TRAP_SYSCALL;
    e->u.emu_stop(uc);
}

/* ---- instructions answered by us -------------------------------------------------------------------- */

/* Rows of leaf, subleaf (or ~0 for any), eax, ebx, ecx, edx: kernel/cpu/cpuid.py. */
static int on_cpuid(uc_engine *uc, void *user)
{
    (void)uc;
    Engine *e = user;
    static const int regs[] = {RAX, RBX, RCX, RDX};
    uint32_t leaf = (uint32_t)register_read(e, RAX), subleaf = (uint32_t)register_read(e, RCX);
    const uint32_t none[6] = {0}, *row = e->cpuid, *end = e->cpuid + 6 * e->cpuid_rows;
    while (row < end && !(row[0] == leaf && (row[1] == subleaf || row[1] == ~0u)))
        row += 6;
    if (row >= end)
        row = none;
    for (int i = 0; i < 4; i++)
        register_write(e, regs[i], row[2 + i]);
    return 1;
}

static int on_rdtsc(uc_engine *uc, void *user)
{
    (void)uc;
    Engine *e = user;
    uint64_t ns = guest_ns(e);                  /* a time stamp counter of 1 GHz */
    register_write(e, RAX, (uint32_t)ns);
    register_write(e, RDX, ns >> 32);
    return 1;
}

static int on_rdtscp(uc_engine *uc, void *user)
{
    register_write(user, RCX, 0);               /* processor 0, node 0 */
    return on_rdtsc(uc, user);
}

/* ---- instructions refused ---------------------------------------------------------------------------- */

/* x86_check_entry finds these before they run; should one slip through, at least it is reported,
 * although the rest of its block has run then. */
static void privileged(Engine *e)
{
    if (!e->hook_pc_set)
        e->hook_pc = register_read(e, RIP);
    e->hook_pc_set = true;
    e->u.emu_stop(e->uc);
}

static uint32_t on_in(uc_engine *uc, uint32_t port, int size, void *user)
{
    (void)uc, (void)port, (void)size;
    privileged(user);
    return 0;
}

static void on_out(uc_engine *uc, uint32_t port, int size, uint32_t value, void *user)
{
    (void)uc, (void)port, (void)size, (void)value;
    privileged(user);
}

static void on_sysenter(uc_engine *uc, void *user)
{
    (void)uc;
    privileged(user);
}

int x86_add_hooks(Engine *e)
{
    static const struct { int insn; void *callback; } hooks[] = {
        {INSN_SYSCALL, (void *)on_syscall},   {INSN_CPUID, (void *)on_cpuid},
        {INSN_RDTSC, (void *)on_rdtsc},       {INSN_RDTSCP, (void *)on_rdtscp},
        {INSN_IN, (void *)on_in},             {INSN_OUT, (void *)on_out},
        {INSN_SYSENTER, (void *)on_sysenter},
    };
    uc_hook hook;
    for (size_t i = 0; i < sizeof hooks / sizeof *hooks; i++)
        if (e->u.hook_add(e->uc, &hook, UC_HOOK_INSN, hooks[i].callback, e, 1, 0, hooks[i].insn))
            return 65;
    return e->u.hook_add(e->uc, &hook, UC_HOOK_EDGE_GENERATED, (void *)x86_block_generated, e, 1, 0)
               ? 66 : 0;
}
