/* Breakpoints, watchpoints and the passing of instructions that meet them.
 *
 * No page of the guest is changed.  A page with breakpoints has a shadow: a
 * copy outside RAM, with the processor's breakpoint instruction at each, that only fetches see, in
 * one address space.  Loads, stores, other processes, the kernel and files go on with the page
 * itself.  Where a page can be written, stores to it are withheld, and so are accesses to watched
 * pages: the MMU refuses them, the one instruction is stepped with the right given, and what it did
 * is looked at.  Nothing is hooked but, during such a step, the accesses of that instruction.
 *
 * With no point anywhere `debug` is NULL and the MMU does no more than ask that.
 */
#include "engine.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define SHADOW_PHYSICAL (STUB_PHYSICAL + (1ull << 20))
enum { SHADOWS = 4096, WATCHES = 64, PASSED_PAGES = 8, ZEROED_BLOCK = 64 };
enum { WITHHELD_NOTHING, WITHHELD_FETCH, WITHHELD_DATA };

typedef struct Shadow {
    uint64_t root, vpn;                     /* root 0: not in use */
    uint64_t original;                      /* the frame it is a copy of, or 0 */
    uint64_t made_at;                       /* W_SWITCHES then: others may write to the frame */
    bool stale;                             /* to be made again before the next fetch */
    uint32_t points;
    uint64_t patched[PAGE / 64];            /* a bit for each byte with a breakpoint */
} Shadow;

typedef struct { uint64_t root, address, length; uint32_t access; } Watch;

struct Debug {
    uint8_t *ram;                           /* of the shadows */
    Shadow shadows[SHADOWS];
    uint32_t used;                          /* shadows up to here may be in use */
    Watch watches[WATCHES];                 /* root 0: not in use */
    uint32_t points;                        /* breakpoints and watchpoints in all */

    int withheld;                           /* WITHHELD_*: why the MMU refused */
    Shadow *refresh;
    bool bare;                              /* fetches see the pages themselves: a step */
    bool passing;                           /* accesses are let through: the step of one */
    bool watching;                          /* ... to a watched page */
    bool zeroing;                           /* ... by `dc zva` */
    uint32_t passed;
    uint64_t passed_pages[PASSED_PAGES];
};

static uint64_t shadow_frame(const Debug *d, const Shadow *s)
{
    return (SHADOW_PHYSICAL >> 12) + (uint64_t)(s - d->shadows);
}

static uint8_t *shadow_bytes(const Debug *d, const Shadow *s)
{
    return d->ram + (size_t)(s - d->shadows) * PAGE;
}

static Shadow *shadow_at(Debug *d, uint64_t root, uint64_t vpn)
{
    for (Shadow *s = d->shadows; s < d->shadows + d->used; s++)
        if (s->root == root && s->vpn == vpn)
            return s;
    return NULL;
}

/* Is this page, or another mapping of its frame, what a shadow of the loaded process copies? */
static bool is_shadowed(const Debug *d, uint64_t root, uint64_t vpn, uint64_t frame)
{
    for (const Shadow *s = d->shadows; s < d->shadows + d->used; s++)
        if (s->root == root && (s->vpn == vpn || s->original == frame))
            return true;
    return false;
}

/* The kinds of access (1 read, 2 write) that are watched somewhere in a page. */
static uint32_t watched(const Debug *d, uint64_t root, uint64_t vpn)
{
    uint32_t kinds = 0;
    for (const Watch *w = d->watches; w < d->watches + WATCHES; w++)
        if (w->root == root && w->address >> 12 <= vpn && (w->address + w->length - 1) >> 12 >= vpn)
            kinds |= w->access;
    return kinds;
}

/* ---- the MMU asks ------------------------------------------------------------------------------------ */

static int withhold(Debug *d, int what)
{
    d->withheld = what;
    return DEBUG_WITHHELD;
}

static int fill_fetch(Engine *e, uint64_t vpn, uint64_t entry, uc_tlb_entry *result)
{
    Debug *d = e->debug;
    Shadow *s = d->bare ? NULL : shadow_at(d, e->root, vpn);
    if (!s)
        return watched(d, e->root, vpn) & WATCH_READ ? DEBUG_FETCH_ONLY : DEBUG_PLAIN;
    uint64_t frame = entry >> 12;
    uint8_t flags = e->m.flags[frame];
    bool elsewhere = flags & FRAME_VOLATILE && s->made_at != e->words[W_SWITCHES];
    if (s->stale || s->original != frame || !(flags & FRAME_CODE) || elsewhere) {
        d->refresh = s;
        return withhold(d, WITHHELD_FETCH);
    }
    result->paddr = shadow_frame(d, s) << 12;
    result->perms = UC_PROT_EXEC;
    return DEBUG_FILLED;
}

/* Which rights does a fill get?  Called by mmu_fill when the page table allows the access. */
int debug_fill(Engine *e, uint64_t vpn, uint64_t entry, int type, uc_tlb_entry *result)
{
    Debug *d = e->debug;
    if (type == UC_MEM_FETCH)
        return fill_fetch(e, vpn, entry, result);
    uint32_t kinds = watched(d, e->root, vpn);
    bool shadowed = is_shadowed(d, e->root, vpn, entry >> 12);
    if (!kinds && !shadowed)
        return DEBUG_PLAIN;
    bool matters = type == UC_MEM_READ ? kinds & WATCH_READ : kinds & WATCH_WRITE || shadowed;
    if (matters && !d->passing) {
        d->watching = kinds != 0;
        return withhold(d, WITHHELD_DATA);
    }
    if (d->passing && d->passed < PASSED_PAGES)
        d->passed_pages[d->passed++] = vpn << 12;
    return type == UC_MEM_READ ? DEBUG_READ_ONLY : DEBUG_WRITE_ONLY;
}

/* The kernel is about to write to a frame, or to give it to somebody else. */
void debug_frame_changes(Engine *e, uint64_t frame)
{
    Debug *d = e->debug;
    for (Shadow *s = d->shadows; s < d->shadows + d->used; s++)
        if (s->root && s->original == frame) {
            s->stale = true;
            mmu_note_pages(e, s->root, s->vpn << 12, 1);
        }
}

/* ---- shadows --------------------------------------------------------------------------------------------- */

static void patch(Engine *e, Shadow *s, uint8_t *bytes)
{
    static const uint8_t int3[] = {0xcc}, brk[] = {0x00, 0x00, 0x20, 0xd4};
    bool x86 = e->arch == UC_ARCH_X86;
    for (unsigned i = 0; i < PAGE; i++)
        if (s->patched[i / 64] >> i % 64 & 1)
            memcpy(bytes + i, x86 ? int3 : brk, x86 ? sizeof int3 : sizeof brk);
}

/* Outside the engine: the fetch that wanted it is made again. */
static void refresh(Engine *e, Shadow *s)
{
    Debug *d = e->debug;
    const uint64_t *slot = mmu_walk(&e->m, s->root, s->vpn);
    if (!slot || !(*slot & PTE_EXEC))
        return;                             /* the fetch will fault */
    uint64_t frame = *slot >> 12;
    mmu_drop_translations(e, shadow_frame(d, s));
    mmu_becomes_code(e, frame);             /* whoever writes to it has to say so now */
    memcpy(shadow_bytes(d, s), e->m.ram + (frame << 12), PAGE);
    patch(e, s, shadow_bytes(d, s));
    s->original = frame;
    s->made_at = e->words[W_SWITCHES];
    s->stale = false;
}

static Debug *debug_state(Engine *e)
{
    if (e->debug)
        return e->debug;
    if (!e->debug_kept) {
        Debug *d = calloc(1, sizeof *d);
        if (!d)
            return NULL;
        d->ram = mmap(NULL, SHADOWS * PAGE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANON | MAP_NORESERVE, -1, 0);
        if (d->ram == MAP_FAILED) {
            free(d);
            return NULL;
        }
        e->debug_kept = d;
        if (debug_map(e)) {
            debug_free(e);
            return NULL;
        }
    }
    return e->debug = e->debug_kept;
}

/* Let a (new) engine see the shadows. */
int debug_map(Engine *e)
{
    Debug *d = e->debug_kept;
    return d ? e->u.mem_map_ptr(e->uc, SHADOW_PHYSICAL, SHADOWS * PAGE, UC_PROT_ALL, d->ram) : 0;
}

void debug_free(Engine *e)
{
    if (!e->debug_kept)
        return;
    munmap(e->debug_kept->ram, SHADOWS * PAGE);
    free(e->debug_kept);
    e->debug = e->debug_kept = NULL;
}

static Shadow *new_shadow(Debug *d, uint64_t root, uint64_t vpn)
{
    Shadow *s = d->shadows;
    while (s < d->shadows + d->used && s->root)
        s++;
    if (s == d->shadows + SHADOWS)
        return NULL;
    if (s == d->shadows + d->used)
        d->used++;
    memset(s, 0, sizeof *s);
    s->root = root;
    s->vpn = vpn;
    s->stale = true;
    return s;
}

static void release_shadow(Engine *e, Shadow *s)
{
    mmu_drop_translations(e, shadow_frame(e->debug, s));
    mmu_note_pages(e, s->root, s->vpn << 12, 1);
    s->root = 0;
    while (e->debug->used && !e->debug->shadows[e->debug->used - 1].root)
        e->debug->used--;
}

static void one_less(Engine *e)
{
    if (!--e->debug->points)
        e->debug = NULL;
}

/* Nonzero: there is no room. */
PUBLIC int engine_insert_breakpoint(Engine *e, uint64_t root, uint64_t address)
{
    Debug *d = debug_state(e);
    if (!d)
        return 1;
    Shadow *s = shadow_at(d, root, address >> 12);
    if (!s)
        s = new_shadow(d, root, address >> 12);
    if (!s) {
        if (!d->points)
            e->debug = NULL;
        return 1;
    }
    unsigned offset = address & (PAGE - 1);
    uint64_t bit = 1ull << offset % 64;
    if (!(s->patched[offset / 64] & bit)) {
        s->patched[offset / 64] |= bit;
        s->points++;
        d->points++;
    }
    s->stale = true;
    mmu_note_pages(e, root, address & ~(PAGE - 1), 1);
    return 0;
}

PUBLIC void engine_remove_breakpoint(Engine *e, uint64_t root, uint64_t address)
{
    Shadow *s = e->debug ? shadow_at(e->debug, root, address >> 12) : NULL;
    unsigned offset = address & (PAGE - 1);
    uint64_t bit = 1ull << offset % 64;
    if (!s || !(s->patched[offset / 64] & bit))
        return;
    s->patched[offset / 64] &= ~bit;
    s->stale = true;
    mmu_note_pages(e, root, address & ~(PAGE - 1), 1);
    if (!--s->points)
        release_shadow(e, s);
    one_less(e);
}

/* An address space is gone. */
void debug_forget_root(Engine *e, uint64_t root)
{
    for (uint32_t i = 0; e->debug && i < SHADOWS && i < e->debug->used; i++) {
        Shadow *s = &e->debug->shadows[i];
        if (s->root != root)
            continue;
        uint32_t points = s->points;
        release_shadow(e, s);
        for (; points; points--)
            one_less(e);
    }
    for (uint32_t i = 0; e->debug && i < WATCHES; i++)
        if (e->debug->watches[i].root == root) {
            e->debug->watches[i].root = 0;
            one_less(e);
        }
}

/* ---- watchpoints ----------------------------------------------------------------------------------------- */

/* The watchpoint's number, or -1 when there is no room. */
PUBLIC int engine_insert_watch(Engine *e, uint64_t root, uint64_t address, uint64_t length,
                               uint32_t access)
{
    Debug *d = debug_state(e);
    if (!d)
        return -1;
    for (int i = 0; i < WATCHES; i++) {
        if (d->watches[i].root)
            continue;
        d->watches[i] = (Watch){root, address, length, access};
        d->points++;
        mmu_note_pages(e, root, address & ~(PAGE - 1),
                       ((address + length - 1) >> 12) - (address >> 12) + 1);
        return i;
    }
    if (!d->points)
        e->debug = NULL;
    return -1;
}

PUBLIC void engine_remove_watch(Engine *e, int number)
{
    if (!e->debug || number < 0 || number >= WATCHES || !e->debug->watches[number].root)
        return;
    e->debug->watches[number].root = 0;
    one_less(e);                            /* what is in the TLB has fewer rights than it may */
}

static bool overlaps(const Watch *w, uint64_t address, uint64_t size)
{
    return address < w->address + w->length && w->address < address + size;
}

/* Unicorn says where in RAM; the page the access begins in is the watched one or the one below. */
static uint64_t address_of(const Engine *e, uint64_t vpn, uint64_t physical, uint64_t size)
{
    uint64_t offset = physical & (PAGE - 1);
    const uint64_t *slot = mmu_walk(&e->m, e->root, vpn);
    if (slot && *slot >> 12 == physical >> 12)
        return vpn << 12 | offset;
    slot = mmu_walk(&e->m, e->root, vpn - 1);
    if (slot && *slot >> 12 == physical >> 12 && offset + size > PAGE)
        return (vpn - 1) << 12 | offset;
    return 0;
}

static void check_watch(Engine *e, int number, uint64_t physical, uint64_t size)
{
    const Watch *w = &e->debug->watches[number];
    for (uint64_t vpn = w->address >> 12; vpn <= (w->address + w->length - 1) >> 12; vpn++) {
        uint64_t address = address_of(e, vpn, physical, size);
        if (!address || !overlaps(w, address, size))
            continue;
        if (!e->words[W_HITS])
            e->words[T_ADDRESS] = address > w->address ? address : w->address;
        e->words[W_HITS] |= 1ull << number;
        return;
    }
}

/* `dc zva` shows its first byte only, or each of them: it is all of its block. */
static void on_access(uc_engine *uc, int type, uint64_t physical, int size, int64_t value, void *user)
{
    (void)uc, (void)value;
    Engine *e = user;
    uint32_t kind = type == UC_MEM_WRITE ? WATCH_WRITE : WATCH_READ;
    uint64_t length = (uint64_t)size;
    if (e->debug->zeroing) {
        physical &= ~(uint64_t)(ZEROED_BLOCK - 1);
        length = ZEROED_BLOCK;
    }
    for (int i = 0; i < WATCHES; i++)
        if (e->debug->watches[i].root == e->root && e->debug->watches[i].access & kind)
            check_watch(e, i, physical, length);
}

/* ---- steps ------------------------------------------------------------------------------------------------- */

/* The next instruction is to be fetched from the page itself, or (afterwards) from its shadow. */
void debug_bare(Engine *e, bool bare)
{
    Debug *d = e->debug;
    d->bare = bare;
    for (uint64_t vpn = e->step_pc >> 12; vpn <= (e->step_pc + 15) >> 12; vpn++)
        if (shadow_at(d, e->root, vpn))
            mmu_note_pages(e, e->root, vpn << 12, 1);
}

/* Is the instruction at the program counter being stepped so that its accesses get through? */
bool debug_passing(const Engine *e) { return e->debug && e->debug->passing; }

bool debug_withheld(const Engine *e) { return e->debug->withheld != WITHHELD_NOTHING; }

/* Does the step that begins let accesses to watched pages through?  Then its code is translated
 * with Unicorn's memory hooks in place, and must not be used without. */
bool debug_watching(const Engine *e) { return e->debug && e->debug->passing && e->debug->watching; }

static void begin_pass(Engine *e, uc_hook *hook)
{
    Debug *d = e->debug;
    uint64_t physical = mmu_code_at(e, e->pc);
    uint32_t instruction = 0;
    if (physical)
        memcpy(&instruction, e->m.ram + physical, sizeof instruction);
    d->zeroing = e->arch == UC_ARCH_ARM64 && (instruction & ~31u) == 0xd50b7420;
    d->passing = true;
    d->passed = 0;
    e->words[W_HITS] = 0;
    *hook = 0;
    if (d->watching)
        e->u.hook_add(e->uc, hook, UC_HOOK_MEM_READ | UC_HOOK_MEM_WRITE, (void *)on_access, e, 1, 0);
}

static void end_pass(Engine *e, uc_hook hook)
{
    Debug *d = e->debug;
    if (hook)
        e->u.hook_del(e->uc, hook);
    d->passing = false;
    for (uint32_t i = 0; i < d->passed; i++)
        mmu_note_pages(e, e->root, d->passed_pages[i], 1);
    for (uint32_t i = 0; i < d->passed; i++) {
        const uint64_t *slot = mmu_walk(&e->m, e->root, d->passed_pages[i] >> 12);
        if (slot)
            debug_frame_changes(e, *slot >> 12);
    }
}

/* The MMU refused what the page table allows: make the fetch possible, or step the instruction with
 * its accesses let through.  The step is free of the budget: the block was paid for. */
int debug_resolve(Engine *e)
{
    Debug *d = e->debug;
    int what = d->withheld;
    d->withheld = WITHHELD_NOTHING;
    e->pc = register_read(e, register_pc(e));
    e->pc_known = true;
    if (what == WITHHELD_FETCH) {
        refresh(e, d->refresh);
        return 0;
    }
    uc_hook hook;
    int trap;
    int64_t budget = e->budget, granted = e->granted;
    begin_pass(e, &hook);
    do {
        e->budget = e->granted = 2;
        trap = run_once(e);
    } while (!trap);
    e->budget = trap == TRAP_ATTENTION ? budget - 1 : budget;   /* engine_run gives that back */
    e->granted = granted;
    end_pass(e, hook);
    return trap == TRAP_STEP && e->words[W_HITS] ? TRAP_WATCHPOINT : trap;
}

/* The processor met a breakpoint instruction at `address`: one of ours? */
bool debug_is_breakpoint(Engine *e, uint64_t address)
{
    const Shadow *s = shadow_at(e->debug, e->root, address >> 12);
    unsigned offset = address & (PAGE - 1);
    return s && s->patched[offset / 64] >> offset % 64 & 1;
}

/* x86: is there a breakpoint inside the instruction [start, end), which began elsewhere?  Code can
 * be entered in two ways; where the two overlap, the instruction is stepped in its own page. */
bool debug_inside(Engine *e, uint64_t start, uint64_t end)
{
    bool any = shadow_at(e->debug, e->root, start >> 12) || shadow_at(e->debug, e->root, end >> 12);
    if (!any || e->debug->bare || debug_is_breakpoint(e, start))
        return false;
    while (++start < end)
        if (debug_is_breakpoint(e, start))
            return true;
    return false;
}
