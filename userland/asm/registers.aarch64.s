// The first instruction of a process finds every general register zero but the stack pointer: a C
// library takes x0 for a function to call at exit.  Exits with 0, or 1 if something was left in
// them.
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
        cmp x0, #0
        cset x0, ne
        mov x1, sp
        tst x1, #15                     // the stack pointer is aligned, and argc is there
        b.ne misaligned
        ldr x1, [sp]
        cmp x1, #1
        b.eq done
misaligned:
        mov x0, #2
done:
        mov x8, #94                     // exit_group
        svc #0

        .section .note.GNU-stack,"",%progbits
