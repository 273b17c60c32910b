"""The search index of a user, which every store builds from its rows and keeps in a cache."""
