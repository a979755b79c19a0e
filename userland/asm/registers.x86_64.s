# The first instruction of a process finds every register zero but the stack pointer, whatever ran
# before it: a C library takes %rdx for a function to call at exit, and vector registers would tell
# what another program computed.  Exits with 0, 1 if something was left in them, 2 for the stack,
# 3 for a control word that is not the default.
        .globl _start
        .text
_start:
        or %rbx, %rax
        or %rcx, %rax
        or %rdx, %rax
        or %rsi, %rax
        or %rdi, %rax
        or %rbp, %rax
        or %r8, %rax
        or %r9, %rax
        or %r10, %rax
        or %r11, %rax
        or %r12, %rax
        or %r13, %rax
        or %r14, %rax
        or %r15, %rax
        .macro vector n
        movq %xmm\n, %rbx
        or %rbx, %rax
        psrldq $8, %xmm\n
        movq %xmm\n, %rbx
        or %rbx, %rax
        .endm
        .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
        vector \n
        .endr
        xor %edi, %edi
        test %rax, %rax
        setne %dil
        test $15, %spl                  # the stack pointer is aligned, and argc is there
        jnz misaligned
        cmpq $1, (%rsp)
        jne misaligned
        mov $3, %ebx
        stmxcsr -8(%rsp)
        cmpl $0x1f80, -8(%rsp)
        cmovne %ebx, %edi
        fnstcw -8(%rsp)
        cmpw $0x37f, -8(%rsp)
        cmovne %ebx, %edi
        jmp done
misaligned:
        mov $2, %edi
done:
        mov $231, %eax                  # exit_group
        syscall

        .section .note.GNU-stack,"",@progbits
