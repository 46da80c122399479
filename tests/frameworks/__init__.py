"""Frameworks of voice agents, with the local server as their speech to text."""
