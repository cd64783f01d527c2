"""Training, one video at a time. The only room that knows Avalanche.

Importing anything in here imports Avalanche, which takes seconds: import it from the code that trains.
"""
