"""The in-tree build backend: ``backend`` for installers, ``compile`` for the C part.

Installers import ``backend`` from this directory itself (``backend-path``), where there is no
package; so the two modules import each other by plain name.
"""
