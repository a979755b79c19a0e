"""Why the kernel answered so: the words below an error or a wait of ``trace --explain``.

The reason of an error is made where it is raised: only there is it known which component of a path
was missing, which limit was met, which bit of a mode refused.  What a raise cannot know, because
its room lies below tasks, is added here: the names of processes, who has the other end of a pipe
or the lock, which call closed a descriptor, which signal cut a sleep short.

``Explainer`` is an observer: it remembers how descriptors were closed, and answers two questions of
the tracers, ``why`` (of a call that failed) and ``wait`` (of a call that sleeps).  It looks at the
kernel as it is at that moment and changes nothing; nothing here runs unless ``--explain`` is given.

- ``explainer``: the observer, and what is added to a reason
- ``waits``: what a sleeping call waits for, by call
- ``locks``: futexes and who holds what they stand for
- ``files``: what an open file is, who holds it, and what would make it ready
- ``who``: naming processes
"""

from kernel.machine.explain.explainer import Explainer
from kernel.machine.explain.waits import waits_for

__all__ = ["Explainer", "waits_for"]
