// SPDX-License-Identifier: GPL-2.0
/*
 * "beside DISK COMMAND": goes on running a shell command in the root file system
 * that DISK (ext4) holds, as a target of the module and the OOM killer's first
 * choice, and prints its process id.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../include/mmrace_abi.h"

#define ROOT "/beside"

static const char *const shared[] = { "/proc", "/sys", "/dev", NULL };

static int failed(const char *what)
{
	perror(what);
	return 5;
}

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return -1;
	return close(fd);
}

/* What is started again in a guest that is up finds the disk mounted. */
static int enter_root(const char *disk)
{
	char at[64];
	struct stat st;

	mkdir(ROOT, 0755);
	if (stat(ROOT "/bin/sh", &st)) {
		if (mount(disk, ROOT, "ext4", 0, NULL))
			return failed(disk);
		for (int i = 0; shared[i]; i++) {
			snprintf(at, sizeof(at), ROOT "%s", shared[i]);
			if (mount(shared[i], at, NULL, MS_BIND | MS_REC, NULL))
				return failed(at);
		}
	}
	if (chroot(ROOT) || chdir("/"))
		return failed(ROOT);
	return 0;
}

int main(int argc, char **argv)
{
	int fd, ready[2];
	char text[32];
	pid_t pid;

	if (argc != 3) {
		fprintf(stderr, "usage: beside DISK COMMAND\n");
		return 2;
	}
	if (enter_root(argv[1]))
		return 5;
	if (pipe(ready))
		return failed("pipe");
	pid = fork();
	if (pid < 0)
		return failed("fork");
	if (pid) {
		close(ready[1]);
		if (read(ready[0], text, sizeof(text)) != 0)
			return failed("reading from the child");
		printf("%d\n", pid);
		return 0;
	}
	/* The agent ends our parent's group, and waits until nobody has its pipes. */
	setsid();
	snprintf(text, sizeof(text), "pid %d", getpid());
	if (write_file(MMRACE_DEBUGFS_PATH "/target", text))
		return failed(MMRACE_DEBUGFS_PATH "/target");
	if (write_file("/proc/self/oom_score_adj", "1000"))
		return failed("/proc/self/oom_score_adj");
	fd = open("/tmp/beside.log", O_WRONLY | O_CREAT | O_APPEND, 0644);
	if (fd < 0)
		return failed("/tmp/beside.log");
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	close_range(STDERR_FILENO + 1, ~0U, 0);
	execl("/bin/sh", "sh", "-c", argv[2], NULL);
	return failed("/bin/sh");
}
