// SPDX-License-Identifier: GPL-2.0
/*
 * The module's side of the program, through debugfs: tag ourselves, open the
 * windows, plant the control. The program works without the module and says so.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../include/mmrace_abi.h"
#include "core.h"

#define FILE_OF(name) MMRACE_DEBUGFS_PATH "/" name

bool module_present(void)
{
	return !access(FILE_OF("target"), W_OK);
}

static void open_windows(void)
{
	char text[128];

	for (const struct race_window *w = race.windows; w && w->name; w++) {
		snprintf(text, sizeof(text), "%s %lu %lu 1/%u %lu", w->name,
			 w->min_ns, w->max_ns, w->one_in, w->budget_us_per_s);
		if (race_write_file(FILE_OF("windows"), text)) {
			race_note("window %s stays closed: %s", w->name,
				  strerror(errno));
			continue;
		}
		snprintf(text, sizeof(text), "%s off", w->name);
		race_undo_write(FILE_OF("windows"), text);
		core->windows_open = true;
	}
}

/* The module's reason for a plant that it has not: "NAME absent SYMBOL HITS REASON...". */
static void why_absent(const char *name, char *why, size_t size)
{
	char *line = NULL, found[64], reason[128];
	size_t room = 0;
	FILE *f = fopen(FILE_OF("plants"), "re");

	snprintf(why, size, "%s: the module has no such plant", name);
	while (f && getline(&line, &room, f) > 0) {
		if (sscanf(line, "%63s %*s %*s %*s %127[^\n]", found, reason) != 2 ||
		    strcmp(found, name))
			continue;
		snprintf(why, size, "%s: %s", name, reason);
		break;
	}
	free(line);
	if (f)
		fclose(f);
}

/* Plants the first of the race's controls that this kernel takes. */
void module_plant(void)
{
	char names[128], text[160], why[400] = "", *name, *rest;
	size_t len = 0;
	int error = 0;

	if (args.mode != MODE_CONTROL)
		return;
	if (!race.control)
		race_skip("this race declares no control");
	snprintf(names, sizeof(names), "%s", race.control);
	for (name = strtok_r(names, "|", &rest); name;
	     name = strtok_r(NULL, "|", &rest)) {
		snprintf(text, sizeof(text), "%s on", name);
		if (race_write_file(FILE_OF("plants"), text)) {
			error = errno;
			continue;
		}
		race_note("planted: %s", name);
		snprintf(text, sizeof(text), "%s off", name);
		race_undo_write(FILE_OF("plants"), text);
		return;
	}
	if (error != EINVAL)
		race_skip("plant %s cannot be set: %s", race.control, strerror(error));
	snprintf(names, sizeof(names), "%s", race.control);
	for (name = strtok_r(names, "|", &rest); name; name = strtok_r(NULL, "|", &rest)) {
		why_absent(name, text, sizeof(text));
		len += snprintf(why + len, sizeof(why) - len, "%s%s", len ? "; " : "", text);
		if (len >= sizeof(why))
			break;
	}
	race_skip("this kernel takes no bug that the race could be proven by: %s", why);
}

void module_begin(void)
{
	char text[64];

	core->windows_wanted = args.mode == MODE_WIDENED && race.windows;
	if (!module_present()) {
		if (args.mode == MODE_CONTROL)
			race_skip("control mode needs the module's debugfs files");
		if (args.mode == MODE_WIDENED)
			race_note("no module, or its debugfs cannot be written: windows stay closed");
		return;
	}
	snprintf(text, sizeof(text), "pid %d", getpid());
	if (race_write_file(FILE_OF("target"), text))
		race_note("the module does not take us as a target: %s",
			  strerror(errno));
	snprintf(text, sizeof(text), "%llu", (unsigned long long)args.seed);
	if (race_write_file(FILE_OF("seed"), text))
		race_note("the module does not take the seed: %s",
			  strerror(errno));
	if (args.mode == MODE_WIDENED)
		open_windows();
}
