// SPDX-License-Identifier: GPL-2.0
/*
 * What the world gets to see. Every record and every line is one write(2), so
 * that neither a crash nor a second writer (the guard) can tear one.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "core.h"

#define PROGRESS_NS	250000000ULL
#define FAILURES_FULL	100	/* failures told in full on the report fd */
#define FAILURES_KTAP	10	/* and on stdout */

static _Thread_local char buf[8192];	/* failures are any actor's to tell */
static struct json *extra;
static struct race_exposure exposure;	/* instead of the declared one */

static void emit(int fd, const char *text, size_t len)
{
	/* Nobody listening is no reason to stop looking. */
	if (write(fd, text, len) < 0)
		return;
}

static void line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void line(const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	size_t len;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text) - 1, fmt, ap);
	va_end(ap);
	len = strlen(text);
	text[len++] = '\n';
	emit(STDOUT_FILENO, text, len);
}

static void record_open(struct json *j, const char *ev)
{
	/* One byte is kept for the newline. */
	json_init(j, buf, sizeof(buf) - 1);
	json_open(j, NULL, '{');
	json_str(j, "ev", ev);
}

static void record_close(struct json *j)
{
	json_close(j, '}');
	if (args.report_fd < 0)
		return;
	if (j->full) {
		line("# a record was too long and is left out");
		return;
	}
	buf[j->len++] = '\n';
	emit(args.report_fd, buf, j->len);
}

static uint64_t elapsed_ns(void)
{
	return core->started_ns ? race_now_ns() - core->started_ns : 0;
}

const char *status_name(enum status status)
{
	static const char *const names[] = { "pass", "fail", "skip", "error" };

	return names[status];
}

void report_start(void)
{
	struct json j;

	line("# %s: seed %" PRIu64 ", mode %s, %u cpus, page size %zu",
	     race.name, args.seed, mode_name(args.mode), race_cpus(),
	     race_page_size());
	record_open(&j, "start");
	json_str(&j, "race", race.name);
	json_str(&j, "mode", mode_name(args.mode));
	json_uint(&j, "seed", args.seed);
	json_open(&j, "options", '{');
	for (int i = 0; race.options && race.options[i].name; i++)
		json_str(&j, race.options[i].name, args.values[i]);
	json_close(&j, '}');
	json_uint(&j, "pid", getpid());
	json_uint(&j, "cpus", race_cpus());
	json_uint(&j, "page_size", race_page_size());
	record_close(&j);
}

void report_progress(void)
{
	static uint64_t last_ns;
	uint64_t now = race_now_ns();
	struct json j;

	if (now - last_ns < PROGRESS_NS)
		return;
	last_ns = now;
	record_open(&j, "progress");
	json_uint(&j, "rounds", core->round);
	json_uint(&j, "failures", core->failures);
	json_seconds(&j, "elapsed_s", elapsed_ns());
	record_close(&j);
}

void report_failure(const char *detail)
{
	uint64_t nth = atomic_fetch_add(&core->failures, 1);
	uint64_t elapsed = elapsed_ns();
	char replay[512];
	struct json j;

	args_replay(&race, &args, replay, sizeof(replay));
	if (!nth)
		core->first_failure_ns = elapsed;
	if (nth < FAILURES_KTAP) {
		line("# round %llu, after %.3f s: %s", core->round,
		     elapsed / 1e9, detail);
		line("# replay: %s", replay);
	}
	if (nth >= FAILURES_FULL)
		return;
	record_open(&j, "failure");
	json_uint(&j, "round", core->round);
	json_seconds(&j, "elapsed_s", elapsed);
	json_str(&j, "detail", detail);
	json_str(&j, "replay", replay);
	record_close(&j);
}

void report_end(enum status status, const char *reason)
{
	struct json j;

	if (atomic_exchange(&core->ended, 1))
		return;
	line("# %llu rounds, %llu of them void, %llu failures, %.3f s",
	     core->round, core->voided, core->failures, elapsed_ns() / 1e9);
	if (status == STATUS_ERROR)
		line("# error: %s", reason);
	if (status == STATUS_SKIP)
		line("ok 1 %s # SKIP %s", race.name, reason);
	else
		line("%s 1 %s", status == STATUS_PASS ? "ok" : "not ok",
		     race.name);

	record_open(&j, "end");
	json_str(&j, "status", status_name(status));
	json_str(&j, "reason", reason);
	json_uint(&j, "rounds", core->round);
	json_uint(&j, "failures", core->failures);
	json_seconds(&j, "elapsed_s", elapsed_ns());
	if (core->failures)
		json_seconds(&j, "time_to_first_failure_s",
			     core->first_failure_ns);
	else
		json_null(&j, "time_to_first_failure_s");
	json_str(&j, "windows", core->windows_open ? "open" :
		 core->windows_wanted ? "unavailable" : "none");
	args_describe_exposure(exposure.counter ? &exposure : &race.exposure, &j);
	json_open(&j, "extra", '{');
	json_uint(&j, "void", core->voided);
	extra = &j;
	/* The guard knows nothing of what the race counted. */
	if (race.extra && core->started_ns && getpid() == core->main_pid)
		race.extra();
	extra = NULL;
	json_close(&j, '}');
	record_close(&j);
}

void race_exposed_by(struct race_exposure other)
{
	exposure = other;
}

void race_extra(const char *name, uint64_t value)
{
	json_uint(extra, name, value);
}

void race_note(const char *fmt, ...)
{
	char text[900];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	line("# %s", text);
}
