/* The processor's C part: mechanism that must run inside guest execution or within a microsecond.
 *
 * A plain shared library, opened with ctypes, without Python.h.  It is not linked against libunicorn
 * either: Python hands over the functions of the library that the `unicorn` package brings, and the
 * few types needed of its interface are declared here.
 *
 * All state is one `Engine`.  The part Python reads and writes is `words`, an array of u64 that
 * Python sees as a memoryview; kernel/cpu/library.py names the same indices.
 */
#ifndef DIORAMA_ENGINE_H
#define DIORAMA_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ENGINE_ABI 2

/* ---- Unicorn's interface, as much as we use ------------------------------------------------- */
typedef struct uc_struct uc_engine;
typedef struct uc_context uc_context;
typedef size_t uc_hook;
typedef struct { uint64_t paddr; int perms; } uc_tlb_entry;
typedef struct { uint64_t pc; uint16_t icount, size; } uc_tb;
typedef struct { uint16_t selector; uint64_t base; uint32_t limit, flags; } uc_x86_mmr;
typedef struct { uint32_t crn, crm, op0, op1, op2; uint64_t val; } uc_arm64_cp_reg;

enum { UC_ARCH_ARM64 = 2, UC_ARCH_X86 = 4, UC_MODE_ARM = 0, UC_MODE_64 = 8 };
enum { UC_ERR_OK = 0, UC_ERR_INSN_INVALID = 10, UC_ERR_EXCEPTION = 21 };
enum { UC_MEM_READ = 16, UC_MEM_WRITE = 17, UC_MEM_FETCH = 18 };
enum { UC_PROT_READ = 1, UC_PROT_WRITE = 2, UC_PROT_EXEC = 4, UC_PROT_ALL = 7 };
enum { UC_HOOK_INTR = 1, UC_HOOK_INSN = 2, UC_HOOK_BLOCK = 8, UC_HOOK_MEM_READ = 1 << 10,
       UC_HOOK_MEM_WRITE = 1 << 11, UC_HOOK_EDGE_GENERATED = 1 << 15, UC_HOOK_TLB_FILL = 1 << 17 };
enum { UC_CTL_PAGE_SIZE = 1, UC_CTL_USE_EXITS = 4, UC_CTL_CPU_MODEL = 7, UC_CTL_TB_REMOVE = 9,
       UC_CTL_TB_FLUSH = 10, UC_CTL_TLB_FLUSH = 11, UC_CTL_TLB_TYPE = 12, UC_CTL_TCG_BUFFER = 13 };
#define CTL_WRITE(type, arguments) ((type) | (arguments) << 26 | 1 << 30)

/* Functions of libunicorn, in the order of kernel/cpu/library.py UNICORN_FUNCTIONS. */
typedef struct {
    int (*open)(int arch, int mode, uc_engine **uc);
    int (*close)(uc_engine *uc);
    int (*ctl)(uc_engine *uc, int control, ...);
    int (*emu_start)(uc_engine *uc, uint64_t begin, uint64_t until, uint64_t timeout, size_t count);
    int (*emu_stop)(uc_engine *uc);
    int (*hook_add)(uc_engine *uc, uc_hook *hook, int type, void *callback, void *user,
                    uint64_t begin, uint64_t end, ...);
    int (*mem_map_ptr)(uc_engine *uc, uint64_t address, size_t size, uint32_t perms, void *ptr);
    int (*reg_read)(uc_engine *uc, int reg, void *value);
    int (*reg_write)(uc_engine *uc, int reg, const void *value);
    int (*reg_read_batch)(uc_engine *uc, const int *regs, void **values, int count);
    int (*hook_del)(uc_engine *uc, uc_hook hook);
    int (*context_alloc)(uc_engine *uc, uc_context **context);
    int (*context_free)(uc_context *context);
    int (*context_save)(uc_engine *uc, uc_context *context);
    int (*context_restore)(uc_engine *uc, uc_context *context);
    size_t (*context_size)(uc_engine *uc);
} Unicorn;

/* ---- the words shared with Python ------------------------------------------------------------- */
enum {
    /* 0..15: Cpu.trap, kernel/cpu/base.py */
    T_NUMBER, T_ARG0, T_PC = 7, T_ADDRESS, T_ACCESS, T_EXCEPTION, T_BLOCKS_LEFT, T_SP,
    T_BLOCKS_DONE,
    W_CONTEXT = 16, W_ROOT, W_BLOCKS,      /* arguments of engine_run */
    W_RESULT, W_RESULT_SET,                /* system-call result for the loaded context */
    W_LOADED,                              /* address of the loaded Context, or 0 */
    W_TIME_VIRTUAL = 22,                   /* 1: time is counted work, not the host's clock */
    W_TIME_BASE,                           /* guest ns = host ns - base, or base + counted work */
    W_ATTENTION = 24,                      /* alone in its cache line: the ticker writes it */
    W_MISSES = 32, W_TLB_FLUSHES, W_PAGE_FLUSHES, W_SWITCHES, W_CODE_DROPS, W_ROOT_LOADED,
    W_REBUILDS, W_EXIT_CHECKS, W_HITS,     /* W_HITS: bits of the watchpoints that were met */
    W_REGISTERS = 64,                      /* register images going in and out: 128 words */
    WORDS = 256
};

enum { TRAP_SYSCALL = 1, TRAP_PAGE_FAULT, TRAP_EXCEPTION, TRAP_SLICE, TRAP_ATTENTION, TRAP_IDLE,
       TRAP_STEP, TRAP_BREAKPOINT, TRAP_WATCHPOINT };
enum { EXCEPTION_ILLEGAL = 0x100, EXCEPTION_AVX, EXCEPTION_PRIVILEGED, EXCEPTION_STUCK };

/* ---- page tables and frames (kernel/mm/physical.py, kernel/mm/ranges.py) ---------------------- */
#define PAGE 4096ull
enum { PTE_PRESENT = 1, PTE_READ = 2, PTE_WRITE = 4, PTE_EXEC = 8, PTE_COW = 16, PTE_ACCESSED = 32,
       PTE_DIRTY = 64, PTE_SHARED = 128, PTE_RIGHTS = 14, PTE_FLAGS = 4095 };
enum { FRAME_CODE = 1, FRAME_X_MAPPED = 2, FRAME_NEEDS_ZERO = 4,
       FRAME_FILLED_WRITABLE = 64,          /* ours: the TLB may hold a writable entry without X */
       FRAME_VOLATILE = 128 };              /* ours: code here may change without our notice */
enum { FREE_TOP, NEXT_FRESH, FRAME_LIMIT, TABLE_FRAMES };

typedef struct {
    uint8_t *ram;
    uint64_t size;
    uint32_t *counts;
    uint8_t *flags;
    uint32_t *free;
    uint64_t *control;
} Memory;

/* Addresses only the kernel uses, outside both user halves; the MMU resolves them only while
 * `scratch_frame` or `in_stub` says so.  Their TLB entries are flushed before a guest runs. */
#define SCRATCH_PAGE 0xffff900000000000ull  /* 16 pages: frames whose translations are dropped */
#define SCRATCH_PAGES 16
#define STUB_PAGE    0xffff900000100000ull  /* kernel instructions: flush pages, enter user mode */
#define STUB_PHYSICAL (1ull << 39)          /* beyond any RAM we allow (256 GiB) */
#define RAM_LIMIT     (1ull << 38)

/* Virtual time: what one translated block and one trap take. */
enum { BLOCK_NS = 10, TRAP_NS = 1000 };

enum { CAUSE_NONE = 0, CAUSE_SUSPECT = 16, CAUSE_STEPPED };  /* others are the TRAP_ numbers */
#define CAREFUL_STEPS 512                   /* Unicorn's blocks are no longer */
#define UC_ABORTED (-1)                     /* beside uc_err: it called abort() */
#define MAX_PENDING_PAGES 32
#define CLEAN_BLOCKS 4096                   /* entries of the cache of blocks known to be clean */

typedef struct Debug Debug;                 /* debug.c */

typedef struct Context {
    uc_context *saved;                      /* valid while not loaded */
    uint64_t user_ns, system_ns;
} Context;

typedef struct Engine {
    uint64_t words[WORDS];                  /* first, so that Python finds it at our address */
    int64_t budget;                         /* blocks left; written by the block hook only */
    int64_t granted;                        /* what budget was when the present run began */
    Unicorn u;
    uc_engine *uc;
    Memory m;
    int arch, model;

    /* why the engine stopped; set by hooks, read by engine_run */
    int cause;
    uint32_t exception;
    uint64_t hook_pc;                       /* where a privileged instruction was let through */
    bool hook_pc_set, faulted;
    uint64_t fault_address;
    uint32_t fault_access;

    /* what is loaded */
    Context *loaded;
    uint64_t root;
    uint64_t pc;
    bool pc_known;
    Context *charged;                       /* who pays for kernel time since ... */
    uint64_t left_at;                       /* ... this moment (host ns): the end of its last run */

    /* TLB upkeep */
    uint32_t misses, miss_limit;
    bool flush_all;
    bool tagged;                            /* entries under tagged addresses: no page flush */
    uint32_t pending;
    uint64_t pending_pages[MAX_PENDING_PAGES];
    uint64_t scratch_frame;                 /* != 0: scratch_page resolves to it */
    uint64_t scratch_page;
    bool in_stub, stub_filled;
    uint8_t *stub;                          /* host address of the stub page */

    /* contexts: how a fresh task looks, how the kernel's own stubs look, a place to save into */
    uc_context *template, *boot, *temporary;
    size_t context_size;
    long old_exception;                     /* offset in a context, or -1 */

    /* instructions that must not run (x86): found when a block is translated */
    bool suspect;
    uint64_t suspect_pc;
    uint32_t careful;                       /* so many instructions one by one */
    uint64_t flags_before_step;
    bool stepping;                          /* one instruction was asked for */
    uint64_t step_pc;                       /* where the present step began */
    int flag_access;                        /* x86: that instruction is a pushf or popf, */
    bool popped_trap_flag;                  /* ... and loads this trap flag */
    uint64_t translation_control;           /* aarch64: TCR_EL1 */
    Debug *debug;                           /* NULL without breakpoints and watchpoints */
    Debug *debug_kept;                      /* ... while its memory stays for the next ones */
    uint64_t clean_generation;              /* grows when code may have changed */
    uint64_t clean_blocks[CLEAN_BLOCKS];    /* physical address | generation << 40 */

    /* answers to identification registers */
    uint64_t id_registers[64];              /* aarch64: CRm << 3 | op2 */
    const uint32_t *cpuid;                  /* x86: rows of leaf, subleaf, eax, ebx, ecx, edx */
    uint32_t cpuid_rows;

    void *ticker;
} Engine;

/* engine.c */
uint64_t host_ns(void);
uint64_t guest_ns(const Engine *e);
void engine_load(Engine *e, Context *context);
int run_stub(Engine *e, uint64_t offset);
int engine_open(Engine *e);
int run_once(Engine *e);

/* debug.c */
enum { WATCH_READ = 1, WATCH_WRITE = 2 };
enum { DEBUG_PLAIN, DEBUG_FILLED, DEBUG_FETCH_ONLY, DEBUG_READ_ONLY, DEBUG_WRITE_ONLY,
       DEBUG_WITHHELD };
int debug_map(Engine *e);
void debug_free(Engine *e);
int debug_fill(Engine *e, uint64_t vpn, uint64_t entry, int type, uc_tlb_entry *result);
void debug_frame_changes(Engine *e, uint64_t frame);
void debug_forget_root(Engine *e, uint64_t root);
void debug_bare(Engine *e, bool bare);
bool debug_withheld(const Engine *e);
bool debug_watching(const Engine *e);
bool debug_passing(const Engine *e);
int debug_resolve(Engine *e);
bool debug_is_breakpoint(Engine *e, uint64_t address);
bool debug_inside(Engine *e, uint64_t start, uint64_t end);

/* guard.c */
void guard_install(void);
int guard_start(Engine *e);
int guard_rebuild(Engine *e);

/* mmu.c */
bool mmu_fill(uc_engine *uc, uint64_t address, int type, uc_tlb_entry *entry, void *user);
uint64_t *mmu_walk(const Memory *m, uint64_t root, uint64_t vpn);
uint64_t mmu_code_at(Engine *e, uint64_t address);
void mmu_settle(Engine *e);
void mmu_flush(Engine *e);
void mmu_drop_code(Engine *e, uint64_t frame);
void mmu_drop_translations(Engine *e, uint64_t frame);
void mmu_becomes_code(Engine *e, uint64_t frame);
void mmu_note_pages(Engine *e, uint64_t root, uint64_t address, uint64_t pages);
void mmu_forget_root(Engine *e, uint64_t root);

/* trap.c */
int trap_add_hooks(Engine *e);
int trap_report(Engine *e, int error);

/* x86.c, x86_decode.c, arm64.c: what differs between the two */
enum { STUB_FLUSH = 0, STUB_ENTER = 0x100, STUB_DIVIDE = 0x120, STUB_GDT = 0x200,
       STUB_FRAME = 0x300, STUB_LIST = 0x400 };
int x86_setup(Engine *e);
int x86_add_hooks(Engine *e);
void x86_report_syscall(Engine *e);
void x86_clean_flags(Engine *e);
void x86_begin_step(Engine *e);
void x86_end_step(Engine *e);
void x86_flush_registers(Engine *e);
void x86_forget_exception(Engine *e);

enum { CODE_CLEAN, CODE_AVX, CODE_ILLEGAL, CODE_PRIVILEGED, CODE_OVERLAP };
typedef struct {
    int kind;                               /* CODE_* */
    uint64_t address;                       /* of the first forbidden instruction */
    bool one_page;                          /* all of the block lies in the page it begins in */
} Finding;
Finding x86_scan(Engine *e, uint64_t pc, uint64_t limit);
int x86_check_entry(Engine *e);
void x86_block_generated(uc_engine *uc, uc_tb *now, uc_tb *before, void *user);

int arm64_setup(Engine *e);
void arm64_begin_step(Engine *e);
void arm64_end_step(Engine *e);
void arm64_report_syscall(Engine *e);
void arm64_flush_registers(Engine *e);
bool arm64_emulate(Engine *e);

/* registers.c */
uint64_t register_read(Engine *e, int reg);
void register_write(Engine *e, int reg, uint64_t value);
int register_pc(const Engine *e);
int register_sp(const Engine *e);

/* exits.c */
bool exits_leave_out(Engine *e);

/* ticker.c */
void ticker_free(Engine *e);

#if defined(_WIN32)
#error "Diorama runs on Linux and macOS hosts"
#endif
#define PUBLIC __attribute__((visibility("default")))

#endif
