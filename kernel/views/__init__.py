"""Views: file systems and files that show tasks.

They lie above kernel.task because what they show is the state of tasks: ``procfs`` and ``sysfs``
(text made when it is read), ``terminal`` (job control), and later the descriptors that stand for
signals, timers and processes.
"""
