/* Instructions that must not run on x86_64, found before they do.
 *
 * Unicorn's processor has no AVX and says so, but it runs VEX-encoded xmm code as if it were the old
 * SSE form with two operands: wrong results instead of #UD.  It lets user code do port input and
 * output and enter virtual-8086 mode by iret, and aborts over some locked bit operations on
 * registers.  So each block is looked through once, when it is
 * translated, with a decoder that knows lengths and little else.  Unicorn reports every new block
 * after it is made; the one a run begins with is looked at before, and a small cache remembers the
 * good ones.
 */
#include "engine.h"

enum { M = 16, FLOW = 32, BAD = 64, SPECIAL = 128 };    /* flags; low bits: kind of immediate */
enum { I8 = 1, I16, IZ, IV, MOFFS, ENTER, R32 };

/* Shorthand for the tables: rows of opcodes with the same shape. */
#define X4(v) v, v, v, v
#define X8(v) X4(v), X4(v)
#define X16(v) X8(v), X8(v)
#define ALU X4(M), I8, IZ, BAD, BAD

static const uint8_t one_byte[256] = {
    /* 00 */ ALU, X4(M), I8, IZ, BAD, SPECIAL,
    /* 10 */ ALU, ALU,
    /* 20 */ X4(M), I8, IZ, 0, BAD, X4(M), I8, IZ, 0, BAD,
    /* 30 */ X4(M), I8, IZ, 0, BAD, X4(M), I8, IZ, 0, BAD,
    /* 40 */ X16(0),
    /* 50 */ X16(0),
    /* 60 */ BAD, BAD, SPECIAL, M, 0, 0, 0, 0, IZ, M | IZ, I8, M | I8, X4(SPECIAL),
    /* 70 */ X16(I8 | FLOW),
    /* 80 */ M | I8, M | IZ, BAD, M | I8, X4(M), X8(M),
    /* 90 */ X8(0), 0, 0, BAD, 0, 0, 0, 0, 0,
    /* a0 */ X4(MOFFS), X4(0), I8, IZ, X4(0), 0, 0,
    /* b0 */ X8(I8), X8(IV),
    /* c0 */ M | I8, M | I8, I16 | FLOW, FLOW, SPECIAL, SPECIAL, M | I8, M | IZ,
             ENTER, 0, I16 | FLOW, FLOW, FLOW, I8 | FLOW, BAD, SPECIAL,
    /* d0 */ X4(M), BAD, BAD, BAD, 0, X8(M),
    /* e0 */ X4(I8 | FLOW), X4(SPECIAL), R32 | FLOW, R32 | FLOW, BAD, I8 | FLOW, X4(SPECIAL),
    /* f0 */ 0, FLOW, 0, 0, FLOW, 0, M, M, 0, 0, 0, 0, 0, 0, M, M,
};

static const uint8_t two_byte[256] = {
    /* 00 */ X4(M), BAD, FLOW, 0, FLOW, 0, 0, BAD, FLOW, BAD, M, 0, M | I8,
    /* 10 */ X16(M),
    /* 20 */ X4(M), X4(BAD), X8(M),
    /* 30 */ X4(0), SPECIAL, FLOW, BAD, BAD, M, BAD, M | I8, BAD, X4(BAD),
    /* 40 */ X16(M),
    /* 50 */ X16(M),
    /* 60 */ X16(M),
    /* 70 */ X4(M | I8), M, M, M, 0, X8(M),
    /* 80 */ X16(R32 | FLOW),
    /* 90 */ X16(M),
    /* a0 */ 0, 0, 0, M, M | I8, M, BAD, BAD, 0, 0, 0, M, M | I8, M, M, M,
    /* b0 */ X8(M), M, M, M | I8, M, X4(M),
    /* c0 */ M, M, M | I8, M, M | I8, M | I8, M | I8, SPECIAL | M, X8(0),
    /* d0 */ X16(M),
    /* e0 */ X16(M),
    /* f0 */ X16(M),
};

/* ---- reading code -------------------------------------------------------------------------------- */

/* Where the decoder is: in guest code by pages or, without an engine, in plain bytes. */
typedef struct {
    Engine *e;
    uint64_t address;
    const uint8_t *page;            /* host address of guest page `page_number` */
    uint64_t page_number, size;
    bool ended;                     /* no more code can be read: what is there faults by itself */
} Reader;

static uint8_t next(Reader *r)
{
    if (!r->e) {
        r->ended = r->address >= r->size;
        return r->ended ? 0 : r->page[r->address++];
    }
    if (r->address >> 12 != r->page_number || !r->page) {
        uint64_t physical = mmu_code_at(r->e, r->address);
        r->page_number = r->address >> 12;
        r->page = physical ? r->e->m.ram + (physical & ~(PAGE - 1)) : NULL;
        if (!physical) {
            r->ended = true;
            return 0;
        }
    }
    return r->page[r->address++ & (PAGE - 1)];
}

static void skip(Reader *r, unsigned count)
{
    while (count-- && !r->ended)
        next(r);
}

/* ModRM with its SIB byte and displacement; returns the ModRM byte. */
static uint8_t modrm(Reader *r)
{
    uint8_t byte = next(r), mod = byte >> 6, rm = byte & 7;
    if (mod == 3)
        return byte;
    if (rm == 4) {
        uint8_t sib = next(r);
        if (mod == 0 && (sib & 7) == 5)
            skip(r, 4);
    } else if (mod == 0 && rm == 5) {
        skip(r, 4);
    }
    skip(r, mod == 1 ? 1 : mod == 2 ? 4 : 0);
    return byte;
}

/* ---- one instruction --------------------------------------------------------------------------------- */

typedef struct {
    bool size16, wide, address32, lock;
} Prefixes;

static uint8_t prefixes(Reader *r, Prefixes *p)
{
    for (;;) {
        uint8_t byte = next(r);
        if (r->ended)
            return 0;
        switch (byte) {
        case 0x66: p->size16 = true; p->wide = false; continue;
        case 0x67: p->address32 = true; p->wide = false; continue;
        case 0xf0: p->lock = true; p->wide = false; continue;
        case 0x26: case 0x2e: case 0x36: case 0x3e: case 0x64: case 0x65:
        case 0xf2: case 0xf3: p->wide = false; continue;
        }
        if ((byte & 0xf0) != 0x40)
            return byte;
        p->wide = byte & 8;         /* REX counts only as the last prefix */
    }
}

/* Locking needs memory.  Unicorn ends the host process over `lock btr edi, 1` and the like. */
static bool locks_register(const Prefixes *p, uint8_t m) { return p->lock && m >> 6 == 3; }

static void immediate(Reader *r, const Prefixes *p, int kind)
{
    static const uint8_t fixed[] = {0, 1, 2, 0, 0, 0, 3, 4};
    switch (kind) {
    case IZ: skip(r, p->size16 && !p->wide ? 2 : 4); break;
    case IV: skip(r, p->wide ? 8 : p->size16 ? 2 : 4); break;
    case MOFFS: skip(r, p->address32 ? 4 : 8); break;
    default: skip(r, fixed[kind]);
    }
}

enum { GO_ON, BLOCK_ENDS, IS_AVX, IS_ILLEGAL, IS_PRIVILEGED };

/* VEX is also how BMI's three-operand instructions on general registers are written. */
static int vex(Reader *r, uint8_t first)
{
    uint8_t second = next(r);
    uint8_t map = 1;
    if (first == 0xc4) {
        map = second & 0x1f;
        next(r);
    }
    uint8_t opcode = next(r);
    bool general = (map == 2 && (opcode == 0xf2 || opcode == 0xf3 || (opcode >= 0xf5 && opcode <= 0xf7)))
                   || (map == 3 && opcode == 0xf0);
    if (!general)
        return r->ended ? BLOCK_ENDS : IS_AVX;
    modrm(r);
    skip(r, map == 3);
    return GO_ON;
}

static int two_byte_instruction(Reader *r, const Prefixes *p)
{
    uint8_t opcode = next(r), shape = two_byte[opcode];
    if (opcode == 0x34)
        return IS_PRIVILEGED;                   /* sysenter */
    if (shape & BAD)
        return BLOCK_ENDS;
    if (opcode == 0x38 || opcode == 0x3a)
        next(r);
    if (shape & M) {
        uint8_t m = modrm(r);
        if (locks_register(p, m))
            return IS_ILLEGAL;
        if (opcode == 0xc7 && m >> 6 == 3 && (m >> 3 & 6) == 6)
            return IS_ILLEGAL;                  /* rdrand, rdseed: hidden, so they do not exist */
    }
    immediate(r, p, shape & 15);
    return shape & FLOW ? BLOCK_ENDS : GO_ON;
}

static int special(Reader *r, const Prefixes *p, uint8_t opcode)
{
    switch (opcode) {
    case 0x0f: return two_byte_instruction(r, p);
    case 0x62: return IS_AVX;                   /* EVEX */
    case 0xc4: case 0xc5: return vex(r, opcode);
    default: return IS_PRIVILEGED;              /* in, out, ins, outs, iret */
    }
}

static int instruction(Reader *r)
{
    Prefixes p = {false, false, false, false};
    uint8_t opcode = prefixes(r, &p), shape = one_byte[opcode];
    if (r->ended || shape & BAD)
        return BLOCK_ENDS;                      /* faults by itself */
    if (shape & SPECIAL)
        return special(r, &p, opcode);
    uint8_t m = shape & M ? modrm(r) : 0;
    int kind = shape & 15;
    if (locks_register(&p, m))
        return IS_ILLEGAL;
    if ((opcode == 0xf6 || opcode == 0xf7) && (m >> 3 & 7) < 2)
        kind = opcode == 0xf6 ? I8 : IZ;        /* test */
    immediate(r, &p, kind);
    bool jumps = opcode == 0xff && (m >> 3 & 7) >= 2 && (m >> 3 & 7) <= 5;
    return shape & FLOW || jumps ? BLOCK_ENDS : GO_ON;
}

/* ---- blocks --------------------------------------------------------------------------------------------- */

/* Look through the straight line of code at `pc`, at most `limit` bytes of it. */
Finding x86_scan(Engine *e, uint64_t pc, uint64_t limit)
{
    static const int kinds[] = {CODE_CLEAN, CODE_CLEAN, CODE_AVX, CODE_ILLEGAL, CODE_PRIVILEGED};
    Reader r = {e, pc, NULL, 0, 0, false};
    Finding found = {CODE_CLEAN, pc, true};
    while (found.address - pc < limit) {
        int what = instruction(&r);
        if (!r.ended)
            found.kind = kinds[what];
        bool clean = found.kind == CODE_CLEAN && !r.ended;
        if (clean && e->debug && debug_inside(e, found.address, r.address)) {
            found.kind = CODE_OVERLAP;
            break;
        }
        if (what != GO_ON || r.ended)
            break;
        found.address = r.address;
    }
    found.one_page = !r.ended && (r.address - 1) >> 12 == pc >> 12;
    return found;
}

/* One instruction of plain bytes: GO_ON ... IS_PRIVILEGED, and how long it is.  For tests, which
 * compare it with a full decoder. */
PUBLIC int x86_decode_bytes(const uint8_t *code, uint64_t size, uint64_t *length)
{
    Reader r = {NULL, 0, code, 0, size, false};
    int what = instruction(&r);
    *length = r.address;
    return r.ended ? -1 : what;
}

/* Unicorn made a new block and is about to run it. */
void x86_block_generated(uc_engine *uc, uc_tb *now, uc_tb *before, void *user)
{
    (void)before;
    Engine *e = user;
    if (e->in_stub || x86_scan(e, now->pc, now->size).kind == CODE_CLEAN)
        return;
    e->suspect = true;
    e->suspect_pc = now->pc;
    e->cause = CAUSE_SUSPECT;
    e->u.emu_stop(uc);
}

/* Before a start: 0 to run, 1 to go one instruction (a forbidden one lies ahead in this block),
 * CODE_OVERLAP to go one that has another's breakpoint inside, or TRAP_EXCEPTION when a forbidden
 * one is here. */
int x86_check_entry(Engine *e)
{
    static const uint32_t exceptions[] = {0, EXCEPTION_AVX, EXCEPTION_ILLEGAL, EXCEPTION_PRIVILEGED};
    uint64_t physical = mmu_code_at(e, e->pc);
    if (!physical)
        return 0;                               /* the fetch will fault */
    uint64_t key = physical | e->clean_generation << 40;
    uint64_t *slot = &e->clean_blocks[(physical ^ physical >> 12) & (CLEAN_BLOCKS - 1)];
    bool lasting = !(e->m.flags[physical >> 12] & FRAME_VOLATILE) && !e->debug;
    if (*slot == key && lasting)
        return 0;
    Finding found = x86_scan(e, e->pc, PAGE);
    if (found.kind == CODE_CLEAN) {
        if (found.one_page && lasting)
            *slot = key;
        return 0;
    }
    if (found.address != e->pc)
        return 1;
    if (found.kind == CODE_OVERLAP)
        return CODE_OVERLAP;
    e->words[T_PC] = e->pc;
    e->words[T_SP] = register_read(e, register_sp(e));
    e->words[T_EXCEPTION] = exceptions[found.kind];
    return TRAP_EXCEPTION;
}
