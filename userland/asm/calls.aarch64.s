// Three calls with known registers, for the line forms of the raw trace: write(1, text, 5),
// openat(AT_FDCWD, "/nowhere"), and the number 1000, which is nobody's.
        .globl _start
        .text
_start:
        mov x0, #1
        adr x1, text
        mov x2, #5
        mov x8, #64                     // write
        svc #0
        mov x0, #-100                   // AT_FDCWD
        adr x1, path
        mov x2, #0
        mov x3, #0
        mov x8, #56                     // openat
        svc #0
        mov x0, #0
        mov x1, #0
        mov x8, #1000
        svc #0
        mov x0, #0
        mov x8, #94                     // exit_group
        svc #0
text:   .ascii "ciao\n"
path:   .asciz "/nowhere"
        .section .note.GNU-stack,"",%progbits
