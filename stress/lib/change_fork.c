// SPDX-License-Identifier: GPL-2.0
/* fork: the child's copy is of one moment, and its own. */
#define _GNU_SOURCE
#include <signal.h>
#include <string.h>
#include <errno.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "change.h"
#include "core.h"
#include "words.h"

#define LOOK_MAX 128	/* pages that a forked child looks at */

enum child { CHILD_FINE, CHILD_OLD, CHILD_CHANGED, CHILD_LOST };
static const char *const child_saw[] = {
	[CHILD_OLD] = "less than had been stored before fork()",
	[CHILD_CHANGED] = "a change of its copy",
	[CHILD_LOST] = "that its own store was lost",
};

/* The pages that the child looks at. */
static size_t look_first, look_pages;
static uint64_t *before, *copy;

static const char *fork_setup(const struct region *r)
{
	size_t most = r->pages < LOOK_MAX ? r->pages : LOOK_MAX;

	before = race_shared(most * words_owners() * sizeof(*before));
	copy = race_shared(most * words_owners() * sizeof(*copy));
	return NULL;
}

static volatile uint64_t *look_at(size_t i)
{
	return words_at(i / look_pages, look_first + i % look_pages);
}

static enum child child_looks(void)
{
	size_t n = look_pages * words_owners();
	uint64_t own = ~(uint64_t)getpid();

	for (size_t i = 0; i < n; i++) {
		uint64_t most = words_announced(i / look_pages,
						look_first + i % look_pages);

		copy[i] = *look_at(i);
		if (copy[i] < before[i] && before[i] - copy[i] > race_late_stores() &&
		    !words_possible(copy[i], before[i], most))
			return CHILD_OLD;
	}
	for (size_t i = 0; i < n; i++)
		if (*look_at(i) - copy[i] > race_late_stores())
			return CHILD_CHANGED;
	for (size_t i = 0; i < n; i++)
		*look_at(i) = own;
	for (size_t i = 0; i < n; i++)
		if (*look_at(i) != own)
			return CHILD_LOST;
	return CHILD_FINE;
}

static bool fork_once(const struct region *r, struct rng *rng)
{
	pid_t parent = getpid(), pid;
	int status;

	look_first = rng_below(rng, r->pages);
	look_pages = rng_log(rng, r->pages - look_first);
	if (look_pages > LOOK_MAX)
		look_pages = LOOK_MAX;
	for (size_t i = 0; i < look_pages * words_owners(); i++)
		before[i] = words_published(i / look_pages,
					    look_first + i % look_pages);
	/*
	 * Not fork(), which in the parent writes to its locks while the child is there: a planted
	 * bug in copy on write would turn against the program's own data.
	 */
	pid = _Fork();
	if (pid < 0)
		return false;
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(getppid() == parent ? child_looks() : CHILD_FINE);
	}
	if (waitpid(pid, &status, 0) != pid)
		race_error("waitpid: %s", strerror(errno));
	/* Killed: for its memory, or by somebody who does not like it. */
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		return false;
	if (!WIFEXITED(status))
		race_fail("a forked child died of signal %d", WTERMSIG(status));
	else if (WEXITSTATUS(status))
		race_fail("a forked child saw %s", child_saw[WEXITSTATUS(status)]);
	return true;
}

const struct change change_fork = {
	.name = "fork",
	.forks = true,
	.private_only = true,
	.setup = fork_setup,
	.make = fork_once,
};
