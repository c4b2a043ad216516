// SPDX-License-Identifier: GPL-2.0
/* Opening the module's device. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../../include/mmrace_abi.h"
#include "device.h"

int device_open(unsigned int features, const char **missing)
{
	int fd = open(MMRACE_DEVICE_PATH, O_RDWR | O_CLOEXEC);
	struct mmrace_info info;

	*missing = "needs the module's device " MMRACE_DEVICE_PATH;
	if (fd < 0)
		return -1;
	if (!ioctl(fd, MMRACE_IOC_INFO, &info) &&
	    info.version == MMRACE_DEV_VERSION &&
	    (info.features & features) == features)
		return fd;
	*missing = "the module's device cannot do this on this kernel";
	close(fd);
	return -1;
}
