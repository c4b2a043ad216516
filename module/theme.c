// SPDX-License-Identifier: GPL-2.0
/* Which of the five failures that define this tool a thing serves. */
#include <linux/kernel.h>
#include <linux/string.h>

#include "mmrace.h"

static const struct {
	const char *group;
	const char *theme;
} group_themes[] = {
	{ "gather",	"lost-write" },
	{ "rmap",	"lost-write" },
	{ "tlb",	"lost-write" },
	{ "writeback",	"lost-write" },
	{ "thp",	"thp-split-gup" },
	{ "gup",	"thp-split-gup" },
	{ "notifier",	"secondary-mmu" },
	{ "ksm",	"secondary-mmu" },
	{ "swap",	"secondary-mmu" },
	{ "exit",	"full-mm-exit" },
	{ "lazymmu",	"lazy-mmu" },
};

static const char *theme_of(const char *group)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(group_themes); i++)
		if (!strcmp(group_themes[i].group, group))
			return group_themes[i].theme;
	return "-";
}

void mmr_themes_show(struct seq_file *m)
{
	unsigned int i;

	for (i = 0; i < MMR_NR_PROBES; i++)
		seq_printf(m, "probe %s %s\n", mmr_probes[i].name,
			   theme_of(mmr_probes[i].group));
	mmr_checkers_show_themes(m);
	mmr_plants_show_themes(m);
}
