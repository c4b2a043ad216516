/* SPDX-License-Identifier: GPL-2.0 */
/* Files whose shared mapping is huge: of memory that processes share, and of a file system. */
#ifndef STRESS_HUGE_FILE_H
#define STRESS_HUGE_FILE_H

#include <stdbool.h>
#include <stddef.h>

/* main, setup: a new file of so many bytes; or -1, and missing says why there is none. */
int huge_shmem(size_t len, const char **missing);
int huge_file(size_t len, const char **missing);

/*
 * The whole content of a file of huge_file(), in folios as large as the file system makes them.
 * Nobody may use its mapping meanwhile.
 */
void huge_file_write(int file, const char *from, size_t len);

/* Whether the mapping that begins here has a huge entry of a file. */
bool huge_file_mapped(const char *at);

#endif /* STRESS_HUGE_FILE_H */
