/* SPDX-License-Identifier: GPL-2.0 */
/* The private contract between the files of the library. */
#ifndef STRESS_CORE_H
#define STRESS_CORE_H

#include <stdio.h>

#include "barrier.h"
#include "json.h"
#include "race.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define UNDO_MAX	16
#define REASON_MAX	256

enum status { STATUS_PASS, STATUS_FAIL, STATUS_SKIP, STATUS_ERROR };

enum undo_kind { UNDO_UNLINK, UNDO_WRITE, UNDO_SWAPOFF, UNDO_UMOUNT };

struct undo {
	atomic_uint used;	/* 0 free, 1 to be undone, 2 being undone */
	enum undo_kind kind;
	char path[256];
	char text[128];
};

/* What every process of the program shares, the guard too. */
struct core {
	struct barrier start, go, done;
	atomic_uint leaders;	/* actors that still hold up the round's end */
	atomic_uint over;	/* the round is, for those that loop */
	atomic_uint stop;	/* no more rounds */
	atomic_uint verdict;	/* 1 + status that ended the run early, or 0 */
	atomic_uint reason_set;	/* reason[] is complete */
	char reason[REASON_MAX];
	atomic_uint beat;	/* main is alive: the guard watches it */
	atomic_uint ended;	/* the end record is out */
	atomic_ullong round, voided, failures;
	uint64_t started_ns, first_failure_ns;
	pid_t main_pid;
	bool windows_open, windows_wanted;
	struct undo undo[UNDO_MAX];
};

extern struct core *core;

/* args.c: what the command line said. */
struct args {
	enum race_mode mode;
	double duration_s;
	uint64_t seed;
	const char *dir;
	int report_fd;
	bool describe, help;
	const char *values[16];	/* of race.options, in their order */
};

extern struct args args;

/* Returns NULL, or what is wrong with the command line (static memory). */
const char *args_parse(const struct race *r, int argc, char **argv,
		       struct args *out);
void args_help(const struct race *r, FILE *out);
void args_describe(const struct race *r, struct json *j);
void args_describe_exposure(const struct race_exposure *e, struct json *j);
/* The command line that repeats this run. */
void args_replay(const struct race *r, const struct args *a, char *buf,
		 size_t size);
const char *mode_name(enum race_mode mode);

/* report.c: KTAP on stdout, NDJSON on the report descriptor. */
void report_start(void);
void report_progress(void);
void report_failure(const char *detail);
void report_end(enum status status, const char *reason);
const char *status_name(enum status status);

/* rounds.c */
/* From now on a signal ends the rounds, at the latest before the first. */
void rounds_signals(void);
void rounds_begin(void);
void rounds_run(void);
void rounds_end(void);
bool rounds_is_main(void);

/* module.c */
void module_begin(void);
/* After setup, which finds out what works here. */
void module_plant(void);
bool module_present(void);

/* file.c: why dir cannot serve, NULL when it can. */
const char *dir_missing(const char *dir);

/* fault.c */
void fault_begin(void);

/* guard.c */
void guard_begin(unsigned int stall_s);
void guard_end(void);
void undo_all(void);

/* where.c: notes where the threads of a program are, and those of its children. */
void say_where(pid_t pid);

/* life.c: main() but for its name, which tests need for themselves. */
int race_main(int argc, char **argv);
/* Ends the program; does not return. */
void finish(enum status status, const char *reason)
	__attribute__((noreturn));

#endif /* STRESS_CORE_H */
