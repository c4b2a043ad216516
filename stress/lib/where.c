// SPDX-License-Identifier: GPL-2.0
/*
 * Where a program's threads are, for who wants to know why it makes no progress. Best effort:
 * a stack is shown to root alone, and of a thread that runs in user space there is none.
 */
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "core.h"

#define STACK_MAX 700	/* bytes that are shown of one: a note has room for them */

/* The state's letter, as in ps(1): it follows the name, which may have brackets itself. */
static char state_of(const char *stat)
{
	const char *name_end = strrchr(stat, ')');

	return name_end && name_end[1] ? name_end[2] : '?';
}

static void say_thread(pid_t pid, const char *tid)
{
	char path[64], stat[512], stack[STACK_MAX];

	snprintf(path, sizeof(path), "/proc/%d/task/%.16s/stat", (int)pid, tid);
	if (race_read_file(path, stat, sizeof(stat)))
		return;
	snprintf(path, sizeof(path), "/proc/%d/task/%.16s/stack", (int)pid, tid);
	if (race_read_file(path, stack, sizeof(stack)))
		stack[0] = 0;
	for (char *at = stack; (at = strchr(at, '\n')); at++)
		*at = ' ';
	race_note("thread %s, state %c: %s", tid, state_of(stat),
		  stack[0] ? stack : "in user space, or its stack is not shown");
}

void say_where(pid_t pid)
{
	struct dirent *entry;
	char path[64];
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	tasks = opendir(path);
	while (tasks && (entry = readdir(tasks)))
		if (entry->d_name[0] != '.')
			say_thread(pid, entry->d_name);
	if (tasks)
		closedir(tasks);
}
