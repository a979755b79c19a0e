"""Tests, in the shape of the code: ``kernel/mm/vma.py`` has ``tests/kernel/mm/test_vma.py``.

- Unit tests need no engine: they use naive models, hypothesis, and the fake CPU.
- Guest tests boot a machine in-process (``run_guest``) and look at what a program sees.
- Differential tests run the same program on the real kernel, or under qemu for the other CPU, and
  compare; the programs of ``userland/`` check themselves as well.

``@pytest.mark.row("K5")`` says which row of docs/ROADMAP.md a test shows to work.  What a test
needs from outside comes from ``tools/fetch.toml``; an oracle that cannot run here is named at the
end of the run, and is a failure under ``DIORAMA_REQUIRE=all``.
"""
