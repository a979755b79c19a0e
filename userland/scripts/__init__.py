"""Programs in languages that the guest interprets: BusyBox's shell, Debian's sh, Python and Perl.

Each is whole in itself, prints the same on every Linux, and is run by the tests both on the real
kernel and on ours.  Nothing of the project imports the Python ones: they run inside the guest, on
the guest's Python.
"""
