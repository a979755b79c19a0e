# The first instruction of a process finds every general register zero but the stack pointer: a C
# library takes %rdx for a function to call at exit.  Exits with 0, or 1 if something was left in
# them.
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
        xor %edi, %edi
        test %rax, %rax
        setne %dil
        test $15, %spl                  # the stack pointer is aligned, and argc is there
        jnz misaligned
        cmpq $1, (%rsp)
        je done
misaligned:
        mov $2, %edi
done:
        mov $231, %eax                  # exit_group
        syscall

        .section .note.GNU-stack,"",@progbits
