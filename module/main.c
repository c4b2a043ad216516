// SPDX-License-Identifier: GPL-2.0
/* Order of coming and going, nothing else. */
#include <linux/module.h>

#include "mmrace.h"

static int __init mmrace_init(void)
{
	int err;

	err = mmr_counters_init();
	if (err)
		return err;
	err = mmr_hist_init();
	if (err)
		goto err_counters;
	err = mmr_window_init();
	if (err)
		goto err_hist;
	err = mmr_target_init();
	if (err)
		goto err_window;
	mmr_places_init();
	err = mmr_plants_init();
	if (err)
		goto err_places;
	err = mmr_probes_init();
	if (err)
		goto err_plants;
	err = mmr_debugfs_init();
	if (err)
		goto err_probes;
	err = mmr_dev_init();
	if (err)
		goto err_debugfs;
	return 0;

err_debugfs:
	mmr_debugfs_exit();
err_probes:
	mmr_probes_exit();
err_plants:
	mmr_plants_exit();
err_places:
	mmr_places_exit();
	mmr_target_exit();
err_window:
	mmr_window_exit();
err_hist:
	mmr_hist_exit();
err_counters:
	mmr_counters_exit();
	return err;
}

/* Nobody may ask, then nobody may be called, then what they used may go. */
static void __exit mmrace_exit(void)
{
	mmr_dev_exit();
	mmr_debugfs_exit();
	mmr_probes_exit();
	mmr_plants_exit();
	mmr_places_exit();
	mmr_target_exit();
	mmr_window_exit();
	mmr_hist_exit();
	mmr_counters_exit();
}

module_init(mmrace_init);
module_exit(mmrace_exit);

MODULE_DESCRIPTION("Watch and widen memory-management races on a running kernel");
MODULE_AUTHOR("The mmrace authors");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1.0");
