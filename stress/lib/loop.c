// SPDX-License-Identifier: GPL-2.0
/* Loop devices. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "loop.h"
#include "race.h"

#define ATTEMPTS	8	/* somebody else may take the free one first */

static const char *attach(int loop, int backing)
{
	struct loop_info64 info = {
		.lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_READ_ONLY,
	};

	if (ioctl(loop, LOOP_SET_FD, backing))
		return strerror(errno);
	if (ioctl(loop, LOOP_SET_STATUS64, &info)) {
		ioctl(loop, LOOP_CLR_FD, 0);
		return strerror(errno);
	}
	return NULL;
}

const char *loop_open(int backing, int *device)
{
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	const char *missing = "needs the loop module, and root";
	char path[32];

	for (int i = 0; control >= 0 && i < ATTEMPTS; i++) {
		int n = ioctl(control, LOOP_CTL_GET_FREE), loop;

		if (n < 0)
			break;
		snprintf(path, sizeof(path), "/dev/loop%d", n);
		loop = open(path, O_RDONLY | O_CLOEXEC);
		if (loop < 0)
			continue;
		missing = attach(loop, backing);
		if (!missing) {
			*device = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
			if (*device < 0)
				missing = strerror(errno);
		}
		/* Ours is the other descriptor now; without one the device goes. */
		close(loop);
		if (!missing)
			break;
	}
	if (control >= 0)
		close(control);
	return missing;
}
