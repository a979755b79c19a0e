"""The virtual file system: names, mounts, descriptors, permissions and locks.

Three objects carry everything, as in Linux:

* an **inode** (``inode.py``) is a file itself: its mode, owner, size, times, and what can be done
  to it.  Every file system is a family of inode classes and a ``SuperBlock`` that numbers them.
* a **dentry** (``dentry.py``) is a name for an inode in a directory; together they form the tree
  that a path walk goes through.  A dentry and a mount (``mount.py``) make a ``Path``: a place.
* an **open file** (``openfile.py``) is what a descriptor stands for: an inode, a place, flags, a
  position.  Descriptor tables (``fdtable.py``) hold references to open files.

``walk.py`` is the one function that turns a path into a place.  The operations (open, create,
remove, rename, attributes, xattr, mounting) are modules of functions that take the caller first:
a ``Caller`` is whatever has credentials, limits, a file-system context and a descriptor table; a
task, or a fake in tests.  Nothing in this room knows tasks, signals or the CPU.
"""
