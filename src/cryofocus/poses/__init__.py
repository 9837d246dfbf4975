"""Orientations and shifts of particles: refined, searched for, and how sure they are."""
