// write(1, "hello\n", 6); exit(7): a program without a C library.
// The stack pointer must be 16-byte aligned at entry; it is checked.
        .globl  _start
        .text
_start:
        mov     x19, #64                // status if the entry state is wrong
        mov     x1, sp
        tst     x1, #15
        b.ne    leave
        mov     x8, #64                 // write
        mov     x0, #1
        adr     x1, text
        mov     x2, #6
        svc     #0
        mov     x19, #65
        cmp     x0, #6
        b.ne    leave
        mov     x19, #7
leave:
        mov     x0, x19
        mov     x8, #93                 // exit
        svc     #0
        brk     #0

        .balign 8
text:   .ascii  "hello\n"
        .section .note.GNU-stack,"",%progbits
