"""Terminals: the line discipline, pseudoterminals, the console.

A terminal stands between a program and a person (or a program that plays one):

    keys -> line discipline -> input queue -> read(2)
    screen <- output processing <- write(2); echo goes the same way

* ``settings``: what stty shows and changes.
* ``line_discipline`` (with ``input_queue``, ``eraser``, ``output``): N_TTY, the editor in between.
  It knows neither tasks nor devices.
* ``terminal``: a line discipline with a screen, a session and a foreground group.
* ``terminal_file``: read, write and poll of an open terminal; ``requests``: its ioctls.
* ``console``: the terminal whose other side is the caller's own, which ``host_terminal`` handles
  with care; ``pseudo``: the terminal whose other side is a program in the guest.
* ``devpts``: the directory of pseudoterminals; ``drivers``: who opens which device number.

Job control (who may read, who is signalled) is kernel.task.jobs; terminals only ask it.
"""
