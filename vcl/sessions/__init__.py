"""Training, one video at a time. The only room that knows Avalanche.

Importing anything in here imports torch and what we need of Avalanche: import it from the code that trains.
"""

from vcl.sessions.avalanche_import import import_avalanche

import_avalanche()  # Before any module of this room imports from Avalanche.
