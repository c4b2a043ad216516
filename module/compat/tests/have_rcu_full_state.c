// SPDX-License-Identifier: GPL-2.0
/* v6.0, 91a967fd6934 ("rcu: Add full-sized polling for get_completed*() and poll_state*()"). */
#include <linux/rcupdate.h>

bool mmrace_test(struct rcu_gp_oldstate *state)
{
	get_state_synchronize_rcu_full(state);
	return poll_state_synchronize_rcu_full(state);
}
