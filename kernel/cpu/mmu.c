/* The MMU: what happens at a TLB miss, and how cached translations are dropped.
 *
 * Unicorn keeps a software TLB of 256 entries that it doubles only when it is flushed while more than
 * 70% full.  So a process that misses a lot is helped by flushing, at a limit that doubles with it.
 */
#include "engine.h"

#include <string.h>

enum { FIRST_MISS_LIMIT = 384, LAST_MISS_LIMIT = 1 << 17 };

/* The leaf entry of a page, or NULL where there is no table for it. */
uint64_t *mmu_walk(const Memory *m, uint64_t root, uint64_t vpn)
{
    uint64_t *table = (uint64_t *)(m->ram + (root << 12));
    for (int shift = 27; shift; shift -= 9) {
        uint64_t entry = table[vpn >> shift & 511];
        if (!entry)
            return NULL;
        table = (uint64_t *)(m->ram + (entry & ~(uint64_t)PTE_FLAGS));
    }
    return table + (vpn & 511);
}

/* Physical address of code the loaded process may execute, or 0. */
uint64_t mmu_code_at(Engine *e, uint64_t address)
{
    if (address >> 47 || !e->root)
        return 0;
    const uint64_t *slot = mmu_walk(&e->m, e->root, address >> 12);
    if (!slot || !(*slot & PTE_EXEC))
        return 0;
    return (*slot & ~(uint64_t)PTE_FLAGS) | (address & (PAGE - 1));
}

/* A miss is answered; perhaps it is time to let the TLB grow.  Safe inside the callback: Unicorn
 * looks its indices up again afterwards. */
static void count_miss(Engine *e)
{
    e->words[W_MISSES]++;
    if (++e->misses <= e->miss_limit)
        return;
    if (e->miss_limit < LAST_MISS_LIMIT)
        e->miss_limit *= 2;
    mmu_flush(e);
}

static bool refuse(Engine *e, uint64_t address, int type)
{
    e->faulted = true;
    e->fault_address = address & ~(PAGE - 1);
    e->fault_access = (uint32_t)(type - UC_MEM_READ);
    return false;
}

/* Kernel addresses: ours while we use them, a fault for everybody else. */
static bool fill_kernel(Engine *e, uint64_t address, int type, uc_tlb_entry *entry)
{
    uint64_t page = address & ~(PAGE - 1);
    if (e->in_stub && page == STUB_PAGE && !e->stub_filled) {
        e->stub_filled = true;
        entry->paddr = STUB_PHYSICAL;
        entry->perms = UC_PROT_READ | UC_PROT_EXEC;
        return true;
    }
    if (e->scratch_frame && page == e->scratch_page) {
        entry->paddr = e->scratch_frame << 12;
        entry->perms = UC_PROT_READ | UC_PROT_EXEC;
        return true;
    }
    return refuse(e, address, type);
}

/* Stores and translated code.  Unicorn watches a page for stores into code as long as its TLB entry
 * also has X, which makes every store to it ten times slower; without X it stops watching after the
 * first.  So a frame that holds translations (FRAME_CODE) is filled for writing with X, a frame that
 * does not is not; and when a frame that was filled for writing gets its first translations, the TLB
 * is emptied.  The price: code in a page that may be written at another address (a JIT's) can be
 * reached there too, although the page table says no X.
 */
static int write_perms(Engine *e, uint64_t frame)
{
    uint8_t *flags = &e->m.flags[frame];
    if (!(*flags & FRAME_CODE)) {
        *flags |= FRAME_FILLED_WRITABLE;
        return UC_PROT_WRITE;
    }
    *flags |= FRAME_VOLATILE;
    e->clean_generation++;
    return UC_PROT_WRITE | UC_PROT_EXEC;
}

void mmu_becomes_code(Engine *e, uint64_t frame)
{
    uint8_t *flags = &e->m.flags[frame];
    if (*flags & FRAME_CODE)
        return;
    if (*flags & FRAME_FILLED_WRITABLE) {
        *flags &= (uint8_t)~FRAME_FILLED_WRITABLE;
        mmu_flush(e);
    }
    *flags |= FRAME_CODE;
}

/* What a fill may give of a page with breakpoints or watchpoints, by what debug_fill says. */
static const int rights_left[] = {UC_PROT_ALL, UC_PROT_ALL, UC_PROT_EXEC, UC_PROT_READ,
                                  UC_PROT_WRITE | UC_PROT_EXEC};

bool mmu_fill(uc_engine *uc, uint64_t address, int type, uc_tlb_entry *result, void *user)
{
    (void)uc;
    Engine *e = user;
    if (address >> 47) {
        if (e->arch == UC_ARCH_X86 || (address & ((1ull << 56) - 1)) >> 47)
            return fill_kernel(e, address, type, result);
        if (type == UC_MEM_FETCH)
            return refuse(e, address, type);    /* the tag is ignored for data only */
        address &= (1ull << 56) - 1;
        e->tagged = true;
    }
    if (!e->root)
        return refuse(e, address, type);
    uint64_t *slot = mmu_walk(&e->m, e->root, address >> 12);
    uint64_t entry = slot ? *slot : 0;
    uint64_t need = type == UC_MEM_READ ? PTE_READ : type == UC_MEM_WRITE ? PTE_WRITE : PTE_EXEC;
    if (!(entry & need) || (type == UC_MEM_WRITE && entry & PTE_COW))
        return refuse(e, address, type);
    int debug = DEBUG_PLAIN;
    if (__builtin_expect(e->debug != NULL, 0)) {
        debug = debug_fill(e, address >> 12, entry, type, result);
        if (debug == DEBUG_WITHHELD)
            return refuse(e, address, type);
    }

    entry |= PTE_ACCESSED;
    if (type == UC_MEM_WRITE)
        entry |= PTE_DIRTY;
    *slot = entry;
    if (debug == DEBUG_FILLED)
        return true;
    int perms = entry & PTE_READ ? UC_PROT_READ : 0;
    if (type == UC_MEM_FETCH) {
        mmu_becomes_code(e, entry >> 12);
        perms |= UC_PROT_EXEC;
    } else if ((entry & (PTE_WRITE | PTE_COW | PTE_DIRTY)) == (PTE_WRITE | PTE_DIRTY)) {
        /* Only a dirty page is filled writable: so the first write is seen, and dirty is exact. */
        perms |= write_perms(e, entry >> 12);
    }
    if (debug)
        perms &= rights_left[debug];
    count_miss(e);
    result->paddr = entry & ~(uint64_t)PTE_FLAGS;
    result->perms = perms;
    return true;
}

/* ---- dropping ------------------------------------------------------------------------------------ */

void mmu_flush(Engine *e)
{
    e->u.ctl(e->uc, CTL_WRITE(UC_CTL_TLB_FLUSH, 0));
    e->words[W_TLB_FLUSHES]++;
    e->misses = 0;
    e->flush_all = e->tagged = false;
    e->pending = 0;
}

/* Drop single pages by the processor's own instruction, run with the kernel's registers. */
static void flush_pending(Engine *e)
{
    bool x86 = e->arch == UC_ARCH_X86;
    uint64_t *list = (uint64_t *)(e->stub + STUB_LIST);
    for (uint32_t i = 0; i < e->pending; i++)
        list[i] = x86 ? e->pending_pages[i] : e->pending_pages[i] >> 12 & ((1ull << 44) - 1);
    e->u.context_save(e->uc, e->temporary);
    e->u.context_restore(e->uc, e->boot);
    (x86 ? x86_flush_registers : arm64_flush_registers)(e);
    run_stub(e, STUB_FLUSH);
    e->u.context_restore(e->uc, e->temporary);
    e->words[W_PAGE_FLUSHES] += e->pending;
    e->pending = 0;
}

/* Honour the losses of rights noted since the last run. */
void mmu_settle(Engine *e)
{
    if (e->flush_all)
        mmu_flush(e);
    else if (e->pending)
        flush_pending(e);
}

static void note_pages(Engine *e, uint64_t address, uint64_t pages)
{
    if (e->tagged || pages > MAX_PENDING_PAGES - e->pending)
        e->flush_all = true;
    for (; pages && !e->flush_all; pages--, address += PAGE)
        e->pending_pages[e->pending++] = address;
}

void mmu_note_pages(Engine *e, uint64_t root, uint64_t address, uint64_t pages)
{
    if (root == e->root)
        note_pages(e, address & ~(PAGE - 1), pages);
}

PUBLIC void engine_invalidate(Engine *e, uint64_t root, uint64_t address, uint64_t pages)
{
    mmu_note_pages(e, root, address, pages);
}

/* A page table is gone; a new one may get the same root. */
void mmu_forget_root(Engine *e, uint64_t root)
{
    if (e->debug)
        debug_forget_root(e, root);
    if (root == e->root)
        e->root = e->words[W_ROOT_LOADED] = 0;
}

/* Unicorn finds translations by physical page but is asked with a virtual address; so the frame is
 * shown at a kernel address for the moment.  Each call takes the next of a few addresses, since the
 * TLB remembers the last frame until the flush before the next run. */
void mmu_drop_translations(Engine *e, uint64_t frame)
{
    if (e->pending >= MAX_PENDING_PAGES)
        mmu_settle(e);
    e->scratch_page += PAGE;
    if (e->scratch_page < SCRATCH_PAGE || e->scratch_page >= SCRATCH_PAGE + SCRATCH_PAGES * PAGE)
        e->scratch_page = SCRATCH_PAGE;
    for (uint32_t i = 0; i < e->pending; i++)
        if (e->pending_pages[i] == e->scratch_page) {
            mmu_settle(e);
            break;
        }
    if (e->flush_all)
        mmu_flush(e);
    e->scratch_frame = frame;
    e->u.ctl(e->uc, CTL_WRITE(UC_CTL_TB_REMOVE, 2), e->scratch_page, e->scratch_page + PAGE);
    e->scratch_frame = 0;
    e->pending_pages[e->pending++] = e->scratch_page;
    e->clean_generation++;
    e->words[W_CODE_DROPS]++;
}

/* The code in a frame is about to change: its translations go, and those of its shadows. */
void mmu_drop_code(Engine *e, uint64_t frame)
{
    mmu_drop_translations(e, frame);
    e->m.flags[frame] &= (uint8_t)~FRAME_CODE;
    if (e->debug)
        debug_frame_changes(e, frame);
}

PUBLIC void engine_invalidate_code(Engine *e, uint64_t frame) { mmu_drop_code(e, frame); }
