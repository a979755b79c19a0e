"""System V IPC and POSIX message queues: numbers, structures.  See sysvipc(7), mq_overview(7)."""

from __future__ import annotations

from struct import Struct
from typing import Final

# shmget(2), semget(2), msgget(2)
IPC_PRIVATE: Final = 0
IPC_CREAT: Final = 0o1000
IPC_EXCL: Final = 0o2000
IPC_NOWAIT: Final = 0o4000

# shmctl(2), semctl(2), msgctl(2)
IPC_RMID: Final = 0
IPC_SET: Final = 1
IPC_STAT: Final = 2
IPC_INFO: Final = 3

# shmat(2), shmctl(2)
SHM_DEST: Final = 0o1000
SHM_LOCKED: Final = 0o2000
SHM_HUGETLB: Final = 0o4000
SHM_NORESERVE: Final = 0o10000
SHM_RDONLY: Final = 0o10000
SHM_RND: Final = 0o20000
SHM_REMAP: Final = 0o40000
SHM_EXEC: Final = 0o100000
SHM_LOCK: Final = 11
SHM_UNLOCK: Final = 12
SHM_STAT: Final = 13
SHM_INFO: Final = 14
SHM_STAT_ANY: Final = 15

# semop(2), semctl(2)
SEM_UNDO: Final = 0x1000
GETPID: Final = 11
GETVAL: Final = 12
GETALL: Final = 13
GETNCNT: Final = 14
GETZCNT: Final = 15
SETVAL: Final = 16
SETALL: Final = 17
SEM_STAT: Final = 18
SEM_INFO: Final = 19
SEM_STAT_ANY: Final = 20

# msgrcv(2), msgctl(2)
MSG_NOERROR: Final = 0o10000
MSG_EXCEPT: Final = 0o20000
MSG_COPY: Final = 0o40000
MSG_STAT: Final = 11
MSG_INFO: Final = 12
MSG_STAT_ANY: Final = 13

# limits: /proc/sys/kernel/{shm*,sem,msg*}
SHMMAX: Final = (1 << 64) - (1 << 24) - 1
SHMALL: Final = SHMMAX
SHMMNI: Final = 4096
SEMMNI: Final = 32000
SEMMSL: Final = 32000
SEMMNS: Final = 1024000000
SEMOPM: Final = 500
SEMVMX: Final = 32767
SEMAEM: Final = SEMVMX
MSGMNI: Final = 32000
MSGMAX: Final = 8192
MSGMNB: Final = 16384

# key, uid, gid, cuid, cgid, mode, seq
IPC_PERM: Final = Struct("<iIIIIIH6x16x")
# segsz; atime, dtime, ctime; cpid, lpid; nattch
SHMID_DS: Final = Struct("<48sQqqqiiQ16x")
# otime, ctime, nsems; x86_64 has a spare word behind each time
SEMID_DS: Final = Struct("<48sqqQ16x")
SEMID_DS_PADDED: Final = Struct("<48sq8xq8xQ16x")
# stime, rtime, ctime; cbytes, qnum, qbytes; lspid, lrpid
MSQID_DS: Final = Struct("<48sqqqQQQii16x")
SEMBUF: Final = Struct("<Hhh")  # sem_num, sem_op, sem_flg
SHMINFO: Final = Struct("<QQQQQ32x")  # shmmax, shmmin, shmmni, shmseg, shmall
SHM_INFO_DS: Final = Struct("<i4xQQQQQ")  # used_ids, shm_tot, shm_rss, shm_swp, two unused
SEMINFO: Final = Struct("<10i")  # map, mni, mns, mnu, msl, opm, ume, usz, vmx, aem
MSGINFO: Final = Struct("<7iH2x")  # pool, map, max, mnb, mni, ssz, tql, seg

# mq_open(3), mq_getattr(3)
MQ_ATTR: Final = Struct("<qqqq32x")  # mq_flags, mq_maxmsg, mq_msgsize, mq_curmsgs
MQ_PRIO_MAX: Final = 32768
MQUEUE_MAGIC: Final = 0x19800202

# what an operation asks for, in the form of a file's mode
READ: Final = 0o444
WRITE: Final = 0o222
