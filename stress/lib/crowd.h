/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A crowd: two threads that store by the CPU, a peer that goes another way, and
 * the main thread that makes changes below them. What a race of this kind is, are its
 * region, its ways and its changes. The options "way" and "change" choose one of them;
 * "all" lets those that can be had here take turns.
 */
#ifndef STRESS_CROWD_H
#define STRESS_CROWD_H

#include <stdbool.h>

#include "changes.h"
#include "ways.h"

struct crowd {
	const struct way *const *ways;		/* of the peer; NULL ends */
	const struct change *const *changes;	/* NULL ends */
	/* Those that the control's plants break: no other takes turns in a control. NULL: all. */
	const struct change *const *planted;
	/* One change alone is exposed by what it does: what the race declares is another's. */
	bool exposed_by_change;
	unsigned int calls;			/* changes in one round */
	uint64_t delay_ns;			/* at most, before each */
};

/*
 * setup: memory for words in so many pages. SMALL has small pages alone; MIXED is as large as
 * a huge page and begins rounds as one or as small ones, but words are in its first pages only,
 * which keeps rounds short; HUGE has words in all of it, and begins them as one. Other rounds
 * take what the last one left. Without huge pages MIXED is SMALL, and HUGE a skip.
 */
enum crowd_size { SMALL, HUGE, MIXED };
extern const char *const crowd_sizes[];	/* for an option; NULL ends */
struct region crowd_region(enum crowd_size size, size_t pages);

void crowd_setup(const struct crowd *crowd, struct region region);
/* The same with the region that the options "size" and "pages" ask for. */
void crowd_setup_by_options(const struct crowd *crowd);
/*
 * After that: what the rounds' memory is, by the option "memory"; of "all" some have this, some
 * that. Of a file system's file the peer only looks: that stores through GUP and writeback do
 * not know of each other is known (6.12, mm/gup.c above writable_file_mapping_allowed()), and
 * no news.
 */
extern const char *const crowd_memories[];	/* its values; NULL ends */
void crowd_setup_memory(void);
/* Whether a change takes turns: it was asked for, and can be had here. */
bool crowd_makes(const struct change *change);
void crowd_prepare(void);
void crowd_writer0(void);
void crowd_writer1(void);
void crowd_peer(void);
void crowd_change(void);
void crowd_judge(void);
void crowd_extra(void);

/* The options of a race of this kind; the last two where it asks crowd_setup_by_options(). */
#define CROWD_WAY(ways)							\
	{ "way", ways, "all", .help =					\
	  "how the peer reaches the memory; all takes turns" }
#define CROWD_CHANGE(changes)						\
	{ "change", changes, "all", .help =				\
	  "what happens to the memory; all takes turns" }
#define CROWD_SIZE(size)						\
	{ "size", crowd_sizes, size, .help = "pages of the memory" }
#define CROWD_PAGES							\
	{ "pages", NULL, "96", 2, 4096, "how many, of small ones" }

/* And the rest of it, but for its setup. */
#define CROWD_FUNCTIONS							\
	.actors = (const struct race_actor[]){				\
		{ .name = "writer0", .loops = true, .act = crowd_writer0 }, \
		{ .name = "writer1", .loops = true, .act = crowd_writer1 }, \
		{ .name = "peer", .loops = true, .act = crowd_peer },	\
		{ NULL }						\
	},								\
	.prepare = crowd_prepare,					\
	.main_act = crowd_change,					\
	.judge = crowd_judge,						\
	.extra = crowd_extra

#endif /* STRESS_CROWD_H */
