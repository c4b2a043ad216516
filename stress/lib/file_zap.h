/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Rounds in which a dirty file mapping is taken away while it is written back:
 * what the races about stores lost on their way to a file have in common.
 *
 * One round is one shot. The writer stores rising numbers and never enters the
 * kernel by itself; it stops at a fault, or in the variants whose mapping
 * stays valid after so many stores as a sweep says, since a later fault would
 * make the page dirty again and hide the loss. The cleaner is a process of its own, without the
 * page in its page tables, so that the page is mapped nowhere but in the writer's mm.
 *
 * Oracle. With all unmapped, the cleaner at rest and fdatasync() done, the data is
 * read from the storage and compared:
 *   munmap, mmap-fixed, mremap, dontneed, exit	storage >= last completed store
 *   punch			storage >= last store begun after the hole was made
 *   truncate, punch		memory allocated after the call is not written to
 *   all that end in a fault	no store begun after the call returned completes
 * Where the machine completes stores late (race_late_stores()), so few prove nothing.
 */
#ifndef STRESS_FILE_ZAP_H
#define STRESS_FILE_ZAP_H

#include <stdbool.h>

extern const char *const file_zap_names[], *const file_clean_names[];

/*
 * huge: the whole file is mapped by one huge entry, or the race is skipped; else by page
 * tables, however large the file's folios are. Of the race's options it uses "zap",
 * "clean" and, unless huge, "pages".
 */
void file_zap_setup(bool huge);
void file_zap_prepare(void);
void file_zap_writer(void);	/* a thread */
void file_zap_cleaner(void);	/* a process */
void file_zap_act(void);	/* main */
void file_zap_judge(void);
void file_zap_extra(void);

#define FILE_ZAP_ACTORS							\
	(const struct race_actor[]){					\
		{ .name = "writer", .act = file_zap_writer },		\
		{ .name = "cleaner", .process = true, .act = file_zap_cleaner }, \
		{ NULL }						\
	}

#endif /* STRESS_FILE_ZAP_H */
