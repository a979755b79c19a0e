/* Waiting until somebody sleeps, as /proc shows it: on a busy host no pause of ours is long enough
 * for another to have come to its call. */
#ifndef ASLEEP_H
#define ASLEEP_H

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Until the task sleeps whose /proc directory this is; one that is gone does not run either.  The
 * calls are few and the same each time: traces of these programs are compared. */
static inline void until_it_sleeps(const char *directory)
{
    char path[64], text[512];
    snprintf(path, sizeof path, "%s/stat", directory);
    int file = open(path, O_RDONLY), awake = file >= 0;
    while (awake) {
        usleep(1000);
        long got = pread(file, text, sizeof text - 1, 0);
        text[got > 0 ? got : 0] = 0;
        char *name_end = strrchr(text, ')');
        awake = got > 0 && !(name_end && strchr("SZX", name_end[2]));
    }
    if (file >= 0)
        close(file);
}

/* Until the first thread of a process sleeps. */
static inline void until_asleep(pid_t pid)
{
    char directory[32];
    snprintf(directory, sizeof directory, "/proc/%d", pid);
    until_it_sleeps(directory);
}

/* Until all other threads of this process sleep. */
static inline void until_others_asleep(void)
{
    char directory[64];
    DIR *tasks = opendir("/proc/self/task");
    struct dirent *task;
    while (tasks && (task = readdir(tasks))) {
        int tid = atoi(task->d_name);
        snprintf(directory, sizeof directory, "/proc/self/task/%d", tid);
        if (tid && tid != (int)syscall(SYS_gettid))
            until_it_sleeps(directory);
    }
    closedir(tasks);
}

#endif
