// SPDX-License-Identifier: GPL-2.0
/*
 * Copy on write that leaves the old page to somebody: a pipe holds it until the program
 * has ended. So the threads' stores after a fork() get copies, always; and whoever still
 * reaches the old page, as he was not told, harms nobody by it.
 *
 * That makes it the one change to plant a bug against that takes the notifier away from a
 * virtual CPU: KVM keeps a translation, but no page. The pipes are closed after the
 * memory has gone (do_exit(): exit_mm(), then exit_files(), 6.1 to 7.2), and KVM drops
 * what it has when that goes. Compaction leaves alone what a pipe holds.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "changes.h"
#include "race.h"

#define KEPT_BYTES	(64 << 20)	/* of old pages, in one run */

static size_t kept_bytes;

/* False: the pipe took not all of it. */
static bool keep(const struct region *r)
{
	size_t len = r->pages * race_page_size();
	struct iovec all = { r->mem, len };
	int ends[2];

	if (kept_bytes + len > KEPT_BYTES || pipe2(ends, O_CLOEXEC))
		return false;
	kept_bytes += len;
	return fcntl(ends[1], F_SETPIPE_SZ, (int)len) >= (int)len &&
	       vmsplice(ends[1], &all, 1, SPLICE_F_NONBLOCK) == (ssize_t)len;
}

static const char *kept_setup(const struct region *r)
{
	return keep(r) ? NULL : "needs a pipe for all of the memory";
}

static bool kept(const struct region *r, struct rng *rng)
{
	pid_t pid;

	(void)rng;
	if (!keep(r))
		return false;
	pid = fork();
	if (pid < 0)
		return false;
	/* Its copy is not wanted: to have had one makes the pages shared. */
	if (!pid)
		_exit(0);
	if (waitpid(pid, NULL, 0) != pid)
		race_error("waitpid: %s", strerror(errno));
	return true;
}

const struct change change_kept = {
	.name = "kept",
	.forks = true,
	.private_only = true,
	.setup = kept_setup,
	.make = kept,
};
