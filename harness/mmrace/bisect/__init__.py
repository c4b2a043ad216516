# SPDX-License-Identifier: GPL-2.0
"""Name the commit or package that brought (or fixed) an intermittent failure.

A Bayesian search over a commit graph or an ordered list, with a no-change
hypothesis, failure rates that may drift from commit to commit, and a held-out
confirmation.  docs/bisect.md states the model and how well it keeps its word.
Nothing in here boots a kernel: `runner.Runner` is where the world plugs in.
"""
