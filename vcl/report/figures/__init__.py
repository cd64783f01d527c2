"""Figures of runs, drawn from their folders."""
