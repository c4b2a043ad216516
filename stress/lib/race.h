/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a race program is made of. A race is one file in races/: it declares
 * itself as data (struct race, below) and gives functions; main() and all that
 * the races have in common is in the library. docs/races.md says how to add one,
 * docs/contracts.md (section 2) what the programs promise to their callers.
 *
 * Life of a program, in the order in which things happen:
 *
 *   needs are checked		a missing one is a SKIP that names it
 *   setup()			main process, still single threaded
 *   actors start		threads, or processes with an mm of their own
 *   for each round:
 *     prepare()		main; no actor runs
 *     [all pass a barrier]
 *     act() of every actor, main_act() of the main thread
 *     [all pass a barrier]
 *     judge()			main; no actor runs
 *   teardown()			after the last round, however it ended
 *
 * Only functions marked "main" below may be called outside the main thread's
 * part; everything else may be called by any actor.
 */
#ifndef STRESS_RACE_H
#define STRESS_RACE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "rng.h"

enum race_mode { MODE_NATURAL, MODE_WIDENED, MODE_CONTROL };

/* A window that widened mode opens: see "windows" in docs/contracts.md. */
struct race_window {
	const char *name;
	unsigned long min_ns, max_ns;
	unsigned int one_in;
	unsigned long budget_us_per_s;
};

/*
 * An option of the race's own. With values it takes one of them (a NULL ends the
 * list), without it takes a decimal number from min to max.
 */
struct race_option {
	const char *name;
	const char *const *values;
	const char *def;
	unsigned long min, max;
	const char *help;
};

struct race_actor {
	const char *name;
	bool process;	/* a process with its own mm; else a thread of main's */
	bool loops;	/* acts until race_over(); does not hold up the round's end */
	void (*act)(void);
};

/* A counter of the module's, and what it must reach for a pass to mean something. */
struct race_exposure {
	const char *counter;
	unsigned long min;
};

struct race {
	const char *name, *theme, *summary;
	const char *const *needs;		/* NULL ends */
	const struct race_window *windows;	/* a nameless one ends */
	/* Plants, joined by '|': the first that this kernel takes; or NULL. */
	const char *control;
	struct race_exposure exposure;
	const struct race_option *options;	/* a nameless one ends */
	const struct race_actor *actors;	/* a nameless one ends */
	unsigned int stall_s;			/* longest honest round; 0: the default */

	void (*setup)(void);
	void (*prepare)(void);
	void (*main_act)(void);
	void (*judge)(void);
	void (*teardown)(void);
	/* Adds members to the end record's "extra" object. */
	void (*extra)(void);
};

/* Each race file defines this one object. */
extern const struct race race;

/* Why a thing that a race's needs can name is not to be had here; NULL: it is. */
const char *race_need_missing(const char *need);

/* --- the command line ---------------------------------------------------- */

enum race_mode race_mode(void);
const char *race_option(const char *name);
/* The option's value as an index into its values. */
int race_option_index(const char *name);
unsigned long race_option_number(const char *name);
/* Of an option with the value "all": whether this one of its values is asked for. */
bool race_asked(const char *option, const char *name);
/*
 * setup: whether what was asked for takes part. missing: why it cannot be had, or NULL. As one
 * of all it is left out with a note; asked for by its name it ends the program as a skip.
 */
bool race_has(const char *option, const char *name, const char *missing);
const char *race_dir(void);

/* --- rounds -------------------------------------------------------------- */

/* Number of the round, from 0. */
uint64_t race_round(void);

/*
 * The round is over for those that loop: every other actor has finished, or the
 * program is ending.
 */
bool race_over(void);

/*
 * The caller's generator. It starts every round from (seed, round, actor), so
 * that a round's plan does not depend on what earlier rounds drew.
 */
struct rng *race_rng(void);

/* A number below span, swept over the rounds; each actor has its own sweep. */
uint64_t race_sweep(uint64_t span);
/* Busy-waits. */
void race_delay(uint64_t ns);

/* main: this round cannot be judged. A run with only void rounds is an error. */
void race_void(const char *why);

/*
 * The oracle failed. Any actor may say so, at once: a kernel that corrupts memory
 * may end the program before the round is judged.
 */
void race_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* --- ends of the whole program, from any actor; they do not return -------- */

void race_skip(const char *fmt, ...)
	__attribute__((format(printf, 1, 2), noreturn));
/* The program could not do its work: nothing is said about the kernel. */
void race_error(const char *fmt, ...)
	__attribute__((format(printf, 1, 2), noreturn));

/* A diagnostic line for people. */
void race_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/*
 * setup: what the declared exposure counts cannot be had here; what runs instead is
 * exposed by this.
 */
void race_exposed_by(struct race_exposure exposure);
/* main, in extra(): one more number in the end record. */
void race_extra(const char *name, uint64_t value);

/* --- memory and the machine ---------------------------------------------- */

/* setup: zeroed memory that all actors share, processes too. */
void *race_shared(size_t size);
size_t race_page_size(void);
/* Size of a PMD mapping; also without THP, since a page table's span is it. */
size_t race_pmd_size(void);
/* CPUs that the program may use. */
unsigned int race_cpus(void);
/*
 * Stores that a CPU of this machine may complete through a translation after
 * the invalidation has been reported as done; 0 on every real one. An
 * oracle must not blame the kernel for so few.
 */
unsigned int race_late_stores(void);
/* ppc64 as QEMU emulates it without KVM. */
bool race_emulated_ppc64(void);
/* main, setup: this machine's emulator does not note every store (lib/dirty_bit.c). */
bool race_loses_change_bits(void);
/* Pins the caller to the n-th allowed CPU, counted modulo their number. */
void race_pin(unsigned int n);
uint64_t race_now_ns(void);
/* Sleeps on *word while it is val, wakes at the latest after ms. */
void race_futex_wait(atomic_uint *word, unsigned int val, unsigned int ms);
void race_futex_wake(atomic_uint *word);

static inline void race_relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__powerpc64__)
	__asm__ volatile("or 27,27,27" ::: "memory");
#else
	__asm__ volatile("" ::: "memory");
#endif
}

/* --- faults as an end of a loop ------------------------------------------ */

/*
 * Runs body(arg), which may touch [start, start + len) until that faults.
 * Returns true when it did, false when body returned. A fault elsewhere kills
 * the program, as it should.
 */
bool race_until_fault(void (*body)(void *arg), void *arg,
		      const void *start, size_t len);

/* --- files --------------------------------------------------------------- */

/* Why a file of that many bytes cannot be had in --dir, which is there; NULL: it can. */
const char *race_file_missing(size_t size);
/*
 * main: a new file in --dir that is gone after the program, however that ends.
 * Returns an open descriptor; path gets its name. Without room for it the program is a skip.
 */
int race_file(const char *suffix, char *path, size_t size);

enum durable { DURABLE_OK, DURABLE_CACHED, DURABLE_ERROR };

/*
 * Reads the file as the storage has it, never from the page cache; len and off are multiples
 * of the page size, buf is aligned to it. DURABLE_CACHED: the page cache could not be
 * bypassed this time, buf holds nothing.
 */
enum durable race_read_durable(int fd, void *buf, size_t len, off_t off);

/* --- undoing ------------------------------------------------------------- */

/*
 * main: what must be put back even when this program is killed. Latest first.
 * Handles are for race_undone(), which does the undoing now.
 */
int race_undo_unlink(const char *path);
int race_undo_write(const char *path, const char *text);
int race_undo_swapoff(const char *path);
int race_undo_umount(const char *path);
void race_undone(int handle);

/* Reads a small text file into buf without its last newline; -1: errno says. */
int race_read_file(const char *path, char *buf, size_t size);
int race_write_file(const char *path, const char *text);

#endif /* STRESS_RACE_H */
