// SPDX-License-Identifier: GPL-2.0
/*
 * Whole programs: a race that does as it is told, run in a child through the
 * library's own main(), judged by its exit status and its records.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core.h"
#include "ktap.h"

enum deed { PASS, FAIL, SKIP, ERROR, VOID, DIE, HANG, FAULT, UNDO, HOARD };
static const char *const deeds[] = {
	"pass", "fail", "skip", "error", "void", "die", "hang", "fault", "undo",
	"hoard", NULL
};

#define RUN_S "2"	/* seconds, long enough for some rounds on a busy machine */

static char dir[] = "/tmp/mmrace-test-XXXXXX";
static char records[65536];	/* of the last program that ran */
static int out;			/* a file: its KTAP */

static struct shared {
	atomic_uint thread_acts, process_acts, loop_acts, loop_early;
	atomic_uint leaders_left;
	uint64_t plan;
} *s;

static char *page;

static enum deed deed(void)
{
	return race_option_index("deed");
}

static void setup(void)
{
	s->plan = 0;
	s->thread_acts = s->process_acts = s->loop_acts = s->loop_early = 0;
	if (deed() == UNDO)
		race_file(".left", NULL, race_page_size());
	if (deed() == HOARD)
		race_file(".hoard", NULL, (size_t)1 << 60);
	page = mmap(NULL, race_page_size(), PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void prepare(void)
{
	s->leaders_left = 2;
}

static void write_page(void *arg)
{
	*(volatile char *)arg = 1;
}

static void thread(void)
{
	atomic_fetch_add(&s->thread_acts, 1);
	if (!race_round())
		s->plan = s->plan * 31 + rng_next(race_rng());
	if (deed() == SKIP)
		race_skip("told to");
	if (deed() == HANG)
		pause();
	if (deed() == FAULT && !race_until_fault(write_page, page, page, 1))
		race_error("no fault");
	atomic_fetch_sub(&s->leaders_left, 1);
}

static void process(void)
{
	atomic_fetch_add(&s->process_acts, 1);
	if (deed() == ERROR)
		race_error("told to, by \"%s\"", "process");
	if (deed() == DIE)
		abort();
	atomic_fetch_sub(&s->leaders_left, 1);
}

static void looper(void)
{
	while (!race_over())
		race_relax();
	atomic_fetch_add(&s->loop_acts, 1);
	if (s->leaders_left)
		atomic_fetch_add(&s->loop_early, 1);
}

static void judge(void)
{
	if (deed() == FAIL && race_round() % 2)
		race_fail("round %llu", (unsigned long long)race_round());
	if (deed() == VOID)
		race_void("told to");
}

static void extra(void)
{
	race_extra("answer", 42);
}

const struct race race = {
	.name = "puppet",
	.theme = "none",
	.summary = "does as it is told",
	.stall_s = 2,
	.options = (const struct race_option[]){
		{ "deed", deeds, "pass", .help = "what to do" },
		{ NULL }
	},
	.actors = (const struct race_actor[]){
		{ .name = "thread", .act = thread },
		{ .name = "process", .process = true, .act = process },
		{ .name = "looper", .loops = true, .act = looper },
		{ NULL }
	},
	.setup = setup,
	.prepare = prepare,
	.judge = judge,
	.extra = extra,
};

static pid_t begin(const char *what, const char *duration, const char *seed,
		   int *report)
{
	int p[2];
	pid_t pid;

	if (pipe(p) || ftruncate(out, 0) || lseek(out, 0, SEEK_SET))
		exit(1);
	fcntl(p[1], F_SETPIPE_SZ, 1 << 20);
	pid = fork();
	if (!pid) {
		char fd[16];
		char *argv[] = { "puppet", "--deed", (char *)what, "--duration",
				 (char *)duration, "--seed", (char *)seed, "--dir",
				 dir, "--report-fd", fd, NULL };

		close(p[0]);
		snprintf(fd, sizeof(fd), "%d", p[1]);
		/* The program's own KTAP is not this test's. */
		dup2(out, STDOUT_FILENO);
		_exit(race_main(ARRAY_SIZE(argv) - 1, argv));
	}
	close(p[1]);
	*report = p[0];
	return pid;
}

/* Returns the exit status, 1000 + N for a death by signal N. */
static int end(pid_t pid, int report)
{
	size_t len = 0;
	ssize_t n;
	int status;

	/* To its end: the guard holds the pipe as long as it has work to do. */
	while (len < sizeof(records) - 1 &&
	       (n = read(report, records + len, sizeof(records) - 1 - len)) > 0)
		len += n;
	records[len] = '\0';
	close(report);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static int run(const char *what, const char *seed)
{
	int report;
	pid_t pid = begin(what, RUN_S, seed, &report);

	return end(pid, report);
}

static bool says(const char *text)
{
	if (strstr(records, text))
		return true;
	printf("# not in the records: %s\n", text);
	return false;
}

static bool notes(const char *text)
{
	static char said[65536];
	ssize_t len = pread(out, said, sizeof(said) - 1, 0);

	said[len < 0 ? 0 : len] = '\0';
	if (strstr(said, text))
		return true;
	printf("# not noted: %s\n", text);
	return false;
}

static unsigned int count(const char *text)
{
	unsigned int n = 0;

	for (const char *p = records; (p = strstr(p, text)); p++)
		n++;
	return n;
}

static void passes(void)
{
	CHECK(run("pass", "1") == 0);
	CHECK(says("{\"ev\":\"start\",\"race\":\"puppet\",\"mode\":\"natural\",\"seed\":1,\"options\":{\"deed\":\"pass\"},\"pid\":"));
	CHECK(says("\"ev\":\"progress\""));
	CHECK(says("\"ev\":\"end\",\"status\":\"pass\""));
	CHECK(says("\"failures\":0"));
	CHECK(says("\"time_to_first_failure_s\":null,\"windows\":\"none\""));
	CHECK(says("\"answer\":42"));
	CHECK(s->thread_acts > 1);
	CHECK(s->thread_acts == s->process_acts);
	CHECK(s->thread_acts == s->loop_acts);
	CHECK(!s->loop_early);
}

static void fails(void)
{
	CHECK(run("fail", "1") == 1);
	CHECK(says("\"ev\":\"failure\",\"round\":1,"));
	CHECK(says("\"detail\":\"round 1\",\"replay\":\"puppet --mode natural --duration " RUN_S " --seed 1"));
	CHECK(says("\"ev\":\"end\",\"status\":\"fail\""));
	CHECK(count("\"time_to_first_failure_s\":0.") == 1);
	CHECK(count("\"ev\":\"failure\"") <= 100);
	CHECK(count("\"ev\":\"end\"") == 1);
}

static void skips(void)
{
	CHECK(run("skip", "1") == 4);
	CHECK(says("\"status\":\"skip\",\"reason\":\"told to\""));
	CHECK(run("hoard", "1") == 4);
	CHECK(says("has no room for a file of 1125899906842624 KiB"));
}

static void errs(void)
{
	CHECK(run("error", "1") == 5);
	CHECK(says("\"status\":\"error\",\"reason\":\"told to, by \\\"process\\\"\""));
	CHECK(run("void", "1") == 5);
	CHECK(says("\"reason\":\"no round could be judged\""));
	CHECK(run("die", "1") == 5);
	CHECK(says("actor process died of signal 6"));
}

static void hangs(void)
{
	int report;
	pid_t pid = begin("hang", "60", "1", &report);

	CHECK(end(pid, report) == 5);
	CHECK(says("\"status\":\"error\",\"reason\":\"no progress for 2 s in round 0\""));
	CHECK(notes(" (program), state S: "));
	CHECK(notes(" (process), state "));
}

static void faults(void)
{
	CHECK(run("fault", "1") == 0);
	CHECK(s->thread_acts > 1);
}

static void same_seed_same_plan(void)
{
	uint64_t first;

	run("pass", "5");
	first = s->plan;
	run("pass", "5");
	CHECK(s->plan == first);
	run("pass", "6");
	CHECK(s->plan != first);
}

static bool file_left(pid_t pid)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/mmrace-puppet-%d.left", dir, pid);
	return !access(path, F_OK);
}

static void undoes(int sig, int status)
{
	int report;
	pid_t pid = begin("undo", "60", "1", &report);

	for (int i = 0; i < 500 && !file_left(pid); i++)
		usleep(10000);
	CHECK(file_left(pid));
	kill(pid, sig);
	CHECK(end(pid, report) == status);
	CHECK(!file_left(pid));
	CHECK(says("\"status\":\"error\""));
	CHECK(count("\"ev\":\"end\"") == 1);
}

static void undone(void)
{
	undoes(SIGTERM, 5);
	CHECK(says("interrupted: Terminated"));
	undoes(SIGINT, 5);
	undoes(SIGKILL, 1000 + SIGKILL);
	CHECK(says("the program was killed"));
}

int main(void)
{
	static const struct test tests[] = {
		{ "program: pass", passes },
		{ "program: fail", fails },
		{ "program: skip", skips },
		{ "program: error", errs },
		{ "program: a hang is an error", hangs },
		{ "program: a fault ends a loop", faults },
		{ "program: same seed, same plan", same_seed_same_plan },
		{ "program: nothing is left when killed", undone },
	};
	int ret;

	s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	out = memfd_create("mmrace-test", MFD_CLOEXEC);
	if (s == MAP_FAILED || out < 0 || !mkdtemp(dir))
		return 1;
	ret = KTAP_RUN(tests);
	/* Fails when a program left something in it. */
	if (rmdir(dir)) {
		printf("Bail out! something is left in %s\n", dir);
		ret = 1;
	}
	return ret;
}
