"""What people hold in their hands: the command line, the tracer, the inspector, the generators.

The kernel knows nothing of this room.  It lies above all others: :mod:`tools.boot` puts a machine
together from the syscall table, the loader, a CPU and the mounts, and everything else here looks
at that machine through the few events of :mod:`kernel.events`.

- :mod:`tools.config`: everything that can be said about a run, as plain values.
- :mod:`tools.cli`: the command line, which only fills such a value in.
- :mod:`tools.boot`: from that value to a running machine.
- :mod:`tools.busybox`, :mod:`tools.fetch`: where the programs come from that are not ours.
- :mod:`tools.generators`: what is generated and committed: number tables, the roadmap.
"""
