/* /proc/PID/smaps: whose the pages of an area are, before and after a fork. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "check.h"

#define PAGES 8
#define PAGE 4096

/* The field of the area that begins at `start`, in kB; -1 where there is none. */
static long field(void *start, const char *name)
{
    char line[512];
    unsigned long from, to;
    long value = -1;
    int inside = 0;
    FILE *file = fopen("/proc/self/smaps", "r");
    if (!file)
        return -1;
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            inside = from == (unsigned long)start;
        else if (inside && !strncmp(line, name, strlen(name)) && line[strlen(name)] == ':')
            value = atol(line + strlen(name) + 1);
    }
    fclose(file);
    return value;
}

/* PAGES pages that touch no other area, `rights` between two guards. */
static char *lone_area(void)
{
    char *area = mmap(NULL, (PAGES + 2) * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(area != MAP_FAILED && !mprotect(area + PAGE, PAGES * PAGE, PROT_READ | PROT_WRITE));
    return area + PAGE;
}

static void private_pages(void)
{
    char *area = lone_area();
    CHECK(field(area, "Size") == 4 * PAGES && field(area, "Rss") == 0);
    memset(area, 1, 3 * PAGE);
    CHECK(field(area, "Rss") >= 12 && field(area, "Private_Dirty") == 12);
    CHECK(field(area, "Shared_Dirty") == 0 && field(area, "Anonymous") == field(area, "Rss"));
    pid_t child = fork();
    if (!child) {
        CHECK(field(area, "Shared_Dirty") == 12 && field(area, "Private_Dirty") == 0);
        CHECK(field(area, "Pss_Dirty") == 6);
        area[0] = 2; /* copied: now it is the child's own */
        CHECK(field(area, "Shared_Dirty") == 8 && field(area, "Private_Dirty") == 4);
        _exit(failures);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(field(area, "Private_Dirty") == 12);
    CHECK(madvise(area, PAGE, MADV_DONTNEED) == 0 && field(area, "Private_Dirty") == 8);
}

/* What a server asks before it trusts fork: a page written after MADV_FREE stays dirty. */
static void taken_back(void)
{
    char *area = lone_area();
    area[0] = 1;
    CHECK(madvise(area, PAGES * PAGE, MADV_FREE) == 0);
    area[0] = 2;
    pid_t child = fork();
    if (!child)
        _exit(field(area, "Shared_Dirty") == 4 ? 0 : 1);
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

static void shared_pages(void)
{
    char *area = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    memset(area, 1, 2 * PAGE);
    CHECK(field(area, "Rss") >= 8 && field(area, "Private_Dirty") == 8);
    CHECK(field(area, "Anonymous") == 0);
}

int main(void)
{
    private_pages();
    taken_back();
    shared_pages();
    return finish();
}
