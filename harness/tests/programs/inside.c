// SPDX-License-Identifier: GPL-2.0
/* "inside DISK COMMAND": runs a shell command in the root file system that DISK (ext4) holds. */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROOT "/tools"

static const char *const shared[] = { "/proc", "/sys", "/dev", "/mmrace", "/scratch", NULL };

static int failed(const char *what)
{
	perror(what);
	return 5;
}

int main(int argc, char **argv)
{
	char at[64];
	struct stat st;

	if (argc != 3) {
		fprintf(stderr, "usage: inside DISK COMMAND\n");
		return 2;
	}
	mkdir(ROOT, 0755);
	/* Mounted by whoever came first. */
	if (stat(ROOT "/bin/sh", &st) && mount(argv[1], ROOT, "ext4", 0, NULL))
		return failed(argv[1]);
	for (int i = 0; shared[i]; i++) {
		snprintf(at, sizeof(at), ROOT "%s", shared[i]);
		mkdir(at, 0755);
		if (mount(shared[i], at, NULL, MS_BIND | MS_REC, NULL))
			return failed(at);
	}
	if (chroot(ROOT) || chdir("/"))
		return failed(ROOT);
	dup2(STDOUT_FILENO, STDERR_FILENO);
	execl("/bin/sh", "sh", "-c", argv[2], NULL);
	return failed("/bin/sh");
}
