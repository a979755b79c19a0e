/* Registers of any context: one that is not loaded is loaded first, so there is one way to do it. */
#include "engine.h"

#include <string.h>

enum { X86_RIP = 41, X86_RSP = 44, X86_FPSW = 31, X86_FP0 = 82, X86_XMM0 = 122, X86_FPCW = 246,
       X86_FPTAG = 247, X86_MXCSR = 249 };
enum { ARM64_PC = 260, ARM64_SP = 4, ARM64_V0 = 228, ARM64_FPCR = 291, ARM64_FPSR = 292 };

int register_pc(const Engine *e) { return e->arch == UC_ARCH_X86 ? X86_RIP : ARM64_PC; }

int register_sp(const Engine *e) { return e->arch == UC_ARCH_X86 ? X86_RSP : ARM64_SP; }

uint64_t register_read(Engine *e, int reg)
{
    uint64_t value = 0;             /* some registers are written narrower than 64 bits */
    e->u.reg_read(e->uc, reg, &value);
    return value;
}

void register_write(Engine *e, int reg, uint64_t value)
{
    if (reg == register_pc(e)) {
        e->pc_known = true;
        e->pc = value;
    }
    e->u.reg_write(e->uc, reg, &value);
}

PUBLIC uint64_t engine_read_register(Engine *e, Context *context, int reg)
{
    engine_load(e, context);
    return register_read(e, reg);
}

PUBLIC void engine_write_register(Engine *e, Context *context, int reg, uint64_t value)
{
    engine_load(e, context);
    register_write(e, reg, value);
}

/* `regs` to or from the words at W_REGISTERS. */
PUBLIC void engine_read_registers(Engine *e, Context *context, const int *regs, int count)
{
    engine_load(e, context);
    for (int i = 0; i < count; i++)
        e->words[W_REGISTERS + i] = register_read(e, regs[i]);
}

PUBLIC void engine_write_registers(Engine *e, Context *context, const int *regs, int count)
{
    engine_load(e, context);
    for (int i = 0; i < count; i++)
        register_write(e, regs[i], e->words[W_REGISTERS + i]);
}

/* ---- floating point and vectors --------------------------------------------------------------------- */

static void put(uint8_t *image, int offset, uint64_t value, size_t size)
{
    memcpy(image + offset, &value, size);       /* both hosts are little-endian, as both guests */
}

static uint64_t take(const uint8_t *image, int offset, size_t size)
{
    uint64_t value = 0;
    memcpy(&value, image + offset, size);
    return value;
}

enum { FX_TAG = 4, FX_MXCSR = 24, FX_MXCSR_MASK = 28, FX_ST0 = 32, FX_XMM0 = 160 };

/* FXSAVE numbers x87 registers from the top of the stack but their tags physically. */
static void x86_read_fp(Engine *e, uint8_t *image)
{
    uint64_t status = register_read(e, X86_FPSW), tags = register_read(e, X86_FPTAG);
    uint64_t full = 0;
    memset(image, 0, 512);
    put(image, 0, register_read(e, X86_FPCW), 2);
    put(image, 2, status, 2);
    for (int i = 0; i < 8; i++)
        if ((tags >> 2 * i & 3) != 3)
            full |= 1u << i;
    put(image, FX_TAG, full, 1);
    put(image, FX_MXCSR, register_read(e, X86_MXCSR), 4);
    put(image, FX_MXCSR_MASK, 0xffff, 4);
    for (int i = 0; i < 8; i++)
        e->u.reg_read(e->uc, X86_FP0 + ((int)(status >> 11) + i) % 8, image + FX_ST0 + 16 * i);
    for (int i = 0; i < 16; i++)
        e->u.reg_read(e->uc, X86_XMM0 + i, image + FX_XMM0 + 16 * i);
}

static void x86_write_fp(Engine *e, const uint8_t *image)
{
    uint64_t status = take(image, 2, 2), full = take(image, FX_TAG, 1), tags = 0;
    for (int i = 0; i < 8; i++)
        if (!(full >> i & 1))
            tags |= 3u << 2 * i;
    register_write(e, X86_FPCW, take(image, 0, 2));
    register_write(e, X86_FPSW, status);
    register_write(e, X86_MXCSR, take(image, FX_MXCSR, 4));
    for (int i = 0; i < 8; i++)
        e->u.reg_write(e->uc, X86_FP0 + ((int)(status >> 11) + i) % 8, image + FX_ST0 + 16 * i);
    register_write(e, X86_FPTAG, tags);
    for (int i = 0; i < 16; i++)
        e->u.reg_write(e->uc, X86_XMM0 + i, image + FX_XMM0 + 16 * i);
}

static void arm64_read_fp(Engine *e, uint8_t *image)
{
    put(image, 0, register_read(e, ARM64_FPSR), 4);
    put(image, 4, register_read(e, ARM64_FPCR), 4);
    for (int i = 0; i < 32; i++)
        e->u.reg_read(e->uc, ARM64_V0 + i, image + 8 + 16 * i);
}

static void arm64_write_fp(Engine *e, const uint8_t *image)
{
    register_write(e, ARM64_FPSR, take(image, 0, 4));
    register_write(e, ARM64_FPCR, take(image, 4, 4));
    for (int i = 0; i < 32; i++)
        e->u.reg_write(e->uc, ARM64_V0 + i, image + 8 + 16 * i);
}

/* Images go through the words at W_REGISTERS; sizes are Arch.fp_image_size. */
PUBLIC void engine_read_fp(Engine *e, Context *context)
{
    engine_load(e, context);
    (e->arch == UC_ARCH_X86 ? x86_read_fp : arm64_read_fp)(e, (uint8_t *)&e->words[W_REGISTERS]);
}

PUBLIC void engine_write_fp(Engine *e, Context *context)
{
    engine_load(e, context);
    (e->arch == UC_ARCH_X86 ? x86_write_fp : arm64_write_fp)(e,
                                                            (uint8_t *)&e->words[W_REGISTERS]);
}
