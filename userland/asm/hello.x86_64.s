# write(1, "hello\n", 6); exit(7): a program without a C library.
# The System V ABI wants rdx = 0 and a 16-byte aligned stack at entry; both are checked.
        .globl  _start
        .text
_start:
        mov     $64, %edi               # status if the entry state is wrong
        test    %rdx, %rdx
        jnz     leave
        test    $15, %rsp
        jnz     leave
        mov     $1, %eax                # write
        mov     $1, %edi
        lea     text(%rip), %rsi
        mov     $6, %edx
        syscall
        mov     $65, %edi
        cmp     $6, %rax
        jne     leave
        mov     $7, %edi
leave:
        mov     $60, %eax               # exit
        syscall
        hlt

        .section .rodata
text:   .ascii  "hello\n"
        .section .note.GNU-stack,"",@progbits
