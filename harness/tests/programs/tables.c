// SPDX-License-Identifier: GPL-2.0
/*
 * The module's own arithmetic, as its files show it: odds and budgets of windows,
 * buckets of histograms, the table of findings, the sets of targets. Needs root and
 * allow_plants=1, and an otherwise quiet module. What is counted here is what this
 * program does: one madvise() is one hit of zap.range and one gather.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../../include/mmrace_abi.h"
#include "../../../stress/tests/ktap.h"

#define MAX_FINDINGS	64	/* module/report.c */
#define CHILDREN	60
#define WAVES		20	/* more than a set of 1024 words could hold at once */

struct window {
	unsigned long long hits, delays, delayed_ns;
	char state[8];
};

static char *page;
static char text[1 << 16];

static void path_of(char *path, size_t size, const char *name)
{
	snprintf(path, size, MMRACE_DEBUGFS_PATH "/%s", name);
}

/* 0, or the error. */
static int put(const char *name, const char *what)
{
	char path[128];
	int fd, error = 0;

	path_of(path, sizeof(path), name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, what, strlen(what)) < 0)
		error = errno;
	close(fd);
	return error;
}

/* A file's lines after its first one, in `text`. */
static char *get(const char *name)
{
	char path[128], *line;
	size_t len = 0;
	ssize_t n;
	int fd;

	path_of(path, sizeof(path), name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	while ((n = read(fd, text + len, sizeof(text) - 1 - len)) > 0)
		len += n;
	close(fd);
	text[len] = '\0';
	line = strchr(text, '\n');
	return line ? line + 1 : text + len;
}

static unsigned int count(const char *lines, const char *what)
{
	unsigned int n = 0;

	for (; (lines = strstr(lines, what)); lines += strlen(what))
		n++;
	return n;
}

static struct window window(void)
{
	struct window seen = { .state = "none" };
	char *line = strstr(get("windows"), "zap.range ");

	if (line)
		sscanf(line, "%*s %*u %*u %*s %*u %7s %llu %llu %llu", seen.state, &seen.hits,
		       &seen.delays, &seen.delayed_ns);
	return seen;
}

static void zap(unsigned int times)
{
	while (times--)
		madvise(page, 1, MADV_DONTNEED);
}

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* What a number of zaps comes to with a window and a seed. */
static struct window zapped(const char *setting, const char *seed, unsigned int times)
{
	struct window seen;

	CHECK(!put("windows", setting) && !put("seed", seed) && !put("reset", "1"));
	zap(times);
	seen = window();
	CHECK(!put("windows", "zap.range off"));
	return seen;
}

static void odds_follow_the_seed(void)
{
	static const char *const seeds[] = { "1", "2", "3", "4" };
	unsigned long long delays[4];
	bool differ = false;

	for (int i = 0; i < 4; i++) {
		struct window one = zapped("zap.range 0 200 1/4 800000", seeds[i], 4000);
		struct window two = zapped("zap.range 0 200 1/4 800000", seeds[i], 4000);

		CHECK(one.hits == 4000 && two.hits == 4000);
		CHECK(one.delays == two.delays);
		/* Five standard deviations of 4000 throws at 1 in 4. */
		CHECK(one.delays > 1000 - 137 && one.delays < 1000 + 137);
		delays[i] = one.delays;
		differ |= delays[i] != delays[0];
	}
	CHECK(differ);
}

/* 10 ms of delay in 2^30 ns, at 50 us each: 200. */
static void a_budget_bounds_delays(void)
{
	double end_s, start_s = now_s();
	struct window seen;

	CHECK(!put("windows", "zap.range 50000 50000 1/1 10000") && !put("reset", "1"));
	do {
		zap(1000);
		end_s = now_s();
	} while (end_s < start_s + 2.5);
	seen = window();
	printf("# %llu hits, %llu delays, %llu us of delay in %.1f s\n", seen.hits, seen.delays,
	       seen.delayed_ns / 1000, end_s - start_s);
	CHECK(seen.hits > seen.delays);
	/* A host that takes the CPU away makes one delay eat the budget of many. */
	CHECK(seen.delays >= 2 && seen.delays <= 200 * (unsigned long long)(end_s - start_s + 2));
	CHECK(seen.delayed_ns >= seen.delays * 50000);
	seen = zapped("zap.range 50000 50000 1/1 0", "1", 100);
	CHECK(seen.hits == 100 && !seen.delays);
}

static void a_bad_window_changes_nothing(void)
{
	static const char *const bad[] = {
		"zap.range 2 1 1/1 10", "zap.range 1 5000001 1/1 10", "zap.range 1 1 1/0 10",
		"zap.range 1 1 1/1 800001", "zap.range 1 1 1/1", "zap.range 1 1 1/1 10 1",
		"zap.range", "zap 1 1 1/1 10", "gather.begin 1 1 1/1 10", "off zap.range",
	};
	char before[128] = "", *line;

	CHECK(!put("windows", "zap.range 10 20 1/3 40"));
	line = strstr(get("windows"), "zap.range ");
	snprintf(before, sizeof(before), "%.*s", line ? (int)strcspn(line, "\n") : 0, line);
	CHECK(strstr(before, "zap.range 10 20 1/3 40 open"));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		CHECK(put("windows", bad[i]) == EINVAL);
		CHECK(strstr(get("windows"), before));
	}
	CHECK(!put("windows", "off") && !strcmp(window().state, "off"));
}

/* A delay of 70 us in each gather: no gather took less, and every bucket is as wide as it says. */
static void buckets_hold_what_they_say(void)
{
	unsigned long long lo, hi, n, last = 0, total = 0, least = 0, most = 0, all, sum_ns;
	struct window seen = zapped("zap.range 70000 70000 1/1 800000", "1", 200);
	char *line = get("hist/gather");

	CHECK(seen.hits == 200 && seen.delays == 200);
	for (; sscanf(line, "%llu %llu %llu", &lo, &hi, &n) == 3; line = strchr(line, '\n') + 1) {
		CHECK(lo > last && !(lo & (lo - 1)) && hi == 2 * lo - 1 && n);
		CHECK(lo >= 65536);
		last = lo;
		total += n;
		least += lo * n;
		most += hi * n;
	}
	CHECK(sscanf(line, "total %llu %llu", &all, &sum_ns) == 2);
	CHECK(all == total && total == 200);
	CHECK(sum_ns >= least && sum_ns <= most && sum_ns >= seen.delayed_ns);
	CHECK(!put("reset", "1") && !strcmp(get("hist/gather"), "total 0 0\n"));
}

/* One record for each law and task, 64 in all; the rest is counted. */
static void findings_are_bounded(void)
{
	char law[64] = "", *lines = get("checkers");

	while (sscanf(lines, "%63s %*s yes", law) != 1 ||
	       strncmp(lines + strlen(law), " disabled yes", 13))
		lines = strchr(lines, '\n') + 1;
	snprintf(text, sizeof(text), "enable %s", law);
	CHECK(!put("checkers", text) && !put("reset", "1") && !*get("findings"));
	CHECK(!prctl(PR_SET_NAME, "a\"b\\c\n\377"));
	CHECK(!put("selftest", law) && !put("selftest", law));
	lines = get("findings");
	CHECK(count(lines, "\n") == 1 && count(lines, "\"count\":2}") == 1);
	CHECK(count(lines, "\"task\":\"a?b?c??\"") == 1);
	for (int i = 0; i < MAX_FINDINGS + 5; i++) {
		if (!fork())
			_exit(put("selftest", law));
		wait(NULL);
	}
	lines = get("findings");
	CHECK(count(lines, "\"law\":") == MAX_FINDINGS && count(lines, "{\"dropped\":6}\n") == 1);
	CHECK(!put("reset", "1") && !*get("findings"));
	CHECK(!put("checkers", "disable all"));
}

/* Children are targets until they are gone, and leave room for others. */
static void targets_come_and_go(void)
{
	unsigned int missing = 0;
	pid_t child[CHILDREN];
	char name[32];

	CHECK(!put("reset", "1"));
	for (int wave = 0; wave < WAVES; wave++) {
		for (int i = 0; i < CHILDREN; i++) {
			child[i] = fork();
			if (!child[i])
				for (;;)
					pause();
			snprintf(name, sizeof(name), "pid %d\n", child[i]);
			missing += !strstr(get("target"), name);
		}
		for (int i = 0; i < CHILDREN; i++)
			kill(child[i], SIGKILL);
		while (wait(NULL) > 0)
			;
	}
	CHECK(!missing);
	snprintf(name, sizeof(name), "pid %d\n", getpid());
	CHECK(!strcmp(get("target"), name));
	CHECK(strstr(get("counters"), "lost.target 0\n"));
}

static const struct test tests[] = {
	{ "odds_follow_the_seed", odds_follow_the_seed },
	{ "a_budget_bounds_delays", a_budget_bounds_delays },
	{ "a_bad_window_changes_nothing", a_bad_window_changes_nothing },
	{ "buckets_hold_what_they_say", buckets_hold_what_they_say },
	{ "findings_are_bounded", findings_are_bounded },
	{ "targets_come_and_go", targets_come_and_go },
};

int main(void)
{
	char self[32];
	cpu_set_t one;

	/* Each CPU has its own random numbers and budgets. */
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	page = mmap(NULL, sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	snprintf(self, sizeof(self), "pid %d", getpid());
	if (page == MAP_FAILED || sched_setaffinity(0, sizeof(one), &one) ||
	    put("target", "none") || put("target", self) || put("checkers", "disable all")) {
		perror("setting up");
		return 5;
	}
	return KTAP_RUN(tests);
}
