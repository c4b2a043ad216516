// SPDX-License-Identifier: GPL-2.0
/*
 * The guard: a process in a session of its own that outlives the program by a
 * moment, however the program ends. It
 *   - undoes what the program left when that was killed,
 *   - ends a program that makes no progress, and says so in its place.
 * What must be undone is listed in shared memory, so that the guard needs
 * nothing from the dead.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core.h"

#define STALL_DEFAULT_S	120
#define GRACE_MS	2000

static pid_t guard;

static int undo_add(enum undo_kind kind, const char *path, const char *text)
{
	for (int i = 0; i < UNDO_MAX; i++) {
		struct undo *u = &core->undo[i];

		if (atomic_load(&u->used))
			continue;
		if (strlen(path) >= sizeof(u->path) ||
		    strlen(text) >= sizeof(u->text))
			race_error("%s: name too long", path);
		u->kind = kind;
		strcpy(u->path, path);
		strcpy(u->text, text);
		/* The guard reads the entry only once it sees this. */
		atomic_store(&u->used, 1);
		return i;
	}
	race_error("the race has too much to undo");
}

int race_undo_unlink(const char *path)
{
	return undo_add(UNDO_UNLINK, path, "");
}

int race_undo_write(const char *path, const char *text)
{
	return undo_add(UNDO_WRITE, path, text);
}

int race_undo_swapoff(const char *path)
{
	return undo_add(UNDO_SWAPOFF, path, "");
}

int race_undo_umount(const char *path)
{
	return undo_add(UNDO_UMOUNT, path, "");
}

void race_undone(int handle)
{
	struct undo *u = &core->undo[handle];
	unsigned int todo = 1;
	int err = 0;

	if (!atomic_compare_exchange_strong(&u->used, &todo, 2))
		return;
	switch (u->kind) {
	case UNDO_UNLINK:
		err = unlink(u->path);
		break;
	case UNDO_WRITE:
		err = race_write_file(u->path, u->text);
		break;
	case UNDO_SWAPOFF:
		/* EINVAL: it was not on, so there is nothing to undo. */
		err = swapoff(u->path) && errno != EINVAL;
		break;
	case UNDO_UMOUNT:
		err = umount2(u->path, MNT_DETACH);
		break;
	}
	if (err)
		race_note("%s could not be put back: %s", u->path,
			  strerror(errno));
	atomic_store(&u->used, 0);
}

void undo_all(void)
{
	for (int i = UNDO_MAX; i-- > 0;)
		race_undone(i);
}

/* True when main ended within ms. */
static bool main_gone(int pidfd, int ms)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	return poll(&p, 1, ms) > 0;
}

static void stalled(pid_t pid, int pidfd, unsigned int stall_s)
{
	char reason[REASON_MAX];

	snprintf(reason, sizeof(reason), "no progress for %u s in round %llu",
		 stall_s, core->round);
	say_where(pid);
	report_end(STATUS_ERROR, reason);
	/* Its handler exits with the status of an error. */
	kill(pid, SIGUSR2);
	if (!main_gone(pidfd, GRACE_MS))
		kill(pid, SIGKILL);
	main_gone(pidfd, GRACE_MS);
}

static void guard_main(pid_t pid, int pidfd, unsigned int stall_s)
{
	unsigned int beat = 0, quiet_s = 0;

	setsid();
	prctl(PR_SET_NAME, "mmrace-guard");
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	while (!main_gone(pidfd, 1000)) {
		quiet_s = beat == core->beat ? quiet_s + 1 : 0;
		beat = core->beat;
		if (quiet_s >= stall_s) {
			stalled(pid, pidfd, stall_s);
			break;
		}
	}
	/* Nothing happens here when the program has ended by itself. */
	report_end(STATUS_ERROR, "the program was killed");
	undo_all();
	_exit(0);
}

static void give_up(int sig)
{
	(void)sig;
	_exit(5);
}

void guard_begin(unsigned int stall_s)
{
	pid_t pid = getpid();
	int pidfd = syscall(SYS_pidfd_open, pid, 0);

	if (pidfd < 0)
		race_error("pidfd_open: %s", strerror(errno));
	signal(SIGUSR2, give_up);
	guard = fork();
	if (guard < 0)
		race_error("fork: %s", strerror(errno));
	if (!guard)
		guard_main(pid, pidfd, stall_s ? stall_s : STALL_DEFAULT_S);
	close(pidfd);
}

void guard_end(void)
{
	if (guard <= 0)
		return;
	kill(guard, SIGKILL);
	waitpid(guard, NULL, 0);
}
