/* Waiting until somebody sleeps, as /proc shows it: on a busy host no pause of ours is long enough
 * for another to have come to its call. */
#ifndef ASLEEP_H
#define ASLEEP_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Is the task asleep whose /proc directory this is?  One that is gone does not run either. */
static inline int sleeps_or_gone(const char *directory)
{
    char path[64], text[512] = "";
    snprintf(path, sizeof path, "%s/stat", directory);
    FILE *file = fopen(path, "r");
    if (!file)
        return 1;
    size_t got = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    char *name_end = strrchr(text, ')');
    return !got || (name_end && strchr("SZX", name_end[2]));
}

/* Until the first thread of a process sleeps. */
static inline void until_asleep(pid_t pid)
{
    char directory[32];
    snprintf(directory, sizeof directory, "/proc/%d", pid);
    while (!sleeps_or_gone(directory))
        usleep(1000);
}

/* Until all other threads of this process sleep. */
static inline void until_others_asleep(void)
{
    char directory[64];
    for (int awake = 1; awake; usleep(1000)) {
        DIR *tasks = opendir("/proc/self/task");
        struct dirent *task;
        awake = 0;
        while (tasks && (task = readdir(tasks))) {
            int tid = atoi(task->d_name);
            snprintf(directory, sizeof directory, "/proc/self/task/%d", tid);
            awake |= tid && tid != (int)syscall(SYS_gettid) && !sleeps_or_gone(directory);
        }
        closedir(tasks);
    }
}

#endif
