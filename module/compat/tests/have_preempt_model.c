// SPDX-License-Identifier: GPL-2.0
/*
 * v5.18, cfe43f478b79 ("preempt/dynamic: Introduce preemption model
 * accessors"): with PREEMPT_DYNAMIC the model is known only at run time.
 */
#include <linux/sched.h>

bool mmrace_test(void)
{
	return preempt_model_none() || preempt_model_full();
}
