/* Operations on ranges of page-table entries: the C twin of PythonRanges (kernel/mm/ranges.py), which
 * says what each one means.  Entries, counts, free frames and tables come out the same, in the same
 * order; a property test compares the two.
 *
 * -1 stands for ENOMEM.
 */
#include "engine.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    uint64_t stale_count;       /* first: Python looks at it after each operation that frees */
    uint32_t *stale;            /* frames at count 0 that still have translated code */
    size_t stale_room;
    Memory m;
    Engine *engine;             /* told when a root goes away; may be NULL */
} Ranges;

/* ---- frames --------------------------------------------------------------------------------------- */

static uint64_t *entries(const Memory *m, uint64_t frame)
{
    return (uint64_t *)(m->ram + (frame << 12));
}

static uint64_t take_frame(Memory *m)
{
    uint64_t frame;
    if (m->control[FREE_TOP]) {
        frame = m->free[--m->control[FREE_TOP]];
        if (m->flags[frame] & FRAME_NEEDS_ZERO)
            memset(entries(m, frame), 0, PAGE);
    } else {
        frame = m->control[NEXT_FRESH];
        if (frame >= m->control[FRAME_LIMIT])
            return 0;
        m->control[NEXT_FRESH]++;
    }
    m->flags[frame] = 0;
    m->counts[frame] = 1;
    return frame;
}

static void give_frame(Memory *m, uint64_t frame)
{
    m->flags[frame] = FRAME_NEEDS_ZERO;
    m->free[m->control[FREE_TOP]++] = (uint32_t)frame;
}

static void put_frame(Ranges *r, uint64_t frame)
{
    if (--r->m.counts[frame])
        return;
    if (!(r->m.flags[frame] & FRAME_CODE)) {
        give_frame(&r->m, frame);
        return;
    }
    if (r->stale_count == r->stale_room) {
        size_t room = r->stale_room ? 2 * r->stale_room : 64;
        uint32_t *grown = realloc(r->stale, room * sizeof *grown);
        if (!grown)
            abort();            /* a few hundred bytes of host memory; nothing sensible is left */
        r->stale = grown;
        r->stale_room = room;
    }
    r->stale[r->stale_count++] = (uint32_t)frame;
}

/* ---- tables --------------------------------------------------------------------------------------- */

static void free_table(Memory *m, uint64_t table)
{
    m->counts[table] = 0;
    give_frame(m, table);
    m->control[TABLE_FRAMES]--;
}

static bool is_empty(const uint64_t *table)
{
    for (int i = 0; i < 512; i++)
        if (table[i])
            return false;
    return true;
}

/* Free the tables on the way to vpn that are empty, deepest first. */
static void prune(Memory *m, uint64_t root, uint64_t vpn)
{
    uint64_t *path[3];
    int depth = 0;
    uint64_t table = root;
    for (int shift = 27; shift; shift -= 9) {
        uint64_t *entry = entries(m, table) + (vpn >> shift & 511);
        if (!*entry)
            break;
        path[depth++] = entry;
        table = *entry >> 12;
    }
    while (depth--) {
        table = *path[depth] >> 12;
        if (!is_empty(entries(m, table)))
            return;
        *path[depth] = 0;
        free_table(m, table);
    }
}

/* The leaf entry of vpn, with the tables it needs; NULL when there is no frame for one. */
static uint64_t *make_slot(Memory *m, uint64_t root, uint64_t vpn)
{
    uint64_t table = root;
    for (int shift = 27; shift; shift -= 9) {
        uint64_t *entry = entries(m, table) + (vpn >> shift & 511);
        if (*entry) {
            table = *entry >> 12;
            continue;
        }
        table = take_frame(m);
        if (!table) {
            prune(m, root, vpn);
            return NULL;
        }
        m->control[TABLE_FRAMES]++;
        *entry = table << 12 | PTE_PRESENT;
    }
    return entries(m, table) + (vpn & 511);
}

/* A part of the range that one leaf table holds. */
typedef struct {
    uint64_t vpn, count, *slot;
} Leaf;

/* The first existing leaf table at or after *vpn, before end; *vpn moves behind its part. */
static bool next_leaf(const Memory *m, uint64_t root, uint64_t *vpn, uint64_t end, Leaf *leaf)
{
    while (*vpn < end) {
        uint64_t table = root;
        int shift = 27;
        for (; shift; shift -= 9) {
            uint64_t entry = entries(m, table)[*vpn >> shift & 511];
            if (!entry)
                break;
            table = entry >> 12;
        }
        uint64_t span = shift ? 1ull << shift : 512;    /* what one missing table would cover */
        uint64_t stop = (*vpn | (span - 1)) + 1, first = *vpn;
        *vpn = stop < end ? stop : end;
        if (!shift) {
            *leaf = (Leaf){first, *vpn - first, entries(m, table) + (first & 511)};
            return true;
        }
    }
    return false;
}

/* ---- operations ------------------------------------------------------------------------------------- */

PUBLIC int ranges_set_entry(Ranges *r, uint64_t root, uint64_t vpn, uint64_t entry)
{
    uint64_t *slot = make_slot(&r->m, root, vpn);
    if (!slot)
        return -1;
    *slot = entry;
    return 0;
}

PUBLIC int64_t ranges_map_zero(Ranges *r, uint64_t root, uint64_t vpn, uint64_t count,
                               uint64_t flags)
{
    int64_t mapped = 0;
    for (uint64_t end = vpn + count; vpn < end; vpn++) {
        uint64_t *slot = make_slot(&r->m, root, vpn);
        if (!slot)
            break;
        if (*slot)
            continue;
        uint64_t frame = take_frame(&r->m);
        if (!frame) {
            prune(&r->m, root, vpn);
            break;
        }
        *slot = frame << 12 | flags | PTE_PRESENT;
        if (flags & PTE_EXEC)
            r->m.flags[frame] |= FRAME_X_MAPPED;
        mapped++;
    }
    return mapped;
}

PUBLIC int64_t ranges_map_frames(Ranges *r, uint64_t root, uint64_t vpn, const uint64_t *frames,
                                 uint64_t count, uint64_t flags)
{
    int64_t mapped = 0;
    for (uint64_t i = 0; i < count; i++) {
        if (!frames[i])
            continue;
        uint64_t *slot = make_slot(&r->m, root, vpn + i);
        if (!slot)
            break;
        if (*slot)
            continue;
        *slot = frames[i] << 12 | flags | PTE_PRESENT;
        r->m.counts[frames[i]]++;
        if (flags & PTE_EXEC)
            r->m.flags[frames[i]] |= FRAME_X_MAPPED;
        mapped++;
    }
    return mapped;
}

static int64_t drop_leaf(Ranges *r, const Leaf *leaf)
{
    int64_t dropped = 0;
    for (uint64_t i = leaf->count; i--;) {
        uint64_t entry = leaf->slot[i];
        if (!entry)
            continue;
        leaf->slot[i] = 0;
        put_frame(r, entry >> 12);
        dropped++;
    }
    return dropped;
}

/* From the last table to the first, so that the frames come back in ascending order. */
PUBLIC int64_t ranges_unmap(Ranges *r, uint64_t root, uint64_t vpn, uint64_t count)
{
    enum { BATCH = 64 };
    uint64_t end = vpn + count;
    Leaf batch[BATCH], leaf;
    int64_t dropped = 0;
    size_t total = 0;
    for (uint64_t at = vpn; next_leaf(&r->m, root, &at, end, &leaf);)
        total++;
    while (total) {
        size_t skip = total > BATCH ? total - BATCH : 0, index = 0;
        for (uint64_t at = vpn; next_leaf(&r->m, root, &at, end, &leaf) && index < total; index++)
            if (index >= skip)
                batch[index - skip] = leaf;
        for (size_t i = total - skip; i--;) {
            dropped += drop_leaf(r, &batch[i]);
            prune(&r->m, root, batch[i].vpn);
        }
        total = skip;
    }
    return dropped;
}

PUBLIC int64_t ranges_protect(Ranges *r, uint64_t root, uint64_t vpn, uint64_t count,
                              uint64_t flags)
{
    int64_t changed = 0;
    uint64_t rights = flags & PTE_RIGHTS, end = vpn + count;
    for (Leaf leaf; next_leaf(&r->m, root, &vpn, end, &leaf);)
        for (uint64_t *slot = leaf.slot; slot < leaf.slot + leaf.count; slot++) {
            if (*slot && rights & PTE_EXEC)
                r->m.flags[*slot >> 12] |= FRAME_X_MAPPED;
            if (!*slot || (*slot & PTE_RIGHTS) == rights)
                continue;
            *slot = (*slot & ~(uint64_t)PTE_RIGHTS) | rights;
            changed++;
        }
    return changed;
}

PUBLIC int64_t ranges_fork(Ranges *r, uint64_t from, uint64_t to, uint64_t vpn, uint64_t count)
{
    int64_t copied = 0;
    uint64_t end = vpn + count;
    for (Leaf leaf; next_leaf(&r->m, from, &vpn, end, &leaf);) {
        uint64_t *target = NULL;        /* of the page after the last one copied, in this table */
        for (uint64_t i = 0; i < leaf.count; i++) {
            uint64_t entry = leaf.slot[i];
            if (!entry)
                continue;
            if (!target) {
                target = make_slot(&r->m, to, leaf.vpn + i);
                if (!target)
                    return -1;
                target -= i;
            }
            if (!(entry & PTE_SHARED))
                entry |= PTE_COW;
            leaf.slot[i] = target[i] = entry;
            r->m.counts[entry >> 12]++;
            copied++;
        }
    }
    return copied;
}

/* Tables for all pages to come; on failure those made are gone again. */
static bool reserve_move(Ranges *r, uint64_t root, uint64_t old_vpn, uint64_t delta, uint64_t end)
{
    uint64_t at = old_vpn;
    for (Leaf leaf; next_leaf(&r->m, root, &at, end, &leaf);)
        for (uint64_t i = 0; i < leaf.count; i++) {
            uint64_t failed = leaf.vpn + i;
            if (!leaf.slot[i] || make_slot(&r->m, root, failed + delta))
                continue;
            at = old_vpn;
            while (next_leaf(&r->m, root, &at, failed, &leaf))
                for (uint64_t k = 0; k < leaf.count; k++)
                    if (leaf.slot[k])
                        prune(&r->m, root, leaf.vpn + k + delta);
            return false;
        }
    return true;
}

PUBLIC int64_t ranges_move(Ranges *r, uint64_t root, uint64_t old_vpn, uint64_t new_vpn,
                           uint64_t count)
{
    int64_t moved = 0;
    uint64_t end = old_vpn + count, delta = new_vpn - old_vpn, at = old_vpn;
    if (!reserve_move(r, root, old_vpn, delta, end))
        return -1;
    for (Leaf leaf; next_leaf(&r->m, root, &at, end, &leaf);)
        for (uint64_t i = 0; i < leaf.count; i++)
            if (leaf.slot[i]) {
                *mmu_walk(&r->m, root, leaf.vpn + i + delta) = leaf.slot[i];
                leaf.slot[i] = 0;
                moved++;
            }
    at = old_vpn;
    for (Leaf leaf; next_leaf(&r->m, root, &at, end, &leaf);)
        prune(&r->m, root, leaf.vpn);
    return moved;
}

/* At most `room` vpns into `found`; the caller goes on behind the last if it was filled. */
PUBLIC int64_t ranges_dirty(Ranges *r, uint64_t root, uint64_t vpn, uint64_t count, int clear,
                            uint64_t *found, uint64_t room)
{
    uint64_t n = 0, end = vpn + count;
    for (Leaf leaf; n < room && next_leaf(&r->m, root, &vpn, end, &leaf);)
        for (uint64_t i = 0; i < leaf.count && n < room; i++)
            if (leaf.slot[i] & PTE_DIRTY) {
                found[n++] = leaf.vpn + i;
                if (clear)
                    leaf.slot[i] &= ~(uint64_t)PTE_DIRTY;
            }
    return (int64_t)n;
}

PUBLIC int64_t ranges_present(Ranges *r, uint64_t root, uint64_t vpn, uint64_t count)
{
    int64_t present = 0;
    uint64_t end = vpn + count;
    for (Leaf leaf; next_leaf(&r->m, root, &vpn, end, &leaf);)
        for (uint64_t i = 0; i < leaf.count; i++)
            present += leaf.slot[i] != 0;
    return present;
}

static void free_subtree(Memory *m, uint64_t table, int levels)
{
    if (levels)
        for (int i = 0; i < 512; i++)
            if (entries(m, table)[i])
                free_subtree(m, entries(m, table)[i] >> 12, levels - 1);
    free_table(m, table);
}

PUBLIC void ranges_free_tables(Ranges *r, uint64_t root)
{
    free_subtree(&r->m, root, 3);
    if (r->engine)
        mmu_forget_root(r->engine, root);
}

/* Hand over up to `room` stale frames, in the order they became so; returns how many are left. */
PUBLIC int64_t ranges_take_stale(Ranges *r, uint32_t *frames, uint64_t room)
{
    size_t n = r->stale_count < room ? r->stale_count : room;
    memcpy(frames, r->stale, n * sizeof *frames);
    memmove(r->stale, r->stale + n, (r->stale_count - n) * sizeof *frames);
    r->stale_count -= n;
    return (int64_t)r->stale_count;
}

/* `config`: the fields of Memory, in order. */
PUBLIC Ranges *ranges_create(const uint64_t *config, Engine *engine)
{
    Ranges *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->m = (Memory){(uint8_t *)(uintptr_t)config[0], config[1], (uint32_t *)(uintptr_t)config[2],
                    (uint8_t *)(uintptr_t)config[3], (uint32_t *)(uintptr_t)config[4],
                    (uint64_t *)(uintptr_t)config[5]};
    r->engine = engine;
    return r;
}

PUBLIC void ranges_free(Ranges *r)
{
    free(r->stale);
    free(r);
}
