"""Experiments, each a page: a question, a workload, and the strategies that answer it."""
