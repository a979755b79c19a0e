"""Pictures for notebooks: descriptions of the kernel's objects as HTML with inline SVG.

``views`` has what the library returns: lists and descriptions that a notebook shows as pictures.
The modules beside it draw one thing each, from plain data (``kernel.machine.describe``) only:

    tree.py          the process tree
    descriptors.py   a descriptor table, with shared open files drawn once
    memory.py        a memory map, rights as colours
    walk.py          the page walk of one address, four tables
    waits.py         the wait-for graph, circles in red
    svg.py           the shapes; why there is no background and no text colour

Nothing here loads a library or a resource: a saved page can be opened anywhere.
"""
