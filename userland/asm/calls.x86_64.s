# Three calls with known registers, for the line forms of the raw trace: write(1, text, 5),
# open("/nowhere"), and the number 1000, which is nobody's.
        .globl _start
        .text
_start:
        mov $1, %eax                    # write
        mov $1, %edi
        lea text(%rip), %rsi
        mov $5, %edx
        syscall
        mov $2, %eax                    # open
        lea path(%rip), %rdi
        xor %esi, %esi
        xor %edx, %edx
        syscall
        mov $1000, %eax
        syscall
        xor %edi, %edi
        mov $231, %eax                  # exit_group
        syscall
        .section .rodata
text:   .ascii "ciao\n"
path:   .asciz "/nowhere"
        .section .note.GNU-stack,"",@progbits
