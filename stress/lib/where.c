// SPDX-License-Identifier: GPL-2.0
/*
 * Where a program's threads are, and its children's, for who wants to know why it makes no
 * progress. Best effort: a stack is shown to root alone, and of a thread that runs in user space
 * there is none.
 */
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core.h"

#define STACK_MAX 700	/* bytes that are shown of one: a note has room for them */

struct thread {
	char name[32];	/* as in ps(1) */
	char state;	/* its letter there */
	int parent;
};

/* path: of a thread, in /proc. */
static bool read_thread(const char *path, struct thread *t)
{
	char file[96], stat[512];
	char *name, *name_end;

	snprintf(file, sizeof(file), "%s/stat", path);
	if (race_read_file(file, stat, sizeof(stat)))
		return false;
	/* The name may have brackets itself. */
	name = strchr(stat, '(');
	name_end = strrchr(stat, ')');
	if (!name || !name_end || sscanf(name_end, ") %c %d", &t->state, &t->parent) != 2)
		return false;
	*name_end = '\0';
	snprintf(t->name, sizeof(t->name), "%s", name + 1);
	return true;
}

static void say_thread(int pid, const char *tid)
{
	char path[64], file[96], stack[STACK_MAX];
	struct thread t;

	snprintf(path, sizeof(path), "/proc/%d/task/%.16s", pid, tid);
	if (!read_thread(path, &t))
		return;
	snprintf(file, sizeof(file), "%s/stack", path);
	if (race_read_file(file, stack, sizeof(stack)))
		stack[0] = '\0';
	for (char *at = stack; (at = strchr(at, '\n')); at++)
		*at = ' ';
	race_note("thread %s (%s), state %c: %s", tid, t.name, t.state,
		  stack[0] ? stack : "in user space, or its stack is not shown");
}

static void say_child(int pid, const char *candidate)
{
	char path[64];
	struct thread t;

	snprintf(path, sizeof(path), "/proc/%.16s", candidate);
	/* The guard is one of them, and asks. */
	if (read_thread(path, &t) && t.parent == pid && atoi(candidate) != getpid())
		say_where(atoi(candidate));
}

/* Calls it for every directory of this one that is named by a number. */
static void for_each_number(const char *path, int pid, void (*say)(int pid, const char *number))
{
	struct dirent *entry;
	DIR *dir = opendir(path);

	while (dir && (entry = readdir(dir)))
		if (isdigit(entry->d_name[0]))
			say(pid, entry->d_name);
	if (dir)
		closedir(dir);
}

void say_where(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	for_each_number(path, pid, say_thread);
	for_each_number("/proc", pid, say_child);
}
