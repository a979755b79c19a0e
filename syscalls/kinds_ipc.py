"""Argument kinds of System V IPC, message queues and inotify.  See ``syscalls.kinds``."""

from __future__ import annotations

from typing import NewType

from syscalls.kinds import S32, S64, U32, U64, describe

IpcKey = NewType("IpcKey", int)
describe("IpcKey", S32, "ipc_key")
IpcId = NewType("IpcId", int)
describe("IpcId", S32, "dec")
IpcGetFlags = NewType("IpcGetFlags", int)
describe("IpcGetFlags", S32, "ipc_get_flags")
ShmFlags = NewType("ShmFlags", int)
describe("ShmFlags", S32, "flags:shmat")
ShmCommand = NewType("ShmCommand", int)
describe("ShmCommand", S32, "const:shmctl")
SemCommand = NewType("SemCommand", int)
describe("SemCommand", S32, "const:semctl")
MsgCommand = NewType("MsgCommand", int)
describe("MsgCommand", S32, "const:msgctl")
MsgopFlags = NewType("MsgopFlags", int)
describe("MsgopFlags", S32, "flags:msgop")
SembufPtr = NewType("SembufPtr", int)
describe("SembufPtr", U64, "*sembufs")
SemArg = NewType("SemArg", int)
describe("SemArg", U64, "addr")
MsgbufPtr = NewType("MsgbufPtr", int)
describe("MsgbufPtr", U64, "*msgbuf")
MsgbufOutPtr = NewType("MsgbufOutPtr", int)
describe("MsgbufOutPtr", U64, "*msgbuf", out=True)
MsgType = NewType("MsgType", int)
describe("MsgType", S64, "dec")
MqAttrPtr = NewType("MqAttrPtr", int)
describe("MqAttrPtr", U64, "*mq_attr")
MqAttrOutPtr = NewType("MqAttrOutPtr", int)
describe("MqAttrOutPtr", U64, "*mq_attr", out=True)
MqPriority = NewType("MqPriority", int)
describe("MqPriority", U32, "dec")
InotifyFlags = NewType("InotifyFlags", int)
describe("InotifyFlags", S32, "flags:inotify_init")
InotifyMask = NewType("InotifyMask", int)
describe("InotifyMask", U32, "flags:inotify")
