/* No look for a stop request after each load and store.
 *
 * Unicorn calls a helper after every memory access so that a hook on memory, or another thread, may
 * stop it there.  We do neither (the block hook stops, between blocks; a refused page unwinds by
 * itself), and the helper is a fifth of the time of call-heavy code.  Unicorn has a switch to leave the
 * calls out, for the IT blocks of 32-bit ARM, but no way to reach it from outside.  So the field is
 * looked for by what stands around it, and set only if exactly one place fits; else nothing happens
 * but that programs run slower.  The check at the start of each block stays.
 */
#include "engine.h"

#include <string.h>
#include <unistd.h>

enum { LOOK_AT = 4096 };    /* bytes of uc_struct; it is 12 KiB larger: jump buffers follow */

/* A run of fields of uc_struct in Unicorn 2.1.4 (include/uc_priv.h). */
typedef struct {
    uint64_t qemu_host_page_size, qemu_real_host_page_size;
    int32_t qemu_icache_linesize, context_content, cpu_context_size;
    uint64_t next_pc;
    uint8_t hook_insert, first_tb, no_exit_request, init_done;
} Fields;

static bool fits(const Fields *f, uint64_t host_page, size_t context_size)
{
    const size_t header = 40;       /* of struct uc_context, before the registers */
    return f->qemu_host_page_size == host_page && f->qemu_real_host_page_size == host_page &&
           f->context_content == 1 && (size_t)f->cpu_context_size + header == context_size &&
           f->hook_insert == 0 && f->first_tb <= 1 && f->no_exit_request == 0 && f->init_done == 1;
}

bool exits_leave_out(Engine *e)
{
    uint64_t host_page = (uint64_t)sysconf(_SC_PAGESIZE);
    uint8_t *found = NULL, *uc = (uint8_t *)e->uc;
    for (size_t i = 0; i + sizeof(Fields) <= LOOK_AT; i += 8) {
        Fields f;
        memcpy(&f, uc + i, sizeof f);
        if (!fits(&f, host_page, e->u.context_size(e->uc)))
            continue;
        if (found)
            return false;
        found = uc + i + offsetof(Fields, no_exit_request);
    }
    if (found)
        *found = 1;
    return found != NULL;
}
