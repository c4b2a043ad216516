// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's log, record by record from /dev/kmsg: "PRI,SEQ,TS_US,-;TEXT".
 * Continuation lines (they begin with a space) hold device properties that
 * nobody here reads.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"

/* A host's log from before we came is not about us; a guest's is, from its first line. */
int kmsg_open(bool from_now)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0 && from_now)
		lseek(fd, 0, SEEK_END);
	return fd;
}

void kmsg_drain(int fd)
{
	char line[8192];

	for (;;) {
		ssize_t n = read(fd, line, sizeof(line) - 1);
		unsigned int priority;
		long long ts_us;
		char *text;
		char *end;

		if (n < 0 && errno == EPIPE) {
			/* The ring wrapped: say so, then go on with what is left. */
			emit_begin("kmsg");
			emit_int("level", 4);
			emit_int("ts_us", 0);
			emit_str("text", "mmrace-agent: kernel log records were overwritten before they were read");
			emit_end();
			continue;
		}
		if (n <= 0)
			return;
		line[n] = '\0';
		text = strchr(line, ';');
		if (!text || sscanf(line, "%u,%*u,%lld", &priority, &ts_us) != 2)
			continue;
		text++;
		end = strchr(text, '\n');
		if (end)
			*end = '\0';
		emit_begin("kmsg");
		emit_int("level", priority & 7);
		emit_int("ts_us", ts_us);
		emit_str("text", text);
		emit_end();
	}
}
