// SPDX-License-Identifier: GPL-2.0
/* Options whose value is one of several things, or "all" of them that can be had. */
#include <string.h>

#include "core.h"

bool race_asked(const char *option, const char *name)
{
	const char *value = race_option(option);

	return !strcmp(value, "all") || !strcmp(value, name);
}

bool race_has(const char *option, const char *name, const char *missing)
{
	if (!missing)
		return true;
	if (strcmp(race_option(option), "all"))
		race_skip("--%s %s: %s", option, name, missing);
	race_note("--%s %s is left out: %s", option, name, missing);
	return false;
}
