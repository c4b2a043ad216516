// SPDX-License-Identifier: GPL-2.0
/*
 * What /init does before it listens: mounts, the modules and scratch file
 * systems of the plan, the virtio ports. Each step is reported with its
 * outcome; none of them ends the agent, since a harness that hears what
 * failed can judge better than one that hears nothing.
 */
#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent.h"

#define PLAN_FIELDS_MAX	6
#define IMAGE_BLOCK	4096

static void report(const char *step, int error)
{
	emit_begin("boot");
	emit_str("step", step);
	emit_bool("ok", error == 0);
	emit_str("detail", error ? strerror(error) : "");
	emit_end();
}

static void mount_at(const char *fstype, const char *dir)
{
	char step[64];

	mkdir(dir, 0755);
	snprintf(step, sizeof(step), "mount %s", dir);
	report(step, mount(fstype, dir, fstype, 0, NULL) < 0 && errno != EBUSY ? errno : 0);
}

int boot_insmod(const char *path, const char *params)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int error = 0;

	if (fd < 0)
		return errno;
	if (syscall(SYS_finit_module, fd, params, 0) < 0)
		error = errno;
	close(fd);
	return error;
}

/* Without udev a port is found by the name that its device shows in sysfs. */
static int find_port(const char *name, int flags)
{
	DIR *dir = opendir("/sys/class/virtio-ports");
	struct dirent *entry;
	int fd = -1;

	if (!dir)
		return -1;
	while (fd < 0 && (entry = readdir(dir))) {
		char path[512];
		char found[128] = "";
		FILE *file;

		snprintf(path, sizeof(path), "/sys/class/virtio-ports/%s/name", entry->d_name);
		file = fopen(path, "re");
		if (!file)
			continue;
		if (fgets(found, sizeof(found), file))
			found[strcspn(found, "\n")] = '\0';
		fclose(file);
		if (strcmp(found, name))
			continue;
		snprintf(path, sizeof(path), "/dev/%s", entry->d_name);
		fd = open(path, flags | O_CLOEXEC);
	}
	closedir(dir);
	return fd;
}

int boot_open_port(const char *name, int flags, int wait_ms)
{
	int fd;

	/* The driver announces its ports after its module has been loaded. */
	for (int waited = 0; (fd = find_port(name, flags)) < 0 && waited < wait_ms; waited += 10)
		usleep(10000);
	return fd;
}

/*
 * An image is its blocks that are not all zero, each after its offset (64 bits,
 * little endian); a RAM disk that nobody has used is zero elsewhere.
 */
static int copy_image(const char *image, const char *device)
{
	static struct {
		uint64_t offset;
		char data[IMAGE_BLOCK];
	} block;
	int in = open(image, O_RDONLY | O_CLOEXEC);
	int out = open(device, O_WRONLY | O_CLOEXEC);
	int error = in < 0 || out < 0 ? errno : 0;
	ssize_t n = 0;

	while (!error && (n = read(in, &block, sizeof(block))) == sizeof(block))
		if (pwrite(out, block.data, IMAGE_BLOCK, (off_t)le64toh(block.offset)) != IMAGE_BLOCK)
			error = errno ? errno : ENOSPC;
	if (!error && n)
		error = n < 0 ? errno : EINVAL;
	if (in >= 0)
		close(in);
	if (out >= 0 && close(out) < 0 && !error)
		error = errno;
	return error;
}

/* scratch NAME IMAGE DEVICE FSTYPE DIR; IMAGE "-" leaves the device as it is. */
static int make_scratch(char **field)
{
	int error = 0;

	if (strcmp(field[2], "-"))
		error = copy_image(field[2], field[3]);
	if (error)
		return error;
	mkdir("/scratch", 0755);
	mkdir(field[5], 0777);
	if (mount(field[3], field[5], field[4], 0, NULL) < 0)
		return errno;
	return chmod(field[5], 0777) < 0 ? errno : 0;
}

static void plan_line(char *line)
{
	char *field[PLAN_FIELDS_MAX] = { NULL };
	char step[320];
	char *save;
	int nr = 0;

	if (!strncmp(line, "module ", 7)) {
		char *params = strchr(line + 7, ' ');

		if (params)
			*params++ = '\0';
		snprintf(step, sizeof(step), "module %s", line + 7);
		report(step, boot_insmod(line + 7, params ? params : ""));
		return;
	}
	for (char *word = strtok_r(line, " ", &save); word && nr < PLAN_FIELDS_MAX;
	     word = strtok_r(NULL, " ", &save))
		field[nr++] = word;
	if (nr == 6 && !strcmp(field[0], "scratch")) {
		snprintf(step, sizeof(step), "scratch %s", field[1]);
		report(step, make_scratch(field));
	} else if (nr) {
		snprintf(step, sizeof(step), "plan %s", field[0]);
		report(step, EINVAL);
	}
}

/*
 * A plan has two halves: the lines before "ports" are needed to reach the
 * host at all (virtio), so their records wait in the console's order until
 * the port is open.
 */
void boot_run(const char *plan_path)
{
	FILE *plan;
	char *line = NULL;
	size_t room = 0;
	ssize_t len;

	mount_at("devtmpfs", "/dev");
	mount_at("proc", "/proc");
	mount_at("sysfs", "/sys");
	mount_at("debugfs", "/sys/kernel/debug");
	mount_at("tracefs", "/sys/kernel/tracing");
	mount_at("tmpfs", "/tmp");
	mkdir("/dev/shm", 01777);
	mount_at("tmpfs", "/dev/shm");

	plan = fopen(plan_path, "re");
	if (!plan) {
		report("plan", errno);
		return;
	}
	while ((len = getline(&line, &room, plan)) > 0) {
		line[strcspn(line, "\n")] = '\0';
		if (!strcmp(line, "ports")) {
			int fd = boot_open_port("mmrace.events", O_WRONLY, 5000);

			if (fd >= 0)
				emit_open(fd);
			report("port mmrace.events", fd < 0 ? ENODEV : 0);
			continue;
		}
		plan_line(line);
	}
	free(line);
	fclose(plan);
}
