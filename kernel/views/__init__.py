"""Views: file systems and files that show tasks.

They lie above kernel.task because what they show is the state of tasks: ``procfs`` and ``sysfs``
(text made when it is read), ``terminal`` (job control), the descriptors that stand for signals,
timers and processes (``signalfd``, ``timerfd``, ``pidfd``), and POSIX message queues (``mqueue``),
which tell a process by a signal.
"""
