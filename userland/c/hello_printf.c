/* The C library's start-up, stdio and floating point: the output must equal the host's. */
#include <stdio.h>

int main(int argc, char **argv)
{
    volatile double third = 1.0 / 3.0, large = 1e300;
    volatile long double precise = 2.0L / 3.0L;

    printf("hello from %s, %d argument%s\n", argc > 0 ? "argv" : "nobody", argc - 1,
           argc == 2 ? "" : "s");
    for (int i = 1; i < argc; i++)
        printf("%d: %s\n", i, argv[i]);
    printf("%.6f %.17g %.3e %a\n", third, third, large * 1e8, third);
    printf("%.15Lg %d %s\n", precise, -42, "end");
    return 3;
}
