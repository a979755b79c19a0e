"""procfs: the state of the kernel as files.  See proc(5).

Nothing is stored: each text is made when it is read, so it shows the present.

* ``nodes``: text files, links and directories, the material.
* ``root``: /proc itself; ``process``: the directory of a process and of a task.
* ``process_status``, ``process_memory``, ``process_files``: the files of a process, by family.
* ``machine_files``: cpuinfo, meminfo, stat and the like; ``sysctl``: /proc/sys.
* ``access``: who may look into a process.
"""
