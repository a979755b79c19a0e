/* Expectations of the programs here: each failed one prints its line; the status counts them. */
#ifndef CHECK_H
#define CHECK_H

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int failures;

#define CHECK(condition)                                                                       \
    do {                                                                                       \
        errno = 0;                                                                             \
        if (!(condition)) {                                                                    \
            int why = errno;                                                                   \
            printf("%s:%d: failed: %s (errno %d: %s)\n", __FILE_NAME__, __LINE__, #condition,  \
                   why, strerror(why));                                                        \
            failures++;                                                                        \
        }                                                                                      \
    } while (0)

/* The call must fail, and with this errno. */
#define FAILS(call, error)                                                                     \
    do {                                                                                       \
        errno = 0;                                                                             \
        long returned_ = (long)(call);                                                               \
        if (returned_ != -1 || errno != (error)) {                                                   \
            printf("%s:%d: failed: %s returned %ld, errno %d (%s), not %s\n", __FILE_NAME__,   \
                   __LINE__, #call, returned_, errno, strerror(errno), #error);                      \
            failures++;                                                                        \
        }                                                                                      \
    } while (0)

static inline int finish(void)
{
    fflush(stdout);
    if (!failures)
        printf("ok\n");
    fflush(stdout);
    return failures > 100 ? 100 : failures;
}

#endif
