// SPDX-License-Identifier: GPL-2.0
/* The words that a race may put into its needs, and how each is checked. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core.h"

static char why[REASON_MAX];

static const char *root_missing(void)
{
	return geteuid() ? "needs root" : NULL;
}

static const char *module_missing(void)
{
	return module_present() ? NULL : "needs the module's debugfs files";
}

static const char *own_dir_missing(void)
{
	return dir_missing(args.dir);
}

static const char *thp_missing(void)
{
	char text[64];

	if (race_read_file("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size",
			   text, sizeof(text)))
		return "needs transparent huge pages: this machine or kernel has none";
	if (!race_read_file("/sys/kernel/mm/transparent_hugepage/enabled",
			    text, sizeof(text)) && strstr(text, "[never]"))
		return "needs transparent huge pages: they are switched off";
	return NULL;
}

static const char *ksm_missing(void)
{
	return access("/sys/kernel/mm/ksm/run", W_OK) ?
	       "needs KSM, and root to switch it" : NULL;
}

static const struct {
	const char *word;
	const char *(*missing)(void);
} words[] = {
	{ "root", root_missing },
	{ "module", module_missing },
	{ "dir", own_dir_missing },
	{ "thp", thp_missing },
	{ "ksm", ksm_missing },
};

const char *race_need_missing(const char *need)
{
	if (!strncmp(need, "cpus>=", 6)) {
		unsigned long wanted = strtoul(need + 6, NULL, 10);

		if (race_cpus() >= wanted)
			return NULL;
		snprintf(why, sizeof(why), "needs %lu CPUs, has %u", wanted,
			 race_cpus());
		return why;
	}
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (!strcmp(words[i].word, need))
			return words[i].missing();
	/* Those that only the race itself can look at, such as swap. */
	return NULL;
}
