# SPDX-License-Identifier: GPL-2.0
"""mmrace: find memory-management races on stock kernels, and prove every verdict."""
