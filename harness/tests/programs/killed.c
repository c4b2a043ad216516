// SPDX-License-Identifier: GPL-2.0
/*
 * killed RACE [OPTION...]: a race is killed in the middle of its rounds (SIGKILL, so that it cannot
 * clean up), and a moment later nothing of it may be left: swap, zram, KSM, switches of huge pages, pool sizes, open
 * windows, plants. Prints what is left, and exits with 1 if anything is; 2: it left nothing to undo.
 */
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define RUN_MS		3000
#define PLANTED_MS	200	/* with its plant set: soon, as a control ends once it is proven */
#define POLL_MS		50
#define PLANTS		"/sys/kernel/debug/mmrace/plants"
#define STATE_MAX	8192

static const char *const kept[] = {
	"/proc/swaps", "/sys/kernel/mm/ksm/run", "/sys/kernel/mm/ksm/sleep_millisecs",
	"/sys/kernel/mm/ksm/pages_to_scan", "/proc/sys/vm/nr_hugepages",
	"/sys/kernel/mm/transparent_hugepage/shmem_enabled",
	"/sys/kernel/mm/transparent_hugepage/khugepaged/scan_sleep_millisecs",
	"/sys/kernel/mm/transparent_hugepage/khugepaged/alloc_sleep_millisecs",
	"/sys/kernel/debug/mmrace/windows", PLANTS,
};

static void append(char *state, const char *text)
{
	strncat(state, text, STATE_MAX - 1 - strlen(state));
}

/* Of the module's files the lines that are on; they count, too, which says nothing. */
static bool said(const char *path, const char *line)
{
	return !strstr(path, "mmrace") || strstr(line, " open ") || strstr(line, " on");
}

static void append_file(char *state, const char *path)
{
	char line[512];
	FILE *f = fopen(path, "r");

	append(state, path);
	append(state, "\n");
	while (f && fgets(line, sizeof(line), f)) {
		if (said(path, line))
			append(state, line);
	}
	if (f)
		fclose(f);
}

static void look(char *state)
{
	glob_t found;

	state[0] = '\0';
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		append_file(state, kept[i]);
	if (!glob("/sys/block/zram*", 0, NULL, &found)) {
		for (size_t i = 0; i < found.gl_pathc; i++)
			append(state, found.gl_pathv[i]);
		globfree(&found);
	}
}

/* Plants are set last, when the rounds begin. */
static void let_run(char *state)
{
	for (int ms = 0; ms < RUN_MS; ms += POLL_MS) {
		usleep(POLL_MS * 1000);
		state[0] = '\0';
		append_file(state, PLANTS);
		if (strstr(state, " on")) {
			usleep(PLANTED_MS * 1000);
			return;
		}
	}
}

int main(int argc, char **argv)
{
	static char before[STATE_MAX], during[STATE_MAX], after[STATE_MAX];
	char path[128];
	pid_t pid;

	if (argc < 2)
		return 5;
	look(before);
	snprintf(path, sizeof(path), "/mmrace/races/%s", argv[1]);
	pid = fork();
	if (!pid) {
		int null = open("/dev/null", O_WRONLY);

		dup2(null, STDOUT_FILENO);
		execv(path, argv + 1);
		_exit(5);
	}
	let_run(during);
	look(during);
	if (waitpid(pid, NULL, WNOHANG) == pid) {
		printf("%s ended by itself\n", argv[1]);
		return 5;
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	for (int i = 0; i < 100; i++) {
		usleep(100000);
		look(after);
		if (!strcmp(before, after))
			break;
	}
	if (strcmp(before, after)) {
		printf("before:\n%s\nafter:\n%s\n", before, after);
		return 1;
	}
	return strcmp(before, during) ? 0 : 2;
}
