// The first instruction of a process finds every register zero but the stack pointer, whatever ran
// before it: a C library takes x0 for a function to call at exit, and vector registers would tell
// what another program computed.  Exits with 0, 1 if something was left in them, 2 for the stack,
// 3 for a control register that is not the default.
        .globl _start
        .text
_start:
        orr x0, x0, x1
        orr x0, x0, x2
        orr x0, x0, x3
        orr x0, x0, x4
        orr x0, x0, x5
        orr x0, x0, x6
        orr x0, x0, x7
        orr x0, x0, x8
        orr x0, x0, x9
        orr x0, x0, x10
        orr x0, x0, x11
        orr x0, x0, x12
        orr x0, x0, x13
        orr x0, x0, x14
        orr x0, x0, x15
        orr x0, x0, x16
        orr x0, x0, x17
        orr x0, x0, x18
        orr x0, x0, x19
        orr x0, x0, x20
        orr x0, x0, x21
        orr x0, x0, x22
        orr x0, x0, x23
        orr x0, x0, x24
        orr x0, x0, x25
        orr x0, x0, x26
        orr x0, x0, x27
        orr x0, x0, x28
        orr x0, x0, x29
        orr x0, x0, x30
        .macro vector n
        orr v0.16b, v0.16b, v\n\().16b
        .endm
        .irp n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16
        vector \n
        .endr
        .irp n, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
        vector \n
        .endr
        mov x1, v0.d[0]
        mov x2, v0.d[1]
        orr x0, x0, x1
        orr x0, x0, x2
        cmp x0, #0
        cset x0, ne
        mov x1, sp
        tst x1, #15                     // the stack pointer is aligned, and argc is there
        b.ne misaligned
        ldr x1, [sp]
        cmp x1, #1
        b.ne misaligned
        mrs x1, fpcr
        mrs x2, fpsr
        orr x1, x1, x2
        cbz x1, done
        mov x0, #3
        b done
misaligned:
        mov x0, #2
done:
        mov x8, #94                     // exit_group
        svc #0

        .section .note.GNU-stack,"",%progbits
