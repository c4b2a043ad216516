// SPDX-License-Identifier: GPL-2.0
/* The life of a race program, from its command line to its exit status. */
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core.h"

#define EXIT_USAGE 2

struct core *core;

static bool set_up;

void finish(enum status status, const char *reason)
{
	static const int exits[] = {
		[STATUS_PASS] = 0,
		[STATUS_FAIL] = 1,
		[STATUS_SKIP] = 4,
		[STATUS_ERROR] = 5,
	};

	rounds_end();
	if (set_up && race.teardown) {
		/* An error in there must not come back here to repeat it. */
		set_up = false;
		race.teardown();
	}
	undo_all();
	report_end(status, reason);
	guard_end();
	/* Threads may still be in a round: nothing of theirs is torn down. */
	_exit(exits[status]);
}

static void end_early(enum status status, const char *reason)
	__attribute__((noreturn));
static void end_early(enum status status, const char *reason)
{
	unsigned int none = 0;

	if (rounds_is_main())
		finish(status, reason);
	/* The first to complain is heard, the others wait for the end with it. */
	if (atomic_compare_exchange_strong(&core->verdict, &none, 1 + status)) {
		strcpy(core->reason, reason);
		atomic_store(&core->reason_set, 1);
		atomic_store(&core->over, 1);
	}
	for (;;)
		pause();
}

void race_skip(const char *fmt, ...)
{
	char reason[REASON_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(reason, sizeof(reason), fmt, ap);
	va_end(ap);
	end_early(STATUS_SKIP, reason);
}

void race_error(const char *fmt, ...)
{
	char reason[REASON_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(reason, sizeof(reason), fmt, ap);
	va_end(ap);
	end_early(STATUS_ERROR, reason);
}

void race_fail(const char *fmt, ...)
{
	char detail[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(detail, sizeof(detail), fmt, ap);
	va_end(ap);
	report_failure(detail);
}

void race_void(const char *why)
{
	/* One reason is enough to look into a run that is full of them. */
	if (!atomic_fetch_add(&core->voided, 1))
		race_note("round %llu is void: %s", core->round, why);
}

static void check_needs(void)
{
	const char *missing;

	for (int i = 0; race.needs && race.needs[i]; i++) {
		missing = race_need_missing(race.needs[i]);
		if (missing)
			race_skip("%s", missing);
	}
}

static int describe(void)
{
	char text[8192];
	struct json j;

	json_init(&j, text, sizeof(text));
	args_describe(&race, &j);
	if (j.full)
		return 5;
	return puts(text) < 0 ? 5 : 0;
}

int race_main(int argc, char **argv)
{
	const char *wrong = args_parse(&race, argc, argv, &args);

	if (wrong) {
		fprintf(stderr, "%s: %s\nTry --help.\n", race.name, wrong);
		return EXIT_USAGE;
	}
	if (args.help) {
		args_help(&race, stdout);
		return 0;
	}
	if (args.describe)
		return describe();

	core = mmap(NULL, sizeof(*core), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (core == MAP_FAILED) {
		perror("mmap");
		return 5;
	}
	core->main_pid = getpid();
	signal(SIGPIPE, SIG_IGN);
	if (write(STDOUT_FILENO, "KTAP version 1\n1..1\n", 20) < 0)
		return 5;
	report_start();
	fault_begin();
	guard_begin(race.stall_s);
	rounds_signals();
	check_needs();
	/* Once, by one thread, for all who will ask. */
	race_loses_change_bits();
	module_begin();
	set_up = true;
	if (race.setup)
		race.setup();
	module_plant();
	rounds_begin();
	rounds_run();
	if (core->failures)
		finish(STATUS_FAIL, "the oracle failed");
	if (core->voided >= core->round)
		finish(STATUS_ERROR, "no round could be judged");
	finish(STATUS_PASS, "no failure seen");
}
