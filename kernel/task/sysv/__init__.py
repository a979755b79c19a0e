"""System V IPC: shared memory, semaphore sets, message queues.  See sysvipc(7).

All three are objects with a key, found through a table (``ids``), with an owner and permission bits
like a file's but without a place in the tree: they live until somebody removes them, whether
anyone uses them or not.  A removed object wakes everybody who sleeps on it with EIDRM; a shared
memory segment goes when the last mapping does.

Linux analogue: ``ipc/util.c``, ``ipc/shm.c``, ``ipc/sem.c``, ``ipc/msg.c``.
"""
